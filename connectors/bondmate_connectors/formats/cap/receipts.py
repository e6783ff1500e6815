"""An Ack or Error as receipts: one for each message of ours that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.enums import Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, EventHeader, ExternalRef, Handling
from bondmate_schemas.sayings import LINK, NAMES, said, unread

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.head import Head
from bondmate_connectors.formats.cap.messages import REFERENCE
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.references import Reference
from bondmate_connectors.formats.cap.texts import Attribute, InfoTexts
from bondmate_connectors.formats.cap.values import OurIdentifier, parse_our_identifier

_NO_PLACE: Final = "a receipt has no place for it"
_NOT_READ: Final = "not one of the values that say something of help"
_NOT_OURS: Final = "not all of them are messages of the hub"


def receipts_of(
    head: Head, infos: Sequence[InfoTexts], level: Level, received_at: datetime, notes: Notes
) -> tuple[DeliveryReceipt, ...]:
    """Return the receipts; what the message says beside them is noted as lost."""
    ours = [(reference, reference.ours) for reference in head.references]
    values = sayings_of(one for info in infos for one in info.ours)
    more = said(values)
    found = tuple(_receipt(head, reference, own, level, received_at, more) for reference, own in ours if own)
    if found:
        # A block that holds our parameters and nothing else is not lost.
        beside = (info.path for info in infos if not info.ours or info.texts or info.attributes or info.areas)
        for path in (*(path for *_, path in head.attributes), *beside):
            notes.lose(path, _NO_PLACE)
        for info in infos:
            for one in info.ours:
                if one.name not in NAMES or one.name in unread(values):
                    notes.lose(info.path_of(one), _NOT_READ)
        note_unread(values, notes)
        if len(found) < len(ours):
            for path in head.referring:
                notes.lose(path, _NOT_OURS)
        if len(head.incidents) > 1:
            notes.lose(head.place("incidents"), "a receipt has place for one")
    return found


def note_unread(values: Mapping[str, str], notes: Notes) -> None:
    """Note which of our parameters say what nobody here knows: whoever wrote them must hear that they do not count."""
    for name in unread(values):
        notes.remark(codes.WORD, f"{codes.PARAMETER}{name}", "not one of the words that say something here")


def _receipt(  # noqa: PLR0917  # one call, above
    head: Head, reference: Reference, ours: OurIdentifier, level: Level, received_at: datetime, more: dict[str, Any]
) -> DeliveryReceipt:
    header = EventHeader(
        message_id=derived_id("cap", head.id, str(reference)),
        event_id=ours.event_id,
        external_refs=(
            ExternalRef(system=f"cap:{head.sender}", id=head.identifier),
            ExternalRef(system=REFERENCE, id=str(head.own_reference)),
        ),
        origin_message_id=head.identifier,
        agency_id=head.sender,
        mode=head.mode,
        occurred_at=head.sent,
        received_at=received_at,
        source="cap",
        handling=Handling(classification=head.classification),
    )
    return DeliveryReceipt(
        header=header,
        destination="cap",
        level=level,
        delivery_id=ours.delivery_id,
        platform_id=head.incidents[0] if head.incidents else None,
        code="declined" if level is Level.DECLINED else None,
        note=head.note,
        referred_agency_id=reference.our_agency,
        said_in=head.id,
        **more,
    )


def sayings_of(ours: Iterable[Attribute]) -> dict[str, str]:
    """Return what our parameters say beside the words of CAP, by name: nothing of an alert that is none of ours."""
    return {one.name: _text_of(one) for one in ours if one.name in NAMES}


def _text_of(one: Attribute) -> str:
    text = one.text.strip()
    if one.name != LINK or said({LINK: text}) == {"link_to": ""}:
        return one.text
    found = parse_our_identifier(text)
    return found.event_id if found else ""
