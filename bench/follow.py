"""`python -m bench.follow`: what it costs others that open emergencies follow their devices.

In one run, on the embedded broker: how long an SOS takes from its topic to that of the TAK destination, with none
open, with so many open whose devices are still, and with a fix a second of each of them; and how long a fix takes from
the topic of positions, through the lane, to the TAK destination. Exit 1 when a promise is missed.

Usage: python -m bench.follow [--open 1000] [--presses 400]
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bondmate_hub.broker.child import Child
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.roles.fast_loop import run_fast, tune
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, Mode
from bondmate_schemas.models import Delivery, DeviceAlert, DeviceLocation, EventHeader, Position
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.run import run_streams
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.run import run_lane
from bondmate_streams.logic.following import UpdatePace
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

ROUTES = """
destinations:
  tak: {modes: [EXERCISE], fields: {alert: {device_id: plain, position: plain}}}
  cap: {modes: [EXERCISE], fields: {alert: {position: plain}}}
routes: [{name: alerts, when: {record: alert}, to: [tak, cap]}]
"""
PACES = {"tak": UpdatePace(1, 0), "cap": UpdatePace(15, 1)}
MOST_TIMES = 1.2
"""How much longer an SOS may take at the 99th percentile beside the fixes of all that are open."""
MOST_SECONDS = 1.2
"""How long a fix may take at the 99th percentile, its pace included."""
_PRESSES_A_SECOND = 40
_WAIT_SECONDS = 300.0
_SECRET = b"a secret of the bench"


class Far:
    """What comes for the TAK destination, and when."""

    def __init__(self, kafka: KafkaConfig, codec: Codec) -> None:
        self._codec = codec
        self._consumer = Consumer(kafka.consumer("bench-follow", "bench-follow"))
        topic = catalogue.destination_topic("tak")
        self._consumer.assign([TopicPartition(topic, n, OFFSET_END) for n in range(catalogue.PARTITIONS)])
        self._consumer.consume(1, 5.0)
        self._stop = threading.Event()
        self.presses: dict[str, float] = {}
        """Seconds from the gateway to here, by press."""
        self.fixes: list[float] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None:
                    self._see(self._codec.decode(message.value(), Delivery), time.time())
        self._consumer.close()

    def _see(self, delivery: Delivery, now: float) -> None:
        alert = delivery.alert
        assert alert is not None
        if not delivery.position_only:
            self.presses.setdefault(alert.device_id, now - alert.header.received_at.timestamp())
        elif alert.position is not None:
            self.fixes.append(now - alert.position.fixed_at.timestamp())

    def wait(self, presses: set[str]) -> list[float]:
        """Wait until all of these have come; return how long each took."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not presses <= self.presses.keys():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(presses - self.presses.keys())} presses have not come")
            time.sleep(0.05)
        return [self.presses[press] for press in presses]

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()


class Devices:
    """What the gateway would write of devices."""

    def __init__(self, kafka: KafkaConfig, codec: Codec) -> None:
        self._codec = codec
        self._producer = Producer(kafka.producer("bench-follow"))
        self._numbers = 0

    def press(self, device: str) -> None:
        """Raise an SOS without a position."""
        alert = DeviceAlert(
            header=self._header(), device_id=device, action=AlertAction.RAISE, kind=AlertKind.SOS
        )  # fmt: skip
        self._write(catalogue.DEVICE_ALERTS, device, self._codec.encode(alert))

    def fix(self, device: str) -> None:
        """Tell a position that has just been fixed."""
        self._numbers += 1
        place = Position(latitude=50 + self._numbers % 10_000 / 1e5, longitude=4, fixed_at=datetime.now(UTC))
        fix = DeviceLocation(header=self._header(), device_id=device, position=place, sequence=self._numbers)
        self._write(catalogue.DEVICE_LOCATIONS, device, self._codec.encode(fix))

    def _header(self) -> EventHeader:
        self._numbers += 1
        now = datetime.now(UTC)
        return EventHeader(
            message_id=f"message-{self._numbers}", event_id=f"event-{self._numbers}", agency_id="agency-1",
            mode=Mode.EXERCISE, occurred_at=now, received_at=now, source="device_http",
        )  # fmt: skip

    def _write(self, topic: str, device: str, value: bytes) -> None:
        self._producer.produce(topic, value, device.encode())
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until all is written."""
        self._producer.flush(30)


@contextmanager
def moving(devices: Devices, names: list[str]) -> Iterator[None]:
    """Have each of these devices tell a position a second, spread over it."""
    stop = threading.Event()

    def move() -> None:
        begun, told = time.monotonic(), 0
        while not stop.wait(0.01):
            due = int((time.monotonic() - begun) * len(names))
            for number in range(told, due):
                devices.fix(names[number % len(names)])
            told = due

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def presses(devices: Devices, far: Far, turn: str, count: int) -> list[float]:
    """Raise so many SOS at a steady pace; return how many seconds each took."""
    names = [f"{turn}-{number}" for number in range(count)]
    begun = time.monotonic()
    for number, name in enumerate(names):
        time.sleep(max(0.0, begun + number / _PRESSES_A_SECOND - time.monotonic()))
        devices.press(name)
    devices.flush()
    return far.wait(set(names))


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(seconds, n=100)[98]


def line(what: str, seconds: list[float]) -> str:
    """Return a line of the table."""
    return f"{what:52} p50 {statistics.median(seconds) * 1e3:6.1f} ms   p99 {p99(seconds) * 1e3:6.1f} ms"


def measure(kafka: KafkaConfig, count: int, each: int) -> list[str]:
    """Print what was measured; return what was promised and not kept."""
    codec = Codec(LocalSchemaIds())
    far, devices = Far(kafka, codec), Devices(kafka, codec)
    try:
        presses(devices, far, "warm", each)
        print(line("an SOS, few open", presses(devices, far, "alone", each)), flush=True)
        names = [f"open-{number}" for number in range(count)]
        for name in names:
            devices.press(name)
        devices.flush()
        far.wait(set(names))
        still = presses(devices, far, "still", each)
        print(line(f"an SOS, {count:,} open and still", still), flush=True)
        with moving(devices, names):
            time.sleep(10)
            far.fixes.clear()
            beside = presses(devices, far, "beside", each)
            time.sleep(5)
            fixes = [*far.fixes]
        print(line(f"an SOS, {count:,} open and {count:,} fixes/s of theirs", beside))
        print(line(f"a fix of an open emergency, {len(fixes):,} told", fixes))
    finally:
        far.close()
    wrong = [f"an SOS takes {p99(beside) / p99(still):.2f} times as long at p99"] * (
        p99(beside) > MOST_TIMES * p99(still)
    )
    return wrong + [f"a fix takes {p99(fixes):.2f} s at p99"] * (p99(fixes) > MOST_SECONDS)


async def _streams(kafka: KafkaConfig, folder: Path) -> None:
    config = StreamsConfig(
        kafka=kafka, data_dir=folder / "tables", routes=parse_routes(ROUTES), secret=_SECRET,
        schema_ids=LocalSchemaIds(), paces=PACES,
    )  # fmt: skip
    await run_streams(config, asyncio.Event())


def _lane(kafka: KafkaConfig, folder: Path) -> None:
    config = LaneConfig(
        kafka=kafka, data_dir=folder / "lane", routes=parse_routes(ROUTES), secret=_SECRET,
        schema_ids=LocalSchemaIds(),
    )  # fmt: skip
    run_lane(config, threading.Event())


@contextmanager
def _role(name: str, bootstrap: str, folder: Path) -> Iterator[None]:
    child = Child(name, folder / f"{name}.log", on_parent_death=signal.SIGKILL)
    child.start((sys.executable, "-m", "bench.follow", "--role", name, bootstrap, str(folder)))
    try:
        yield
    finally:
        child.kill()


def main() -> int:
    """Measure, print, say whether every figure holds."""
    parser = argparse.ArgumentParser(prog="bench.follow", description=__doc__)
    parser.add_argument("--open", type=int, default=1_000)
    parser.add_argument("--presses", type=int, default=400)
    parser.add_argument("--role", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.role:
        role, kafka, folder = asked.role[0], KafkaConfig(asked.role[1], "", {"log_level": 0}), Path(asked.role[2])
        if role == "lane":
            tune(batches=True)
            _lane(kafka, folder)
        else:
            tune()
            run_fast(_streams(kafka, folder))
        return 0
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker(EmbeddedConfig(Path(name) / "broker")) as broker:
        wanted = catalogue.topics(destinations=["tak", "cap"])
        apply(AdminClient({"bootstrap.servers": broker.bootstrap}), wanted, limits=broker.limits)
        kafka = KafkaConfig(broker.bootstrap, "", {"log_level": 0})
        with _role("streams", broker.bootstrap, Path(name)), _role("lane", broker.bootstrap, Path(name)):
            wrong = measure(kafka, asked.open, asked.presses)
    for each in wrong:
        print(f"MISSED {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
