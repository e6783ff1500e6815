"""What a control room of the laboratory reads of one CAP document.

The number of a message stands in its text, `n=3`, as its device wrote it, and beside it that of an emergency that a
room started, `k=7`; that of a fix in its latitude, since a room is told a place and no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from bondmate_demo.cap_room import CAP
from lxml import etree

SOUTH: Final = 50.0
"""The latitude of fix 0."""
_STEP: Final = 1e-4
_NUMBER = re.compile(r"n=(\d+)")
_STARTED = re.compile(r"k=(\d+)")
_OTHER = re.compile(r"(?:^|; )said=([a-z_]+)")


def latitude_of(fix: int) -> float:
    """Return where a device that is followed is at the fix of this number."""
    return round(SOUTH + fix * _STEP, 6)


def fix_at(latitude: float) -> int:
    """Return the number of the fix at a latitude."""
    return round((latitude - SOUTH) / _STEP)


@dataclass(frozen=True, slots=True)
class Document:
    """One document, as far as the laboratory reads it."""

    identifier: str
    sender: str
    sent: str
    kind: str
    number: int
    fix: int
    """Of the place it says; 0: none."""
    others: str
    """What it says of the other room: `seen`, `assigned`, `withdrawn`; empty: nothing."""
    position_only: bool
    others_only: bool
    started: int | None
    """Which of the emergencies it is of that a room started; None: of another, or it does not say."""
    flags: frozenset[str]
    references: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read a document."""
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        parameters = {_text(each, "valueName"): _text(each, "value") for each in root.iter(f"{{{CAP}}}parameter")}
        description = _text(root, "info", "description")
        number, started = _NUMBER.search(description), _STARTED.search(description)
        circle = _text(root, "info", "area", "circle")
        other = _OTHER.search(parameters.get("bondmate:other", ""))
        return cls(
            identifier=_text(root, "identifier"),
            sender=_text(root, "sender"),
            sent=_text(root, "sent"),
            kind=_text(root, "msgType"),
            number=int(number[1]) if number else 0,
            fix=fix_at(float(circle.partition(",")[0])) if circle else 0,
            others=other[1] if other else "",
            position_only="bondmate:position_only" in parameters,
            others_only="bondmate:others_only" in parameters,
            started=int(started[1]) if started else None,
            flags=frozenset(parameters.get("bondmate:flags", "").split()),
            references=_text(root, "references"),
        )


def _text(of: etree._Element, *path: str) -> str:
    return of.findtext("/".join(f"{{{CAP}}}{name}" for name in path)) or ""
