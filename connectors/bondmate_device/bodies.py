"""Writes what a device says, as the gateway's interface wants it. Pure: ids and times are given.

A body is written once and kept as bytes, so that it is the same whenever it is sent again.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from bondmate_device.model import EventKind, Item, Position

NOT_SOUND: Final = (
    "position: latitude must be -90 to 90, longitude -180 to 180, accuracy and speed 0 or more, course 0 to 360, all "
    "finite, and fixed_at must know its zone"
)
_write: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_POLE: Final = 90.0
_HALF_ROUND: Final = 180.0
_RARER: Final = ("altitude_hae_m", "speed_mps", "course_deg")


def alert(
    action: str,
    *,
    message_id: str,
    alert_id: str,
    at: datetime,
    kind: str | None = None,
    position: Position | None = None,
    silent: bool | None = None,
    **more: Any,
) -> Item:
    """Create an alert's event. A position that cannot be one is left out: the alert goes without."""
    body = {"message_id": message_id, "alert_id": alert_id, "action": action, "occurred_at": time(at)}
    body |= _said(kind=kind, silent=silent, position=_position(position) if is_sound(position) else None, **more)
    return Item(message_id, EventKind.ALERT, alert_id, body["occurred_at"], _bytes(body), action == "cancel")


def check_in(
    action: str, *, message_id: str, check_in_id: str, at: datetime, position: Position | None = None, **more: Any
) -> Item:
    """Return a check-in that is due or done. A position that cannot be one is left out."""
    body = {"message_id": message_id, "check_in_id": check_in_id, "action": action, "occurred_at": time(at)}
    body |= _said(position=_position(position) if is_sound(position) else None, **more)
    return Item(message_id, EventKind.CHECK_IN, check_in_id, body["occurred_at"], _bytes(body))


def report(*, message_id: str, report_id: str, at: datetime, position: Position | None = None, **more: Any) -> Item:
    """Create a report.

    Raises:
        ValueError: the position cannot be one.
    """
    body = {"message_id": message_id, "report_id": report_id, "occurred_at": time(at)}
    body |= _said(position=_checked(position), **more)
    return Item(message_id, EventKind.REPORT, f"report {report_id}", body["occurred_at"], _bytes(body))


def text(*, message_id: str, at: datetime, text: str, **more: Any) -> Item:
    """Create a text of the officer."""
    body = {"message_id": message_id, "occurred_at": time(at), "text": text} | _said(**more)
    return Item(message_id, EventKind.TEXT, "texts", body["occurred_at"], _bytes(body))


def receipt(message_id: str, level: str, at: datetime) -> Item:
    """Create the receipt for a message to this device; a second one of the same level is the same event."""
    body = {"message_id": message_id, "level": level, "occurred_at": time(at)}
    return Item(f"{message_id} {level}", EventKind.RECEIPT, f"receipt {message_id}", body["occurred_at"], _bytes(body))


def fix(
    sequence: int, position: Position, at: datetime, *, on_duty: bool | None = None, battery_percent: int | None = None
) -> Item:
    """Create one position of a batch. Fixes are many, so this one is written by hand, at a third of the time.

    Raises:
        ValueError: it cannot be one.
    """
    if not is_sound(position):
        raise ValueError(NOT_SOUND)
    fixed_at = time(position.fixed_at or at)
    body = f'{{"sequence":{int(sequence)},"position":{{"fixed_at":"{fixed_at}"'
    body += f',"latitude":{float(position.latitude)!r},"longitude":{float(position.longitude)!r}'
    if position.accuracy_m is not None:
        body += f',"accuracy_m":{float(position.accuracy_m)!r}'
    for name in _RARER:
        if (number := getattr(position, name)) is not None:
            body += f',"{name}":{float(number)!r}'
    body += "}" if position.method is None else f',"method":{_write(position.method)}}}'
    if on_duty is not None:
        body += ',"on_duty":true' if on_duty else ',"on_duty":false'
    if battery_percent is not None:
        body += f',"battery_percent":{int(battery_percent)}'
    return Item(f"fix {sequence}", EventKind.FIX, "", fixed_at, f"{body}}}".encode())


def time(at: datetime) -> str:
    """Write a time to the millisecond.

    Raises:
        ValueError: it does not know its zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time must know its zone, for example datetime.now(UTC)")
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="milliseconds")


def is_sound(position: Position | None) -> bool:
    """Whether the gateway would take a position."""
    return (
        position is not None
        # What is not a number is not less than anything, nor more.
        and -_POLE <= position.latitude <= _POLE
        and -_HALF_ROUND <= position.longitude <= _HALF_ROUND
        and 0 <= (position.accuracy_m or 0) < math.inf
        and 0 <= (position.speed_mps or 0) < math.inf
        and 0 <= (position.course_deg or 0) <= 2 * _HALF_ROUND
        and -math.inf < (position.altitude_hae_m or 0) < math.inf
        and (position.fixed_at is None or position.fixed_at.tzinfo is not None)
    )


def _checked(position: Position | None) -> dict[str, Any] | None:
    if position is not None and not is_sound(position):
        raise ValueError(NOT_SOUND)
    return _position(position)


def _position(position: Position | None) -> dict[str, Any] | None:
    if position is None:
        return None
    return _said(**{**asdict(position), "fixed_at": time(position.fixed_at) if position.fixed_at else None})


def _said(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _bytes(body: dict[str, Any]) -> bytes:
    return _write(body).encode()
