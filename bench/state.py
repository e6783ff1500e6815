"""`make bench-state`: what open alerts cost, with 1,000, 10,000 and 100,000 of them, on Apache Kafka.

For each size: the worker's memory (PSS), the processor time of the next 1,000 alerts, that of a second in which nothing
comes, and how long a worker killed with SIGKILL takes until it tells an alert again. Exit 1 when a promise is missed.

Usage: python -m bench.state [--sizes 1000 10000 100000] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bondmate_demo.processes import resident_mib, tree
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_hub.broker.child import Child
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, Mode
from bondmate_schemas.models import DeviceAlert, EventHeader
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.run import run_streams
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

ROUTES = """
destinations: {cap: {modes: [EXERCISE], fields: {alert: {position: plain}}}}
routes:
  - name: alerts
    when: {record: alert}
    to: cap
    escalate: [{after_seconds: 80000, page: true}]
"""
PROBE = 1_000
IDLE_SECONDS = 10
MOST_MIB = 1_024
MOST_GROWTH = 1.5
"""How much dearer an alert may be among the most than among the fewest; measured anew it varies by a fifth."""
MOST_RECOVERY_SECONDS = 15
RECOVERY_SIZE = 10_000
"""The promise of recovery is for so many."""
_WAIT_SECONDS = 1_800.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured with so many open alerts."""

    open_alerts: int
    memory_mib: float
    cpu_ms_an_alert: float
    idle_cpu_percent: float
    recovery_seconds: float


class Ends:
    """What comes out for the destination: a killed worker repeats itself, so alerts are counted, not Deliveries."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._consumer = Consumer({**kafka.consumer("bench-state", "bench-state"), "auto.offset.reset": "earliest"})
        topic = catalogue.destination_topic("cap")
        self._consumer.assign([TopicPartition(topic, n, OFFSET_END) for n in range(catalogue.PARTITIONS)])
        self._consumer.consume(1, 5.0)
        self._keys: set[bytes | None] = set()

    def wait(self, count: int) -> None:
        """Wait until so many alerts have come in all."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(self._keys) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._keys)} of {count} alerts came")
            found = self._consumer.consume(1_000, 0.2)
            self._keys.update(message.key() for message in found if message.error() is None)


class Load:
    """Alerts of devices of their own, as many as are asked for."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._producer = Producer(kafka.producer("bench-state"))
        self._codec = Codec(LocalSchemaIds())
        self.count = 0

    def send(self, count: int) -> None:
        """Write `count` further alerts."""
        for _ in range(count):
            self.count += 1
            alert = _alert(self.count)
            self._producer.produce(catalogue.DEVICE_ALERTS, self._codec.encode(alert), alert.device_id.encode())
            if not self.count % 1_000:
                self._producer.flush(30)
        self._producer.flush(30)


def _alert(number: int) -> DeviceAlert:
    now = datetime.now(UTC)
    header = EventHeader(
        message_id=f"message-{number}", event_id=f"event-{number}", agency_id="agency-1", mode=Mode.EXERCISE,
        occurred_at=now, received_at=now, source="device_http",
    )  # fmt: skip
    return DeviceAlert(header=header, device_id=f"device-{number}", action=AlertAction.RAISE, kind=AlertKind.SOS)


@contextmanager
def worker(bootstrap: str, folder: Path) -> Iterator[Child]:
    """Run the streams in a process of their own, killed at the end."""
    child = Child("streams", folder / "worker.log", on_parent_death=signal.SIGKILL)
    child.start((sys.executable, "-m", "bench.state", "--worker", bootstrap, "--folder", str(folder)))
    try:
        yield child
    finally:
        child.kill()


def measure(bootstrap: str, folder: Path, sizes: list[int]) -> Iterator[Found]:
    """Grow from size to size, and measure at each."""
    kafka = KafkaConfig(bootstrap, "", {"log_level": 0})
    ends, load = Ends(kafka), Load(kafka)
    for size in sizes:
        with worker(bootstrap, folder) as child:
            load.send(size - PROBE - load.count)
            ends.wait(load.count)
            before = _cpu_seconds(child.pid)
            load.send(PROBE)
            ends.wait(load.count)
            an_alert = (_cpu_seconds(child.pid) - before) / PROBE * 1_000
            time.sleep(2)
            quiet = _cpu_seconds(child.pid)
            time.sleep(IDLE_SECONDS)
            idle = (_cpu_seconds(child.pid) - quiet) / IDLE_SECONDS * 100
            memory = sum(resident_mib(tree(child.pid)).values())
        with worker(bootstrap, folder):
            begun = time.monotonic()
            load.send(1)
            ends.wait(load.count)
            yield Found(size, memory, an_alert, idle, time.monotonic() - begun)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def missed(found: list[Found]) -> list[str]:
    """Say which promises were not kept."""
    first, last = found[0], found[-1]
    growth = last.cpu_ms_an_alert / first.cpu_ms_an_alert
    wrong = [f"{f.open_alerts} open alerts hold in {f.memory_mib:.0f} MiB, not in {MOST_MIB}" for f in found
             if f.memory_mib > MOST_MIB]  # fmt: skip
    slow = (f for f in found if f.open_alerts <= RECOVERY_SIZE and f.recovery_seconds > MOST_RECOVERY_SECONDS)
    wrong += [f"recovery with {f.open_alerts} open alerts took {f.recovery_seconds:.1f} s" for f in slow]
    if growth > MOST_GROWTH:
        wrong.append(f"an alert among {last.open_alerts} costs {growth:.1f} times one among {first.open_alerts}")
    return wrong


def main() -> int:
    """Measure, print the table, say whether every figure holds."""
    parser = argparse.ArgumentParser(prog="bench.state", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        asyncio.run(_work(asked.worker, asked.folder))
        return 0
    found = []
    with tempfile.TemporaryDirectory() as name, ApacheBroker(ApacheConfig(Path(name) / "broker")) as broker:
        wanted = catalogue.topics(destinations=["cap"])
        apply(AdminClient({"bootstrap.servers": broker.bootstrap}), wanted, limits=broker.limits)
        print("open alerts   memory   an alert   idle   working again after SIGKILL", flush=True)
        for each in measure(broker.bootstrap, Path(name), asked.sizes):
            found.append(each)
            print(f"{each.open_alerts:11,} {each.memory_mib:4.0f} MiB {each.cpu_ms_an_alert:7.2f} ms"
                  f" {each.idle_cpu_percent:5.1f} % {each.recovery_seconds:5.1f} s", flush=True)  # fmt: skip
    wrong = missed(found)
    for line in wrong:
        print(f"MISSED {line}")
    if asked.json:
        print(json.dumps([asdict(each) for each in found]))
    return 1 if wrong else 0


async def _work(bootstrap: str, folder: Path) -> None:
    config = StreamsConfig(
        kafka=KafkaConfig(bootstrap, "", {"log_level": 0}),
        data_dir=folder / "tables",
        routes=parse_routes(ROUTES),
        secret=b"a secret of the bench",
        schema_ids=LocalSchemaIds(),
    )
    await run_streams(config, asyncio.Event())


if __name__ == "__main__":
    sys.exit(main())
