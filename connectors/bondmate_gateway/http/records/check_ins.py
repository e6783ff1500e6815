"""A check-in, with the alert that it becomes where it is missed."""

from __future__ import annotations

from datetime import timedelta

from bondmate_schemas.flags import CHECK_IN_MISSED
from bondmate_schemas.models import CheckIn

from bondmate_gateway.http.records.alerts import alert
from bondmate_gateway.http.records.arrival import Arrival, clock_flags
from bondmate_gateway.http.requests import AlertRequest, CheckInRequest, CheckInVerb


def check_in(request: CheckInRequest, arrival: Arrival, known: CheckIn | None = None) -> CheckIn:
    """Return a check-in that is due or has come, with the alert that it becomes where it is missed.

    What is said of one that is `known` stays under its id, also where a spare says it.
    """
    # Every field was checked as one of the request, to the same bounds.
    asked = AlertRequest.model_construct(
        message_id=request.message_id,
        alert_id=request.check_in_id,
        kind=request.kind,
        occurred_at=request.occurred_at,
        position=request.position,
        text=request.text,
        language=request.language,
    )
    missed = alert(asked, arrival, (CHECK_IN_MISSED,))
    if known is not None:
        ids = {"event_id": known.header.event_id, "incident_id": known.header.incident_id}
        missed = missed.model_copy(update={"header": missed.header.model_copy(update=ids)})
    flags = (*arrival.remarks, *clock_flags(request.occurred_at, request.sent_at, arrival))
    return CheckIn(
        header=missed.header.model_copy(update={"flags": flags}),
        device_id=arrival.device.device_id,
        due_at=arrival.received_at + timedelta(seconds=request.due_in_seconds),
        done=request.action is CheckInVerb.DONE,
        alert=missed,
    )
