"""The scenarios: what is done to which hub; `R` numbers are those of the project's list of faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from bench.chaos import emergencies as e
from bench.chaos import faults as f
from bench.chaos import refusals as r
from bench.chaos import strange
from bench.chaos import trials as t
from bench.chaos.bite import Fault
from bench.chaos.checker import HELP_SECONDS
from bench.chaos.crash import POINTS
from bench.chaos.proxy import Mode
from bench.chaos.room import Odd
from bench.chaos.spoil import SPOILS

EMBEDDED, APACHE, CLUSTER = "embedded", "apache", "cluster"
_NOISE_MS: Final = 100.0
"""Below this the far room's 99th percentile says more of two busy cores than of the hub."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run: a hub of its own, the load, and a fault in the middle of it."""

    name: str
    number: str
    """Of the fault list, or empty."""
    broker: str
    fault: Fault
    scale: str = ""
    """What was made smaller than the fault list asks."""
    crash: tuple[str, str] | None = None
    """A role, and the point at which it dies once."""
    alerts: int = 300
    alerts_a_second: float = 15.0
    batches_a_second: float = 12.0
    late_seconds: float = 60.0
    """After the end of the load everything must have arrived within this."""
    help_seconds: float = HELP_SECONDS
    """So long after a room took its help back a device may still show it."""
    far_p99_ms: float = 0.0
    """The far room's 99th percentile stays within twice the undisturbed one, or within this; 0: whatever it is."""
    small_disk: str = ""
    """A folder of the hub that is a disk of its own."""
    cad: bool = False
    """True: the map's people take alerts too, from Kafka."""
    follows: bool = False
    """True: officers move while their alerts are open, and the rooms hear of that, and of each other."""
    started: int = 15
    """So many emergencies a room starts meanwhile, where officers are followed."""
    spoils: tuple[str, ...] = ()
    """Which rules roles break: the checker must find each."""
    guard: str = ""
    """How the near room is entered: `tls`, `login`, or as always."""
    is_long: bool = False
    """True: for `make chaos-long` alone."""


def _killed(broker: str) -> Iterator[Scenario]:
    for role in ("gateway", "streams", "lane", "runner", "registry"):
        yield Scenario(f"{role} killed three times", "R1", broker, f.kill(role, times=3), "3 kills, not 100")
    for role in ("gateway", "streams", "lane", "runner"):
        yield Scenario(f"{role} stands still", "R10", broker, f.pause(role, 12), "12 s: longer than its session")
    everything = f.in_turn(*(f.kill(role) for role in ("runner", "streams", "gateway", "lane")))
    yield Scenario("one role after another killed", "R1", broker, everything)


def _networks(broker: str) -> Iterator[Scenario]:
    for mode, seconds in ((Mode.LATENCY, 12), (Mode.REFUSE, 12), (Mode.HALF_OPEN, 15), (Mode.DRIP, 12),
                          (Mode.SWALLOW, 8)):  # fmt: skip
        number = "R6" if mode is Mode.SWALLOW else "R5"
        yield Scenario(f"network to a room: {mode}", number, broker, f.network(mode, seconds), f"{seconds} s")
    yield Scenario("connections to a room cut", "R5", broker, f.cut(12, 1.0))
    yield Scenario("a room away for a minute", "R4", broker, f.network(Mode.REFUSE, 60), "1 min, not 15",
                   alerts=650, alerts_a_second=10, batches_a_second=6, far_p99_ms=_NOISE_MS)  # fmt: skip


def _rooms(broker: str) -> Iterator[Scenario]:
    unavailable = f.answers(HTTPStatus.SERVICE_UNAVAILABLE, 12)
    yield Scenario("a room answers 503", "R4", broker, unavailable, "12 s, not 15 min")
    yield Scenario("a room answers 500", "R4", broker, f.answers(HTTPStatus.INTERNAL_SERVER_ERROR, 12), "12 s")
    yield Scenario("a room refuses some alerts for good", "R7", broker, f.refuses(5, 12))
    yield Scenario("a room takes two seconds for each", "R5", broker, f.slow(2, 10))


_MINUTE: Final[dict[str, Any]] = {
    "scale": "1 min", "alerts": 650, "alerts_a_second": 10, "batches_a_second": 6, "far_p99_ms": _NOISE_MS,
    "late_seconds": 120,
}  # fmt: skip


def _refusals(broker: str) -> Iterator[Scenario]:
    for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FOUND):
        yield Scenario(f"a room answers {status.value} for a minute", "", broker, r.answers(status, 60), **_MINUTE)
    yield Scenario("a room shows a wrong certificate for a minute", "", broker, r.wrong_certificate(60), guard="tls",
                   **_MINUTE)  # fmt: skip
    yield Scenario("a password is wrong for a minute", "", broker, r.wrong_password(60), guard="login", **_MINUTE)
    forbidden = r.odd_one(Odd.FORBIDDEN, "http_403")
    yield Scenario("one event always gets 403", "", broker, forbidden)
    killer = r.odd_one(Odd.CUTS, "kills_the_link")
    yield Scenario("one event kills its link", "", broker, killer)


def _crashes(broker: str) -> Iterator[Scenario]:
    for point in POINTS:
        role = point.partition("-")[0]
        yield Scenario(f"dies: {point}", "R2", broker, f.crashed(role), "once, not 20 seeds", crash=(role, point))


def _brokers() -> Iterator[Scenario]:
    yield Scenario("broker stopped and started", "R3", EMBEDDED, f.stop_broker(5, kill_it=False), "5 s, not 60")
    yield Scenario("broker stopped and started", "R3", APACHE, f.stop_broker(10, kill_it=False), "10 s, not 60")
    yield Scenario("broker killed", "R3", APACHE, f.stop_broker(5, kill_it=True), "5 s, not 60")
    yield Scenario("broker stands still", "R3", APACHE, f.pause_broker(10), "10 s, not 60")


_YEARS = 365.25 * 86_400


def _others(broker: str) -> Iterator[Scenario]:
    for role in ("gateway", "streams", "lane", "runner"):
        yield Scenario(f"{role} ended by SIGTERM", "R17", broker, f.terminate(role, 10))
    yield Scenario("registry stands still", "R13", broker, f.pause("registry", 20), "20 s, not 1 h")
    yield Scenario("streams lose their tables", "R15", broker, f.wiped("streams"), "few keys, not 100,000")
    yield Scenario("unreadable records between", "R7", broker, t.poison(200))
    clocks = t.wrong_clocks(7_200, -7_200, -56 * _YEARS, 74 * _YEARS)
    yield Scenario("device clocks jump", "R12", broker, clocks, "+2 h, -2 h, 1970, 2100")
    yield Scenario(
        "positions flood the hub", "R11", broker, t.flood(600_000, 200_000, 15), "600,000 in 3 s", far_p99_ms=300
    )
    every = f.in_turn(*(f.terminate(role, 10) for role in ("registry", "streams", "lane", "gateway", "runner")))
    yield Scenario("every role renewed in turn", "R16", broker, every, "same version: none is released yet")
    yield Scenario("a while without a fault", "R18", broker, t.soak(150), "150 s, not 8 h", alerts=620,
                   alerts_a_second=4, batches_a_second=4)  # fmt: skip
    yield Scenario("a frozen runner is noticed", "R19", broker, t.alarmed("runner", 32), alerts=450)
    yield Scenario("the backlog is counted", "R20", broker, t.counted(12), "12 s")
    yield Scenario("the hub's disk is full", "R15", broker, t.full_disk("data", 10), "10 s",
                   small_disk="data")  # fmt: skip
    yield Scenario("broker's disk is full", "R15", broker, t.full_disk("broker", 10, t.restarted_broker()), "10 s",
                   small_disk="broker", late_seconds=90)  # fmt: skip
    for role in ("streams", "lane"):
        storm = t.joins_and_leaves(role, f"bondmate-{role}", 3)
        yield Scenario(f"a second {role} joins and leaves", "R9", broker, storm, "3 times", alerts=450, late_seconds=90)
    strangers = strange.acknowledges_astray(t.joins_and_leaves("streams", "bondmate-streams", 2))
    yield Scenario("a CAD acknowledges with a foreign partitioner, streams join and leave", "R9", broker, strangers,
                   "2 times", alerts=450, late_seconds=90, cad=True)  # fmt: skip
    away = f.network(Mode.REFUSE, 600)
    yield Scenario("a room away for ten minutes", "R4", broker, away, "10 min, 50 messages/s", alerts=7_600,
                   alerts_a_second=12.5, batches_a_second=2, far_p99_ms=_NOISE_MS, is_long=True)  # fmt: skip


_FOLLOWED: Final[dict[str, Any]] = {
    "follows": True, "alerts": 160, "alerts_a_second": 8, "batches_a_second": 8,
}  # fmt: skip


def _emergencies(broker: str) -> Iterator[Scenario]:
    """Officers move while their alerts are open, and rooms hear of that and of each other."""
    everything = f.in_turn(*(f.kill(role) for role in ("streams", "lane", "runner", "gateway")))
    yield Scenario("officers are followed: one role after another killed", "", broker, everything, **_FOLLOWED)
    yield Scenario("officers are followed: broker killed", "", broker, f.stop_broker(5, kill_it=True), "5 s",
                   **_FOLLOWED)  # fmt: skip
    yield Scenario("spares take over while streams and gateway die", "", broker, e.taken_over(), **_FOLLOWED)
    missed = "raised 5 s late at most, told when the group has handed its partitions on (6 s)"
    yield Scenario("check-ins are missed, their worker is killed", "", broker, e.check_in_missed(), missed, alerts=250,
                   alerts_a_second=8, batches_a_second=8)  # fmt: skip


def _clusters() -> Iterator[Scenario]:
    yield Scenario("one node of three killed, then another", "R3", CLUSTER, f.node_killed(6), "6 s each",
                   alerts=400, alerts_a_second=10, batches_a_second=6, late_seconds=90)  # fmt: skip


def _stopping(scenarios: Iterable[Scenario]) -> Iterator[Scenario]:
    """Return scenarios that stop what stands between a room's word and a device: there it is only late."""
    return (replace(scenario, help_seconds=scenario.late_seconds) for scenario in scenarios)


SCENARIOS: Final = (
    # What the embedded broker promises: roles, networks and rooms may do what they like.
    Scenario("no fault", "", EMBEDDED, f.nothing),
    *_stopping(_killed(EMBEDDED)),
    *_networks(EMBEDDED),
    *_rooms(EMBEDDED),
    *_stopping(_brokers()),
    Scenario("officers are followed: no fault", "", EMBEDDED, f.nothing, **_FOLLOWED),
    Scenario("no fault", "", APACHE, f.nothing),
    *_stopping(_killed(APACHE)),
    *_networks(APACHE),
    *_rooms(APACHE),
    *_refusals(APACHE),
    *_stopping(_crashes(APACHE)),
    *_stopping(_others(APACHE)),
    Scenario("officers are followed: a room is away", "", APACHE, f.network(Mode.REFUSE, 12), "12 s", **_FOLLOWED),
    *_stopping(_emergencies(APACHE)),
    *_stopping(_clusters()),
)


def _spoiled(name: str) -> Scenario:
    is_of_runner = SPOILS[name].role == "runner"
    fault = f.network(Mode.REFUSE, 12) if is_of_runner else f.nothing
    return Scenario(f"spoiled: {name}", "", EMBEDDED, fault, spoils=(name,), late_seconds=15, **_FOLLOWED)


_AT_ONCE: Final = (
    "what rooms say is told to nobody",
    "help that was taken back is shown",
    "a level that is none is shown",
    "places are told before anybody confirms",
    "any room ends what another started",
)
"""Each of another kind of finding, none of which hides another's."""
SPOILED: Final = (
    Scenario("spoiled: five at once, in short", "", EMBEDDED, f.nothing, spoils=_AT_ONCE, late_seconds=8, started=5,
             follows=True, alerts=60, alerts_a_second=8, batches_a_second=8),
    *map(_spoiled, SPOILS),
)  # fmt: skip
"""A hub that breaks a rule, each with the finding that the checker must come to; they run with `--spoiled` alone."""
