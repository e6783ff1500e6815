"""How CoT is written for one network: lifetimes, who speaks for the hub, and what its servers can take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bondmate_schemas.enums import Mode, Priority
from bondmate_schemas.labels import ENGLISH, Labels

from bondmate_connectors.formats.cot import types

LEAN_BYTES: Final = 2048
"""The largest event that every server takes in XML: goatak closes the connection at more."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """After how many seconds a client may take away what it shows, by kind."""

    alert: float = 30.0
    location: float = 120.0
    other: float = 86400.0


@dataclass(frozen=True, slots=True)
class Contact:
    """A participant of a TAK network: the uid that software goes by, the callsign that people see."""

    uid: str
    callsign: str


HUB: Final = Contact(types.HUB_UID, types.NEUTRAL_CALLSIGN)


@dataclass(frozen=True, slots=True)
class Options:
    """What a writer must know beside the event.

    `hub` speaks for the hub in chat. `marks` writes `qos` and `opex`, at which some servers drop the event. Texts that
    would make an event larger than `max_bytes` are cut; an alert is never larger than `LEAN_BYTES`. `reference` is what
    people quote to answer the alert being written, `answer_word` the word by which they acknowledge it, `assigned_word`
    and `decline_word` those for a unit that goes and for none, where there are any, `labels` the hub's own words.
    `only` are those who alone may read what is written; empty: everybody.
    """

    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    hub: Contact = HUB
    marks: bool = False
    max_bytes: int | None = None
    reference: str = ""
    answer_word: str = "ack"
    assigned_word: str = ""
    decline_word: str = ""
    labels: Labels = ENGLISH
    only: tuple[Contact, ...] = ()

    def qos(self, priority: Priority) -> str | None:
        """Return the `qos` to write, None where it is left out."""
        return types.QOS.get(priority) if self.marks else None

    def opex(self, mode: Mode) -> str | None:
        """Return the `opex` to write, None where it is left out."""
        return types.OPEX.get(mode) if self.marks else None


DEFAULT: Final = Options()
