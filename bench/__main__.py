"""`make bench`: run the demo's load and hold its figures against what the design promises.

Usage: python -m bench [--seconds N]   600 for the memory figure of ten minutes; exit 1 when a figure is missed.
Each run adds a line to `bench/history.jsonl` and draws its page anew (`bench/history.py`); `--no-history` keeps none.
What reading recorded messages costs is measured too (`python -m bench.reading` alone).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import history
from bench.history import Figure
from bench.reading import corpus, costs

MOST_PARSES = {"CAP": 12, "CoT": 13}
"""How many times a bare parse by lxml reading may take; 16 to 18 before CAP was read in one pass, and of CoT then."""
# What the design asks of 2 cores with 50 alerts/s and 500 positions/s on the embedded broker.
LIMITS = (
    ("lost", "events", ("lost",), 0),
    ("device POST to the TAK client's socket, p50", "ms", ("latency_ms", "post_to_tak", "p50"), 40),
    ("device POST to the TAK client's socket, p99", "ms", ("latency_ms", "post_to_tak", "p99"), 250),
    ("memory of all processes (PSS)", "MiB", ("resident_mib",), 800),
    ("first alert delivered after the command", "s", ("first_alert_seconds",), 20),
)


def measure(seconds: int) -> dict[str, Any]:
    """Run the demo once and give its summary."""
    hub = str(Path(sys.executable).with_name("hub"))
    done = subprocess.run([hub, "demo", "--seconds", str(seconds), "--json"], stdout=subprocess.PIPE, check=False)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def reading() -> Iterator[Figure]:
    """Yield what reading messages costs; without recorded messages, nothing."""
    folder = corpus()
    if not folder.is_dir():
        print(f"       reading not measured: no recorded messages at {folder}")
        return
    for cost in costs(folder):
        yield Figure(f"reading {cost.name}", "bare parses", cost.ratio, MOST_PARSES[cost.name.partition(",")[0]])
        print(f"       reading {cost.name}: {cost.read_per_second:.0f}/s of {cost.mean_bytes} bytes")


def value(summary: dict[str, Any], path: tuple[str, ...]) -> float:
    """Give the figure at a path."""
    found: Any = summary
    for part in path:
        found = found[part]
    return float(found)


def shown(figure: Figure) -> bool:
    """Print a figure; return whether it holds."""
    holds = figure.limit is None or figure.value <= figure.limit
    limit = "" if figure.limit is None else f" (at most {figure.limit:g})"
    print(f"{'ok    ' if holds else 'MISSED'} {figure.name}: {figure.value:.4g} {figure.unit}{limit}")
    return holds


def main() -> int:
    """Measure, print the table, keep the figures in the history; return 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--no-history", action="store_true", help="keep nothing of this run")
    asked = parser.parse_args()
    load_before = history.load()
    summary = measure(asked.seconds)
    figures = [Figure(name, unit, value(summary, path), limit) for name, unit, path, limit in LIMITS]
    for hop, found in summary["latency_ms"].items():
        print(f"       {hop}: {found}")
    print(f"       sent {summary['sent']}, duplicates {summary['duplicates']}, memory {summary['memory_mib']}")
    figures += reading()
    missed = [figure for figure in figures if not shown(figure)]
    if not asked.no_history:
        history.append(figures, load_before=load_before)
        history.write()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
