"""What an officer reads of an alert: what a person at a room said, that help is not coming, that a press came late.

And what the sender of a message to an officer hears of it. The hub's own words are in the language that the alert
states, which is its device's where the press names none, and in English where there are none in it. The levels
themselves an officer's device is shown without words; see `bondmate.state.alerts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bondmate_schemas.catalogue import DEVICE
from bondmate_schemas.enums import Level, MessageDirection, Ownership, Priority, Response, Validity
from bondmate_schemas.flags import FROM_REPLACED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.labels import Labels, labels_for, msgid
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, DeviceMessage

from bondmate_streams.logic.headers import SOURCE, own_header, with_header
from bondmate_streams.logic.levels import is_help_shown, stage_of
from bondmate_streams.logic.life_cycle import CLOSED

SILENT: Final = "silent"
"""Remark on a message to an officer: its device shows it without a sound."""
_ENDINGS: Final = {Level.RESOLVED: msgid("resolved"), Level.CANCELLED: msgid("called off")}
_NOT_COMING: Final = msgid("Help that you were promised is NOT coming.")
_CAME_LATE: Final = msgid(
    "NOBODY WAS ALARMED by your press of {time} UTC: the alert had been closed before it came. Press again NOW if you"
    " need help."
)
_ANSWERS: Final = frozenset(
    {Level.UNKNOWN, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED, Level.CANCELLED, Level.DECLINED}
)


def answer(receipt: DeliveryReceipt, device_id: str, now: datetime, *, silent: bool = False) -> DeviceMessage | None:
    """Return a person's words as a message to the officer; None when the receipt carries none.

    What is written with an offer to own the alert is for who it is offered to. `silent` marks it so that the device of
    somebody under duress does not sound.
    """
    is_offer = receipt.ownership is Ownership.OFFERED and receipt.level is Level.UNKNOWN
    if not receipt.note or receipt.level not in _ANSWERS or is_offer:
        return None
    return _message(receipt, device_id, receipt.note, now, silent=silent)


def of_statement(
    receipt: DeliveryReceipt, before: AlertState, after: AlertState, now: datetime, *, lapses: bool, asks: bool
) -> DeviceMessage | None:
    """Return what the officer reads of a statement: urgently where it takes help away.

    Args:
        receipt: what was said.
        before: the alert before it.
        after: the alert after it.
        now: the time of the message.
        lapses: nobody answers any more by it.
        asks: a round of escalation begins of that.
    """
    name, silent = receipt.destination, before.alert.silent
    was, at = before.destinations[name], after.destinations[name]
    if before.status in CLOSED:
        return answer(receipt, before.device_id, now, silent=silent)
    labels = labels_for(before.alert.header.language)
    again = f" {labels('The hub asks again.')}" if asks else ""
    if at.response is Response.WITHDRAWN and stage_of(was).answers:
        text = labels("Help is NOT coming from {room}.", room=name) + again
    elif stage_of(at).closes and lapses:
        text = labels("{room} has closed its part: nobody is answering you now.", room=name) + again
    elif stage_of(at).closes and is_help_shown(before) and not is_help_shown(after):
        text = labels("{room} has closed its part: nobody else has said that help is coming.", room=name)
    else:
        return answer(receipt, before.device_id, now, silent=silent)
    said = _message(receipt, before.device_id, text, now, silent=silent, priority=Priority.URGENT)
    return _with_words(said, receipt, labels)


def of_ending(receipt: DeliveryReceipt, before: AlertState, now: datetime) -> DeviceMessage | None:
    """Return the words by which a room ended the alert, as the officer reads them: whose, of what, and what to do."""
    if not receipt.note:
        return None
    labels = labels_for(before.alert.header.language)
    is_false = receipt.validity is Validity.FALSE
    why = msgid("false alarm") if is_false else _ENDINGS.get(receipt.level, msgid("closed"))
    text = labels("Your alert was closed by {room}: {why}.", room=receipt.destination, why=labels(why))
    said = _with_words(_message(receipt, before.device_id, text, now, silent=before.alert.silent), receipt, labels)
    return said.model_copy(update={"text": f"{said.text}. {labels('Press again if you need help.')}"})


def _with_words(message: DeviceMessage, receipt: DeliveryReceipt, labels: Labels) -> DeviceMessage:
    """Return a message in the hub's words, of which it states the language, with what the room said behind them."""
    words = labels.text(f'"{receipt.note}"', receipt.header.language) if receipt.note else ""
    text = f"{message.text} {labels('They say: {words}', words=words)}" if words else message.text
    return with_header(message.model_copy(update={"text": text}), language=labels.language)


def unnamed(message: DeviceMessage) -> DeviceMessage | None:
    """Return what the officer reads of a room that nobody may know of: that help is not coming, and nothing else."""
    if message.priority is not Priority.URGENT:
        return None
    text = labels_for(message.header.language)(_NOT_COMING)
    said = message.model_copy(update={"sender": SOURCE, "sender_ref": None, "text": text})
    return with_header(said, hops=())


def is_told(state: AlertState) -> bool:
    """Whether an officer reads of an alert: a drill has none, and of a replaced device nobody knows who pressed."""
    return FROM_REPLACED not in state.header.flags and not state.alert.drill


def came_late(state: AlertState, alert: DeviceAlert, now: datetime) -> DeviceMessage:
    """Return what the officer reads of a press that was made before the alert ended and came after it."""
    labels = labels_for(alert.header.language)
    text = labels(_CAME_LATE, time=f"{alert.header.occurred_at:%H:%M:%S}")
    message_id = derived_id("message", state.header.event_id, alert.header.message_id, "late")
    return _of_hub(state, message_id, text, labels, now)


def started(state: AlertState, now: datetime) -> DeviceMessage:
    """Return what the officer reads of an emergency that a room has started."""
    agency, why = state.header.agency_id, state.alert.text or ""
    labels = labels_for(state.alert.header.language)
    begun = labels("{agency} has started an emergency for you: {why}", agency=agency, why=why)
    text = f"{begun}\n{labels('Press if you need help, or answer that you are safe.')}"
    return _of_hub(state, derived_id("message", state.header.event_id, "started"), text, labels, now)


def _of_hub(state: AlertState, message_id: str, text: str, labels: Labels, now: datetime) -> DeviceMessage:
    own = {
        "message_id": message_id, "event_id": state.header.event_id, "language": labels.language,
        "flags": (SILENT,) if state.alert.silent else (),
    }  # fmt: skip
    return DeviceMessage(
        header=own_header(state.alert.header, now, **own),
        device_id=state.device_id,
        direction=MessageDirection.TO_DEVICE,
        sender=SOURCE,
        text=text,
        priority=Priority.URGENT,
        in_reply_to=state.header.event_id,
        alert_id=state.header.event_id,
    )


def _message(
    receipt: DeliveryReceipt,
    device_id: str,
    text: str,
    now: datetime,
    *,
    silent: bool,
    priority: Priority = Priority.ROUTINE,
) -> DeviceMessage:
    header = receipt.header
    # By this a person's words are known again: one message may refer to several that told of an alert.
    said = (receipt.destination, receipt.said_in) if receipt.said_in else (header.message_id,)
    return DeviceMessage(
        header=header.model_copy(update={
            "message_id": derived_id("message", header.event_id, *said), "source": SOURCE, "published_at": now,
            "hops": (*header.hops, receipt.destination), "flags": (SILENT,) if silent else (),
        }),
        device_id=device_id,
        direction=MessageDirection.TO_DEVICE,
        sender=receipt.destination,
        sender_ref=receipt.by_ref,
        text=text,
        priority=priority,
        in_reply_to=header.event_id,
        alert_id=header.event_id,
    )  # fmt: skip


def told_sender(message: DeviceMessage, message_id: str, now: datetime, **said: Any) -> DeliveryReceipt:
    """Return what tells the sender of a message what became of it here."""
    header = message.header
    update = {
        "message_id": message_id, "event_id": header.message_id, "occurred_at": now, "published_at": now,
        "source": SOURCE, "hops": (*header.hops, SOURCE), "expires_at": None, "flags": (),
    }  # fmt: skip
    return DeliveryReceipt(
        header=header.model_copy(update=update),
        destination=DEVICE,
        sender=header.source,
        sender_message_id=header.message_id,
        **said,
    )
