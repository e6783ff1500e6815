"""One run: a contestant in a process of its own takes everything a fresh broker holds; what that cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_hub.provisioning import apply
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, topics
from bondmate_schemas.codec import Codec, LocalSchemaIds
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.lane.world import World

_LOOK_SECONDS = 0.02
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done."""

    world: World
    count: int
    partitions: int = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it cost: wall-clock and CPU seconds from the first assignment to the last commit, and peak memory."""

    count: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    written: int

    @property
    def a_second(self) -> float:
        """Positions a second."""
        return self.count / self.seconds


@contextmanager
def loaded(task: Task, folder: Path) -> Iterator[ApacheBroker]:
    """Start a broker that holds the positions, and says so."""
    rooms = [f"room-{number}" for number in range(task.world.destinations)]
    with ApacheBroker(ApacheConfig(folder / "broker", heap_mib=1024)) as broker:
        apply(AdminClient({"bootstrap.servers": broker.bootstrap}), topics(rooms, (), task.partitions))
        _load(broker.bootstrap, task)
        held = held_of(broker.bootstrap, DEVICE_LOCATIONS)
        if held != task.count:
            raise RuntimeError(f"the broker holds {held} positions, not {task.count}")
        yield broker


def _load(bootstrap: str, task: Task) -> None:
    producer = Producer({
        "bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 50, "compression.type": "lz4",
        "delivery.report.only.error": True, "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    start_ms = (int(time.time()) - task.count // task.world.devices - 1) * 1000
    for key, value in task.world.positions(task.count, Codec(LocalSchemaIds()), start_ms=start_ms):
        while True:
            try:
                producer.produce(DEVICE_LOCATIONS, value, key)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    producer.flush()


def held_of(bootstrap: str, topic: str) -> int:
    """Count the records of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-count"})
    try:
        parts = consumer.list_topics(topic, 10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, part), 10) for part in parts]
    finally:
        consumer.close()
    return sum(high - low for low, high in ends)


def run(name: str, group: str, task: Task, folder: Path, python: str = sys.executable) -> Outcome:
    """Have a contestant do the task on a fresh broker."""
    with loaded(task, folder) as broker:
        world = task.world
        asked = {**asdict(world), "bootstrap": broker.bootstrap, "folder": str(folder), "count": task.count}
        child = subprocess.Popen(
            [python, "-m", "bench.lane.contestants", name, json.dumps(asked)], stdout=subprocess.PIPE, text=True
        )
        try:
            _wait_ready(child)
            begun, before = time.monotonic(), _cpu_seconds(child.pid)
            _wait_committed(broker.bootstrap, group, task, child)
            seconds, used = time.monotonic() - begun, _cpu_seconds(child.pid) - before
            peak = _peak_mib(child.pid)
        finally:
            child.kill()
            child.wait()
        outputs = sum(held_of(broker.bootstrap, f"bondmate.to.room-{n}.locations") for n in range(world.destinations))
    return Outcome(task.count, seconds, used, peak, outputs)


def _wait_ready(child: subprocess.Popen[str]) -> None:
    for line in child.stdout or ():
        if line.strip() == _READY:
            return
    raise RuntimeError("the contestant ended before it was ready")


def _wait_committed(bootstrap: str, group: str, task: Task, child: subprocess.Popen[str]) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(DEVICE_LOCATIONS, part) for part in range(task.partitions)]
    try:
        while sum(max(place.offset, 0) for place in consumer.committed(places, 10)) < task.count:
            if child.poll() is not None:
                raise RuntimeError("the contestant ended before it was done")
            time.sleep(_LOOK_SECONDS)
    finally:
        consumer.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
