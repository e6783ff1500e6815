"""Messages to officers in CAP: a Private Alert to `addresses`, and what became of it, as Ack or Error.

CAP 1.2 has no kind of its own for a message to a person. It has Private, "for dissemination only to specified
addresses", and `addresses`, "the group listing of intended recipients" (3.2.1). Members of `addresses` are:

- `agency:<id>`: every device of the agency on shift;
- `area`: every device on shift in the areas of the message, of those agencies where there are any;
- anything else: a device, unit or callsign.

With a parameter `bondmate:emergency` of `SOS`, `OFFICER_DOWN` or `ASSISTANCE` it is no message: it starts an emergency
of the one device that it addresses. The text says why, `bondmate:by` who; with `bondmate:silent` of `true` the device
is told nothing, and a second person must ask for the same.

The device of an officer under duress shows it silently, and an Ack says so at once; with a parameter `bondmate:aloud`
of `true` it sounds all the same.

An Ack in CAP "acknowledges receipt and acceptance of the message", which says nothing of a person. So the note of each
begins with the level that is true: `DELIVERED`, `ACCEPTED` (opened on the device), `ACKNOWLEDGED` (by the officer),
names whom it was for as its sender did, and ends in what that means. An Error says why the message did not arrive, or
was not confirmed in time, or that it waits for its device (`NOT_DELIVERED_YET`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bondmate_schemas.duress import SECOND_PERSON, SHOWN_SILENTLY
from bondmate_schemas.enums import AlertKind, Level, MessageDirection, Priority
from bondmate_schemas.labels import ENGLISH, Labels, msgid
from bondmate_schemas.models import (
    Address,
    Delivery,
    DeliveryReceipt,
    DeviceMessage,
    EmergencyStart,
    EventHeader,
    ExternalRef,
)
from bondmate_schemas.refusals import HUB

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.content import Content
from bondmate_connectors.formats.cap.document import serialised
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.references import Reference, read_references
from bondmate_connectors.formats.cap.values import our_identifier, our_sender, word, write_time
from bondmate_connectors.formats.message_words import receipt_meaning

REFERENCE: Final = "cap:reference"
"""System of the external reference that keeps how a message is referred to."""
NOT_OF_CAP: Final = "not_of_a_cap_message"
_AGENCY: Final = "agency:"
_AREA: Final = "area"
_CONFIRM: Final = "requires_acknowledgement"
_ALOUD: Final = "aloud"
EMERGENCY: Final = "emergency"
"""Parameter by which a room starts an emergency of the device that it addresses."""
_SILENT: Final = "silent"
_BY: Final = "by"
_OURS: Final = frozenset({_CONFIRM, _ALOUD, EMERGENCY, _SILENT, _BY})
_SHOWN: Final = frozenset({"language", "event", "headline", "description", "instruction", "urgency", "expires"})
_NO_PLACE: Final = "a message to officers is a text"
_OWN_WORDS: Final = {
    SHOWN_SILENTLY: msgid("the officer is under duress, do not call"),
    SECOND_PERSON: msgid("nothing is started before a second person asks for the same, within 10 minutes"),
}
_ARRIVED: Final = frozenset({Level.DELIVERED, Level.ACCEPTED, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED})

_HOW: Final = {
    Level.UNKNOWN: msgid("to {who}"),
    Level.DELIVERED: msgid("to {who}"),
    Level.ACCEPTED: msgid("by {who}"),
    Level.ACKNOWLEDGED: msgid("by {who}"),
}
_FOR: Final = msgid("for {who}")
"""How what became of a message is of whom it was for."""


def message_to_officers(
    header: EventHeader, content: Content, addresses: tuple[str, ...], reference: Reference
) -> DeviceMessage:
    """Return the message that an Alert to `addresses` is; `header` is the Alert's."""
    refs = (*header.external_refs, ExternalRef(system=REFERENCE, id=str(reference)))
    start = _start(addresses, content)
    return DeviceMessage(
        header=header.model_copy(update={"external_refs": refs, "incident_id": None}),
        device_id="",
        direction=MessageDirection.TO_DEVICE,
        sender="cap",
        sender_ref=content.own(_BY).strip() or None,
        text="\n".join(_texts(content)),
        priority=codes.PRIORITY_OF.get(content.text("urgency"), Priority.ROUTINE),
        requires_acknowledgement=_is_true(content, _CONFIRM),
        aloud=_is_true(content, _ALOUD),
        # Whom a message is for, and whose emergency starts, stand apart: a hub of before must not send that as a text.
        to=Address() if start else _address(addresses, content),
        emergency=start,
    )


def _start(addresses: tuple[str, ...], content: Content) -> EmergencyStart | None:
    """Return the emergency that is started, None for a message; of a kind that there is not, the streams refuse it."""
    if not content.own(EMERGENCY):
        return None
    name = "_".join(content.own(EMERGENCY).upper().replace("-", " ").split())
    kind = AlertKind.__members__.get(name, AlertKind.OTHER)
    return EmergencyStart(names=addresses, kind=kind, silent=_is_true(content, _SILENT))


def _is_true(content: Content, name: str) -> bool:
    return content.own(name).strip().casefold() == "true"


def _texts(content: Content) -> Iterator[str]:
    yield content.text("headline") or content.text("event")
    for name in ("description", "instruction"):
        if text := content.text(name):
            yield text


def note_what_a_message_lacks(content: Content, more: Sequence[str], addresses: tuple[str, ...], notes: Notes) -> None:
    """Note what of an Alert to officers their devices do not get; `more` are paths beside its blocks."""
    unclear = {"event"} if content.text("headline") else set()
    unclear |= set() if content.time("expires") else {"expires"}
    unclear |= set() if content.text("urgency") in codes.PRIORITY_OF else {"urgency"}
    shown = _SHOWN - unclear
    lost = [path for name in content.texts if name not in shown for path in content.paths(name)]
    lost += [block.path_of(one) for block in (content.first, *content.others) for one in block.attributes]
    lost += [content.first.path_of(own) for own in content.ours if own.name not in _OURS]
    for path in (*more, *lost):
        notes.lose(path, _NO_PLACE)
    for area in () if _AREA in addresses else content.area_paths():
        notes.lose(area, "the message is not for an area")


def _address(addresses: tuple[str, ...], content: Content) -> Address:
    agencies = tuple(one.removeprefix(_AGENCY) for one in addresses if one.startswith(_AGENCY))
    names = tuple(one for one in addresses if not one.startswith(_AGENCY) and one != _AREA)
    return Address(names=names, agencies=agencies, areas=content.areas if _AREA in addresses else ())


def write_receipt(receipt: DeliveryReceipt, delivery: Delivery, labels: Labels = ENGLISH) -> bytes | Refusal:
    """Write what became of a message: to its sender alone, referring to it as it was sent."""
    kept = (ref.id for ref in receipt.header.external_refs if ref.system == REFERENCE)
    reference = next((found for text in kept for found in read_references(text)), None)
    if reference is None:
        return Refusal(NOT_OF_CAP, "header.external_refs")
    header = receipt.header
    # A refusal is of no alert: else whoever acknowledges all that it gets would answer the alert by that, and be
    # refused again, without end.
    about = header.message_id if receipt.destination == HUB else header.event_id
    return serialised(
        {
            "identifier": our_identifier(about, delivery.id),
            "sender": our_sender(header.agency_id),
            "sent": write_time(delivery.sent_at or header.occurred_at),
            "status": codes.STATUS_OF[header.mode],
            "msgType": "Ack" if receipt.level in _ARRIVED or receipt.code in _OWN_WORDS else "Error",
            "scope": "Private",
            "addresses": word(reference.sender),
            "note": ": ".join(filter(None, (" ".join(_note(receipt, labels)), receipt_meaning(receipt, labels)))),
            "references": str(reference),
        }
    )


def _note(receipt: DeliveryReceipt, labels: Labels) -> Iterator[str]:
    if words := _OWN_WORDS.get(receipt.code or ""):
        yield f"{receipt.code}: {labels(words)}"
    else:
        yield from _how_far(receipt)
    yield from _of_whom(receipt, labels)


def _how_far(receipt: DeliveryReceipt) -> Iterator[str]:
    waits = receipt.level is Level.UNKNOWN
    yield "NOT_DELIVERED_YET" if waits else receipt.level.value
    if receipt.code and not waits:
        yield receipt.code


def _of_whom(receipt: DeliveryReceipt, labels: Labels) -> Iterator[str]:
    if receipt.device_id and receipt.platform_id:
        yield labels(_HOW.get(receipt.level, _FOR), who=receipt.platform_id)
    elif receipt.device_id:
        yield labels("device {who}", who=receipt.device_id)
    elif receipt.platform_id:
        yield labels(_FOR, who=receipt.platform_id)
