"""What `make bench-lane` found, as text, as a page and its plots, and held against what is asked."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "location-lane.md"
_PLOTS: Final = PAGE.parent / "location-lane"
Rows = list[dict[str, Any]]
Found = Mapping[str, Any]
_LANES: Final = ("lane", "lane x 2")
_HEAD: Final = """# What the location lane does in a second

<!-- Written by `make bench-lane ARGS=--page`; do not edit. -->

Measured on {date}: {cores} cores, {memory_gib} GiB, Python {python}, Apache Kafka on the same cores. The input is the
same for all: 200,000 devices that walk, a position a second each, 1,000 districts of 200 corners. Each destination has
another agreement: everything plain, squares of 500 m with the district, or two decimals with the callsign. Each run has
a fresh broker that is asked how many records it holds; the figures are medians of {rounds} rounds, all in turn, from
the first output that is seen to the last, and a run with one output too few or too many is none. Memory is the
proportional set size of a contestant's processes together, looked at twice a second, at its most.

- `lane` is `hub run lane`; `lane x 2` two of them, one for each core, which share the partitions; `rows` is the lane
  without the extra `columns`.
- `quix` and `faust` are applications as the documentation of each has them, with plain dicts, fastavro and the state
  of the framework. They do the same to a position, but write no audit trail, join no register, and check less.
- `floor` reads, decodes to columns, encodes Deliveries of whole fixes and produces, one batch after the other, and does
  nothing else; while the broker takes a batch it waits, where the lane works on the next.

The last table changes one thing at a time, in shorter runs: there a device comes a few times only, and what its first
position costs (its names, its districts, its place in memory) shows in every figure.

"""
_PACED: Final = """At a steady pace the sender and the far end run on the same cores beside contestant and broker; the
shares are of what a contestant does alone. It has worked for twelve seconds before its times count.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure, and what is asked of it."""

    name: str
    value: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether it does not hold."""
        return self.value < self.limit if self.at_least else self.value > self.limit

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        verdict = "MISSED" if self.is_missed else "ok"
        return f"{verdict:6} {self.name}: {self.value:,.4g}{self.unit} ({bound} {self.limit:,.4g}{self.unit})"


def _median(rows: Iterable[Mapping[str, Any]], figure: str, **where: Any) -> float | None:
    values = [row[figure] for row in rows if all(row[name] == value for name, value in where.items())]
    return statistics.median(values) if values else None


def verdicts(found: Found) -> list[Verdict]:
    """Hold what was measured against what is asked."""
    return list(_verdicts(found))


def _verdicts(found: Found) -> Iterator[Verdict]:
    if found["contest"]:
        yield from _of_speed(found["contest"])
        yield from _of_memory(found["contest"])
    yield from _of_pace(found["pace"])
    yield from _of_sweeps(found["sweeps"])


def _of_speed(contest: Rows) -> Iterator[Verdict]:
    def rate(contestant: str, destinations: int) -> float:
        return _median(contest, "a_second", contestant=contestant, destinations=destinations) or 0.0

    for destinations, limit in ((1, 200_000), (3, 100_000)):
        both = rate("lane x 2", destinations)
        yield Verdict(f"positions/s of lane x 2, {destinations} destinations", both, limit, at_least=True)
        for other, times in (("quix", 8), ("faust", 40), ("floor", 0.6)):
            if known := rate(other, destinations):
                name = f"times {other}, {destinations} destinations"
                yield Verdict(name, rate("lane", destinations) / known, times, at_least=True)


def _of_memory(contest: Rows) -> Iterator[Verdict]:
    for lanes in _LANES:
        for destinations in (1, 3):
            peak = _median(contest, "peak_mib", contestant=lanes, destinations=destinations) or 0.0
            name = f"peak memory of {lanes} with 200,000 devices, {destinations} destinations"
            yield Verdict(name, peak, 600, at_least=False, unit=" MiB")


def _of_pace(pace: Rows) -> Iterator[Verdict]:
    for lanes in _LANES:
        for name, limit_ms in (("50%", 150), ("1,000/s", 60)):
            p99_ms = _median(pace, "p99_ms", contestant=lanes, pace=name)
            if p99_ms is not None:
                yield Verdict(f"p99 of {lanes} at {name}", p99_ms, limit_ms, at_least=False, unit=" ms")


def _of_sweeps(sweeps: Rows) -> Iterator[Verdict]:
    def cost(swept: str, value: int, figure: str = "cpu_a_million") -> float | None:
        return _median(sweeps, figure, swept=swept, value=value)

    few, many = cost("districts", 10), cost("districts", 10_000)
    if few and many:
        yield Verdict("times the CPU of 10 districts, with 10,000", many / few, 2, at_least=False)
    if peak := cost("devices", 1_000_000, "peak_mib"):
        yield Verdict("peak memory with 1,000,000 devices", peak, 1536, at_least=False, unit=" MiB")


def table(found: Found) -> str:
    """Give the tables, in Markdown."""
    contest, sweeps = found["contest"], found["sweeps"]
    names = list(dict.fromkeys(row["contestant"] for row in contest))
    parts = [_rows(
        ("contestant", "destinations", "positions/s", "CPU s a million", "peak MiB"),
        ((name, many, *(_median(contest, figure, contestant=name, destinations=many)
                        for figure in ("a_second", "cpu_a_million", "peak_mib")))
         for many in (1, 3) for name in names),
    )]  # fmt: skip
    if found["pace"]:
        columns = ("contestant", "pace", "a_second", "p50_ms", "p99_ms")
        parts.append(_PACED)
        parts.append(_rows(
            ("contestant", "of its capacity", "positions/s", "p50 ms", "p99 ms"),
            (tuple(row[column] for column in columns) for row in found["pace"]),
        ))  # fmt: skip
    if sweeps:
        columns = ("swept", "value", "a_second", "cpu_a_million", "peak_mib")
        parts.append(_rows(
            ("changed", "to", "positions/s", "CPU s a million", "peak MiB"),
            (tuple(row[column] for column in columns) for row in sweeps),
        ))  # fmt: skip
    return "\n".join(parts)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"


def write(found: Found) -> None:
    """Write the page and its plots."""
    _PLOTS.mkdir(exist_ok=True)
    plots = list(_plots(found))
    rounds = max((row["round"] for row in found["contest"]), default=0)
    pictures = "".join(f"![{title}](location-lane/{name}.svg)\n\n" for name, title in plots)
    verdict = "".join(f"    {each}\n" for each in verdicts(found))
    text = _HEAD.format(rounds=rounds, **found["machine"]) + table(found) + "\n" + pictures
    PAGE.write_text(f"{text}Held against what is asked:\n\n{verdict}\n{sizing(found)}", encoding="utf-8")


_OFFICERS: Final = ((2_000, 5), (20_000, 1), (200_000, 1), (1_000_000, 1), (10_000_000, 1), (100_000_000, 1))
"""How many, and how often each tells a position, seconds."""
_REPLICAS: Final = 3
_BROKER_MB_S: Final = 100.0
"""An assumption, not measured: what one node of a broker is asked to write, replicas included."""
_SIZING: Final = """## From officers to machines

On paper, from the figures above with three destinations.

- positions/s = officers / interval.
- One lane takes {cpu:.1f} µs of a core for a position, and is planned at half a core, so that one that was restarted
  catches up as fast as it fell behind: lanes = positions/s * {cpu:.1f} µs / 0.5, and at least two.
- The broker keeps {stored:,.0f} bytes for a position, as it came and as it is told, compressed, for a day, on three
  nodes: kept = positions/s * {stored:,.0f} * 86,400 * 3.
- One node is taken to write {broker:.0f} MB/s, replicas included; nodes = positions/s * {stored:,.0f} * 3 /
  {broker:.0f} MB/s, and at least three.

| officers | a position each | positions/s | lanes (half a core each) | partitions | brokers | kept for a day |
|---|---|---|---|---|---|---|
{rows}
The work is divided by device, and nothing but the topic of last fixes is shared, so that lanes and brokers grow in
proportion; partitions are twice the lanes, so that any lane's part can be spread over two. Choose their number before
topics are made: devices would change partitions later.

A world of officers is no single cluster, and need not be: a country's positions stay in the country that answers for
them. Each has a cluster and lanes of its own; between countries goes what an agreement shows, and only that, by
mirroring the topics `bondmate.to.<destination>.*` (MirrorMaker 2, KIP-382, or a vendor's cluster linking) into the
cluster of the room that takes them. A record keeps its ids, so that a mirror that repeats is recognised. The last rows
are then the sums of their countries. What is kept longer than the disks hold goes to object storage
(tiered storage, KIP-405): `bondmate.device.locations` is read at its end by lanes and from the start only by a replay.
"""


def sizing(found: Found) -> str:
    """Give how many machines so many officers need, by what was measured."""
    cpu = _median(found["contest"], "cpu_a_million", contestant="lane", destinations=3)
    stored = _median(found["contest"], "stored_bytes", contestant="lane", destinations=3)
    if cpu is None or stored is None:
        return ""
    rows = "".join(_sized(officers, seconds, cpu, stored) for officers, seconds in _OFFICERS)
    return _SIZING.format(cpu=cpu, stored=stored, broker=_BROKER_MB_S, rows=rows)


def _sized(officers: int, seconds: int, cpu: float, stored: float) -> str:
    a_second = officers / seconds
    lanes = max(2, math.ceil(a_second * cpu / 1e6 / 0.5))
    brokers = max(3, math.ceil(a_second * stored * _REPLICAS / 1e6 / _BROKER_MB_S))
    kept_gb = a_second * stored * 86_400 * _REPLICAS / 1e9
    every = "every second" if seconds == 1 else f"every {seconds} s"
    return f"| {officers:,} | {every} | {a_second:,.0f} | {lanes} | {2 * lanes} | {brokers} | {kept_gb:,.0f} GB |\n"


def _plots(found: Found) -> Iterator[tuple[str, str]]:
    import matplotlib as mpl  # noqa: PLC0415  # the extra `bench`

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "bondmate"
    mpl.rcParams["svg.fonttype"] = "none"
    if found["contest"]:
        yield _drawn("contest", "Positions a second, by contestant", lambda axes: _bars(axes, found["contest"]))
    if found["pace"]:
        yield _drawn("pace", "p50 and p99 of the lane, ms", lambda axes: _paces(axes, found["pace"]))
    for swept in dict.fromkeys(row["swept"] for row in found["sweeps"]):
        rows = [row for row in found["sweeps"] if row["swept"] == swept]
        yield _drawn(swept, f"CPU seconds a million positions, by {swept}", lambda axes, rows=rows: _line(axes, rows))  # type: ignore[misc]


def _drawn(name: str, title: str, draw: Callable[[Any], None]) -> tuple[str, str]:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 3.2))
    axes.set_title(title)
    draw(axes)
    figure.tight_layout()
    figure.savefig(_PLOTS / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    return name, title


def _bars(axes: Any, contest: Rows) -> None:
    names = list(dict.fromkeys(row["contestant"] for row in contest))
    for place, destinations in enumerate((1, 3)):
        rates = [_median(contest, "a_second", contestant=name, destinations=destinations) for name in names]
        axes.bar([at + 0.4 * place for at in range(len(names))], rates, 0.4, label=f"{destinations} destinations")
    axes.set_xticks([at + 0.2 for at in range(len(names))], names)
    axes.set_yscale("log")
    axes.legend()


def _paces(axes: Any, pace: Rows) -> None:
    rows = sorted((row for row in pace if row["contestant"] == "lane"), key=lambda row: row["a_second"])
    for figure in ("p50_ms", "p99_ms"):
        axes.plot([row["a_second"] for row in rows], [row[figure] for row in rows], marker="o", label=figure)
    axes.set_xlabel("positions a second")
    axes.set_ylim(bottom=0)
    axes.legend()


def _line(axes: Any, rows: Rows) -> None:
    axes.plot([row["value"] for row in rows], [row["cpu_a_million"] for row in rows], marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
