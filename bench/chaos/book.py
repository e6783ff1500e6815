"""What is written down in a scenario: what was accepted, what arrived, and what was shown."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Arrival:
    """One document a control room took: of which alert, which number, under which delivery id, when."""

    event_id: str
    number: int
    delivery_id: str
    at: float
    ends: bool = False
    fix: int = 0
    """Of the place it says; 0: none."""
    others: str = ""
    """What it says of the other room; empty: nothing."""
    flags: frozenset[str] = frozenset()
    """What the hub remarks on it."""


class About(StrEnum):
    """What an update that nobody pressed is about."""

    POSITION = "position"
    STATE = "state"
    ROUND = "round"
    """It asks anew, since the last help was taken back."""
    STARTED = "started"
    """What became of an emergency that a room started: confirmed, not renewed, over."""


@dataclass(frozen=True, slots=True)
class Update:
    """One document a control room took that says where an officer is, or what the other room said, and no more."""

    event_id: str
    about: About
    delivery_id: str
    at: float
    fix: int = 0
    others: str = ""
    flags: frozenset[str] = frozenset()
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """One record of an alert on the topic of a room, in its order."""

    event_id: str
    delivery_id: str
    is_position: bool
    at: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A level that a device was shown of its alert at a room; `says` is what a person there said last."""

    event_id: str
    room: str
    level: str
    at: float
    says: str = ""


@dataclass(slots=True)
class Started:
    """An emergency that a room of the owner started; times are epoch seconds, 0: not done."""

    device: str
    silent: bool
    renews: bool = False
    """Whether a person of the owner renews it, again and again."""
    event_id: str = ""
    """As the rooms have it; empty: no room was told of it."""
    confirmed_at: float = 0.0
    """When a person of the owner began to say that it is one."""
    pressed_at: float = 0.0
    """When its officer began to press."""
    closed_at: float = 0.0
    """When a person of the owner began to close it."""
    shown: list[float] = field(default_factory=list)
    """When its device was shown anything of it: the alert, or a message."""

    @property
    def known_from(self) -> float:
        """From when on rooms beyond the owner may know where it is; infinite: never yet."""
        return min(filter(None, (self.confirmed_at, self.pressed_at)), default=math.inf)


@dataclass(slots=True)
class Book:
    """Everything that was written down in one scenario."""

    accepted: dict[str, int] = field(default_factory=dict)
    """How many messages of each alert were answered with 202, by the hub's event id."""
    sent: dict[tuple[str, int], float] = field(default_factory=dict)
    """When each message of an alert was first posted, by event id and number; epoch seconds."""
    arrivals: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    """By room, in the order the room took them."""
    updates: dict[str, list[Update]] = field(default_factory=lambda: defaultdict(list))
    """By room, in the order the room took them."""
    written: dict[str, list[Written]] = field(default_factory=lambda: defaultdict(list))
    """What stands on the topic of each room."""
    started: dict[int, Started] = field(default_factory=dict)
    """The emergencies that a room started, by a number that their text says."""
    paged: set[tuple[str, str]] = field(default_factory=set)
    """Of what operations were paged: reason and alert."""
    follows: dict[str, str] = field(default_factory=dict)
    """The device whose fixes the rooms of an alert are to hear of, by alert."""
    said: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By room, what it said last of an alert and the hub took, as other rooms read it."""
    acknowledged: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    """By room, when its answer for an alert went off."""
    withdrawn: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    """By room, when the hub had taken that the room takes back the help it had promised for an alert."""
    shown: list[Shown] = field(default_factory=list)
    fixes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Sequence numbers of the accepted fixes, by device."""
    mapped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Sequence numbers of the fixes a map got, by device, in order."""
    refused: dict[str, dict[tuple[str, int], str]] = field(default_factory=lambda: defaultdict(dict))
    """By room, the delivery id of each number of an alert that it refused for good."""
    dead: Counter[str] = field(default_factory=Counter)
    """How many letters lie in the dead-letter topic of each room."""

    @property
    def accepted_events(self) -> int:
        """Count the messages and fixes that were answered with 202."""
        return sum(self.accepted.values()) + sum(map(len, self.fixes.values()))
