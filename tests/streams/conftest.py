"""A broker with the catalogue's topics, streams running on it, and builders of events."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_kafka.records import headers_of
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, IncidentAction, Level, MessageDirection, Mode
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    IncidentEvent,
    Position,
    Record,
)
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.run import run_streams
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

SECONDS = 30
R = TypeVar("R", bound=Record)
_numbers = itertools.count(1)

ROUTES = """
destinations:
  tak:
    modes: [ACTUAL, EXERCISE]
    tell_own_closing: true
    fields:
      alert: {device_id: plain, callsign: plain, position: plain, position_origin: plain, position_age_seconds: plain,
              position.accuracy_m: plain, text: plain}
      incident: {title: plain, position: plain}
      message: {text: plain, callsign: plain}
      location: {callsign: plain, position: plain}
  cap:
    modes: [ACTUAL, EXERCISE]
    fields:
      alert: {position: "coarse:500", text: plain}
      incident: {title: plain, description: plain}
      location: {position: "coarse:500"}
  patrol:
    fields:
      alert: {position: plain}
routes:
  - name: refreshed
    when: {record: alert, kind: LOW_BATTERY}
    to: tak
    refresh_seconds: 1
  - name: escalated
    when: {record: alert, kind: OFFICER_DOWN}
    to: cap
    escalate:
      - {after_seconds: 2, to: [cap, tak]}
      - {after_seconds: 4, page: true}
    stop: true
  - name: alerts
    when: {record: alert}
    to: [tak, cap, patrol]
  - name: incidents
    when: {record: incident}
    to: [tak, cap]
  - name: chat
    when: {record: message, direction: FROM_DEVICE}
    to: [tak]
  - name: positions
    when: {record: location}
    to: [tak, cap]
"""


class Make:
    """Builds events; each with ids of its own unless given."""

    def header(self, **given: Any) -> EventHeader:
        number = next(_numbers)
        now = datetime.now(UTC)
        known: dict[str, Any] = {
            "message_id": f"message-{number}",
            "event_id": f"event-{number}",
            "agency_id": "agency-1",
            "mode": Mode.EXERCISE,
            "occurred_at": now,
            "received_at": now,
            "source": "device_http",
        }
        header = EventHeader(**{**known, **given})
        _made.extend({header.message_id, header.event_id} - {*_made[-2:]})
        return header

    def _made(self, model: type[R], known: dict[str, Any], given: dict[str, Any]) -> R:
        inside = {name: given.pop(name) for name in list(given) if name in EventHeader.model_fields}
        return model(**{"header": self.header(**inside), **known, **given})

    def position(self, latitude: float = 52.1, longitude: float = 4.3, at: datetime | None = None) -> Position:
        return Position(latitude=latitude, longitude=longitude, fixed_at=at or datetime.now(UTC))

    def alert(self, device: str = "device-1", **given: Any) -> DeviceAlert:
        known = {"device_id": device, "action": AlertAction.RAISE, "kind": AlertKind.SOS}
        return self._made(DeviceAlert, known, given)

    def incident(self, **given: Any) -> IncidentEvent:
        return self._made(IncidentEvent, {"action": IncidentAction.OPENED, "title": "a title"}, given)

    def message(self, device: str = "device-1", **given: Any) -> DeviceMessage:
        known = {"device_id": device, "direction": MessageDirection.FROM_DEVICE, "sender": device, "text": "words"}
        return self._made(DeviceMessage, known, given)

    def location(self, device: str = "device-1", **given: Any) -> DeviceLocation:
        known = {"device_id": device, "position": self.position(), "sequence": next(_numbers)}
        return self._made(DeviceLocation, known, given)

    def receipt(self, event_id: str, destination: str, level: Level, **given: Any) -> DeliveryReceipt:
        known = {"destination": destination, "level": level}
        return self._made(DeliveryReceipt, known, {"event_id": event_id, "source": destination, **given})


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture(scope="session")
def routes_text() -> str:
    return ROUTES


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


_made: list[str] = []
"""Ids of what was made here; those of positions are not read back, but known again."""
_known: dict[str, dict[str, str]] = {}


def _unread_of(destination: str) -> dict[str, str]:
    known, ids = _known.setdefault(destination, {}), OUTSIDE.unanswered(destination)
    known.update({ids.of(inside): inside for inside in _made[len(known) :]})
    return known


OUTSIDE = OutsideIds.of(b"a secret of tests")


def as_inside(record: R) -> R:
    """Give a Delivery with the ids inside, for tests that are not about how ids leave."""
    if not isinstance(record, Delivery):
        return record
    who, payload = record.destination, record.kind.value.lower()
    unread = _unread_of(who) if record.location else {}

    def back(of: Any, *names: str) -> dict[str, Any]:
        values = {name: value for name in names if (value := getattr(of, name, None))}
        return {name: unread.get(value) or OUTSIDE.back(who, value) for name, value in values.items()}

    def header(of: EventHeader) -> EventHeader:
        refs = tuple(ref.model_copy(update=back(ref, "id")) for ref in of.external_refs)
        ids = back(of, "message_id", "event_id", "incident_id", "origin_message_id")
        return of.model_copy(update={**ids, "external_refs": refs})

    event = record.event
    ids = back(event, "alert_id", "in_reply_to", "delivery_id")
    return record.model_copy(
        update={
            "header": header(record.header),
            payload: event.model_copy(update={**ids, "header": header(event.header)}),
            **back(record, "first_id"),
        }
    )


@dataclass
class Found:
    """A record as it lies on a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes | None]


def place(found: Found) -> tuple[int, int]:
    return found.partition, found.offset


def found_of(message: Message) -> Found:
    headers = dict(headers_of(message.headers()))
    return Found(message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers)


@dataclass
class Topics:
    """Reads and writes the topics of a broker as people at both ends would."""

    kafka: KafkaConfig
    codec: Codec = field(default_factory=lambda: Codec(LocalSchemaIds()))

    def __post_init__(self) -> None:
        self._producer = Producer(self.kafka.producer("test"))

    def put(self, topic: str, *records: Record) -> None:
        for record in records:
            self.put_bytes(topic, catalogue.key_of(topic, record).encode(), self.codec.encode(record))
        assert self._producer.flush(SECONDS) == 0

    def put_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Any = None, partition: int = -1
    ) -> None:
        self._producer.produce(topic, key=key, value=value, headers=headers, partition=partition)
        assert self._producer.flush(SECONDS) == 0

    def all(self, topic: str) -> list[Found]:
        """Return all there is on a topic now."""
        with closing(self._read(topic)) as parts:
            return sorted(next(parts), key=place)

    def _read(self, topic: str) -> Iterator[list[Found]]:
        """Yield all there is on a topic now and then, again and again, what has come since."""
        consumer = Consumer({**self.kafka.consumer("test-reader", "test-reader"), "enable.partition.eof": True})
        try:
            while not (partitions := consumer.list_topics(topic, SECONDS).topics[topic].partitions):
                yield []
                time.sleep(0.05)
            start = [TopicPartition(topic, partition, 0) for partition in partitions]
            marks = {each.partition: consumer.get_watermark_offsets(each, SECONDS) for each in start}
            behind = {partition: high for partition, (low, high) in marks.items() if low < high}
            consumer.assign(start)
            deadline = time.monotonic() + SECONDS
            found: list[Found] = []
            while True:
                if not behind:
                    yield found
                    found = []
                assert not behind or time.monotonic() < deadline, f"{topic} cannot be read"
                message = consumer.poll(0.1)
                while message is not None:
                    if message.error() is None:
                        found.append(found_of(message))
                    else:
                        assert message.error().code() == KafkaError._PARTITION_EOF
                    # The offset of a partition's end is where the next record will be.
                    if message.offset() + (message.error() is None) >= behind.get(message.partition(), 0):
                        behind.pop(message.partition(), None)
                    message = consumer.poll(0)
        finally:
            consumer.close()

    def records(self, topic: str, kind: type[R]) -> list[R]:
        return [as_inside(self.codec.decode(found.value, kind)) for found in self.all(topic)]

    def untold(self, topic: str, events: set[str]) -> set[str]:
        """Wait a minute at most until a destination has a Delivery of each of these events; gives those it has not."""
        deadline = time.monotonic() + 60
        missing = set(events)
        with closing(self._read(topic)) as parts:
            for part in parts:
                missing -= {as_inside(self.codec.decode(one.value, Delivery)).header.event_id for one in part}
                if not missing or time.monotonic() > deadline:
                    break
        return missing

    def wait(self, topic: str, kind: type[R], where: Callable[[R], bool], count: int = 1) -> list[R]:
        """Wait until `count` records of a topic are what is looked for; gives them."""
        deadline = time.monotonic() + SECONDS
        known: list[tuple[Found, R]] = []
        with closing(self._read(topic)) as parts:
            for part in parts:
                known += [(one, as_inside(self.codec.decode(one.value, kind))) for one in part]
                found = [record for _, record in sorted(known, key=lambda pair: place(pair[0])) if where(record)]
                if len(found) >= count:
                    return found
                assert time.monotonic() < deadline, f"{topic}: {len(found)} of {count}"
        raise AssertionError(topic)

    def wait_found(self, topic: str, where: Callable[[Found], bool]) -> Found:
        deadline = time.monotonic() + SECONDS
        with closing(self._read(topic)) as parts:
            for part in parts:
                for found in sorted(part, key=place):
                    if where(found):
                        return found
                assert time.monotonic() < deadline, f"{topic}: nothing"
        raise AssertionError(topic)


class Running:
    """The streams, in a thread with a loop of its own; what a test leaves running its broker's fixture stops."""

    left: ClassVar[set[Running]] = set()

    def __init__(self, config: StreamsConfig) -> None:
        self.config = config
        self.left.add(self)
        self._stop: asyncio.Event | None = None
        self._began = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._began.wait()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised again by `stop`
            self.error = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._began.set()
        await run_streams(self.config, self._stop)

    def stop(self) -> None:
        self.left.discard(self)
        if self._thread.is_alive():
            assert self._stop is not None
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, routes: Routes) -> Iterator[KafkaConfig]:
    """Run a broker for this module, with all topics."""
    with EmbeddedBroker(EmbeddedConfig(tmp_path_factory.mktemp("broker"))) as broker:
        config = KafkaConfig(broker.bootstrap, "http://127.0.0.1:9", {"log_level": 0})
        apply(
            AdminClient({"bootstrap.servers": broker.bootstrap}),
            catalogue.topics(routes.destinations),
            limits=broker.limits,
        )
        yield config
        # Beside a broker that is gone they would go on asking, and drawing random numbers, in every later test.
        while Running.left:
            Running.left.pop().stop()


@pytest.fixture(scope="module")
def topics(kafka: KafkaConfig) -> Topics:
    return Topics(kafka)


@pytest.fixture(scope="module")
def configured(kafka: KafkaConfig, routes: Routes) -> Callable[..., StreamsConfig]:
    def build(data_dir: Path, **given: Any) -> StreamsConfig:
        known: dict[str, Any] = {
            "kafka": kafka,
            "data_dir": data_dir,
            "routes": routes,
            "secret": b"a secret of tests",
            "schema_ids": LocalSchemaIds(),
            "commit_seconds": 0.2,
        }
        return StreamsConfig(**{**known, **given})

    return build


@pytest.fixture(scope="module")
def streams(configured: Callable[..., StreamsConfig], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the streams for this module."""
    running = Running(configured(tmp_path_factory.mktemp("tables")))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def running() -> type[Running]:
    return Running


WORKER = """
import asyncio, signal, sys
from pathlib import Path
from bondmate_schemas.codec import LocalSchemaIds
from bondmate_kafka.config import KafkaConfig
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.device_alerts import DeviceAlertIntake
from bondmate_streams.faust_adapter.record_writer import KafkaWriter
from bondmate_streams.agents.run import run_streams
from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.logic.routes_yaml import parse_routes

bootstrap, folder, routes, fault, instance, session_seconds = sys.argv[1:]

class Failing(DeviceAlertIntake):
    async def alert(self, arrived):
        raise ZeroDivisionError

class Holding(DeviceAlertIntake):
    async def alert(self, arrived):
        if arrived.key == b"device-held":
            await asyncio.Event().wait()
        return await super().alert(arrived)

class Refusing(KafkaWriter):
    async def send(self, *outgoing):
        if any(record.topic.startswith("bondmate.dlq.") for record in outgoing):
            print("refused", flush=True)
            raise BrokerUnavailableError("refused")
        await super().send(*outgoing)

import bondmate_streams.agents.app as app
if "failing" in fault:
    app.DeviceAlertIntake = Failing
if "holding" in fault:
    app.DeviceAlertIntake = Holding
if "refusing" in fault:
    app.KafkaWriter = Refusing
config = StreamsConfig(
    kafka=KafkaConfig(bootstrap, "", {"log_level": 0}), data_dir=Path(folder), routes=parse_routes(routes),
    secret=b"a secret of tests", schema_ids=LocalSchemaIds(), commit_seconds=0.1, instance=instance,
    session_seconds=float(session_seconds),
)

async def run():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_streams(config, stop, lambda: print("ready", flush=True))

asyncio.run(run())
"""


@contextmanager
def _worker(  # noqa: PLR0917  # as its tests call it
    kafka: KafkaConfig, folder: Path, routes: str, fault: str = "", instance: str = "hub-1", session: float = 6.0
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, kafka.bootstrap, str(folder), routes, fault, instance, str(session)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.fixture(scope="session")
def worker() -> Callable[..., AbstractContextManager[subprocess.Popen[str]]]:
    """Give what runs the streams in a process that is killed at the end: `worker(kafka, folder, routes, fault)`."""
    return _worker
