"""Scenarios by number: what is played, by whom, along which routes, and which part of the hub it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bondmate_gateway.enrolment.commands import Enrolment
from bondmate_gateway.enrolment.device_file import DEFAULT_PROFILE
from scenarios.devices import has_earlier
from scenarios.stage import Stage

Act = Callable[[Stage], Awaitable[None]]
Played = Mapping[str, "asyncio.Task[None]"]
"""Scenarios that go on, by name."""


@dataclass(frozen=True, slots=True)
class Play:
    """One scenario."""

    number: str
    title: str
    act: Act
    officers: tuple[Enrolment, ...]
    routes: tuple[Mapping[str, Any], ...]
    waits_for: str
    """The part of the hub that is still missing for it."""
    needs_history: bool

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


PLAYS: list[Play] = []


@cache
def playable() -> tuple[Play, ...]:
    """Return the scenarios that can be played on this checkout: where its history is short, no device of earlier."""
    return tuple(play for play in PLAYS if not play.needs_history or has_earlier())


def officer(
    name: str, *, agency: str = "pd-north", mode: str = "ACTUAL", unit: str = "", profile: str = DEFAULT_PROFILE
) -> Enrolment:
    """Return an officer whose device, callsign and, where nothing else is said, unit are `name`."""
    return Enrolment(
        name, agency, mode, officer_ref=f"o-{name}", unit=unit or f"u-{name}", callsign=name, profile=profile
    )


def alerts_of(*units: str, to: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return a route for the alerts of some units, and no other route for them."""
    names = [f"u-{unit}" for unit in units]
    return {
        "name": f"of-{units[0]}".lower(),
        "when": {"record": "alert", "unit": names},
        "to": list(to),
        "stop": True,
        **more,
    }


def play(
    number: str,
    *officers: str | Enrolment,
    routes: Sequence[Mapping[str, Any]] = (),
    waits_for: str = "",
    needs_history: bool = False,
) -> Callable[[Act], Act]:
    """Enter a scenario; its title is the first line of its docstring."""

    def entered(act: Act) -> Act:
        enrolled = tuple(officer(each) if isinstance(each, str) else each for each in officers)
        title = str(act.__doc__).partition("\n")[0].removesuffix(".")
        PLAYS.append(Play(number, title, act, enrolled, tuple(routes), waits_for, needs_history))
        return act

    return entered
