"""`python -m bench.lane.checked`: 2,000,000 fixes through lanes that are killed, join and leave: an account.

Two lanes share a group on Apache Kafka. At random times one is killed or ended, and started again some time later.
In the end what the destination has is held against what was sent: each fix of each device arrived, and those of a
device in their order; one that arrived twice is known by its id and counts by its first arrival.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from bondmate_schemas.catalogue import destination_topic, locations_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.columns import Columns
from bondmate_schemas.outside_ids import OutsideIds
from confluent_kafka import Consumer, TopicPartition

from bench.lane.contest import READY, Held, Inputs, broker_for, load
from bench.lane.plain import SECRET
from bench.lane.world import World

_FIXES_A_DEVICE: Final = 100
_PARTITIONS: Final = 6
_STUCK_SECONDS: Final = 90.0
_LOOK_SECONDS: Final = 0.1
_WORKS_SECONDS: Final = (0.4, 2.0)
_AWAY_SECONDS: Final = (0.1, 2.0)
_GATHER: Final = 20_000


@dataclass(slots=True)
class _Lane:
    """One lane: its process while it runs, how often it was given partitions, how often it was killed and ended."""

    asked: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    counting: threading.Thread = field(default_factory=threading.Thread)
    assigned: int = 0
    ends: dict[str, int] = field(default_factory=lambda: {"killed": 0, "ended": 0})

    def start(self) -> None:
        """Start it, and count what it is given."""
        command = [sys.executable, "-m", "bench.lane.contestants", self.asked["name"], json.dumps(self.asked)]
        self.process = process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.counting = threading.Thread(target=self._count, args=(process,), daemon=True)
        self.counting.start()

    def _count(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.assigned += line.strip() == READY

    def end(self, how: signal.Signals) -> None:
        """Kill it, or tell it to end."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.counting.join()
            self.ends["killed" if how is signal.SIGKILL else "ended"] += 1
            self.process = None


def storm(lanes: list[_Lane], held: Held, wanted: int, chance: random.Random) -> None:
    """Kill and end lanes at work, and start them again, until the destination has so many; then wait for quiet."""
    for lane in lanes:
        lane.start()
    while not _has_all(held, wanted):
        time.sleep(chance.uniform(*_WORKS_SECONDS))
        lane = chance.choice(lanes)
        lane.end(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        time.sleep(chance.uniform(*_AWAY_SECONDS))
        lane.start()
    _wait_quiet(held)


def _has_all(held: Held, wanted: int) -> bool:
    """Wait until more has arrived: killed sooner than a group can share its partitions, no lane would ever work."""
    before = count = held.count()
    stuck_at = time.monotonic() + _STUCK_SECONDS
    while count == before and count < wanted:
        if time.monotonic() > stuck_at:
            raise RuntimeError(f"no lane goes on at {count:,}")
        time.sleep(_LOOK_SECONDS)
        count = held.count()
    return count >= wanted


def _wait_quiet(held: Held) -> None:
    """Wait until nothing has come for longer than a dead member may be waited for."""
    count, since = held.count(), time.monotonic()
    while time.monotonic() < since + 15:
        time.sleep(0.5)
        if (now := held.count()) != count:
            count, since = now, time.monotonic()


@dataclass(slots=True)
class Account:
    """What arrived, by device and its number of a fix."""

    arrived: Any
    newest: Any
    records: int = 0
    twice: int = 0
    out_of_order: int = 0

    @classmethod
    def of(cls, devices: int, fixes: int) -> Account:
        """Begin one of so many devices with so many fixes each."""
        return cls(np.zeros((devices, fixes), np.bool_), np.full(devices, -1, np.int64))

    @property
    def lost(self) -> int:
        """Fixes that did not arrive."""
        return int(self.arrived.size - np.count_nonzero(self.arrived))

    def take(self, devices: Sequence[int], numbers: Sequence[int]) -> None:
        """Take records in their order."""
        for device, number in zip(devices, numbers, strict=True):
            self.records += 1
            if self.arrived[device, number]:
                self.twice += 1
                continue
            self.arrived[device, number] = True
            self.out_of_order += int(number < self.newest[device])
            self.newest[device] = max(number, self.newest[device])


def account(bootstrap: str, topic: str, devices: int, fixes: int) -> Account:
    """Read everything a destination has."""
    columns = Columns("Delivery", Codec(LocalSchemaIds()).prefix_of("Delivery"))
    found = Account.of(devices, fixes)
    outside = OutsideIds.of(SECRET).unanswered(topic.removeprefix(destination_topic("")).removesuffix(".locations"))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-account"})
    parts = [TopicPartition(topic, part, 0) for part in consumer.list_topics(topic, 10).topics[topic].partitions]
    left = sum(consumer.get_watermark_offsets(part, 10)[1] for part in parts)
    consumer.assign(parts)
    while left:
        messages = [message for message in consumer.consume(_GATHER, 5.0) if message.error() is None]
        if not messages:
            raise RuntimeError(f"{left} records cannot be read")
        left -= len(messages)
        read = columns.read([message.value() for message in messages], believed=True)
        if read.left:
            raise RuntimeError(f"{len(read.left)} records are none")
        ids = [*map(outside.uuid_of, read.columns.column("header").field("event_id").to_pylist())]
        found.take([int(i[-12:-6]) for i in ids], [int(i[-6:]) for i in ids])
    consumer.close()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run it; exit 1 when a fix is lost or comes out of order."""
    parser = argparse.ArgumentParser(prog="bench.lane.checked", description=__doc__)
    parser.add_argument("--fixes", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--eager", action="store_true", help="not cooperative")
    parser.add_argument("--rows", action="store_true", help="lanes without columns, which take longer for as many")
    asked = parser.parse_args(arguments)
    world = World(asked.fixes // _FIXES_A_DEVICE, 100, 1)
    (room,) = world.routes().destinations
    topic = locations_topic(room)
    with broker_for(world, _PARTITIONS) as (broker, folder):
        load(broker.bootstrap, Inputs().of(world, asked.fixes))
        lanes = [_Lane(_asked(world, broker.bootstrap, folder, asked) | {"number": number}) for number in range(2)]
        try:
            storm(lanes, Held(broker.bootstrap, [topic]), asked.fixes, random.Random(asked.seed))
        finally:
            for lane in lanes:
                lane.end(signal.SIGKILL)
        found = account(broker.bootstrap, topic, world.devices, _FIXES_A_DEVICE)
    return _told(found, lanes, asked)


def _asked(world: World, bootstrap: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    return {**asdict(world), "bootstrap": bootstrap, "folder": str(folder), "partitions": _PARTITIONS,
            "name": "rows" if asked.rows else "lane", "cooperative": not asked.eager}  # fmt: skip


def _told(found: Account, lanes: list[_Lane], asked: argparse.Namespace) -> int:
    ends = [f"{lane.ends['killed']} times killed, {lane.ends['ended']} ended, {lane.assigned} times given partitions"
            for lane in lanes]  # fmt: skip
    print(
        f"{asked.fixes:,} fixes, {found.records:,} deliveries: {found.lost} lost, {found.out_of_order} out of order, "
        f"{found.twice:,} twice under their ids; seed {asked.seed}, {'eager' if asked.eager else 'cooperative'}"
    )
    print(*ends, sep="\n")
    # Between two ends more has arrived, so that each was of a lane of a group that worked.
    bit = sum(lane.ends["killed"] for lane in lanes) > 1 and all(lane.assigned for lane in lanes)
    if not bit:
        print("the storm did not bite: it was over before lanes were killed twice")
    return int(bool(found.lost or found.out_of_order or not bit))


if __name__ == "__main__":
    sys.exit(main())
