"""`make bench-lane`: the location lane beside its twin, two frameworks and the floor, in turn, and what it costs where.

Usage: python -m bench.lane --quix PYTHON [--rounds 5] [--share 1.0] [--only contest,pace,sweeps] [--json FILE]

`--quix` is the Python of an environment with Quix Streams, which needs an older confluent-kafka. `--share` makes every
run shorter. With `--page` the figures are also written to the documentation. Exit 1 when a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.lane import page
from bench.lane.contest import Contestant, Inputs, Outcome, run
from bench.lane.pace import latencies_ms
from bench.lane.world import World

_COUNTS: Final = {"lane": 2_000_000, "floor": 2_000_000, "quix": 60_000, "rows": 60_000, "faust": 20_000}
"""Positions of one run, so that each takes five seconds or more."""
_MOST_EMBEDDED: Final = 300_000
"""The embedded broker writes all it holds anew, again and again, and keeps positions for twenty seconds."""
_SWEPT: Final = 1_000_000
_PACE_SECONDS: Final = 10.0
_PACED: Final = frozenset({"lane", "lane x 2", "rows", "quix", "faust", "floor"})
_SHARES: Final = (0.1, 0.5, 0.8)


class Bench:
    """What is measured, and how long."""

    def __init__(self, quix: str, rounds: int, share: float) -> None:
        """Use a Python for Quix Streams; rounds of each contest; a share of the positions."""
        self._contestants = [
            Contestant("lane"), Contestant("lane", processes=2), Contestant("rows"), Contestant("quix", quix),
            Contestant("faust"), Contestant("floor"), Contestant("lane", broker="embedded"),
        ]  # fmt: skip
        self._rounds = rounds
        self._share = share
        self._inputs = Inputs()

    def _run(self, contestant: Contestant, world: World, count: int, partitions: int = 4) -> Outcome:
        return run(contestant, world, self._inputs.of(world, int(count * self._share)), partitions)

    def contest(self) -> Iterator[dict[str, Any]]:
        """Have all do the same work in turn; give each round's outcome."""
        for number in range(self._rounds):
            for destinations in (1, 3):
                world = World(destinations=destinations)
                for contestant in self._contestants:
                    most = _MOST_EMBEDDED if contestant.broker == "embedded" else _COUNTS[contestant.name]
                    outcome = self._run(contestant, world, most)
                    yield _row(outcome, contestant=str(contestant), destinations=destinations, round=number + 1)

    def sweeps(self) -> Iterator[dict[str, Any]]:
        """Change one thing at a time."""
        lane = Contestant("lane")
        for partitions in (1, 4, 16):
            yield _row(self._run(lane, World(destinations=1), _SWEPT, partitions), swept="partitions", value=partitions)
        for districts in (10, 100, 1_000, 10_000):
            world = World(districts=districts, destinations=1)
            yield _row(self._run(lane, world, _SWEPT), swept="districts", value=districts)
        for destinations in (1, 3, 10, 50):
            world = World(destinations=destinations)
            count = max(_SWEPT // destinations, 100_000)
            yield _row(self._run(lane, world, count), swept="destinations", value=destinations)
        for devices in (1_000, 10_000, 200_000, 1_000_000):
            count = 2 * max(devices, _SWEPT // 2)
            yield _row(self._run(lane, World(devices, destinations=1), count), swept="devices", value=devices)

    def pace(self, capacity: dict[str, float]) -> Iterator[dict[str, Any]]:
        """Send steadily, at shares of what each can do with one destination (positions a second), and at 1,000/s."""
        world = World(destinations=1)
        for contestant in (each for each in self._contestants if str(each) in _PACED):
            known = capacity[str(contestant)]
            paces = [(f"{share:.0%}", int(known * share)) for share in _SHARES]
            for name, a_second in paces + ([("1,000/s", 1_000)] if str(contestant) == "lane" else []):
                positions = self._inputs.of(world, int(a_second * (_PACE_SECONDS + 15)))
                found = latencies_ms(contestant, world, positions, a_second, _PACE_SECONDS)
                yield {"contestant": str(contestant), "pace": name, "a_second": a_second, "samples": len(found),
                       "p50_ms": _quantile(found, 0.5), "p99_ms": _quantile(found, 0.99)}  # fmt: skip


def _quantile(found: list[float], share: float) -> float:
    return found[min(int(len(found) * share), len(found) - 1)] if found else float("inf")


def _row(outcome: Outcome, **where: Any) -> dict[str, Any]:
    return {**where, **asdict(outcome), "a_second": outcome.a_second, "cpu_a_million": outcome.cpu_seconds_a_million}


def capacities(contest: page.Rows, destinations: int) -> dict[str, float]:
    """Give the median of each contestant, positions a second."""
    found: dict[str, list[float]] = {}
    for row in contest:
        if row["destinations"] == destinations:
            found.setdefault(row["contestant"], []).append(row["a_second"])
    return {name: statistics.median(rates) for name, rates in found.items()}


def _show(row: dict[str, Any]) -> None:
    figures = (f"{name} {value:,.0f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    print(time.strftime("%H:%M:%S"), ", ".join(figures), flush=True)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="bench.lane", description=__doc__)
    parser.add_argument("--quix", required=True, help="Python of an environment with Quix Streams")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", default="contest,pace,sweeps")
    parser.add_argument("--json", type=Path, help="where to keep the figures; those there are gone on with")
    parser.add_argument("--page", action="store_true", help="write the page and its plots")
    asked = parser.parse_args()
    found: dict[str, Any] = {"contest": [], "pace": [], "sweeps": [], "machine": _machine()}
    if asked.json and asked.json.exists():
        found |= json.loads(asked.json.read_text(encoding="utf-8"))
    bench = Bench(asked.quix, asked.rounds, asked.share)
    parts = {
        "contest": bench.contest,
        "pace": lambda: bench.pace(capacities(found["contest"], 1)),
        "sweeps": bench.sweeps,
    }
    for name in asked.only.split(","):
        found[name] = []
        for row in parts[name]():
            _show(row)
            found[name].append(row)
            if asked.json:
                asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    verdicts = page.verdicts(found)
    print(page.table(found), *verdicts, sep="\n")
    if asked.page:
        page.write(found)
    return int(any(verdict.is_missed for verdict in verdicts))


def _machine() -> dict[str, Any]:
    memory = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if "MemTotal" in line)
    return {"cores": len(os.sched_getaffinity(0)), "memory_gib": round(int(memory.split()[1]) / 2**20),
            "python": platform.python_version(), "date": time.strftime("%Y-%m-%d")}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
