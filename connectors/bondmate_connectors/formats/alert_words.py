"""What people read of how an alert stands, beside what its device says; the same in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import AlertAction, DeliveryReason
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
