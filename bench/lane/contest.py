"""One run: a contestant, in processes of its own, works off what a fresh broker holds; how fast, and at what cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from bondmate_demo.processes import resident_mib
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic, topics
from bondmate_schemas.codec import Codec, LocalSchemaIds
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bench.lane.floor import put
from bench.lane.world import World

_LOOK_SECONDS: Final = 0.1
_MEMORY_SECONDS: Final = 0.5
_STUCK_SECONDS: Final = 60.0
_TRIES: Final = 20
READY: Final = "ready"
Keyed = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who does the work: a name of `contestants`, run by `python` in so many processes beside such a broker."""

    name: str
    python: str = sys.executable
    processes: int = 1
    broker: Literal["apache", "embedded"] = "apache"

    def __str__(self) -> str:
        several = f" x {self.processes}" if self.processes > 1 else ""
        return f"{self.name}{several}" + (", embedded broker" if self.broker == "embedded" else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it cost, from the first output seen to the last: of so many positions in, wall-clock and CPU seconds."""

    positions: float
    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Proportional set size of all its processes together, at the most that was seen."""
    stored_bytes: float
    """What the broker keeps on disk for one position: as it came, as its device's last, and as told."""

    @property
    def a_second(self) -> float:
        """Positions a second."""
        return self.positions / self.seconds

    @property
    def cpu_seconds_a_million(self) -> float:
        """CPU seconds for a million positions, the contestant's own."""
        return self.cpu_seconds / self.positions * 1e6


class Inputs:
    """Positions made once and kept, since making them takes longer than working them off."""

    def __init__(self) -> None:
        """Have none yet."""
        self._made: dict[int, list[Keyed]] = {}

    def of(self, world: World, count: int) -> Sequence[Keyed]:
        """Give the first `count` positions of a world's devices."""
        made = self._made.get(world.devices)
        if made is None or len(made) < count:
            self._made.clear()  # a million of them are half a gigabyte
            start_ms = (int(time.time()) - count // world.devices - 1) * 1000
            made = list(world.positions(count, Codec(LocalSchemaIds()), start_ms=start_ms))
            self._made[world.devices] = made
        return made[:count]


@contextmanager
def broker_for(
    world: World, partitions: int, kind: str = "apache"
) -> Iterator[tuple[ApacheBroker | EmbeddedBroker, Path]]:
    """Start a fresh broker with the hub's topics; gives it and a folder that goes with it."""
    rooms = list(world.routes().destinations)
    with tempfile.TemporaryDirectory(prefix="bench-lane-") as name, ExitStack() as stack:
        place = Path(name) / "broker"
        broker: ApacheBroker | EmbeddedBroker
        if kind == "apache":
            broker = stack.enter_context(ApacheBroker(ApacheConfig(place, heap_mib=1024)))
        else:
            broker = stack.enter_context(EmbeddedBroker(EmbeddedConfig(place)))
        apply(AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}), topics(rooms, (), partitions))
        yield broker, Path(name)


def load(bootstrap: str, positions: Sequence[Keyed]) -> None:
    """Put positions into the broker as the gateway's producer would, and see that it holds them."""
    producer = Producer({
        "bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 50, "compression.type": "lz4",
        # Else a batch of a new topic that is sent again would follow a later one.
        "enable.idempotence": True,
        "delivery.report.only.error": True, "queue.buffering.max.messages": 1_000_000, "log_level": 0,
    })  # fmt: skip
    for key, value in positions:
        put(producer, DEVICE_LOCATIONS, value, key)
    producer.flush()
    held = Held(bootstrap, [DEVICE_LOCATIONS]).count()
    if held != len(positions):
        raise RuntimeError(f"the broker holds {held} positions, not {len(positions)}")


class Held:
    """How many records topics hold."""

    def __init__(self, bootstrap: str, names: Sequence[str]) -> None:
        """Ask a broker."""
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        known = self._admin.list_topics(timeout=10).topics
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        self._ends = {TopicPartition(name, part): latest for name in names for part in known[name].partitions}

    def count(self) -> int:
        """Give it; nothing was ever deleted from them."""
        for _ in range(_TRIES):
            with suppress(KafkaException):  # the client's knowledge of a new topic may be older than the broker's
                return sum(found.result().offset for found in self._admin.list_offsets(self._ends).values())
            time.sleep(_LOOK_SECONDS)
        raise RuntimeError("the broker does not tell its offsets")


@contextmanager
def working(
    contestant: Contestant, world: World, bootstrap: str, folder: Path, partitions: int
) -> Iterator[list[subprocess.Popen[str]]]:
    """Run a contestant's processes, from where they are ready until killed."""
    children: list[subprocess.Popen[str]] = []
    try:
        for number in range(contestant.processes):
            (folder / f"{number}").mkdir()
            asked = {**asdict(world), "bootstrap": bootstrap, "folder": str(folder / f"{number}"), "number": number,
                     "partitions": partitions}  # fmt: skip
            children.append(subprocess.Popen(
                [contestant.python, "-m", "bench.lane.contestants", contestant.name, json.dumps(asked)],
                stdout=subprocess.PIPE, text=True,
            ))  # fmt: skip
        for child in children:
            _wait_ready(child)
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _wait_ready(child: subprocess.Popen[str]) -> None:
    for line in child.stdout or ():
        if line.strip() == READY:
            return
    raise RuntimeError("the contestant ended before it was ready")


def run(contestant: Contestant, world: World, positions: Sequence[Keyed], partitions: int = 4) -> Outcome:
    """Have a contestant work positions off: all of them, told to every destination, or an error."""
    with broker_for(world, partitions, contestant.broker) as (broker, folder):
        load(broker.bootstrap, positions)
        rooms = [locations_topic(name) for name in world.routes().destinations]
        held, wanted = Held(broker.bootstrap, rooms), len(positions) * len(rooms)
        with working(contestant, world, broker.bootstrap, folder, partitions) as children:
            first = last = _seen(held, children)
            moved = time.monotonic()
            peak_mib, looked = 0.0, 0.0
            while last.count < wanted:
                time.sleep(_LOOK_SECONDS)
                seen = _seen(held, children)
                moved = seen.at if seen.count > last.count else moved
                if seen.at > moved + _STUCK_SECONDS or any(child.poll() is not None for child in children):
                    raise RuntimeError(f"{contestant} stopped at {seen.count} of {wanted} deliveries")
                first = seen if not first.count else first
                last = seen
                if seen.at > looked + _MEMORY_SECONDS:
                    peak_mib, looked = max(peak_mib, _held_mib(children)), seen.at
        stored = sum(path.stat().st_blocks * 512 for path in folder.rglob("*.log") if "bondmate." in path.parent.name)
    if last.count > wanted:
        raise RuntimeError(f"{contestant} told {last.count - wanted} deliveries twice")
    worked = (last.count - first.count) / len(rooms)
    return Outcome(worked, last.at - first.at, last.cpu - first.cpu, peak_mib, stored / len(positions))


@dataclass(frozen=True, slots=True)
class _Seen:
    count: int
    at: float
    cpu: float


def _seen(held: Held, children: Sequence[subprocess.Popen[str]]) -> _Seen:
    return _Seen(held.count(), time.monotonic(), sum(_cpu_seconds(child.pid) for child in children))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _held_mib(children: Sequence[subprocess.Popen[str]]) -> float:
    return sum(resident_mib(child.pid for child in children).values())
