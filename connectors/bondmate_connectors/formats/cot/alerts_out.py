"""Alerts: the emergency or (in an exercise) the marker on the map, its end, and the chat line that goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason
from bondmate_schemas.labels import Labels, isolated, msgid
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeviceAlert

from bondmate_connectors.formats import alert_words
from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.alert_code import short_code
from bondmate_connectors.formats.cot.build import Draft, fitted, later
from bondmate_connectors.formats.cot.chat_out import ChatLine
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.options import LEAN_BYTES, Options
from bondmate_connectors.formats.cot.words import LATE, callsign_of, mode_words

_HOW: Final = "h-g-i-g-o"
_LEAN_CALLSIGN: Final = 40
_NAMES: Final = {
    AlertKind.SOS: msgid("SOS"),
    AlertKind.ASSISTANCE: msgid("Assistance"),
    AlertKind.GEOFENCE: msgid("Geofence"),
    AlertKind.TAMPER: msgid("Tamper"),
    AlertKind.LOW_BATTERY: msgid("Low battery"),
    AlertKind.OTHER: msgid("Other"),
}
"""Names of kinds, but of those that `alert_words` names for every dialect."""


def write_alert(event: DeviceAlert, delivery: Delivery, now: datetime, options: Options) -> tuple[bytes, bool]:
    """Write an alert or its end under the same uid, in at most `LEAN_BYTES`; the second says whether its text was cut.

    What clients need stays whatever is cut: uid, type, position, kind, and who it is.
    """

    def write(text: str) -> bytes:
        return _write(event, delivery, now, options, text, is_lean=False)

    def write_lean(text: str) -> bytes:
        return _write(event, delivery, now, options, text, is_lean=True)

    text = alert_text(event, delivery, options)
    document, kept = fitted(write, text, LEAN_BYTES)
    if len(document) > LEAN_BYTES:
        document, kept = fitted(write_lean, text, LEAN_BYTES)
    return document, kept != text


def write_lean_alert(event: DeviceAlert, delivery: Delivery, now: datetime, options: Options) -> bytes:
    """Write an alert in its leanest form: no words of people but a plain callsign, nothing clients can do without."""
    plain = (event.callsign or "").encode("ascii", "replace").decode()
    event = event.model_copy(update={"callsign": plain})
    text = ". ".join(filter(None, (_headline(event, delivery, options), alert_words.silence_words(event, delivery))))
    return _write(event, delivery, now, options, text, is_lean=True)


def write_bare_end(event: DeviceAlert, delivery: Delivery, now: datetime, options: Options) -> bytes:
    """Write that an alert is over, and nothing of how it stands: neither place nor kind nor words."""
    bare = event.model_copy(update={"position": None})
    return _write(bare, delivery, now, options, "", is_lean=True, is_bare=True)


def _write(
    event: DeviceAlert, delivery: Delivery, now: datetime, options: Options, text: str, *, is_lean: bool,
    is_bare: bool = False,
) -> bytes:  # fmt: skip
    drill, cancelled = event.header.mode in types.DRILLS, is_bare or is_cancel(delivery)
    draft = Draft(
        uid=types.alert_uid(event.header.event_id), type=_type(event, drill=drill, cancelled=cancelled), time=now,
        start=event.header.occurred_at, stale=later(now, options.lifetimes.alert), how=_HOW, header=event.header,
        message_id=delivery.id, qos=options.qos(event.priority), opex=options.opex(event.header.mode),
        position=event.position,
    )  # fmt: skip
    callsign = callsign_of(event.header, event.callsign)
    if is_lean:
        callsign = callsign[:_LEAN_CALLSIGN]
        draft.header = event.header.model_copy(update={"incident_id": None})
    draft.add("contact", callsign=callsign + types.CALLSIGN_SUFFIX)
    if cancelled and drill:
        # Clients find what to delete by the link.
        draft.add("link", uid=draft.uid, type=types.MARKER, relation="p-p")
        draft.add("__forcedelete")
        draft.uid, draft.stale = f"{draft.uid}-delete", later(now, options.lifetimes.other)
    elif not is_lean:
        draft.add("link", uid=types.device_uid(event.device_id), type=types.PLI, relation="p-p")
    if not drill:
        says = {"cancel": "true"} if cancelled else {"type": types.EMERGENCY_TYPES[event.kind][1]}
        draft.add("emergency", callsign, **says)
    draft.add("remarks", text, time=format_time(event.header.occurred_at))
    draft.only_to(options.only)
    if event.battery_percent is not None and not is_lean:
        draft.add("status", battery=str(event.battery_percent))
    kind = None if is_bare else event.kind.value
    return draft.finish(now, kind=kind, priority=event.priority.value, device=event.device_id)


def _type(event: DeviceAlert, *, drill: bool, cancelled: bool) -> str:
    if drill:
        return types.DELETE if cancelled else types.MARKER
    return types.CANCEL if cancelled else types.EMERGENCY_TYPES[event.kind][0]


def is_cancel(delivery: Delivery) -> bool:
    """Whether the alert is over. A cancel delivered as UPDATE or REFRESH is a device's request, not the end."""
    asked = delivery.alert is not None and delivery.alert.action is AlertAction.CANCEL
    return delivery.reason is DeliveryReason.CANCEL or (asked and delivery.reason is DeliveryReason.NEW)


def chat_line(event: DeviceAlert, delivery: Delivery, options: Options) -> ChatLine:
    """Return the line that goes with an alert; its reference is what an answer leads back by."""
    return ChatLine(
        speaker=options.hub,
        text=alert_text(event, delivery, options, asks=True),
        header=event.header,
        message_id=delivery.id,
        own={"alert": event.header.event_id, "device": event.device_id},
        qos=options.qos(event.priority),
        sent_at=delivery.sent_at,
    )


def alert_text(event: DeviceAlert, delivery: Delivery, options: Options, *, asks: bool = False) -> str:
    """Return what an operator reads about an alert; with `asks`, also how to answer it."""
    return ". ".join(part for part in _parts(event, delivery, options, asks=asks) if part)


def _headline(event: DeviceAlert, delivery: Delivery, options: Options) -> str:
    labels, mode = options.labels, event.header.mode
    ended = f" {labels('ENDED')}" if is_cancel(delivery) else ""
    name = alert_words.name_of(event.kind, _NAMES.get(event.kind, ""), labels)
    what = f"{mode_words(mode, labels)}{name}{alert_words.nobody_goes(mode, labels)}"
    number = labels("alert {reference}", reference=_reference(event, options))
    return f"{what} - {number}{ended}" + (f": {isolated(event.callsign)}" if event.callsign else "")


def _reference(event: DeviceAlert, options: Options) -> str:
    return options.reference or short_code(event.header.event_id)


def _parts(event: DeviceAlert, delivery: Delivery, options: Options, *, asks: bool) -> Iterator[str]:
    labels = options.labels
    yield _headline(event, delivery, options)
    if asks and delivery.is_of_others_only:
        yield from alert_words.others_words(delivery, labels)
        return
    if was_marked_late(delivery):
        yield labels(LATE)
    yield from alert_words.remarks_on(event, delivery, labels)
    yield alert_words.quoted_text(event, labels)
    if not is_cancel(delivery):
        yield _where(event, labels, asks=asks)
    yield from alert_words.others_words(delivery, labels)
    if event.whole and event.whole.linked_to:
        yield alert_words.incident_words(event, labels, short_code(event.whole.linked_to))
    yield from alert_words.details_of(event, delivery, labels)
    if asks and not is_cancel(delivery):
        yield from _asked(event, delivery, options)


def _asked(event: DeviceAlert, delivery: Delivery, options: Options) -> Iterator[str]:
    """Yield what is asked, how to answer, and at the very end that it is not real."""
    labels, reference = options.labels, _reference(event, options)
    yield labels(alert_words.asked_now(event, delivery)).removesuffix(".")
    yield labels("To acknowledge write: {word} {reference}", word=options.answer_word, reference=reference)
    yield labels("This says only that you have read it")
    if options.assigned_word:
        yield labels("When a unit goes write: {word} {reference}", word=options.assigned_word, reference=reference)
    if options.decline_word:
        yield labels("If you have none write: {word} {reference}", word=options.decline_word, reference=reference)
    yield alert_words.drill_words(event, labels).removesuffix(".")


def _where(event: DeviceAlert, labels: Labels, *, asks: bool) -> str:
    words, position = alert_words.position_words(event, labels), event.position
    if position is None:
        return words
    is_plain = words == labels("Position") and position.accuracy_m is not None
    if not asks:
        return "" if is_plain else f"{words}, {alert_words.accuracy_words(position, labels)}"
    return f"{words}, {alert_words.accuracy_words(position, labels)}: {alert_words.degrees(position)}"
