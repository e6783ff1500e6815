"""Which fields that are set in a Delivery do not arrive at the other side of a CoT network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import DeliveryKind, MessageDirection
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeviceMessage, Record

from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.cot.geometry import point_of
from bondmate_connectors.formats.cot.words import MOST_CALLSIGN

_HEADER: Final = frozenset({"message_id", "event_id", "incident_id", "mode", "occurred_at"})
_POSITION: Final = frozenset(
    {"latitude", "longitude", "altitude_hae_m", "accuracy_m", "vertical_accuracy_m", "fixed_at"}
)
_MOVING: Final = _POSITION | {"speed_mps", "course_deg", "method"}
_ALERT: Final = frozenset(
    {
        "device_id", "unit", "callsign", "action", "kind", "priority", "silent", "text", "press_count",
        "battery_percent", "position_origin", "position_age_seconds",
    }
)  # fmt: skip
_LOCATION: Final = frozenset({"device_id", "callsign", "battery_percent"})
_MESSAGE: Final = frozenset({"device_id", "direction", "text", "callsign", "alert_id", "priority", "sender"})
_INCIDENT: Final = frozenset(
    {"action", "category", "priority", "title", "description", "instruction", "note", "device_id"}
)
_CARRIED: Final = {
    DeliveryKind.ALERT: _ALERT,
    DeliveryKind.LOCATION: _LOCATION,
    DeliveryKind.MESSAGE: _MESSAGE,
    DeliveryKind.INCIDENT: _INCIDENT,
    DeliveryKind.RECEIPT: frozenset({"device_id", "level", "code"}),
}
_CUT: Final = "cut: a label holds no more"
_WHY: Final = "no place in Cursor on Target"
_AS_POINT: Final = "drawn as one point with a radius"
_AS_TEXT: Final = "only its text is carried"


def lost_fields(event: Delivery) -> tuple[Lost, ...]:
    """Return every field that differs from its default and is not carried, by path within the payload."""
    return tuple(_lost(event))


def _lost(event: Delivery) -> Iterator[Lost]:
    payload = event.event
    has_expiry = not was_marked_late(event) and event.incident is not None and point_of(event.incident) is not None
    yield from _unset(payload.header, _HEADER | ({"expires_at"} if has_expiry else set()), "header.")
    yield from _unset(payload, _CARRIED[event.kind] | {"header", "position", "areas", "statements"}, "")
    position = getattr(payload, "position", None)
    if position is not None:
        yield from _unset(position, _MOVING if event.location is not None else _POSITION, "position.")
    # An alert and an incident say it once more in their text.
    labelled = event.location or event.message
    if labelled is not None and len((labelled.callsign or "").strip()) > MOST_CALLSIGN:
        yield Lost("callsign", _CUT)
    if event.message is not None:
        yield from _of_sender(event.message)
    if event.incident is not None:
        for index, area in enumerate(event.incident.areas):
            yield from _unset(area, frozenset({"description"}), f"areas[{index}].", _AS_POINT)
        for index, statement in enumerate(event.incident.statements):
            yield from _unset(statement, frozenset({"nature", "text"}), f"statements[{index}].", _AS_TEXT)


def _of_sender(message: DeviceMessage) -> Iterator[Lost]:
    """Name the sender where it is not who speaks: what an officer says is said in the officer's name."""
    if message.direction is MessageDirection.FROM_DEVICE and message.sender:
        yield Lost("sender", _WHY)
    elif len(message.sender.strip()) > MOST_CALLSIGN:
        yield Lost("sender", _CUT)


def _unset(record: Record, carried: frozenset[str] | set[str], prefix: str, why: str = _WHY) -> Iterator[Lost]:
    for name, field in type(record).model_fields.items():
        if name not in carried and getattr(record, name) != field.get_default(call_default_factory=True):
            yield Lost(prefix + name, why)
