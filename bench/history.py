"""`python -m bench.history [--check]`: what `make bench` measured over time, and the page that plots it.

`bench/history.jsonl` has a line a run: when, which commit, which machine, how busy it was before, and the figures.
Figures of two machines are not compared: each machine has a line of its own in the plots.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from bondmate_monitoring.build import commit, version_of_hub

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "bench" / "history.jsonl"
PAGE = ROOT / "docs" / "reference" / "bench-history.md"
PLOTS = ROOT / "docs" / "reference" / "bench-history"
COLOURS = ("#3d5a80", "#b7791f", "#2f7d4a", "#9b2c2c", "#6b46c1")
WIDE, HIGH, LEFT, BELOW = 640, 180, 56, 28


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `limit` is what the design allows, None where it allows anything."""

    name: str
    unit: str
    value: float
    limit: float | None = None


def machine() -> str:
    """Say what the figures were measured on: cores, processor, memory, Python."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    what = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores, {what}, {gib:.0f} GiB, Python {platform.python_version()}"


def load() -> float:
    """Return how many processes waited for a core lately: a figure of a busy machine is worth little."""
    return round(os.getloadavg()[0], 2)


def append(figures: Iterable[Figure], *, load_before: float, kept: Path = KEPT) -> None:
    """Add this run to the history."""
    run = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version_of_hub(),
        "commit": commit(),
        "machine": machine(),
        "load_before": load_before,
        "figures": [
            {"name": one.name, "unit": one.unit, "value": round(one.value, 3), "limit": one.limit} for one in figures
        ],
    }
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run, ensure_ascii=False) + "\n")


def runs(kept: Path = KEPT) -> list[dict[str, Any]]:
    """Return every run, the oldest first."""
    return [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()] if kept.is_file() else []


def series(found: Sequence[dict[str, Any]]) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Return the runs and values of each figure."""
    by_name: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for run in found:
        for figure in run["figures"]:
            by_name.setdefault(figure["name"], []).append((run, figure))
    return by_name


def file_name(name: str) -> str:
    """Return the name of a figure's plot."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "-".join(words) + ".svg"


def plot(name: str, points: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Return the plot of a figure as SVG: runs from left to right, the limit as a dashed line."""
    limit = points[-1][1]["limit"]
    top = max([float(figure["value"]) for _, figure in points] + [float(limit or 0)] + [1e-9]) * 1.1
    step = (WIDE - LEFT - 20) / max(len(points) - 1, 1)

    def place(index: int, value: float) -> tuple[float, float]:
        return LEFT + 8 + index * step, HIGH - BELOW - value / top * (HIGH - BELOW - 24)

    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(name)}">',
        "<style>text{font:11px system-ui,sans-serif;fill:#1f2933}.name{font-weight:bold}</style>",
        f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/>',
        f'<text class="name" x="8" y="15">{escape(name)} ({escape(points[-1][1]["unit"])})</text>',
        f'<path d="M{LEFT} 20V{HIGH - BELOW}H{WIDE - 8}" stroke="#52606d" fill="none"/>',
    ]
    body += [
        f'<text x="{LEFT - 6}" y="{place(0, value)[1] + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (0.0, top / 2, top)
    ]
    if limit is not None:
        y = place(0, float(limit))[1]
        body.append(f'<path d="M{LEFT} {y:.1f}H{WIDE - 8}" stroke="#9b2c2c" stroke-dasharray="5 4"/>')
    machines = list(dict.fromkeys(run["machine"] for run, _ in points))
    for number, kind in enumerate(machines):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(i, float(figure["value"])) for i, (run, figure) in enumerate(points) if run["machine"] == kind]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    first, last = points[0][0]["at"][:10], points[-1][0]["at"][:10]
    body.append(f'<text x="{LEFT}" y="{HIGH - 10}">{first}</text>')
    body.append(f'<text x="{WIDE - 8}" y="{HIGH - 10}" text-anchor="end">{last}</text></svg>\n')
    return "\n".join(body)


def files(found: Sequence[dict[str, Any]]) -> dict[Path, str]:
    """Return the page and its plots by path."""
    lines = [
        "# What `make bench` measured\n\n<!-- Generated by `make bench` and `make docs`; do not edit. -->\n\n",
        "Each run adds a line to `bench/history.jsonl`. The dashed line is what the design allows. A colour is a\n",
        "machine; figures of two machines are not to be compared, and one of a machine that was busy before (load\n",
        "above 1) says little.\n",
    ]
    if not found:
        lines.append("\nNo run has been kept yet.\n")
    plots = {PLOTS / file_name(name): plot(name, points) for name, points in series(found).items()}
    lines += [f"\n![{name}](bench-history/{file_name(name)})\n" for name in series(found)]
    if found:
        lines.append("\n| when (UTC) | version | commit | load before | machine |\n|---|---|---|---|---|\n")
        lines += [
            f"| {run['at'][:16]} | {run['version']} | `{run['commit']}` | {run['load_before']} | {run['machine']} |\n"
            for run in reversed(found)
        ]
    return {PAGE: "".join(lines), **plots}


def stale() -> dict[Path, str]:
    """Return the files that are missing or not what would be written."""
    wanted = files(runs())
    return {path: text for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text}


def write() -> None:
    """Write the page and its plots."""
    for path, text in stale().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write them, or with `--check` print which are stale and return 1."""
    if "--check" not in sys.argv:
        write()
        return 0
    old = stale()
    print("".join(f"{path.relative_to(ROOT)}: stale; run `make docs`\n" for path in old), end="")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
