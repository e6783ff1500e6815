"""What stands in `alert` beside `info` (CAP 1.2, 3.2.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Classification, Mode

from bondmate_connectors.contract import Refusal
from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.references import (
    Reference,
    References,
    Target,
    alert_id,
    references_in,
    targets_of,
)
from bondmate_connectors.formats.cap.texts import AlertTexts, numbered
from bondmate_connectors.formats.cap.values import OurIdentifier, parse_our_identifier, read_time, words

_NEEDED: Final = ("identifier", "sender", "sent", "status", "msgType", "scope")
_ATTRIBUTES: Final = ("status", "source", "scope", "restriction", "addresses")
"""Elements that become attributes of an event, where no field of it says the same."""
_PRIVATE: Final = "Private"
_UNREADABLE: Final = "not all of it are references that can be read"
_DECIDING: Final = frozenset({"Cancel", "Ack", "Error"})
_LATER: Final = frozenset({"Update", "Cancel"})
_NOT_HANDED_ON: Final = "what proves a sender is not handed on"


@dataclass(slots=True)  # frozen ones take three times as long to make
class Head:
    """The head of one message."""

    path: str
    id: str
    """Our id of the message."""
    identifier: str
    sender: str
    sent: datetime
    mode: Mode
    msg_type: str
    classification: Classification
    references: tuple[Reference, ...]
    referring: tuple[str, ...]
    """Where the references stand."""
    incidents: tuple[str, ...]
    note: str | None
    signed: bool
    own_reference: Reference
    addresses: tuple[str, ...]
    """Whom a Private message is for."""
    attributes: tuple[tuple[str, str, str], ...]
    """What has no field in an event: a name for it, the text, where it stands."""
    steps: Mapping[str, str]

    def place(self, name: str) -> str:
        """Return where the single element of a name counts."""
        return f"{self.path}/{self.steps.get(name, name)}"

    @property
    def is_ours(self) -> bool:
        """Whether a hub like this one wrote it."""
        return self.sender.startswith(codes.OUR_SENDER)

    @property
    def own_target(self) -> Target:
        """The life cycle that it is the beginning of."""
        return Target(self.id, self.id)

    @property
    def repeated(self) -> tuple[str, ...]:
        """The events of ours that an Alert of somebody else names: it says them again, and begins none of its own."""
        ours = () if self.is_ours or self.msg_type != "Alert" else (one.ours for one in self.references)
        return tuple(dict.fromkeys(one.event_id for one in ours if one))

    def targets(self) -> Iterator[Target]:
        """Return the life cycles that it is of; none for a Cancel that names nothing."""
        if self.is_ours:
            yield self._of_ours(parse_our_identifier(self.identifier))
        elif self.msg_type == "Alert":
            yield from [Target(event_id, None, ours=True) for event_id in self.repeated] or [self.own_target]
        else:
            found = tuple(targets_of(self.references, ends=self.msg_type == "Cancel"))
            yield from found or ((self.own_target,) if self.msg_type == "Update" else ())

    def _of_ours(self, ours: OurIdentifier | None) -> Target:
        incident = self.incidents[0] if self.incidents else None
        if ours is not None:
            return Target(ours.event_id, incident)
        named = () if self.msg_type == "Alert" else targets_of(self.references, ends=False)
        return Target(next(iter(named), self.own_target).event_id, incident)


def head_of(alert: AlertTexts, notes: Notes) -> Head | Refusal:
    """Read the head of `alert`; refused where it does not say what it must, or ends or answers in two ways."""
    texts, path = alert.texts, alert.path
    for name in _NEEDED[:-1] if alert.namespace == codes.CAP_10 else _NEEDED:
        if name not in texts:
            return Refusal(codes.MISSING, f"{path}/{name}")
    sent, msg_type = read_time(texts["sent"]), listed(texts["msgType"], codes.MSG_TYPES)
    if sent is None:
        return Refusal(codes.SENT, f"{path}/sent")
    if msg_type is None:
        return Refusal(codes.MSG_TYPE, f"{path}/msgType")
    if msg_type in _DECIDING and (place := alert.contradiction()):
        return Refusal(codes.REPEATED, place)
    if not sent[1]:
        notes.remark(codes.OFFSET, f"{path}/sent", "taken as UTC")
    if "password" in texts:
        notes.lose(f"{path}/{alert.steps.get('password', 'password')}", _NOT_HANDED_ON)
    return _head(alert, sent[0], msg_type, notes)


def _head(alert: AlertTexts, sent: datetime, msg_type: str, notes: Notes) -> Head:
    texts, text = alert.texts, alert.texts.get
    sender, identifier = texts["sender"], texts["identifier"]
    mode = codes.MODE_OF.get(listed(texts["status"], codes.STATUSES) or "", Mode.UNKNOWN)
    scope = listed(text("scope", ""), codes.SCOPES)
    classification = _classification(scope, text("restriction", ""))
    return Head(
        path=alert.path,
        id=alert_id(sender, identifier, sent),
        identifier=identifier,
        sender=sender,
        sent=sent,
        mode=mode,
        msg_type=msg_type,
        classification=classification,
        references=_references(alert, msg_type, notes),
        referring=(f"{alert.path}/references", *alert.referring),
        incidents=words(text("incidents", "")),
        note=text("note"),
        signed=alert.signed,
        own_reference=Reference(sender, identifier, texts["sent"]),
        addresses=words(text("addresses", "")) if scope == _PRIVATE else (),
        attributes=tuple(_attributes(alert, mode, classification)),
        steps=alert.steps,
    )


def _attributes(
    alert: AlertTexts, mode: Mode, classification: Classification
) -> Iterator[tuple[str, str, str]]:  # fmt: skip
    """Return what no field of an event says: a name for it, the text, where it stands."""
    scope = "Public" if classification is Classification.UNMARKED else "Restricted"
    said = {"status": "" if mode is Mode.UNKNOWN else codes.STATUS_OF[mode], "scope": scope}
    for name in _ATTRIBUTES:
        text = alert.texts.get(name)
        if text and text.casefold() != said.get(name, "").casefold():
            yield f"{codes.ATTRIBUTE}{name}", text, f"{alert.path}/{alert.steps.get(name, name)}"
    for number, code in enumerate(alert.codes, 1):
        yield f"{codes.ATTRIBUTE}code", code, f"{alert.path}/{numbered('code', number)}"


def _references(alert: AlertTexts, msg_type: str, notes: Notes) -> tuple[Reference, ...]:
    text = alert.texts.get("references")
    found = references_in(text) if text else References()
    if found.unreadable:
        notes.remark(codes.REFERENCES, f"{alert.path}/references", _UNREADABLE)
        notes.lose(f"{alert.path}/references", _UNREADABLE)
    elif not found.found and msg_type in _LATER:
        notes.remark(codes.REFERENCES, f"{alert.path}/references", "names no earlier message")
    return found.found


def listed(text: str, values: tuple[str, ...]) -> str | None:
    """Return the value of the list that `text` means, whatever its case; None when it is none of them."""
    if text in values:
        return text
    return next((value for value in values if value.casefold() == text.casefold()), None)


def _classification(scope: str | None, restriction: str) -> Classification:
    """Return the marking: Public is unmarked; a restriction may begin with one; all else is restricted."""
    if scope == "Public":
        return Classification.UNMARKED
    marking = restriction.partition(":")[0].strip().upper()
    return Classification(marking) if marking in Classification.__members__ else Classification.RESTRICTED
