"""References to earlier messages, `sender,identifier,sent` (CAP 1.2, 3.2.1), read as leniently as can be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from bondmate_schemas.ids import derived_id

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.values import OurIdentifier, parse_our_identifier, read_time

_PARTS: Final = 3
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\S*", re.ASCII)
_ODD: Final = re.compile(r"[\s,]")
_BETWEEN: Final = re.compile(r"(\d[Tt]\d\d:\d\d[^\s,;]*)\s*;", re.ASCII)
"""A semicolon between references: sender and identifier may have others in them."""
_AROUND_COMMA: Final = re.compile(r"\s*,\s*")


def alert_id(sender: str, identifier: str, sent: datetime | str) -> str:
    """Return our id of the alert that (sender, identifier, sent) name, however its sender writes them.

    Sender and identifier may hold commas and spaces, against the rule: then they are cut where a reference is.
    """
    time = sent if isinstance(sent, str) else sent.astimezone(UTC).isoformat(timespec="seconds")
    if _ODD.search(sender) or _ODD.search(identifier):
        sender, _, identifier = _tidy(f"{sender},{identifier}").partition(",")
    return derived_id("cap", sender, identifier, time)


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message."""

    sender: str
    identifier: str
    sent: str

    def __str__(self) -> str:
        return f"{self.sender},{self.identifier},{self.sent}"

    @property
    def time(self) -> datetime | None:
        """When it was sent; None when that is no time."""
        read = read_time(self.sent)
        return read[0] if read else None

    @property
    def alert_id(self) -> str:
        """Our id of the alert it names."""
        return alert_id(self.sender, self.identifier, self.time or self.sent)

    @property
    def ours(self) -> OurIdentifier | None:
        """What the identifier says when we wrote the message, else None."""
        return parse_our_identifier(self.identifier) if self.sender.startswith(codes.OUR_SENDER) else None

    @property
    def names_us(self) -> bool:
        """Whether it means a message of ours, be it spelt so that it cannot be found."""
        return self.sender.casefold().startswith(codes.OUR_SENDER)

    @property
    def our_agency(self) -> str | None:
        """The agency whose message it names when we wrote it, else None."""
        if not self.sender.startswith(codes.OUR_SENDER):
            return None
        return unquote(self.sender.removeprefix(codes.OUR_SENDER), errors="replace")


@dataclass(frozen=True, slots=True)
class References:
    """The references of one message, and whether something there is none."""

    found: tuple[Reference, ...] = ()
    unreadable: bool = False


def references_in(text: str) -> References:
    """Read the references in `text`.

    Let pass: any white space, also beside the commas; a comma or semicolon between two references; spaces and commas in
    sender or identifier; a `sent` that is no time, which then names nothing that is known.
    """
    found: list[Reference] = []
    begun = ""
    unreadable = False
    for token in _tidy(text).split(" "):
        whole, rest = _cut(token)
        if whole and begun:
            # What stands before it may be the beginning of its sender, or nothing at all: both are meant.
            unreadable = True
            found += [whole[0], *(_without_time(begun) or _cut(f"{begun} {whole[0]}")[0])]
        elif begun:
            whole, rest = _cut(f"{begun} {token}")
        found += whole
        begun = rest
    found += _without_time(begun)
    return References(tuple(dict.fromkeys(found)), unreadable or bool(begun))


def read_references(text: str) -> tuple[Reference, ...]:
    """Read the references in `text`; what is none is left out."""
    return references_in(text).found


def _tidy(text: str) -> str:
    if ";" in text:
        text = _BETWEEN.sub(r"\1 ", text)
    return _AROUND_COMMA.sub(",", " ".join(text.split()))


def _cut(text: str) -> tuple[list[Reference], str]:
    """Cut a text into references, each up to its time; what is left may be the beginning of one."""
    found: list[Reference] = []
    parts, start = text.split(","), 0
    for place, part in enumerate(parts):
        if place - start >= _PARTS - 1 and _TIME.fullmatch(part):
            found.append(Reference(parts[start], ",".join(parts[start + 1 : place]), part))
            start = place + 1
    return found, ",".join(parts[start:])


def _without_time(text: str) -> list[Reference]:
    """Return the reference that a text is whose last part is no time, if it has as many parts as one."""
    sender, *identifier = text.split(",")
    return [Reference(sender, ",".join(identifier[:-1]), identifier[-1])] if len(identifier) >= _PARTS - 1 else []


@dataclass(frozen=True, slots=True)
class Target:
    """A life cycle that a message begins, continues or ends."""

    event_id: str
    incident_id: str | None
    refers_to: tuple[str, ...] = ()
    """Our ids of the sender's own earlier messages by which it is meant."""
    ours: bool = False


def targets_of(references: Sequence[Reference], *, ends: bool) -> Iterator[Target]:
    """Return the life cycles that an Update or a Cancel (`ends`) names: ours before theirs.

    A Cancel ends each alert it names. An Update supersedes what it names, most often one alert and its updates: it
    continues the earliest, and whoever remembers them finds the others by `refers_to`.
    """
    ours = dict.fromkeys(reference.ours.event_id for reference in references if reference.ours)
    yield from (Target(event_id, None, ours=True) for event_id in ours)
    latest = datetime.max.replace(tzinfo=UTC)
    theirs = sorted((one for one in references if not one.ours), key=lambda reference: reference.time or latest)
    ids = tuple(dict.fromkeys(reference.alert_id for reference in theirs))
    if ends:
        yield from (Target(one, one, (one,)) for one in ids)
    elif ids:
        yield Target(ids[0], ids[0], ids)
