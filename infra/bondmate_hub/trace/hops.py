"""A record that was found, as one hop on the way of an event: when, where, what; pure, and without free texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bondmate_kafka.topic_search import FoundRecord
from bondmate_monitoring.tracing import TRACEPARENT
from bondmate_schemas.catalogue import DEVICE_ALERTS
from bondmate_schemas.enums import MessageDirection, Response
from bondmate_schemas.models import (
    AlertState,
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    IncidentEvent,
    OperationsPage,
    Position,
    Record,
)

from bondmate_hub.dlq.model import REPLAY_OF, RecordLocation, dead_letter_of
from bondmate_hub.operations.alert_list import row_of

__all__ = ["TraceHop", "hop_of", "hop_of_dead_letter", "standing"]

_STREAMS: Final = "streams"
_OF_A_PLACE: Final = ("position", "accuracy_m", "fixed_at")
_NOTHING: Final = (None, "", (), False)


@dataclass(frozen=True, slots=True)
class TraceHop:
    """One hop: `at` is when its record was published; `who` is the device, the streams, a destination or operations."""

    at: datetime
    event_id: str
    who: str
    what: str
    where: str
    """Topic, partition and offset."""
    trace_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it with plain values."""
        told = {"at": self.at.isoformat(), "event_id": self.event_id, "who": self.who, "what": self.what}
        return {"record": "hop", **told, **self.facts, "where": self.where, "trace_id": self.trace_id or None}


def hop_of(found: FoundRecord, record: Record, event_id: str, *, positions: bool) -> TraceHop:
    """Return the hop that a record stands for; `positions` lets the places in it be shown."""
    who, what, facts = _READERS[type(record)](found, record)
    if letter := found.headers.get(REPLAY_OF):
        who, what = "operations", "replayed"
        facts = {"letter_id": letter.decode("ascii", "replace"), **facts}
    hidden = () if positions else _OF_A_PLACE
    kept = {name: value for name, value in facts.items() if name not in hidden and value not in _NOTHING}
    return TraceHop(found.at, event_id, who, what, found.where, trace_id_of(found.headers), kept)


def hop_of_dead_letter(found: FoundRecord, event_id: str) -> TraceHop:
    """Return the hop of a dead letter, which is told by its headers alone."""
    lies_at = RecordLocation(found.topic, found.partition, found.offset)
    letter = dead_letter_of(lies_at, found.key, len(found.value or b""), tuple(found.headers.items()), found.at)
    facts = {"code": letter.code, "stage": letter.stage, "letter_id": letter.id}
    return TraceHop(found.at, event_id, letter.place, "dead-lettered", found.where, trace_id_of(found.headers), facts)


def trace_id_of(headers: Mapping[str, bytes]) -> str:
    """Return the trace that a record's `traceparent` names; empty where it names none."""
    parts = headers.get(TRACEPARENT, b"").decode("ascii", "replace").split("-")
    return parts[1] if len(parts) > 1 else ""


def standing(state: AlertState, now: datetime) -> dict[str, Any]:
    """Return where an alert stands now, as a whole and at each destination, and whose device it is of."""
    row = row_of(state, now)
    for name, at in state.destinations.items():
        row["destinations"][name]["number"] = at.platform_id
    return {"record": "alert", "device_id": state.device_id, "ended_at": _iso(state.ended_at), **row}


_Told = tuple[str, str, dict[str, Any]]


def _alert(found: FoundRecord, alert: DeviceAlert) -> _Told:
    pressed = found.topic == DEVICE_ALERTS
    header = alert.header
    facts = {
        "kind": alert.kind.value,
        "mode": header.mode.value,
        "press": alert.press_count,
        "silent": alert.silent,
        "occurred_at": _iso(header.occurred_at),
        "received_at": _iso(header.received_at),
        "source": header.source,
        "position_from": alert.position_origin.value if alert.position else None,
        "flags": header.flags,
        **_place(alert.position),
    }
    return ("device", _PRESSES[alert.action.value], facts) if pressed else (_STREAMS, "taken up", facts)


_PRESSES: Final = {"RAISE": "raised", "UPDATE": "updated", "CANCEL": "asked to cancel", "UNKNOWN": "said"}


def _delivery(_: FoundRecord, delivery: Delivery) -> _Told:
    event = delivery.event
    facts = {
        "to": delivery.destination,
        "reason": delivery.reason.value,
        "route": delivery.route,
        "delivery_id": delivery.id,
        "of_others": delivery.is_of_others_only,
        **_place(getattr(event, "position", None)),
    }
    return _STREAMS, "routed", facts


def _receipt(_: FoundRecord, receipt: DeliveryReceipt) -> _Told:
    said = receipt.response.value if receipt.response is not Response.UNSTATED else receipt.level.value
    facts = {
        "level": receipt.level.value,
        "by": receipt.by_ref,
        "unit": receipt.unit,
        "eta_at": _iso(receipt.eta_at),
        "number": receipt.platform_id,
        "code": receipt.code,
        "attempt": receipt.attempt if receipt.attempt > 1 else None,
        "said_at": _iso(receipt.header.occurred_at),
        "owner": _unless(receipt.ownership.value, "UNSTATED"),
        "validity": _unless(receipt.validity.value, "UNSTATED"),
    }
    return receipt.destination, said.lower().replace("_", " "), facts


def _message(_: FoundRecord, message: DeviceMessage) -> _Told:
    down = message.direction is MessageDirection.TO_DEVICE
    facts = {"message_id": message.header.message_id, "from": message.sender if down else None,
             "needs_answer": message.requires_acknowledgement}  # fmt: skip
    return ("hub" if down else "device"), ("words to the officer" if down else "words of the officer"), facts


def _incident(_: FoundRecord, incident: IncidentEvent) -> _Told:
    facts = {
        "category": incident.category.value,
        "mode": incident.header.mode.value,
        "reply_level": _unless(incident.reply_level.value, "UNKNOWN"),
        "occurred_at": _iso(incident.header.occurred_at),
        "received_at": _iso(incident.header.received_at),
        **_place(incident.position),
    }
    return incident.header.source, f"incident {incident.action.value.lower().replace('_', ' ')}", facts


def _location(_: FoundRecord, fix: DeviceLocation) -> _Told:
    return "device", "position", {"received_at": _iso(fix.header.received_at), **_place(fix.position)}


def _page(_: FoundRecord, page: OperationsPage) -> _Told:
    return _STREAMS, "operations paged", {"reason": page.reason, "waited_seconds": round(page.waited_seconds, 1)}


_READERS: Final[Mapping[type[Record], Callable[[FoundRecord, Any], _Told]]] = {
    DeviceAlert: _alert,
    Delivery: _delivery,
    DeliveryReceipt: _receipt,
    DeviceMessage: _message,
    IncidentEvent: _incident,
    DeviceLocation: _location,
    OperationsPage: _page,
}


def _place(position: Position | None) -> dict[str, Any]:
    if position is None:
        return {}
    where = [position.latitude, position.longitude]
    return dict(zip(_OF_A_PLACE, (where, position.accuracy_m, _iso(position.fixed_at)), strict=True))


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _unless(value: str, nothing: str) -> str | None:
    return None if value == nothing else value
