"""The heart of `hub translate`: what the hub makes of one message, as a JSON object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.enums import AlertAction, DeliveryKind, DeliveryReason, IncidentAction
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeviceAlert, DeviceLocation, DeviceMessage, IncidentEvent, Record

from bondmate_connectors.chains import Chains
from bondmate_connectors.contract import Format, Ignored, Lost, Reading, Refusal

_DESTINATION: Final = "translate"
_UNKNOWN: Final = "of what it names, some is in none of the files read before"
_FIELDS: Final = {
    DeviceAlert: DeliveryKind.ALERT,
    IncidentEvent: DeliveryKind.INCIDENT,
    DeviceMessage: DeliveryKind.MESSAGE,
    DeviceLocation: DeliveryKind.LOCATION,
}
_REASONS: Final = {
    AlertAction.UPDATE: DeliveryReason.UPDATE,
    AlertAction.CANCEL: DeliveryReason.CANCEL,
    IncidentAction.OPENED: DeliveryReason.NEW,
    IncidentAction.UNKNOWN: DeliveryReason.NEW,
    IncidentAction.CANCELLED: DeliveryReason.CANCEL,
}


def translate(
    file: str,
    message: bytes,
    source: Format,
    target: Format | None,
    received_at: datetime,
    *,
    chains: Chains | None = None,
) -> dict[str, Any]:
    """Translate `message` from `source`, and each of its events to `target` when one is given.

    Gives `file`, `outcome` (accepted, accepted_with_warnings, rejected, ignored), `code`, `warnings`, `events`
    (canonical JSON), `outputs` (a document an event that the target can express) and `lost`: first what the message
    says and no event carries, by its place in the document, which has a slash in it; then what the events say and the
    target cannot carry, by its canonical field, which has none. Each event is written with full disclosure; one that
    the target cannot express stands in `lost`, with the code. With `chains`, what goes on from a message that was read
    before is of that message's event, and refers to what was written of it; what goes on from none says so in `lost`.
    Never raises on any bytes.
    """
    reading = source.read(message, received_at)
    result: dict[str, Any] = {"file": file, "outcome": "", "code": None, "warnings": [], "events": [], "outputs": []}
    result["lost"] = []
    if not isinstance(reading, Reading):
        path = [reading.path] if isinstance(reading, Refusal) and reading.path else []
        warnings = [{"code": reading.code, "path": place, "detail": "refused here"} for place in path]
        return {**result, "outcome": _outcome(reading), "code": reading.code, "warnings": warnings}
    result["outcome"] = _outcome(reading)
    result["warnings"] = [asdict(remark) for remark in reading.warnings]
    is_alone, chains = chains is None, chains or Chains()
    events, known = chains.join(reading.events)
    result["events"] = [event.model_dump(mode="json") for event in events]
    outputs, lost = _written(events, target, received_at, chains) if target is not None else ([], [])
    place = "event/@uid" if any(isinstance(event, DeviceAlert) for event in events) else "alert/references"
    unknown = () if is_alone or known else (Lost(place, _UNKNOWN),)
    return result | {"outputs": outputs, "lost": [asdict(each) for each in (*reading.lost, *unknown, *lost)]}


def _outcome(reading: Reading | Ignored | Refusal) -> str:
    if isinstance(reading, Refusal):
        return "rejected"
    if isinstance(reading, Ignored):
        return "ignored"
    return "accepted_with_warnings" if reading.warnings else "accepted"


def _written(events: Iterable[Record], target: Format, now: datetime, chains: Chains) -> tuple[list[str], list[Lost]]:
    outputs: list[str] = []
    lost: dict[Lost, None] = {}
    for event in events:
        found = _write(event, target, now, chains)
        if isinstance(found, Refusal):
            lost[Lost(type(event).__name__, found.code)] = None
        else:
            outputs.append(found[0])
            lost |= dict.fromkeys(found[1])
    return outputs, list(lost)


def _write(event: Record, target: Format, now: datetime, chains: Chains) -> tuple[str, tuple[Lost, ...]] | Refusal:
    delivery = _delivery(event, now)
    if delivery is None:
        return Refusal("not_for_destinations")
    writing = target.write(chains.going_on(delivery), now)
    if isinstance(writing, Refusal):
        return writing
    chains.written(delivery)
    return writing.message.decode("utf-8", errors="replace"), writing.lost


def _delivery(event: Record, now: datetime) -> Delivery | None:
    """Return the Delivery that shows all of `event`; none when it is of a kind that goes to no destination."""
    kind = _FIELDS.get(type(event))
    if kind is None or not isinstance(event, (DeviceAlert, IncidentEvent, DeviceMessage, DeviceLocation)):
        return None
    reason = _reason(event)
    parts = ("delivery", event.header.event_id, _DESTINATION)
    delivery_id = derived_id(*parts) if reason is DeliveryReason.NEW else derived_id(*parts, event.header.message_id)
    return Delivery(
        header=event.header.model_copy(update={"message_id": delivery_id}),
        destination=_DESTINATION,
        kind=kind,
        reason=reason,
        route=_DESTINATION,
        sent_at=now,
        **{kind.value.lower(): event},
    )


def _reason(event: DeviceAlert | IncidentEvent | DeviceMessage | DeviceLocation) -> DeliveryReason:
    if isinstance(event, DeviceAlert):
        return _REASONS.get(event.action, DeliveryReason.NEW)
    if isinstance(event, IncidentEvent):
        return _REASONS.get(event.action, DeliveryReason.UPDATE)
    return DeliveryReason.NEW
