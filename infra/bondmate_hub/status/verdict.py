"""Whether an alert of mode ACTUAL would reach each destination now, and if not, where it would stop. Pure.

The way of an alert is gateway, broker, streams, runner, control room. The first of them that cannot do its work is
where it stops. A process that fell silent a moment ago holds its share of the alerts until its group counts it out,
so it stops them although others of its role work. A paused connector stops alerts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bondmate_schemas.catalogue import AGENT_TOPICS, destination_topic
from bondmate_schemas.enums import Mode

from bondmate_hub.status.facts import Facts, RoleFact

__all__ = ["Stop", "Verdict", "judge", "way_of"]

HOLDS_SECONDS: Final = 20.0
"""For so long the share of a dead process may be nobody's: the longest session of a group, and its rebalance."""
UNREAD_SECONDS: Final = 5.0
"""What the agents have not read for so long, they do not read."""
UNSENT_SECONDS: Final = 30.0
"""What a destination has not been given for so long, it does not get."""
_ON_THE_WAY: Final = (AGENT_TOPICS["alerts"], AGENT_TOPICS["alert-changes"])


@dataclass(frozen=True, slots=True)
class Stop:
    """Where an alert would stop, and why."""

    at: str
    why: str

    def __str__(self) -> str:
        """Return it as a part of a line."""
        return f"{self.at}: {self.why}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the facts come to."""

    stops: dict[str, Stop | None]
    """Of each destination of alerts: where one would stop; None: it would get there."""
    real: frozenset[str]
    """Those that take alerts of mode ACTUAL."""

    @property
    def ok(self) -> bool:
        """Whether every alert of mode ACTUAL would reach all its destinations."""
        return not any(self.stops[name] for name in self.real)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "ok": self.ok,
            "destinations": [
                {
                    "destination": name, "takes_actual": name in self.real, "reaches": stop is None,
                    "stops_at": stop.at if stop else None, "why": stop.why if stop else None,
                }
                for name, stop in self.stops.items()
            ],
        }  # fmt: skip


def judge(facts: Facts) -> Verdict:
    """Return for each destination of alerts whether one would reach it now."""
    stops = {name: next(way_of(facts, name), None) for name in sorted(facts.destinations)}
    real = frozenset(name for name, modes in facts.destinations.items() if Mode.ACTUAL in modes)
    return Verdict(stops, real)


def way_of(facts: Facts, destination: str) -> Iterator[Stop]:
    """Yield every place where an alert for `destination` would stop, in the order of its way."""
    if not facts.broker.answers:
        yield Stop("broker", facts.broker.why)
        return  # nothing else is known
    yield from _role(facts, "gateway")
    yield from _gateways(facts)
    yield from _role(facts, "streams")
    yield from _unread(facts, "streams", _ON_THE_WAY, UNREAD_SECONDS)
    if destination in facts.direct:
        return
    yield from _role(facts, "runner")
    yield from _connector(facts, destination)
    yield from _unread(facts, "runner", (destination_topic(destination),), UNSENT_SECONDS)


def _role(facts: Facts, role: str) -> Iterator[Stop]:
    if role not in facts.expected:
        return
    found = facts.of_role(role)
    if not any(each.works for each in found):
        worst = min(found, key=lambda each: each.is_absent, default=RoleFact(role, ""))
        yield Stop(role, _said_by(worst))
        return
    for each in found:
        if each.is_absent and (each.heard_seconds or 0.0) < HOLDS_SECONDS:
            yield Stop(role, _said_by(each))


def _said_by(role: RoleFact) -> str:
    return f"{role.process}: {role.why}" if role.instance else role.why


def _gateways(facts: Facts) -> Iterator[Stop]:
    for name in facts.expected.get("gateway", ()):
        yield from _connector(facts, name, at="gateway")


def _connector(facts: Facts, name: str, *, at: str = "runner") -> Iterator[Stop]:
    found = facts.of_connector(name)
    if not found:
        yield Stop(at, f"connector {name} has never reported; is its role running with these settings?")
    elif all(each.is_silent for each in found):
        yield Stop(at, f"connector {name}: {found[0].why}")
    for each in found:
        # One that is silent beside others that work has its share taken over: its role says whether that is done.
        if not each.is_silent and not each.ok:
            yield Stop(at, f"connector {name}: {each.why}")


def _unread(facts: Facts, consumer: str, topics: tuple[str, ...], seconds: float) -> Iterator[Stop]:
    lag = facts.oldest(consumer, topics)
    if lag is not None and (lag.oldest_seconds or 0.0) > seconds:
        yield Stop(
            consumer, f"{lag.events} records of {lag.topic} are unread, the oldest for {lag.oldest_seconds:.0f} s"
        )
