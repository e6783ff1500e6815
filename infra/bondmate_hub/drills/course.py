"""The course of a drill as its device sees it: how far it came and when; where it stopped, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bondmate_device.model import Level, RaisedAlert, RefusedEvent

__all__ = ["Course", "DrillHop", "HopName"]


class HopName(StrEnum):
    """How far a drill can come, in order; a person's word may be left out, and is never supposed."""

    RECEIVED = "received"
    """The gateway has it durably."""
    ROUTED = "routed"
    """The streams have told the destination's connector."""
    DELIVERED = "delivered"
    """The control room's system has it."""
    ACCEPTED = "accepted"
    """Its application has taken it."""
    ANSWERED = "answered"
    """A person there has said something."""
    ENDED = "ended"


_DELIVERED: Final = frozenset({"delivered", "accepted"})
_UNKNOWN: Final = "unknown"
_TAKES_NONE: Final = "drill_refused"


@dataclass(frozen=True, slots=True)
class DrillHop:
    """One hop: which, how many seconds after the drill was raised, and what was said there."""

    name: HopName
    seconds: float
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"hop": self.name.value, "seconds": round(self.seconds, 3), "said": self.said or None}


@dataclass(slots=True)
class Course:
    """The hops of one drill; `see` is called with how its alert stands, whenever that may have changed."""

    destination: str
    hops: dict[HopName, DrillHop] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    """What people there said, in the order in which it came."""
    level: str = _UNKNOWN
    ended_why: str = ""

    def see(self, alert: RaisedAlert, seconds: float) -> list[DrillHop]:
        """Take how the alert stands so many seconds after it was raised; return the hops that are new."""
        self.level, self.ended_why = self._level(alert), alert.ended_why
        return [hop for hop in self._reached(alert, seconds) if self._is_new(hop)]

    def _level(self, alert: RaisedAlert) -> str:
        # Of a room that its device is not told of, the alert as a whole says how far it came: it has no other.
        whole = alert.level.value if alert.level.value in _DELIVERED else _UNKNOWN
        return dict(alert.destinations).get(self.destination, whole)

    def _reached(self, alert: RaisedAlert, seconds: float) -> Iterator[DrillHop]:
        people = [answer.says for answer in alert.answers]
        if alert.level is not Level.QUEUED:
            yield DrillHop(HopName.RECEIVED, seconds)
        has_it = self.level in _DELIVERED or bool(people)
        if alert.destinations or has_it:
            yield DrillHop(HopName.ROUTED, seconds)
        if has_it:
            yield DrillHop(HopName.DELIVERED, seconds)
        if self.level == "accepted":
            yield DrillHop(HopName.ACCEPTED, seconds)
        yield from (DrillHop(HopName.ANSWERED, seconds, word) for word in people)
        if alert.closed:
            yield DrillHop(HopName.ENDED, seconds, alert.ended_by)

    def _is_new(self, hop: DrillHop) -> bool:
        if hop.name is HopName.ANSWERED:
            if self.said[-1:] == (hop.said,):
                return False
            self.said = (*self.said, hop.said)
        elif hop.name in self.hops:
            return False
        self.hops.setdefault(hop.name, hop)
        return True

    @property
    def has_arrived(self) -> bool:
        """Whether the control room has it, and that came back."""
        return HopName.DELIVERED in self.hops

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return HopName.ENDED in self.hops

    def stopped_at(self, *, enrolled: bool = True, refusals: tuple[RefusedEvent, ...] = ()) -> tuple[str, str]:
        """Return at which hop a drill stopped that has not arrived, and what to do; empty where it has arrived."""
        name = self.destination
        if self.has_arrived:
            return "", ""
        if not enrolled:
            return "received", f"the gateway does not know the token of `drills.rooms.{name}`: enrol its device again"
        if refusals:
            return "received", f"the gateway refuses it ({refusals[-1].code}): look in docs/reference/error-codes.md"
        missing = HopName.RECEIVED if HopName.RECEIVED not in self.hops else self._missing()
        return missing.value, self._hint(missing)

    def _missing(self) -> HopName:
        takes_none = self.ended_why == _TAKES_NONE
        return HopName.ROUTED if takes_none or HopName.ROUTED not in self.hops else HopName.DELIVERED

    def _hint(self, missing: HopName) -> str:
        name = self.destination
        if missing is HopName.RECEIVED:
            return "no gateway answers at `drills.url`: is the role gateway up, and ready? See `hub status`"
        if missing is HopName.DELIVERED:
            told = f" ({self.level.replace('_', ' ')})" if self.level != _UNKNOWN else ""
            return (
                f"`{name}` has not got it{told}: `hub connectors status` says how its connector is, `hub check {name}`"
                f" why, and `hub dlq list --place {name}` whether it was refused"
            )
        if self.ended_why == _TAKES_NONE:
            return (
                f"the routes in use let no drill go to `{name}`: say `drill: true` there, then `hub routes apply`;"
                f" and its device must be enrolled with `--drill {name}`"
            )
        return "the streams have not taken it: see `hub status` and the log of the role streams"
