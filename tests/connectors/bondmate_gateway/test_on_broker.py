"""The gateway under the real runner, on a broker process: 202 means Kafka has it, and messages come down."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import aiohttp
import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.run import Instance, run_connectors
from bondmate_gateway import CONNECTOR, GatewayConfig
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import (
    CHECK_INS,
    DEVICE_ALERTS,
    DEVICE_LOCATIONS,
    DEVICE_MARKS,
    MESSAGES,
    RECEIPTS,
    topics,
)
from bondmate_schemas.check_ins import after
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds
from bondmate_schemas.enums import Level, Mode
from bondmate_schemas.models import DeviceMessage, EventHeader
from bondmate_schemas.takeover import replaced_by
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

CODEC = Codec(LocalSchemaIds())
RECORD = {topic.name: topic.record for topic in topics()}


@pytest.fixture
async def kafka(broker) -> KafkaConfig:
    def make() -> None:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        wanted = [
            NewTopic(t.name, min(t.partitions, 2), 1)
            for t in topics(sources=["devices"])
            if not t.name.startswith("bondmate-")
        ]
        for future in admin.create_topics(wanted).values():
            future.exception()

    await asyncio.to_thread(make)
    return KafkaConfig(broker.bootstrap, "")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def gateway(kafka: KafkaConfig, device_file, until):
    """Run the gateway as the hub does; gives a session of a device."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop, health = asyncio.Event(), ConnectorHealth()
    instance = Instance("devices", CONNECTOR, GatewayConfig(device_file=device_file, port=port))
    run = partial(run_connectors, [instance], kafka, role_id="gateway-test", stop=stop, codec=CODEC, health=health)
    running = asyncio.create_task(run())
    try:
        await until(lambda: running.done() or _listens(port), 30)
        assert health.of("devices").status is Status.OK
        headers = {"Authorization": "Bearer token-smith"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
            yield session
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)
        assert health.of("devices").status is Status.STOPPED


def read(kafka: KafkaConfig, topic: str) -> list:
    found = stored({"bootstrap.servers": kafka.bootstrap}, [topic])
    return [CODEC.decode(message.value(), RECORDS[RECORD[topic]]) for message in found]


def write(kafka: KafkaConfig, topic: str, key: str, record) -> None:
    producer = Producer(kafka.producer("feeder"))
    producer.produce(topic, value=CODEC.encode(record), key=key)
    assert producer.flush(20) == 0


async def test_what_is_answered_with_202_is_in_kafka_and_a_repeat_after_a_restart_is_the_same_event(
    kafka, device_file, until
):
    now = datetime.now(UTC).isoformat()
    alert = {"message_id": "on-broker", "kind": "SOS", "occurred_at": now}
    fixes = [{"sequence": n, "position": {"latitude": 1, "longitude": 1, "fixed_at": now}} for n in range(300)]
    answers = []
    for _ in range(2):
        async with gateway(kafka, device_file, until) as device:
            async with device.post("/v1/alerts", json=alert) as answer:
                answers.append((answer.status, await answer.json()))
            async with device.post("/v1/locations", json={"fixes": fixes}) as answer:
                assert answer.status == 202
    kept = [a for a in await asyncio.to_thread(read, kafka, DEVICE_ALERTS) if a.header.origin_message_id == "on-broker"]
    positions = [p for p in await asyncio.to_thread(read, kafka, DEVICE_LOCATIONS) if p.device_id == "dev-smith"]

    assert answers[0] == answers[1]
    assert 202 == answers[0][0]
    assert [answers[0][1]["message_id"]] * 2 == [event.header.message_id for event in kept]
    assert {("devices",)} == {event.header.hops for event in kept}
    assert (600, 300) == (len(positions), len({event.header.message_id for event in positions}))


async def test_a_message_on_kafka_reaches_its_device_and_stays_confirmed_after_a_restart(kafka, device_file, until):
    now = datetime.now(UTC)
    header = EventHeader(message_id="hub-1", event_id="hub-1", agency_id="a", mode=Mode.ACTUAL, source="tak",
                         hops=("streams",), occurred_at=now, received_at=now)  # fmt: skip
    message = DeviceMessage(header=header, device_id="dev-smith", sender="tak", text="come in")

    async def poll(device, wait: int) -> list[str]:
        async with device.get("/v1/messages", params={"wait_seconds": wait}) as answer:
            return [one["message_id"] for one in (await answer.json())["messages"]]

    async with gateway(kafka, device_file, until) as device:
        waiting = asyncio.create_task(poll(device, 20))
        await asyncio.to_thread(write, kafka, MESSAGES, "dev-smith", message)
        first = await waiting
        body = {"message_id": "hub-1", "level": "read", "occurred_at": now.isoformat()}
        async with device.post("/v1/receipts", json=body) as answer:
            assert answer.status == 202
    async with gateway(kafka, device_file, until) as device:
        after = await poll(device, 0)
    receipts = await asyncio.to_thread(read, kafka, RECEIPTS)

    assert (["hub-1"], []) == (first, after)
    assert [("device", Level.ACCEPTED)] == [(r.destination, r.level) for r in receipts if r.delivery_id == "hub-1"]


async def test_a_spare_ends_what_the_device_before_it_owes_though_the_gateway_was_restarted(kafka, device_file, until):
    now = datetime.now(UTC)
    body = {"message_id": "owed", "check_in_id": "c-1", "due_in_seconds": 600, "occurred_at": now.isoformat()}
    async with gateway(kafka, device_file, until) as device, device.post("/v1/check-ins", json=body) as answer:
        assert answer.status == 202
    mark = replaced_by("dev-smith", "dev-jones", "inspector", "lost", now)
    await asyncio.to_thread(write, kafka, DEVICE_MARKS, mark.mark_id, mark)
    spare = {"Authorization": "Bearer token-jones"}
    async with gateway(kafka, device_file, until) as device:
        async with device.get("/v1/messages", headers=spare, params={"wait_seconds": 10}) as answer:
            owed = (await answer.json())["check_ins"]
        done = {**body, "message_id": "done", "action": "done"}
        async with device.post("/v1/check-ins", json=done, headers=spare) as answer:
            assert answer.status == 202
    first, last = await asyncio.to_thread(read, kafka, CHECK_INS)

    assert ["c-1"] == [one["check_in_id"] for one in owed]
    assert (first.header.event_id, True) == (last.header.event_id, last.done)
    assert after(first, last) is None
