"""What a device says, hears and shows, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

AlertKind = Literal["SOS", "DURESS", "OFFICER_DOWN", "ASSISTANCE", "GEOFENCE", "TAMPER", "LOW_BATTERY", "OTHER"]


class EventKind(StrEnum):
    """What waits to be sent; alerts go before everything else, fixes after everything else."""

    ALERT = "alert"
    CHECK_IN = "check_in"
    REPORT = "report"
    TEXT = "text"
    RECEIPT = "receipt"
    FIX = "fix"


class Level(StrEnum):
    """How far an alert has come. Only `acknowledged` and `responding` may be shown as help coming.

    It may go down: a control room can take back what it said.
    """

    QUEUED = "queued"
    """Raised; on this device only."""
    RECEIVED = "received"
    """The hub has it durably; nobody else does yet."""
    DELIVERED = "delivered"
    """A control room's system has it."""
    ACCEPTED = "accepted"
    """A control room's system has taken it into work, or a person there has seen it."""
    ACKNOWLEDGED = "acknowledged"
    """A unit is assigned."""
    RESPONDING = "responding"
    RESOLVED = "resolved"
    DECLINED = "declined"
    """A control room has said no; the hub goes on to others."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"
    """The hub will not take it; its code stands among the refusals. Tell the officer to call by other means."""


CLOSED: Final = frozenset({Level.RESOLVED, Level.CANCELLED, Level.EXPIRED, Level.REFUSED})
HELP_IS_COMING: Final = frozenset({Level.ACKNOWLEDGED, Level.RESPONDING})


class Cancel(StrEnum):
    """Whether the officer has taken an alert back.

    Of SOS, DURESS and OFFICER_DOWN that is a request until a person closes it, and of ASSISTANCE once one took it up.
    """

    NONE = "none"
    QUEUED = "queued"
    """Asked for; on this device only."""
    REQUESTED = "requested"
    """The hub has the wish. The alert itself goes on until its level says otherwise."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position, WGS 84; `fixed_at` must know its zone, and when it is None the event's own time stands for it."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    altitude_hae_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    fixed_at: datetime | None = None
    method: str | None = None


class Item(NamedTuple):
    """One event that waits for its answer: its body is written once and sent again byte for byte.

    `key` tells it from all others on this device. What shares a `line` is sent in order, one after the other.
    """

    key: str
    kind: EventKind
    line: str
    at: str
    body: bytes
    is_cancel: bool = False


class OperatorAnswer(NamedTuple):
    """What a person at one control room said last.

    `says` is `seen` (no help yet), `assigned`, `en_route`, `on_scene` (help is coming, or there), `declined`,
    `withdrawn` (help is NOT coming from there) or `closed`.
    """

    room: str
    says: str
    unit: str | None = None
    eta_at: str | None = None


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """Where an alert of this device stands: the level that is true as far as this device was told, never a higher one.

    While `silent` is set, show and sound nothing of it, whatever the level.
    """

    alert_id: str
    kind: str
    raised_at: str
    silent: bool
    level: Level = Level.QUEUED
    cancel: Cancel = Cancel.NONE
    event_id: str | None = None
    """The hub's id of it."""
    incident_id: str | None = None
    destinations: tuple[tuple[str, str], ...] = ()
    changed_at: str | None = None
    """When the hub says the level changed."""
    answers: tuple[OperatorAnswer, ...] = ()
    """What people said, room by room; known anew after a restart as soon as the hub is reached."""
    ended_by: str = ""
    """Who ended it, and with which code."""
    ended_why: str = ""
    ended_words: str = ""
    cancel_told: bool = False
    """Whether the hub itself says that it was asked to cancel."""

    @property
    def closed(self) -> bool:
        """Whether nothing more will come of it."""
        return self.level in CLOSED

    @property
    def help_is_coming(self) -> bool:
        """Whether help was promised, and is not taken back."""
        return self.level in HELP_IS_COMING


@dataclass(frozen=True, slots=True)
class Message:
    """A message to this device's officer."""

    message_id: str
    sender: str
    text: str
    occurred_at: str
    mode: str = "UNKNOWN"
    """Anything but ACTUAL must be shown as such."""
    priority: str = "UNKNOWN"
    language: str | None = None
    requires_acknowledgement: bool = False
    expires_at: str | None = None
    expired: bool = False
    """Too late to be shown as new."""
    event_id: str | None = None
    alert_id: str | None = None
    """The alert it is about, by the hub's `event_id`."""
    incident_id: str | None = None
    in_reply_to: str | None = None
    silent: bool = False
    """Its officer is under duress, or it is about a silent alert: show it without a sound, a light or a question."""
    attachments: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event the hub will never take. `code` is that of the problem, which the gateway's interface lists."""

    key: str
    kind: EventKind
    code: str
    at: str
    """When the event happened, by the device's clock."""


@dataclass(frozen=True, slots=True)
class HubLink:
    """How this device and the hub get on."""

    enrolled: bool = True
    """False: the hub does not know the token (any more). Nothing is lost; tell the user to have the device enrolled."""
    listening: str = "no"
    """How messages come: `stream`, `poll` or `no`."""
    current: bool = False
    """Whether alerts and check-ins are as the hub says them now. False: as it said them last, at `changed_at`; help may
    have been taken back since."""
    waiting: int = 0
    """Events that wait for their answer."""
    fixes_thinned: int = 0
    """Positions given up for newer ones since the start, because too many waited."""
    disk: str = "ok"
    """`failing`: events are sent but would not survive a restart, until the disk takes them again. `renewed`: a damaged
    queue file was set aside."""
