"""`make bench-roll`: how long an alert is held while streams workers come and go, on Apache Kafka.

Two workers in processes of their own. In each run one joins, both are restarted one after the other, and one leaves.
Held is the time from an alert's publishing to its Delivery on the topic of every destination. Exit 1 when one was held
too long, lost, told under two ids or out of order, when its state is not what was told, or the audit trail is broken.

Usage: python -m bench.roll [--runs 5] [--alerts-a-second 50] [--open-alerts 0] [--most-seconds 2]
                            [--older CHECKOUT] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig

from bench.roll.lab import Held, laboratory, measure, wrong


def results(asked: argparse.Namespace) -> Iterator[Held | str]:
    """Yield what each change cost, and at last what went wrong."""
    with (
        tempfile.TemporaryDirectory() as name,
        ApacheBroker(ApacheConfig(Path(name) / "broker")) as broker,
        laboratory(
            broker.bootstrap, Path(name), asked.alerts_a_second, open_alerts=asked.open_alerts, older=asked.older
        ) as lab,
    ):
        yield from measure(lab, asked.runs)
        yield from wrong(lab)


def main() -> int:
    """Measure, print the table, report whether every figure holds."""
    parser = argparse.ArgumentParser(prog="bench.roll", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--alerts-a-second", type=int, default=50)
    parser.add_argument("--open-alerts", type=int, default=0, help="alerts that are open before the first change")
    parser.add_argument("--most-seconds", type=float, default=2.0)
    parser.add_argument("--older", type=Path, help="a checkout of an older version, for the first worker")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found, broken = [], []
    print("run  change            longest hold   held over 0.5 s", flush=True)
    for each in results(asked):
        if isinstance(each, str):
            broken.append(each)
            continue
        found.append(each)
        seconds = f"{each.longest_seconds:10.2f} s"
        print(f"{each.run:3}  {each.change:16}  {seconds} {each.late_alerts:17}", flush=True)
    longest = max(each.longest_seconds for each in found)
    print(f"{'ok    ' if longest <= asked.most_seconds else 'MISSED'} longest hold: {longest:.2f} s"
          f" (at most {asked.most_seconds:g})")  # fmt: skip
    for line in broken:
        print(f"MISSED {line}")
    if asked.json:
        print(json.dumps([asdict(each) for each in found]))
    return 1 if broken or longest > asked.most_seconds else 0


if __name__ == "__main__":
    sys.exit(main())
