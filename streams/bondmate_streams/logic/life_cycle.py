"""The life cycle of an alert, as data: how far a destination can come, and what each event makes of the alert.

`levels.py` and `states.py` do what stands here, and the page of the life cycle is drawn from it. To change the life
cycle, change a row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bondmate_schemas.enums import AlertKind, AlertStatus, DeliveryReason, Level
from bondmate_schemas.error_codes import MODE_DIFFERS, NOT_ITS_OWN

REQUESTS_ONLY: Final = frozenset({AlertKind.SOS, AlertKind.DURESS})
"""Alerts that their device cannot cancel, only ask for it, and that no time ends: a person closes them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One level that a destination can reach with an alert.

    `status` is what the alert becomes as a whole when no destination has come further; None: it makes nothing of it.
    """

    level: Level
    doc: str
    status: AlertStatus | None = None
    delivered: bool = True
    answered: bool = False
    """A person has taken it up: nothing escalates any more."""


# Lowest first: a destination only ever rises, and may pass over levels, since reports come late or not at all. An
# ending without delivery stands below it: a replayed dead letter may still be delivered.
STAGES: Final = (
    Stage(Level.UNKNOWN, "to be told; nothing is known yet", AlertStatus.ROUTED, delivered=False),
    Stage(Level.WITHHELD, "its agreement gives it nothing", delivered=False),
    Stage(Level.SUPERSEDED, "something newer took its place", delivered=False),
    Stage(Level.DEAD_LETTERED, "it refused it; a person is told", delivered=False),
    Stage(Level.EXPIRED, "it could not be told in time", delivered=False),
    Stage(Level.DELIVERED, "the transport has it", AlertStatus.DELIVERED),
    Stage(Level.ACCEPTED, "the application has it", AlertStatus.ACCEPTED),
    Stage(Level.DECLINED, "a person said no, with a reason; may still say yes"),
    Stage(Level.ACKNOWLEDGED, "a person has seen it", AlertStatus.ACKNOWLEDGED, answered=True),
    Stage(Level.RESPONDING, "a unit is on its way", AlertStatus.RESPONDING, answered=True),
    Stage(Level.CANCELLED, "a person there called it off", answered=True),
    Stage(Level.RESOLVED, "a person closed it", AlertStatus.RESOLVED, answered=True),
)

STATUSES: Final = (
    AlertStatus.UNKNOWN,
    AlertStatus.RAISED,
    AlertStatus.ROUTED,
    AlertStatus.EXPIRED,
    AlertStatus.DELIVERED,
    AlertStatus.ACCEPTED,
    AlertStatus.DECLINED,
    AlertStatus.ACKNOWLEDGED,
    AlertStatus.RESPONDING,
    AlertStatus.CANCELLED,
    AlertStatus.RESOLVED,
)
"""How far an alert has come as a whole, lowest first: it never goes back."""
UNANIMOUS: Final = {Level.DECLINED: AlertStatus.DECLINED}
"""What the whole becomes when every destination says the same."""
CLOSED: Final = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED, AlertStatus.EXPIRED})
ANSWERED: Final = frozenset(stage.level for stage in STAGES if stage.answered)


class Standing(StrEnum):
    """Where an alert stands, as far as the rules ask."""

    NONE = "none"
    OPEN = "open"
    CLOSED = "closed"


class Event(StrEnum):
    """What can happen to an alert."""

    PRESS = "press"
    """Its device raises or updates it."""
    CANCEL = "cancel"
    """Its device cancels it."""
    RECEIPT = "receipt"
    """A destination reports a level."""
    TIMER = "timer"
    """A time that a route names, or its expiry, has come."""


class Fact(StrEnum):
    """What the rules ask of an event beside its kind."""

    REPEAT = "repeat"
    """It is the message that raised the alert, or the one that ended it."""
    REQUEST_ONLY = "emergency"
    """SOS or DURESS: see `REQUESTS_ONLY`."""
    NEW_PRESS = "pressed anew"
    """Pressed after the alert was closed, or turned into an emergency then."""
    NOT_TOLD = "of one that was not told"
    FOREIGN = "refers to what it was not told"
    """A person there answers what that destination was never sent, or an alert of another agency."""
    OTHER_MODE = "in another mode"
    """A person's answer whose mode is neither the alert's nor ACTUAL."""
    RISES = "above its level"
    CLOSES = "closes"
    """It lets the whole alert end."""
    NOWHERE = "no destination"
    UNANSWERED = "unanswered"
    EXPIRED = "expired"


REFUSED: Final = frozenset({NOT_ITS_OWN, MODE_DIFFERS})
"""Outcomes of receipts that count for nothing, which are error codes as well."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event makes of an alert: the first rule that fits is the one.

    `standing` None fits every standing. `becomes` None leaves the status to the destinations' levels.
    """

    outcome: str
    standing: Standing | None
    event: Event
    doc: str
    only: frozenset[Fact] = frozenset()
    becomes: AlertStatus | None = None
    tells: DeliveryReason | None = None


def _rule(
    outcome: str,
    standing: Standing | None,
    event: Event,
    *only: Fact,
    becomes: AlertStatus | None = None,
    tells: DeliveryReason | None = None,
    doc: str,
) -> Rule:
    return Rule(outcome, standing, event, doc, frozenset(only), becomes, tells)


_S, _E, _F, _R = Standing, Event, Fact, DeliveryReason
RULES: Final = (
    _rule("unrouted", _S.NONE, _E.PRESS, _F.NOWHERE, becomes=AlertStatus.RAISED, doc="kept; a person is paged"),
    _rule("raised", _S.NONE, _E.PRESS, becomes=AlertStatus.ROUTED, tells=_R.NEW, doc="every destination of its routes"),
    _rule("raised_to_cancel", _S.NONE, _E.CANCEL, _F.REQUEST_ONLY, becomes=AlertStatus.ROUTED, tells=_R.NEW,
          doc="an emergency nobody was told of: told, and that its end was asked for"),
    _rule("cancel_of_unknown", _S.NONE, _E.CANCEL, doc="nobody was told, nobody need be"),
    _rule("not_an_alert", _S.NONE, _E.RECEIPT, doc="a receipt of something else"),
    _rule("repeated_end", _S.CLOSED, _E.CANCEL, _F.REPEAT, tells=_R.CANCEL, doc="told again, under the same ids"),
    _rule("reopened", _S.CLOSED, _E.PRESS, _F.NEW_PRESS, doc="becomes an alert of its own"),
    _rule("closed_already", _S.CLOSED, _E.PRESS, doc="it came late"),
    _rule("closed_already", _S.CLOSED, _E.CANCEL, doc="it came late"),
    _rule("repeat", _S.OPEN, _E.PRESS, _F.REPEAT, tells=_R.NEW, doc="told again, under the same ids"),
    _rule("updated", _S.OPEN, _E.PRESS, tells=_R.UPDATE, doc="exactly those who were told; presses are counted"),
    _rule("cancel_requested", _S.OPEN, _E.CANCEL, _F.REQUEST_ONLY, tells=_R.UPDATE, doc="a person must close it"),
    _rule("cancelled", _S.OPEN, _E.CANCEL, becomes=AlertStatus.CANCELLED, tells=_R.CANCEL,
          doc="exactly those who were told"),
    _rule(NOT_ITS_OWN, None, _E.RECEIPT, _F.FOREIGN, doc="refused: dead-lettered, and its sender is told"),
    _rule(MODE_DIFFERS, None, _E.RECEIPT, _F.OTHER_MODE,
          doc="an exercise's answer to a real alert: refused, dead-lettered, and its sender is told"),
    _rule("not_told", None, _E.RECEIPT, _F.NOT_TOLD, doc="of a destination that was not told: passed over"),
    _rule("closed", _S.OPEN, _E.RECEIPT, _F.RISES, _F.CLOSES, tells=_R.CANCEL,
          doc="a person closed it: everybody else is told"),
    _rule("risen", None, _E.RECEIPT, _F.RISES, doc="late, early or passing over levels: the highest is kept"),
    _rule("no_rise", None, _E.RECEIPT, doc="a repeat, or a report that comes late"),
    _rule("expired", _S.OPEN, _E.TIMER, _F.EXPIRED, _F.UNANSWERED, becomes=AlertStatus.EXPIRED, tells=_R.CANCEL,
          doc="nobody took it up in time; a person is paged"),
    _rule("escalated", _S.OPEN, _E.TIMER, _F.UNANSWERED, tells=_R.UPDATE,
          doc="the next destinations are told, those who know are told louder, at last a person is paged"),
    _rule("answered_already", None, _E.TIMER, doc="somebody took it up, or closed it: the timer means nothing"),
)  # fmt: skip
"""First that fits first. They cover every standing and event (a test says so)."""


def rule_for(standing: Standing, event: Event, facts: Collection[Fact] = frozenset()) -> Rule:
    """Give the rule for `event` of an alert that stands so, where these facts hold.

    Raises:
        LookupError: no rule says what to do; a defect of the table.
    """
    for rule in RULES:
        if rule.event is event and rule.standing in {None, standing} and rule.only <= set(facts):
            return rule
    raise LookupError(f"no rule for {event} of an alert that is {standing}")
