"""Remarks of the hub on an event (`EventHeader.flags`) that destinations must show to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNANSWERED: Final = "unanswered"
"""Nobody has taken the alert up in the time its route names: shown louder, until somebody does."""

UNASSIGNED: Final = "unassigned"
"""A person has seen the alert, and for too long nobody has said that a unit is assigned."""

UNLINKED: Final = "unlinked"
"""On an alert: operations say that it is not of one event with the earlier one that it was said to be of."""

TOLD_LATE: Final = "told_late"
"""On an alert: this room is told only now, by a new version of the routes; the alert was open before."""

CAME_HERE: Final = "came_here"
"""On an alert: this room is told since the device came to where it is told of alerts; the alert was open before."""

DELIVERED_LATE: Final = "delivered_late"
"""Set by the runner as it sends: it waited here beyond its expiry. Never shown as new. (`late` says that it came to the
hub late, or out of order.)"""
DROP_WHEN_LATE: Final = "drop_when_late"
"""On a Delivery: its destination does not want it after its expiry."""
MARK_WHEN_LATE: Final = "mark_when_late"
"""On a Delivery: its destination wants it after its expiry too, flagged `delivered_late`."""

NAMED_BESIDE: Final = "named_beside"
"""Of a message that names several events, this is not the first: where the event is unknown nobody need hear of it."""
REFERENCE_UNKNOWN: Final = "reference_unknown"
"""It goes on from a message, or ends one, that the hub does not know."""

REPEATS_OURS: Final = "repeats_ours"
"""It says again what the hub told its sender: its words are none for the officer."""

UNPROVEN: Final = "unproven"
"""On an event of an incident: its sender has proved nothing, so it ends only what came by the same connector."""

POSITION_WITHHELD: Final = "position_withheld"
"""On an alert: its destination may not see positions. It says nothing of whether the hub has one."""

OWN_TIME_MISSING: Final = "occurred_at_missing"
"""Its device did not say when it happened: `occurred_at` is when the hub had it."""
UNTRUSTED: Final = frozenset({"clock_skew", OWN_TIME_MISSING})
"""On an event whose own time says nothing."""
DEVICE_SILENT: Final = "device_silent"
"""Nothing is heard of the device; an alert with it from the hub itself says that alone, by `source: streams`."""
DEVICE_HEARD: Final = "device_heard"
"""The device of an open alert is heard again after it had gone silent."""

NEEDS_HELP_AGAIN: Final = "needs_help_again"
"""On an alert: somebody did something at its device after it had asked to cancel, which takes that request back."""

DEVICE_REVOKED: Final = "device_revoked"
"""The device of an open alert was revoked: whoever has it is not taken for its officer any more."""

FROM_EXERCISE: Final = "from_exercise"
"""Raised as real from a device of an exercise, whose profile allows it: so is its position."""
TAKEN_AS_REAL: Final = "taken_as_real"
"""A person of the owner has sent help to what an exercise device raised as real: from now on its routes apply."""
OUT_OF_EXERCISE: Final = frozenset({FROM_EXERCISE, TAKEN_AS_REAL})
REAL_NOT_ALLOWED: Final = "real_not_allowed"
"""The device says that it is no exercise, and its enrolment does not allow that."""

STARTED_BY_ROOM: Final = "started_by_room"
"""A control room of the owner started it; its officer has not pressed."""
CONFIRMED: Final = "confirmed"
"""Of an emergency that a room started: its officer pressed, or a person of the owner says that it is one."""
NOT_RENEWED: Final = "not_renewed"
"""Of an emergency that a room started: nobody of the owner has renewed it in time, so its device is not followed."""
SILENCE_OVER: Final = "silence_over"
"""Of an emergency that a room started silently: its officer has pressed aloud, so that nothing of it is silent."""
POSITION_UNTIL_CONFIRMED: Final = "position_until_confirmed"
"""On an alert: its destination gets no position of it before somebody has confirmed it."""

CHECK_IN_MISSED: Final = "check_in_missed"
"""The device owed a check-in, and none came in time."""

FROM_REPLACED: Final = "from_replaced"
"""Pressed at a device whose place another has taken: nobody knows who has it."""

UNDER_DURESS: Final = "under_duress"
"""Said at a device whose officer is under duress, until a named person of the owner ends that: silent whatever its
kind, answered by nobody's question, and nothing that it says closes or lowers anything."""

_TELL_NOTHING: Final = frozenset({
    UNANSWERED, UNASSIGNED, DELIVERED_LATE, DROP_WHEN_LATE, MARK_WHEN_LATE, POSITION_WITHHELD, "late", "clock_skew",
    "expired", "occurred_at_missing", "cancel_requested", "reopened", "silent", "device_unknown",
    "cap_signature_unverified", "unknown_field", NAMED_BESIDE, REFERENCE_UNKNOWN, UNPROVEN, UNDER_DURESS, DEVICE_SILENT,
    REPEATS_OURS, DEVICE_HEARD, DEVICE_REVOKED, TOLD_LATE, FROM_EXERCISE, TAKEN_AS_REAL, REAL_NOT_ALLOWED,
    CAME_HERE, CHECK_IN_MISSED, FROM_REPLACED, STARTED_BY_ROOM, CONFIRMED, NOT_RENEWED, POSITION_UNTIL_CONFIRMED,
    NEEDS_HELP_AGAIN, UNLINKED, SILENCE_OVER,
})  # fmt: skip
"""Remarks that follow from the envelope, or from what the hub itself did."""
_TELL_OF: Final[Mapping[str, str]] = {
    "implausible_jump": "position",
    "message_id_reused": "header.origin_message_id",
    "message_id_shortened": "header.origin_message_id",
}


def told_by(flag: str, fields: Mapping[str, str]) -> str | None:
    """Return the path of the field that a flag tells something of, empty where it tells nothing but the envelope.

    `fields` are the paths of a record's fields by name; a flag that begins with such a name, as `text_truncated`, tells
    of that field. None where nobody knows what the flag tells.
    """
    if flag in _TELL_NOTHING:
        return ""
    named = (name for name in fields if flag.startswith(f"{name}_"))
    return _TELL_OF.get(flag) or fields.get(max(named, key=len, default=""))
