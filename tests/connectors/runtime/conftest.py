"""A hub's Kafka side for the runner's tests: topics, a feeder, a reader, and the runner itself, on a real broker."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from bondmate_connectors.contract import ConnectorSpec, Status
from bondmate_connectors.runtime.control import Controls
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.retry import Backoff, pauses
from bondmate_connectors.runtime.run import Instance, run_connectors
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.testing import eventually
from bondmate_connectors.testing.sample import CONNECTOR, TOKEN, LedgerConfig, LedgerPlatform
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import RECEIPTS, destination_topic, topics
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import Delivery, DeliveryReceipt
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

FAST = RunnerSettings(
    backoff=Backoff(base_seconds=0.02, cap_seconds=0.2),
    refused=pauses(first_seconds=0.05, longest_seconds=0.4),
    drain_seconds=3,
    close_seconds=2,
)


@dataclass
class HubSide:
    """What tests do with the hub: tests cannot import this module, so all they need hangs here."""

    kafka: KafkaConfig
    settings = FAST
    codec: Codec = field(default_factory=lambda: Codec(LocalSchemaIds()))

    async def make(self, *, destinations=(), sources=()):
        wanted = [
            NewTopic(t.name, min(t.partitions, 4), 1)
            for t in topics(destinations, sources)
            if not t.name.startswith("bondmate-")
        ]
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        futures = await asyncio.to_thread(admin.create_topics, wanted)
        for future in futures.values():
            error = await asyncio.to_thread(future.exception)
            assert error is None or error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS

    async def feed(self, *deliveries: Delivery, suffix=""):
        await self.feed_raw(
            *((destination_topic(d.destination) + suffix, d.key, self.codec.encode(d), []) for d in deliveries)
        )

    async def feed_raw(self, *records):
        def write():
            producer = Producer(self.kafka.producer("feeder"))
            for topic, key, value, headers in records:
                producer.produce(topic, value=value, key=key, headers=headers)
                producer.poll(0)
            assert producer.flush(20) == 0

        await asyncio.to_thread(write)

    async def read(self, topic):
        return await asyncio.to_thread(_read, self.kafka, topic)

    async def receipts(self, destination):
        found = [self.codec.decode(m.value(), DeliveryReceipt) for m in await self.read(RECEIPTS)]
        return [receipt for receipt in found if receipt.destination == destination]

    async def committed(self, place):
        """Give the committed offset of each partition that has one."""
        return await asyncio.to_thread(_committed, self.kafka, place)

    async def ends(self, place):
        return await asyncio.to_thread(_ends, self.kafka, place)

    async def all_committed(self, place, seconds=20.0):
        async def look():
            return await self.committed(place) == {p: end for p, end in (await self.ends(place)).items() if end}

        await self.until(look, f"all of {place} committed", seconds)

    async def until(self, look, what, seconds=20.0):
        end = asyncio.get_running_loop().time() + seconds
        while not await look():
            assert asyncio.get_running_loop().time() < end, f"not within {seconds:g} s: {what}"
            await asyncio.sleep(0.1)

    @staticmethod
    def instance(name: str, url: str, spec: ConnectorSpec = CONNECTOR, **settings) -> Instance:
        return Instance(name, spec, LedgerConfig(url=url, token=TOKEN, **settings))

    @staticmethod
    def controls() -> Controls:
        return Controls()

    @asynccontextmanager
    async def running(
        self, *instances, settings=FAST, kafka=None, codec=None, role_id="runner", ok=True, controls=None
    ):
        stop, health = asyncio.Event(), ConnectorHealth()
        run = partial(run_connectors, instances, kafka or self.kafka, role_id=role_id, stop=stop, controls=controls)
        running = run(codec=codec or self.codec, settings=settings, health=health, controls=controls)
        task = asyncio.create_task(running)
        try:
            if ok:
                all_ok = lambda: all(health.of(i.name).status is Status.OK for i in instances)  # noqa: E731
                await eventually(lambda: task.done() or all_ok(), "connectors OK", 20)
            yield health
        finally:
            stop.set()
            async with asyncio.timeout(10):
                await task


def _read(kafka, topic):
    # Not the client's own default: where the oldest records end while they are asked for, it goes on after the newest.
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": f"reader-{uuid.uuid4()}",
                         "auto.offset.reset": "earliest",
                         "enable.partition.eof": True, "enable.auto.commit": False})  # fmt: skip
    try:
        partitions = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        found = []
        while partitions:
            message = consumer.poll(10)
            assert message is not None, f"{topic} does not end"
            if message.error() is None:
                found.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                partitions.discard(message.partition())
        return found
    finally:
        consumer.close()


def _committed(kafka, place):
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": f"bondmate-{place}"})
    try:
        places = [TopicPartition(destination_topic(place), partition) for partition in range(4)]
        return {p.partition: p.offset for p in consumer.committed(places, timeout=10) if p.offset >= 0}
    finally:
        consumer.close()


def _ends(kafka, place):
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "ends"})
    try:
        places = [TopicPartition(destination_topic(place), partition) for partition in range(4)]
        return {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in places}
    finally:
        consumer.close()


@pytest.fixture
def hub(broker) -> HubSide:
    return HubSide(KafkaConfig(broker.bootstrap, ""))


@pytest.fixture
async def ledger():
    async with LedgerPlatform() as ledger:
        yield ledger


@pytest.fixture
async def place(hub) -> str:
    """Give a new destination, which is a source too, with its topics."""
    name = f"room-{uuid.uuid4().hex[:8]}"
    await hub.make(destinations=[name], sources=[name])
    return name


@pytest.fixture
def instance(hub, ledger, place) -> Instance:
    return hub.instance(place, ledger.url)
