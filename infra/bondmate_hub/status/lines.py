"""Facts and verdict as lines for a person: what is well is short, what is not says why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bondmate_hub.status.facts import Facts, ServiceFact
from bondmate_hub.status.verdict import Verdict

__all__ = ["columns", "lines"]

_WAITS_SECONDS = 1.0
"""What is younger is on its way, and not shown."""


def lines(facts: Facts, verdict: Verdict) -> list[str]:
    """Return the lines of `hub status`."""
    return [
        *columns([*_services(facts), *_roles(facts)]),
        *columns(_destinations(facts, verdict)),
        *columns(_unread(facts)),
        *(f"note      {problem}" for problem in facts.problems),
        _last(verdict),
    ]


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return rows as lines, their columns one below the other."""
    found = list(rows)
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in found]


def _services(facts: Facts) -> Iterator[tuple[str, ...]]:
    for name, service in (("broker", facts.broker), ("registry", facts.registry)):
        yield name, _word(service), service.address, "" if service.answers else service.why


def _word(service: ServiceFact) -> str:
    return "ok" if service.answers else "DOWN"


def _roles(facts: Facts) -> Iterator[tuple[str, ...]]:
    for role in facts.roles:
        place = " ".join(filter(None, (role.endpoint, role.host and f"on {role.host}")))
        yield f"role {role.process if role.instance else role.role}", role.state, place, role.why


def _destinations(facts: Facts, verdict: Verdict) -> Iterator[tuple[str, ...]]:
    for name, stop in verdict.stops.items():
        modes = ", ".join(sorted(facts.destinations[name]))
        yield f"alerts to {name}", "reach it" if stop is None else "STOP", f"({modes})", str(stop or "")


def _unread(facts: Facts) -> Iterator[tuple[str, ...]]:
    for lag in facts.lags:
        if lag.events and (lag.oldest_seconds is None or lag.oldest_seconds >= _WAITS_SECONDS):
            age = "of unknown age" if lag.oldest_seconds is None else f"the oldest for {lag.oldest_seconds:.0f} s"
            yield f"unread by {lag.consumer}", str(lag.events), lag.topic, age


def _last(verdict: Verdict) -> str:
    if not verdict.real:
        return "no destination takes alerts of mode ACTUAL"
    stopped = [name for name in sorted(verdict.real) if verdict.stops[name]]
    return f"ACTUAL alerts do NOT reach {', '.join(stopped)}" if stopped else "ACTUAL alerts reach every destination"
