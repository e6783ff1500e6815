"""What people read of how an alert stands, beside what its device says; the same in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import AlertAction, DeliveryReason, PositionOrigin
from bondmate_schemas.flags import UNANSWERED, UNASSIGNED
from bondmate_schemas.models import Delivery, DeviceAlert

ASKS_TO_CANCEL: Final = "The device asks to cancel: not closed"
NOBODY_ANSWERS: Final = "UNANSWERED: nobody is answering"
_REMARKS: Final = {
    UNANSWERED: NOBODY_ANSWERS,
    UNASSIGNED: "Seen, but no unit is assigned",
}
_WHY: Final = {
    "resolved": "resolved",
    "cancelled": "called off",
    "false_alarm": "false alarm",
    "expired": "nobody answered in time",
}
_WHO: Final = {"device": "the device", "time": "the hub"}
_FRESH_SECONDS: Final = 60
"""A fix of its own that is younger needs no word."""
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def position_words(alert: DeviceAlert, of_whom: str = "") -> str:
    """Return what the position of an alert is, with its age where that matters: `Last known position, 9 h old`."""
    is_own = alert.position_origin is not PositionOrigin.JOINED
    words = ("Position" if is_own else "Last known position") + of_whom
    age_seconds = alert.position_age_seconds
    if age_seconds is None or (is_own and age_seconds < _FRESH_SECONDS):
        return words
    return f"{words}, {age_words(age_seconds)} old"


def age_words(seconds: float) -> str:
    """Return a length of time in the unit of which it has two or more, rounded down: `119 s`, `9 h`."""
    length, unit = next((each for each in _UNITS if seconds >= 2 * each[0]), (1, "s"))
    return f"{seconds // length:.0f} {unit}"


def asks_to_cancel(alert: DeviceAlert, delivery: Delivery) -> bool:
    """Return whether the device has asked to call an open alert off."""
    asked = "cancel_requested" in alert.header.flags or alert.action is AlertAction.CANCEL
    return asked and delivery.reason is not DeliveryReason.CANCEL


def remarks_on(alert: DeviceAlert, delivery: Delivery) -> Iterator[str]:
    """Return what the hub remarks on an alert: a sentence each, without its end."""
    over = delivery.reason is DeliveryReason.CANCEL
    if asks_to_cancel(alert, delivery):
        yield ASKS_TO_CANCEL
    if not over:
        yield from (words for flag, words in _REMARKS.items() if flag in alert.header.flags)
    whole = alert.whole
    if whole is None:
        return
    if whole.reopens and not over:
        yield "Goes on after it had been closed"
    if whole.owner_agency_id and not over:
        yield f"Owned by {whole.owner_agency_id}"
    if whole.offered_to and not over:
        yield f"Offered to {whole.offered_to}"
    if over and whole.ended_by:
        yield f"Ended by {_WHO.get(whole.ended_by, whole.ended_by)}: {_WHY.get(whole.ended_why, whole.ended_why)}"
        if whole.ended_words:
            yield whole.ended_words
