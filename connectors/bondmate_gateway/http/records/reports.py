"""An officer's report, as an event of its incident."""

from __future__ import annotations

from collections.abc import Iterator

from bondmate_schemas.enums import IncidentAction, IncidentCategory
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Code, IncidentEvent, Statement

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http.records.alerts import incident_of_alert
from bondmate_gateway.http.records.arrival import Arrival, clock_flags, event_header
from bondmate_gateway.http.records.parts import attachments_of, own_reference, position_of
from bondmate_gateway.http.requests import ReportRequest, ReportVerb

_REPORT_ACTIONS = {
    ReportVerb.OPEN: IncidentAction.OPENED,
    ReportVerb.UPDATE: IncidentAction.UPDATED,
    ReportVerb.NOTE: IncidentAction.NOTE,
    ReportVerb.CANCEL: IncidentAction.CANCELLED,
}


def report(request: ReportRequest, arrival: Arrival, alert_event: str | None) -> IncidentEvent:
    """Return the report as an event of its incident: the one it names, its alert's, or its own."""
    device = arrival.device
    event_id = derived_id("report", device.device_id, request.report_id or request.message_id)
    incident_id = request.incident_id or incident_of_alert(alert_event or event_id)
    return IncidentEvent(
        header=event_header(
            arrival,
            message_id=request.message_id,
            event_id=event_id,
            incident_id=incident_id,
            language=request.language,
            occurred_at=request.occurred_at,
            flags=(*arrival.remarks, *clock_flags(request.occurred_at, request.sent_at, arrival)),
            external_refs=own_reference(request.report_id),
        ),
        action=_REPORT_ACTIONS[request.action],
        category=IncidentCategory[request.category.name],
        incident_type=_code(request),
        priority=request.priority,
        title=request.title,
        description=request.description,
        note=request.note,
        statements=tuple(_statements(request, device)),
        position=request.position and position_of(request.position, request.occurred_at),
        device_id=device.device_id,
        officer_ref=device.officer_ref,
        unit=device.unit,
        callsign=device.callsign,
        alert_id=alert_event,
        attachments=attachments_of(request.attachments),
    )


def _code(request: ReportRequest) -> Code | None:
    given = request.incident_type
    return Code(system=given.system, value=given.value) if given else None


def _statements(request: ReportRequest, device: EnrolledDevice) -> Iterator[Statement]:
    for given in request.statements:
        yield Statement(nature=given.nature, text=given.text, author_ref=device.officer_ref, stated_at=given.stated_at)
