"""The life cycle of an alert, as data: what a room can say of it, and what each event makes of the alert.

`STAGES` says which level stands for what, and `RULES` what each event may do. Four modules do what stands here:
`states.py` takes what the device does, `heard.py` what a destination reports (`receive`: a level is decided there),
`timers.py` what time does, and `levels.py` reckons the whole from what each destination has. `statements.py` has the
order of what one room says. The page of the life cycle is drawn from this module. To change the life cycle, change a
row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bondmate_schemas.enums import AlertKind, AlertStatus, DeliveryReason, Level, Response
from bondmate_schemas.error_codes import MODE_DIFFERS, NO_OFFER, NOT_ITS_OWN

REQUESTS_ONLY: Final = frozenset({AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN})
"""Alerts that their device cannot cancel, only ask for it, and that no time ends: a person closes them."""
GRAVITY: Final = (
    AlertKind.OTHER,
    AlertKind.LOW_BATTERY,
    AlertKind.TAMPER,
    AlertKind.GEOFENCE,
    AlertKind.ASSISTANCE,
    AlertKind.SOS,
    AlertKind.OFFICER_DOWN,
    AlertKind.DURESS,
)
"""Kinds, the gravest last: an update makes an alert graver, never milder, and one without a kind leaves it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one destination can have of an alert: what its transport proves, or what its people said last.

    `status` is what the alert is as a whole when no destination is further; None: it makes nothing of it.
    """

    level: Level
    doc: str
    status: AlertStatus | None = None
    response: Response = Response.UNSTATED
    delivered: bool = True
    said: bool = False
    """A person said so: what is said later replaces it, up or down."""
    answers: bool = False
    """A person has taken it up: in this round nothing escalates any more."""
    helps: bool = False
    """Help is promised: only then may the device say that it is coming."""
    closes: bool = False
    """That room has closed its part."""


# What the transport proves, lowest first: it only rises, and may pass over levels, since reports come late or not at
# all. An ending without delivery stands below it: a replayed dead letter may still be delivered.
_A, _L, _P = AlertStatus, Level, Response
STAGES: Final = (
    Stage(_L.UNKNOWN, "to be told; nothing is known yet", _A.ROUTED, delivered=False),
    Stage(_L.WITHHELD, "its agreement gives it nothing", delivered=False),
    Stage(_L.SUPERSEDED, "something newer took its place", delivered=False),
    Stage(_L.DEAD_LETTERED, "it refused it; a person is told", delivered=False),
    Stage(_L.EXPIRED, "it could not be told in time", delivered=False),
    Stage(_L.DELIVERED, "the transport has it", _A.DELIVERED),
    Stage(_L.ACCEPTED, "the application has it", _A.ACCEPTED),
    # What people say. An officer's device of before shows help coming from ACKNOWLEDGED on, so seen is less.
    Stage(_L.DECLINED, "a person said no", _A.DELIVERED, said=True),
    Stage(_L.DECLINED, "took back what was said there", _A.DELIVERED, _P.WITHDRAWN, said=True),
    Stage(_L.ACKNOWLEDGED, "a person has seen it", _A.ACCEPTED, said=True, answers=True),
    Stage(_L.ACKNOWLEDGED, "a unit is assigned", _A.ACKNOWLEDGED, _P.ASSIGNED, said=True, answers=True, helps=True),
    Stage(_L.RESPONDING, "help is on its way", _A.RESPONDING, said=True, answers=True, helps=True),
    Stage(_L.RESPONDING, "on its way", _A.RESPONDING, _P.EN_ROUTE, said=True, answers=True, helps=True),
    Stage(_L.RESPONDING, "on scene", _A.RESPONDING, _P.ON_SCENE, said=True, answers=True, helps=True),
    Stage(_L.CANCELLED, "called off: its part is closed", _A.DELIVERED, said=True, closes=True),
    Stage(_L.RESOLVED, "resolved: its part is closed", _A.DELIVERED, said=True, closes=True),
)
LEVELS: Final = tuple(dict.fromkeys(stage.level for stage in STAGES))
"""Every level, lowest first."""
HUMAN: Final = frozenset(stage.level for stage in STAGES if stage.said)
"""Levels that only a person gives; the others the transport proves."""
LEVEL_OF: Final[Mapping[Response, Level]] = {
    stage.response: stage.level for stage in STAGES if stage.response is not Response.UNSTATED
}
"""The level beside which each response stands."""
ENDED_AS: Final[Mapping[Level, AlertStatus]] = {
    Level.RESOLVED: AlertStatus.RESOLVED,
    Level.CANCELLED: AlertStatus.CANCELLED,
}
"""What the whole becomes by the room that ends it."""

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
"""How far an alert has come as a whole, lowest first."""
UNANIMOUS: Final = {Level.DECLINED: AlertStatus.DECLINED}
"""What the whole is when every destination says the same."""
CLOSED: Final = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED, AlertStatus.EXPIRED})


class AlertPhase(StrEnum):
    """Where an alert stands, as far as the rules ask."""

    NONE = "none"
    OPEN = "open"
    CLOSED = "closed"


class LifeCycleEvent(StrEnum):
    """What can happen to an alert."""

    PRESS = "press"
    """Its device raises or updates it."""
    CANCEL = "cancel"
    """Its device cancels it."""
    RECEIPT = "receipt"
    """A destination reports what its transport proves, or what a person there says."""
    OWNERSHIP = "ownership"
    """A room offers, takes or refuses to own it."""
    STARTED = "emergency a room started"
    """A room says of an emergency that a room started that it goes on, or that it is one."""
    LINK = "link"
    """Operations say that it is of one event with another alert, or is not any more."""
    CLOSING = "closing"
    """Operations close it: nobody else can, or nobody else does."""
    TIMER = "timer"
    """A time that a route names, or its expiry, has come."""


class Cause(StrEnum):
    """Why a round of escalation begins anew. No fix, battery, silence or state of others is one."""

    WITHDRAWN = "withdrawn"
    PART_CLOSED = "part closed"
    GRAVER = "graver"
    PRESS = "press"


class Fact(StrEnum):
    """What the rules ask of an event beside its kind."""

    REPEAT = "repeat"
    """It is the message that raised the alert, or the one that ended it."""
    REQUEST_ONLY = "emergency"
    """One of `REQUESTS_ONLY`, assistance that a person has taken up, older than a press, or said under duress."""
    BY_PERSON = "by a person"
    """Somebody did it at the device: a press, words, a graver kind; no fix, no battery."""
    MADE_BEFORE = "made before the end"
    """By a clock that can be trusted, or the hub had it before."""
    GRAVER = "graver than before"
    LAPSED = "answered before, not any more; or the round has no step left; or it is graver than what was answered"
    NOWHERE = "no destination"
    NOT_TOLD = "of one that was not told"
    FOREIGN = "refers to what it was not told"
    """A person there answers what that destination was never sent, or an alert of another agency."""
    OTHER_MODE = "in another mode"
    """A person's answer whose mode is neither the alert's nor ACTUAL."""
    STATES = "a person says it"
    REPEATED = "said before"
    OLDER = "older than what was said last"
    ENDS = "ends the whole"
    """Of a room of the owner; where the owner has none, the last that had taken it up has closed its part."""
    LAPSES = "nobody helps any more"
    """The last who helped took it back, or the last who had taken it up closed its part."""
    RISES = "above its level"
    OFFERS = "the owner offers it"
    TAKES = "takes what was offered"
    REFUSES = "refuses what was offered"
    RENEWS = "the owner renews it"
    CONFIRMS = "the owner confirms it"
    NOT_RENEWED = "nobody has renewed it"
    OFFER_OVER = "an offer is over"
    UNANSWERED = "unanswered"
    UNASSIGNED = "seen, nobody assigned"
    EXPIRED = "expired"
    OTHERS_SAID = "others said something"
    NEW_ROUTES = "a new version of the routes"
    DRILL = "a drill"
    DRILL_OVER = "its time is over"
    ARRIVED = "its room has it"


REFUSED: Final = frozenset({NOT_ITS_OWN, MODE_DIFFERS})
"""Outcomes of receipts that count for nothing, which are error codes as well."""


ENDS: Final = frozenset({"closed", "closed_by_operations", "repeated_end"})
"""Outcomes that are remembered before they are told: of an end that is only told, the next worker tells on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an event makes of an alert: the first rule that fits is the one.

    `phase` None fits every phase. `becomes` None leaves the status to the destinations' levels.
    """

    outcome: str
    phase: AlertPhase | None
    event: LifeCycleEvent
    doc: str
    only: frozenset[Fact] = frozenset()
    becomes: AlertStatus | None = None
    tells: DeliveryReason | None = None


def _rule(
    outcome: str,
    phase: AlertPhase | None,
    event: LifeCycleEvent,
    *only: Fact,
    becomes: AlertStatus | None = None,
    tells: DeliveryReason | None = None,
    doc: str,
) -> Rule:
    return Rule(outcome, phase, event, doc, frozenset(only), becomes, tells)


_S, _E, _F, _R = AlertPhase, LifeCycleEvent, Fact, DeliveryReason
RULES: Final = (
    _rule("drill_refused", _S.NONE, _E.PRESS, _F.DRILL, _F.NOWHERE, becomes=AlertStatus.CANCELLED,
          doc="its destination takes no drills: over at once, and nobody is paged"),
    _rule("unrouted", _S.NONE, _E.PRESS, _F.NOWHERE, becomes=AlertStatus.RAISED, doc="kept; a person is paged"),
    _rule("raised", _S.NONE, _E.PRESS, becomes=AlertStatus.ROUTED, tells=_R.NEW, doc="every destination of its routes"),
    _rule("raised_to_cancel", _S.NONE, _E.CANCEL, _F.REQUEST_ONLY, becomes=AlertStatus.ROUTED, tells=_R.NEW,
          doc="an emergency nobody was told of: told, and that its end was asked for"),
    _rule("cancel_of_unknown", _S.NONE, _E.CANCEL, doc="nobody was told, nobody need be"),
    _rule("not_an_alert", _S.NONE, _E.RECEIPT, doc="a receipt of something else"),
    _rule("repeated_end", _S.CLOSED, _E.CANCEL, _F.REPEAT, tells=_R.CANCEL, doc="told again, under the same ids"),
    _rule("closed_already", _S.CLOSED, _E.PRESS, _F.DRILL, doc="of a drill nothing goes on"),
    _rule("late", _S.CLOSED, _E.PRESS, _F.BY_PERSON, _F.MADE_BEFORE,
          doc="its device is told that it came after the end; a person is paged"),
    _rule("reopened", _S.CLOSED, _E.PRESS, _F.BY_PERSON, doc="becomes an alert of its own, linked to this one"),
    _rule("closed_already", _S.CLOSED, _E.PRESS, doc="nobody did anything: it came late"),
    _rule("closed_already", _S.CLOSED, _E.CANCEL, doc="it came late"),
    _rule("repeat", _S.OPEN, _E.PRESS, _F.REPEAT, tells=_R.NEW, doc="told again, under the same ids"),
    _rule("drill_goes_on", _S.OPEN, _E.PRESS, _F.DRILL, doc="a drill is told once: nothing begins anew"),
    _rule("graver", _S.OPEN, _E.PRESS, _F.GRAVER, tells=_R.UPDATE,
          doc="asked anew: a round of escalation begins; the routes of the graver kind are told too"),
    _rule("pressed_anew", _S.OPEN, _E.PRESS, _F.LAPSED, tells=_R.UPDATE, doc="a round of escalation begins"),
    _rule("updated", _S.OPEN, _E.PRESS, tells=_R.UPDATE,
          doc="exactly those who were told; presses are counted; nothing that is due is put off"),
    _rule("overtaken", _S.OPEN, _E.CANCEL, _F.OLDER,
          doc="somebody has pressed since it was made, which takes it back whichever came first"),
    _rule("cancel_requested", _S.OPEN, _E.CANCEL, _F.REQUEST_ONLY, tells=_R.UPDATE, doc="a person must close it"),
    _rule("cancelled", _S.OPEN, _E.CANCEL, becomes=AlertStatus.CANCELLED, tells=_R.CANCEL,
          doc="exactly those who were told"),
    _rule(NOT_ITS_OWN, None, _E.RECEIPT, _F.FOREIGN, doc="refused: dead-lettered, and its sender is told"),
    _rule(MODE_DIFFERS, None, _E.RECEIPT, _F.OTHER_MODE,
          doc="an exercise's answer to a real alert: refused, dead-lettered, and its sender is told"),
    _rule("not_told", None, _E.RECEIPT, _F.NOT_TOLD, doc="of a destination that was not told: passed over"),
    _rule("repeated_end", _S.CLOSED, _E.RECEIPT, _F.STATES, _F.REPEAT, tells=_R.CANCEL,
          doc="told again, under the same ids: a worker may have died before it told"),
    _rule("said_before", None, _E.RECEIPT, _F.STATES, _F.REPEATED, doc="a repeat changes nothing"),
    _rule("overtaken", None, _E.RECEIPT, _F.STATES, _F.OLDER, doc="that room has said something newer"),
    _rule("closed", _S.OPEN, _E.RECEIPT, _F.STATES, _F.ENDS, tells=_R.CANCEL,
          doc="the whole ends: everybody else is told, by whom and why"),
    _rule("stated", _S.OPEN, _E.RECEIPT, _F.STATES, _F.LAPSES, _F.DRILL, doc="of a drill nothing begins anew"),
    _rule("unanswered_again", _S.OPEN, _E.RECEIPT, _F.STATES, _F.LAPSES, tells=_R.UPDATE,
          doc="a round of escalation begins; the officer is told urgently, operations when a part was closed"),
    _rule("stated", None, _E.RECEIPT, _F.STATES, doc="replaces what that room said before, up or down"),
    _rule("risen", None, _E.RECEIPT, _F.RISES, doc="late, early or passing over levels: the highest is kept"),
    _rule("no_rise", None, _E.RECEIPT, doc="a repeat, or a report that comes late"),
    _rule(NO_OFFER, None, _E.OWNERSHIP, _F.DRILL, doc="a drill is of one room: it is given to no other"),
    _rule("offered", _S.OPEN, _E.OWNERSHIP, _F.OFFERS, tells=_R.UPDATE, doc="the giver owns it until it is taken"),
    _rule("handed_over", _S.OPEN, _E.OWNERSHIP, _F.TAKES, tells=_R.UPDATE, doc="that agency owns it from now on"),
    _rule("offer_refused", _S.OPEN, _E.OWNERSHIP, _F.REFUSES, tells=_R.UPDATE, doc="the giver goes on owning it"),
    _rule(NO_OFFER, None, _E.OWNERSHIP,
          doc="not the owner's to give, or nothing that was offered there: dead-lettered, and its sender is told"),
    _rule("confirmed", _S.OPEN, _E.STARTED, _F.CONFIRMS, tells=_R.UPDATE,
          doc="it is an emergency as any other: rooms beyond the owner's get its position too"),
    _rule("renewed", _S.OPEN, _E.STARTED, _F.RENEWS, tells=_R.UPDATE, doc="it goes on, for as long as at first"),
    _rule("not_started", None, _E.STARTED, doc="not the owner's to say, or nothing that waits for it"),
    _rule("drill_stands_alone", None, _E.LINK, _F.DRILL, doc="a drill is of one event with nothing"),
    _rule("linked", _S.OPEN, _E.LINK, tells=_R.UPDATE, doc="everybody who was told hears the number they share"),
    _rule("linked_ended", _S.CLOSED, _E.LINK, doc="kept for who reads it later"),
    _rule("not_an_alert", _S.NONE, _E.LINK, doc="there is no such alert any more"),
    _rule("closed_by_operations", _S.OPEN, _E.CLOSING, tells=_R.CANCEL,
          doc="the whole ends, whoever owns it: all who were told hear by whom and why"),
    _rule("repeated_end", _S.CLOSED, _E.CLOSING, _F.REPEAT, tells=_R.CANCEL, doc="told again, under the same ids"),
    _rule("closed_already", _S.CLOSED, _E.CLOSING, doc="it came late"),
    _rule("not_an_alert", _S.NONE, _E.CLOSING, doc="there is no such alert any more"),
    _rule("drill_over", _S.OPEN, _E.TIMER, _F.DRILL, _F.DRILL_OVER, _F.ARRIVED, becomes=AlertStatus.CANCELLED,
          tells=_R.CANCEL, doc="the hub ends it, and its room hears so"),
    _rule("drill_failed", _S.OPEN, _E.TIMER, _F.DRILL, _F.DRILL_OVER, becomes=AlertStatus.EXPIRED, tells=_R.CANCEL,
          doc="its room has not got it: the hub ends it, and a person is paged"),
    _rule("drill_goes_on", None, _E.TIMER, _F.DRILL, doc="no other time means anything to a drill"),
    _rule("expired", _S.OPEN, _E.TIMER, _F.EXPIRED, _F.UNANSWERED, becomes=AlertStatus.EXPIRED, tells=_R.CANCEL,
          doc="nobody took it up in time; a person is paged"),
    _rule("offer_over", _S.OPEN, _E.TIMER, _F.OFFER_OVER, tells=_R.UPDATE, doc="nobody took it: the giver owns it"),
    _rule("not_renewed", _S.OPEN, _E.TIMER, _F.NOT_RENEWED, tells=_R.UPDATE,
          doc="open as before, and its device is not followed any more; a person is paged"),
    _rule("escalated", _S.OPEN, _E.TIMER, _F.UNANSWERED, tells=_R.UPDATE,
          doc="the next destinations are told, those who know are told louder, at last a person is paged"),
    _rule("asked_again", _S.OPEN, _E.TIMER, _F.LAPSED, tells=_R.UPDATE,
          doc="a round of escalation begins that its cause could not begin within 30 s of the one before"),
    _rule("unassigned", _S.OPEN, _E.TIMER, _F.UNASSIGNED, tells=_R.UPDATE,
          doc="a person is paged; where a room of it can say *assigned*, the next destinations are told"),
    _rule("joined", _S.OPEN, _E.TIMER, _F.NEW_ROUTES, tells=_R.NEW,
          doc="rooms that the routes name now are told, as of one that is open since before"),
    _rule("others_told", _S.OPEN, _E.TIMER, _F.OTHERS_SAID, tells=_R.UPDATE,
          doc="rooms whose agreement lets them hear what people at the others said; no alarm"),
    _rule("answered_already", None, _E.TIMER, doc="somebody took it up, or closed it: the timer means nothing"),
)  # fmt: skip
"""First that fits first. They cover every phase and event (a test says so)."""


def rule_for(phase: AlertPhase, event: LifeCycleEvent, facts: Collection[Fact] = frozenset()) -> Rule:
    """Return the rule for `event` of an alert in this phase, where these facts hold.

    Raises:
        LookupError: no rule says what to do; a defect of the table.
    """
    for rule in RULES:
        if rule.event is event and rule.phase in {None, phase} and rule.only <= set(facts):
            return rule
    raise LookupError(f"no rule for {event} of an alert that is {phase}")
