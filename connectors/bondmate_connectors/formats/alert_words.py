"""What people read of how an alert stands, here and at the other rooms; the same in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from bondmate_schemas import flags
from bondmate_schemas.catalogue import STREAMS_SOURCE
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    DeliveryReason,
    Level,
    Mode,
    PositionOrigin,
    Response,
    Validity,
)
from bondmate_schemas.labels import ENGLISH, Labels, isolated, msgid
from bondmate_schemas.models import Delivery, DeviceAlert, OtherRoom, Position

ASKS_TO_CANCEL: Final = msgid("STILL OPEN, the device asks to cancel")
SILENT: Final = msgid("Silent: do not call, radio or message the officer or anybody near; no siren")
SILENT_ALARM: Final = msgid("SILENT ALARM, DO NOT CALL")
_NO_LONGER_SILENT: Final = msgid("NO LONGER SILENT: the officer has pressed aloud")
_UNHEARD: Final = msgid("What you answer here makes no sound there.")
SAID_UNDER_DURESS: Final = msgid("Said under duress")
NOBODY_ANSWERS: Final = msgid("ALERT UNANSWERED, NOBODY IS COMING")
NOTHING_NEW: Final = msgid("Only the position is new.")
_REMARKS: Final = {
    flags.UNANSWERED: NOBODY_ANSWERS,
    flags.UNASSIGNED: msgid("NO UNIT SENT: a room has read it and assigned none"),
    flags.UNLINKED: msgid("CORRECTION: NOT the same incident as an earlier alert; it needs help of its own"),
    flags.STARTED_BY_ROOM: msgid("Started by a control room: the officer had not pressed"),
    flags.CONFIRMED: msgid("Confirmed as an emergency"),
    flags.NOT_RENEWED: msgid("Nobody has renewed it in time: its position is not followed any more"),
    flags.NEEDS_HELP_AGAIN: msgid("Asks for help again: the request to cancel stands no more"),
    flags.DEVICE_SILENT: msgid("Nothing is heard of the device any more"),
    flags.DEVICE_HEARD: msgid("The device is heard again"),
    flags.FROM_EXERCISE: msgid("REAL emergency, from a device of an exercise: so is its position"),
    flags.REAL_NOT_ALLOWED: msgid("Says that it is REAL, which this device may not say: ask at once"),
    flags.CHECK_IN_MISSED: msgid("A check-in was due, and none came in time"),
    flags.FROM_REPLACED: msgid("From the replaced device: nobody knows who has it"),
    flags.TOLD_LATE: msgid("Open since before: this room is told only now"),
    flags.CAME_HERE: msgid("Open since before: the officer has come into your area"),
    flags.DEVICE_REVOKED: msgid(
        "The device was revoked: it may be in other hands, and nothing from it counts any more"
    ),
}
_NO_POSITION: Final = {
    flags.POSITION_WITHHELD: msgid("Position withheld by agreement"),
    flags.POSITION_UNTIL_CONFIRMED: msgid("Position withheld until the emergency is confirmed"),
}
_WHY: Final = {
    "resolved": msgid("resolved"),
    "cancelled": msgid("called off"),
    "false_alarm": msgid("false alarm"),
    "expired": msgid("nobody answered in time"),
}
_LINKED: Final = {"rule:officer": msgid("the same officer"), "rule:unit": msgid("the same unit")}
_WHO: Final = {"device": msgid("the device"), "time": msgid("the hub"), "unlisted": msgid("another room")}
_DRILLS: Final = {
    Mode.EXERCISE: msgid("Exercise: send nobody; name the unit that you would send."),
    Mode.TEST: msgid("Test: send nobody."),
}
_NAMES: Final = {
    AlertKind.DURESS: msgid("Officer under duress (threatened or held)"),
    # It may be pressed, or a sensor's: neither is anybody's who has seen the officer.
    AlertKind.OFFICER_DOWN: msgid("Officer down (so says the device; perhaps a fall)"),
}
_ASKED_OF_CANCEL: Final = {
    True: msgid("A cancel under duress proves nothing: keep it open until a person has seen the officer safe."),
    False: msgid("Who asks is not known: close it only once you know that the officer is safe."),
}
"""What is asked where the device asks to cancel, by whether the alert is silent."""
_KEEP_OPEN: Final = msgid("Keep it open until a person has seen the officer safe.")
_SAY_WHICH: Final = msgid("Say which unit you send, or that you have none; to have read it is not enough.")
NEWS: Final = msgid("NEWS OF OTHER ROOMS")
_LEVELS: Final = {
    Level.ACKNOWLEDGED: msgid("seen"),
    Level.RESPONDING: msgid("on its way"),
    Level.DECLINED: msgid("not coming"),
    Level.CANCELLED: msgid("closed its part, called off"),
    Level.RESOLVED: msgid("closed its part, resolved"),
}
_RESPONSES: Final = {
    Response.ASSIGNED: msgid("assigned"),
    Response.EN_ROUTE: msgid("on its way"),
    Response.ON_SCENE: msgid("on scene"),
    Response.WITHDRAWN: msgid("took its help back, NOT coming"),
}
_POSITION: Final = {True: msgid("Position"), False: msgid("Last known position")}
_POSITION_OF_DEVICE: Final = {
    True: msgid("Position of the officer's device"),
    False: msgid("Last known position of the officer's device"),
}
"""What the position is, by whether it is new."""
_ACCURATE_PLACES: Final = 5
_VAGUE_PLACES: Final = 4
"""Decimals of degrees: 11 m, where nobody knows how exact it is."""
_LOW_BATTERY_PERCENT: Final = 20
_FRESH_SECONDS: Final = 60
"""What is younger needs no word: a fix of its own, an alert."""
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def position_words(alert: DeviceAlert, labels: Labels = ENGLISH, *, of_device: bool = False) -> str:
    """Return what the position of an alert is, with its age where that matters: `Last known position, 9 h old`."""
    if alert.position is None:
        why = (words for flag, words in _NO_POSITION.items() if flag in alert.header.flags)
        return labels(next(why, msgid("Position unknown")))
    age_seconds = alert.position_age_seconds
    is_own = alert.position_origin is not PositionOrigin.JOINED
    is_new = is_own and (age_seconds is None or age_seconds < _FRESH_SECONDS)
    words = labels((_POSITION_OF_DEVICE if of_device else _POSITION)[is_new])
    if is_new or age_seconds is None:
        return words
    return f"{words}, {labels('{age} old', age=age_words(age_seconds))}"


def accuracy_words(position: Position, labels: Labels = ENGLISH) -> str:
    """Return how exact a position is: `within 8 m`, `accuracy unknown`."""
    metres = position.accuracy_m
    return labels("within {metres} m", metres=f"{metres:.0f}") if metres else labels("accuracy unknown")


def degrees(position: Position) -> str:
    """Return where a position is, no more exact than it is."""
    places = _ACCURATE_PLACES if position.accuracy_m else _VAGUE_PLACES
    return f"{position.latitude:.{places}f}, {position.longitude:.{places}f}"


def quoted_text(alert: DeviceAlert, labels: Labels = ENGLISH) -> str:
    """Return what somebody wrote, as it is, so that nobody takes it for the hub's own words; nothing where nobody did.

    What the hub itself wrote as the text of an alert is put into the language too.
    """
    text, language = (alert.text or "").strip(), alert.header.language
    if alert.header.source == STREAMS_SOURCE and (own := labels.own(text)):
        return f'"{own}"'
    said = f'"{text}"' if text else ""
    return isolated(said) if labels.reads(language) else labels.text(said, language)


def name_of(kind: AlertKind, name: str, labels: Labels = ENGLISH) -> str:
    """Return what happened, where the usual name of its kind would mislead; else `name`."""
    return labels(_NAMES.get(kind, name))


def nobody_goes(mode: Mode, labels: Labels = ENGLISH) -> str:
    """Return what must stand beside the name of an exercise or test, empty for all else."""
    return f" ({labels('send nobody')})" if mode in _DRILLS else ""


def age_words(seconds: float) -> str:
    """Return a length of time in the unit of which it has two or more, rounded down: `119 s`, `9 h`."""
    length, unit = next((each for each in _UNITS if seconds >= 2 * each[0]), (1, "s"))
    return f"{seconds // length:.0f} {unit}"


def asks_to_cancel(alert: DeviceAlert, delivery: Delivery) -> bool:
    """Return whether the device has asked to call an open alert off."""
    asked = "cancel_requested" in alert.header.flags or alert.action is AlertAction.CANCEL
    return asked and delivery.reason is not DeliveryReason.CANCEL


def remarks_on(alert: DeviceAlert, delivery: Delivery, labels: Labels = ENGLISH) -> Iterator[str]:
    """Return how an alert stands, the gravest first: a sentence each, without its end."""
    over = delivery.reason is DeliveryReason.CANCEL
    yield from (labels(words) for words in _of_silence(alert, delivery))
    if not over:
        # An alert of the hub itself says in its own words that a device is silent.
        untold = {flags.DEVICE_SILENT} if alert.kind is AlertKind.OTHER else set()
        told = set(alert.header.flags) - untold
        yield from (labels(words) for flag, words in _REMARKS.items() if flag in told)
    whole = alert.whole
    if whole is None:
        return
    if whole.reopens and not over:
        yield labels("OPEN AGAIN: it had been closed, and the device called again")
    if whole.owner_agency_id and not over:
        yield labels("Owned by {agency}", agency=whole.owner_agency_id)
    if whole.offered_to and not over:
        yield labels("Offered to {agency}", agency=whole.offered_to)
        if whole.offered_words:
            yield labels("With the offer: {words}", words=f'"{whole.offered_words}"')
    if over and whole.ended_by:
        who, why = _WHO.get(whole.ended_by, whole.ended_by), _WHY.get(whole.ended_why, whole.ended_why)
        yield labels("Ended by {who}: {why}", who=labels(who), why=labels(why))
        if whole.ended_words:
            yield labels("In their words: {words}", words=f'"{whole.ended_words}"')


def incident_words(alert: DeviceAlert, labels: Labels = ENGLISH, reference: str = "") -> str:
    """Return that an alert is of one event with an earlier one, by whatever people know that by, and why."""
    whole = alert.whole
    if whole is None or not whole.group_id:
        return ""
    words = labels("Same incident as {reference}", reference=reference or labels("an earlier alert"))
    why = _LINKED.get(whole.linked_by)
    words = f"{words} ({labels(why)})" if why else words
    return labels("{first}; {second}", first=words, second=labels("an alert of its own, answer it too"))


def details_of(alert: DeviceAlert, delivery: Delivery, labels: Labels = ENGLISH) -> Iterator[str]:
    """Return what else there is to know of an alert: a sentence each, without its end."""
    over = delivery.reason is DeliveryReason.CANCEL
    if alert.press_count > 1 and not over:
        yield labels("Pressed {count} times", count=alert.press_count)
    if not over and alert.battery_percent is not None and alert.battery_percent <= _LOW_BATTERY_PERCENT:
        yield labels("Device battery at {percent} %: it may soon go silent", percent=alert.battery_percent)
    if alert.unit:
        # Its officer's: nobody may take it for one that was sent.
        yield labels("Officer's own unit: {unit}", unit=alert.unit)
    if over:
        return
    if alert.whole and alert.whole.renew_by:
        until = f"{alert.whole.renew_by:%H:%M}"
        yield labels("Not confirmed: to be renewed or confirmed by {time} UTC", time=until)
    since, now = _since(alert), delivery.sent_at or _since(alert)
    day = "" if since.date() == now.date() else f"{since:%Y-%m-%d} "
    seconds = (now - since).total_seconds()
    age = f" ({age_words(seconds)})" if seconds >= _FRESH_SECONDS else ""
    yield labels("Since {time} UTC", time=f"{day}{since:%H:%M:%S}") + age


def headline_marks(alert: DeviceAlert, delivery: Delivery, labels: Labels = ENGLISH) -> Iterator[str]:
    """Return how an open alert stands, in the few words for who reads its first line alone."""
    if delivery.reason is DeliveryReason.CANCEL:
        return
    if silence_words(alert, delivery) == _NO_LONGER_SILENT:
        yield labels("NO LONGER SILENT")
    if asks_to_cancel(alert, delivery):
        yield labels("STILL OPEN")
    if alert.whole and alert.whole.reopens:
        yield labels("OPEN AGAIN")
    if flags.UNANSWERED in alert.header.flags:
        yield labels(NOBODY_ANSWERS)
    if flags.UNASSIGNED in alert.header.flags:
        yield labels("NO UNIT SENT")


def asked_of(alert: DeviceAlert, delivery: Delivery, labels: Labels = ENGLISH) -> str:
    """Return what is asked of who reads this; nothing of an end, and of news that change nothing of that."""
    if delivery.reason is DeliveryReason.CANCEL:
        return ""
    is_new, special = delivery.reason is DeliveryReason.NEW, asked_now(alert, delivery)
    drill = _DRILLS.get(alert.header.mode)
    asked = (
        _UNHEARD if alert.silent and (is_new or special) else "",
        drill,
        special,
        msgid("Confirm that a person has read this.") if is_new and not special else "",
        msgid("As soon as you send a unit, say which.") if is_new and not special and not drill else "",
    )
    return " ".join(labels(words) for words in asked if words)


def asked_now(alert: DeviceAlert, delivery: Delivery) -> str:
    """Return what an alert asks of a person beyond what every new one does: a sentence to be put into words."""
    if asks_to_cancel(alert, delivery):
        return _ASKED_OF_CANCEL[alert.silent]
    if flags.NEEDS_HELP_AGAIN in alert.header.flags:
        return _KEEP_OPEN
    waits = {flags.UNANSWERED, flags.UNASSIGNED}.intersection(alert.header.flags) and alert.header.mode not in _DRILLS
    return _SAY_WHICH if waits else ""


def drill_words(alert: DeviceAlert, labels: Labels = ENGLISH) -> str:
    """Return what is asked of who reads what is not real, empty for what is."""
    drill = _DRILLS.get(alert.header.mode)
    return labels(drill) if drill else ""


def _since(alert: DeviceAlert) -> datetime:
    """Return when it was raised; what a clock says that cannot be trusted counts for nothing."""
    if alert.whole and alert.whole.raised_at:
        return alert.whole.raised_at
    header = alert.header
    return header.occurred_at if flags.UNTRUSTED.isdisjoint(header.flags) else header.received_at


def silence_words(alert: DeviceAlert, delivery: Delivery) -> str:
    """Return that an alert is silent, or is not any more; empty where it never was."""
    if alert.silent:
        # Also of one that is over: duress ends by a person's word, not with the alert.
        return SILENT
    is_open = delivery.reason is not DeliveryReason.CANCEL
    return _NO_LONGER_SILENT if is_open and flags.SILENCE_OVER in alert.header.flags else ""


def _of_silence(alert: DeviceAlert, delivery: Delivery) -> Iterator[str]:
    if words := silence_words(alert, delivery):
        yield words
    if asks_to_cancel(alert, delivery):
        yield ASKS_TO_CANCEL
        if flags.UNDER_DURESS in alert.header.flags:
            yield SAID_UNDER_DURESS


def others_words(delivery: Delivery, labels: Labels = ENGLISH) -> Iterator[str]:
    """Return what people at the other rooms said last, a sentence each: `county: assigned, unit 7, ETA 12:05 UTC`."""
    for room in delivery.others.rooms if delivery.others else ():
        said = _RESPONSES.get(room.response) or _LEVELS.get(room.level, room.level.value.lower())
        words = ": " + isolated(f'"{room.words}"') if room.words else ""
        yield ", ".join((f"{isolated(room.agency)}: {labels(said)}", *_of_room(room, labels))) + words


def _of_room(room: OtherRoom, labels: Labels) -> Iterator[str]:
    if room.unit:
        yield labels("unit {unit}", unit=room.unit)
    if room.eta_at:
        yield labels("ETA {time} UTC", time=f"{room.eta_at:%H:%M}")
    if room.validity is Validity.FALSE:
        yield labels("false alarm")
    if room.by_ref:
        yield labels("by {who}", who=room.by_ref)
