"""What goes on after an alert has ended: what somebody did at its device that the hub had after the end.

It is an alert of its own, linked to the ended one. By when the hub had both it makes no difference which of the two its
streams came to first.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.device_alert_ids import alert_event_id, own_ids, real_event_id
from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import (
    CONFIRMED,
    FROM_EXERCISE,
    NEEDS_HELP_AGAIN,
    NOT_RENEWED,
    OUT_OF_EXERCISE,
    OWN_TIME_MISSING,
    SILENCE_OVER,
    STARTED_BY_ROOM,
    UNTRUSTED,
)
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, DeliveryReceipt, DestinationState, DeviceAlert, EventHeader

from bondmate_streams.logic import grouping, rounds
from bondmate_streams.logic.deliveries import later_id, new_id
from bondmate_streams.logic.headers import with_flags, with_header

_OF_THE_ENDED: Final = frozenset(
    {STARTED_BY_ROOM, CONFIRMED, NOT_RENEWED, SILENCE_OVER, NEEDS_HELP_AGAIN, "cancel_requested", "expired", "reopened"}
)
"""Remarks on an ended alert that say nothing of one that somebody pressed."""
_SLOWEST_SENDING: Final = timedelta(minutes=1)
"""What is more between sending and receiving is a clock that is wrong."""
_LONGEST_OVERTAKING: Final = timedelta(minutes=10)
"""By more than this a press overtakes no cancel of its device: its clock was set back."""


def made_at(header: EventHeader) -> datetime:
    """Return when something was done at a device: by its own clock where that is trusted, never after the hub's."""
    trusted = UNTRUSTED.isdisjoint(header.flags)
    return min(header.received_at, header.occurred_at) if trusted else header.received_at


def by_device_clock(alert: DeviceAlert) -> datetime | None:
    """Return when something was done at a device by its own clock, right or wrong; None where it did not say."""
    return None if OWN_TIME_MISSING in alert.header.flags else alert.header.occurred_at


def last_by_device_clock(state: AlertState, press: DeviceAlert) -> datetime | None:
    """Return when somebody last pressed by the clock of the device that raised it; None where another pressed since."""
    at = by_device_clock(press)
    if at is None or press.device_id != state.device_id:
        return None
    return at if _is_set_back(state, press) else max(state.pressed_by_device_clock_at or at, at)


def is_before_press(state: AlertState, cancel: DeviceAlert) -> bool:
    """Whether a cancel was made before the last press.

    By the clock of the device that did both: each may be trusted or not by how long it took to the hub, which says
    nothing of their order. Where that clock was set back since, by ours. Else only what the hub had before the press
    was certainly made before it.
    """
    pressed_at, at = state.pressed_by_device_clock_at, by_device_clock(cancel)
    if pressed_at is not None and at is not None and cancel.device_id == state.device_id:
        if not _is_set_back(state, cancel):
            return at < pressed_at
        if cancel.clock_ahead_ms is not None:
            # For how long it waited at the device counts by that device's clock, right or wrong.
            return at - timedelta(milliseconds=cancel.clock_ahead_ms) < (state.pressed_at or pressed_at)
    return state.pressed_at is not None and cancel.header.received_at < state.pressed_at


def behind_ms(known: DestinationState, receipt: DeliveryReceipt) -> int:
    """Return by how much the clock of a room's connector is behind ours at least, by when it had its first Delivery."""
    if known.sent_at is None or receipt.delivery_id != known.delivery_id:
        return 0
    return max(0, (known.sent_at - receipt.header.received_at) // timedelta(milliseconds=1))


def is_after_press(state: AlertState, receipt: DeliveryReceipt) -> bool:
    """Whether a room said something after the last press was here, whatever the clock of its connector says.

    It answers what told of that press, or a Delivery was made since; else its time counts, put right by as much as that
    clock is known to be behind. A press that came here later may have been made later: of that nothing is certain.
    """
    room, known, press = receipt.destination, state.destinations.get(receipt.destination), state.alert.header
    if known is None or press.published_at is None:
        return False
    event_id = state.header.event_id
    told = new_id(event_id, room) if press.message_id == state.header.message_id else ""
    if receipt.delivery_id in {told, later_id(event_id, room, press.message_id)}:
        return True
    said_at = receipt.header.received_at + timedelta(milliseconds=known.clock_behind_ms)
    return press.published_at <= max(said_at, known.sent_at or said_at)


def _is_set_back(state: AlertState, change: DeviceAlert) -> bool:
    """Whether its device's clock was set back between the last press and a change, by more than a network takes.

    Then what it says of the order of the two counts for nothing. Who does not say when it sent is found out where its
    change would be older than any that a press overtakes.
    """
    if state.pressed_by_device_clock_at is None or state.pressed_at is None:
        return False
    if change.clock_ahead_ms is None:
        at = by_device_clock(change)
        return at is not None and at + _LONGEST_OVERTAKING < state.pressed_by_device_clock_at
    was_ahead = state.pressed_by_device_clock_at - state.pressed_at
    return timedelta(milliseconds=change.clock_ahead_ms) + _SLOWEST_SENDING < was_ahead


def by_press(closed: AlertState, press: DeviceAlert) -> DeviceAlert:
    """Return the alert that a press makes which comes to a closed one."""
    known = closed.alert
    # Under the incident of the ended one: whoever has that finds it again, and nothing of it overtakes the end.
    anew = with_header(
        with_flags(press, "reopened", *(flag for flag in known.header.flags if flag in OUT_OF_EXERCISE)),
        event_id=_own_event_id(closed, press),
        incident_id=closed.header.incident_id,
        mode=closed.header.mode,
    )
    update = {
        "action": AlertAction.RAISE,
        "press_count": max(known.press_count, press.press_count),
        "kind": rounds.graver(known.kind, press.kind),
        "silent": press.silent or known.silent,
        "whole": grouping.reopened(known.whole, closed.header.event_id),
    }
    return anew.model_copy(update=update)


def by_end(closed: AlertState) -> DeviceAlert | None:
    """Return the alert that goes on from one that ended before its last press; None where nobody pressed since.

    That press was taken as one of the alert before the streams came to its end. The same whenever it is made again.
    """
    if closed.pressed_at is None or closed.ended_at is None or closed.pressed_at <= closed.ended_at:
        return None
    known = closed.alert
    message_id = derived_id("alert", known.header.message_id, "reopened")
    occurred_at, remarks = _clock_of_last(closed, closed.pressed_at)
    flags = (flag for flag in known.header.flags if flag not in _OF_THE_ENDED | set(remarks))
    anew = with_header(
        known, message_id=message_id, occurred_at=occurred_at, received_at=closed.pressed_at,
        # What set the end of the one before says nothing of this.
        expires_at=None, flags=(*flags, *remarks, "reopened"),
    )  # fmt: skip
    update = {
        # Who pressed and then asked to cancel asked for the end of what goes on.
        "action": AlertAction.CANCEL if closed.cancel_requested else AlertAction.RAISE,
        "whole": grouping.reopened(known.whole, closed.header.event_id),
    }
    return with_header(anew, event_id=_own_event_id(closed, anew)).model_copy(update=update)


def _clock_of_last(closed: AlertState, pressed_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Return when the last press was by its device's clock, with what is to be remarked on that time."""
    at = closed.pressed_by_device_clock_at
    if at is None or closed.alert.device_id != closed.device_id:
        return pressed_at, (OWN_TIME_MISSING,)
    # By a clock that is trusted it would have been taken for when somebody pressed.
    return at, ("clock_skew",) if at < pressed_at else ()


def _own_event_id(closed: AlertState, press: DeviceAlert) -> str:
    """Return the event id its device was told of the press; where that was the closed alert's, the one that follows it.

    One follows each, so that two presses to a closed alert are one alert again. A press that has followed one already
    goes on from there, for that may have been closed too.
    """
    told = [alert_event_id(press.device_id, own_id) for own_id in own_ids(press)]
    if FROM_EXERCISE in closed.header.flags:
        told = [real_event_id(name) for name in told]
    if told and told[-1] != closed.header.event_id and "reopened" not in press.header.flags:
        return told[-1]
    return derived_id("alert", closed.header.event_id, "reopened")
