"""The faust app: topics, tables and agents, put together and set for few, precious events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import faust
from bondmate_monitoring import announce
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import AlertState, DeviceMemory, IncidentMemory

from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.device_alerts import DeviceAlerts
from bondmate_streams.agents.door import Door
from bondmate_streams.agents.driver import App
from bondmate_streams.agents.incidents import Incidents
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.lanes import InHand, KeyLocks
from bondmate_streams.agents.last_locations import LastLocations
from bondmate_streams.agents.messages import Messages
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.agents.outbox import KafkaOutbox
from bondmate_streams.agents.tables import AwaitableTable, Ledger
from bondmate_streams.envelopes import Arrived, headers_of, utc_now
from bondmate_streams.guard import BrokerUnavailableError, Event, Guard
from bondmate_streams.logic.audit import Chain

Body = Callable[[Arrived], Awaitable[str]]
_REFRESH_SECONDS: Final = 0.5
_MEASURE_SECONDS: Final = 2.0
_PERSIST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Streams:
    """A faust app and what runs beside it."""

    app: faust.App
    in_hand: tuple[InHand, ...]
    last_locations: LastLocations
    audit: AuditWriter
    life: AlertLife
    open_alerts: OpenAlerts
    outbox: KafkaOutbox
    ledgers: tuple[Ledger[Any], ...]


def create_app(config: StreamsConfig, codec: Codec, chain: Chain, partitions: int) -> Streams:
    """Put the agents together; nothing is started and nothing asked of anybody.

    Args:
        config: the settings.
        codec: the codec, its ids learnt already.
        chain: where the audit chain of this worker stands.
        partitions: how many every topic of the agents has.
    """
    app = _faust_app(config, partitions)
    outbox = KafkaOutbox(config.kafka, f"{catalogue.STREAMS_APP}-{config.instance}-outbox")
    desk = Desk(config.routes, config.secret, codec, outbox)
    audit = AuditWriter(chain, outbox, desk.envelopes)
    known = KnownDevices(desk.agreements, config.known_devices)
    last = LastLocations(config.kafka, config.instance, codec, known)
    locks = KeyLocks()
    open_alerts = OpenAlerts(config.routes.destinations)
    devices: Ledger[DeviceMemory] = Ledger(app, "devices", DeviceMemory, codec, outbox)
    alerts: Ledger[AlertState] = Ledger(app, "alerts", AlertState, codec, outbox)
    table: Ledger[IncidentMemory] = Ledger(app, "incidents", IncidentMemory, codec, outbox)
    from_devices = DeviceAlerts(desk, devices, locks, last.of)
    life = AlertLife(desk=desk, alerts=alerts, locks=locks, audit=audit, open_alerts=open_alerts, known=known)
    incidents = Incidents(desk, table, locks, audit)
    messages = Messages(desk, locks, audit, known, last.view.wait_caught_up)
    alerts.table.on_recover(life.rebuild)
    bodies: tuple[tuple[str, str, Body], ...] = (
        ("alerts", catalogue.DEVICE_ALERTS, from_devices.alert),
        ("alert-standings", catalogue.ALERT_STANDINGS, from_devices.standing),
        ("alert-changes", catalogue.ALERT_CHANGES, life.change),
        ("receipts", catalogue.RECEIPTS, life.receipt),
        ("incidents", catalogue.INCIDENTS, incidents.event),
        ("incident-receipts", catalogue.INCIDENT_RECEIPTS, incidents.receipt),
        ("messages", catalogue.MESSAGES, messages.message),
    )
    in_hand = tuple(_agent(app, topic, Guard(stage, outbox), body, config.in_flight) for stage, topic, body in bodies)
    announce.streams((stage for stage, _, _ in bodies), config.routes.destinations)
    return Streams(app, in_hand, last, audit, life, open_alerts, outbox, (devices, alerts, table))


def writer(config: StreamsConfig) -> str:
    """Name the writer of this worker's audit chain."""
    return f"streams-{config.instance}"


def _faust_app(config: StreamsConfig, partitions: int) -> App:
    return App(
        catalogue.STREAMS_APP,
        broker=[f"kafka://{address}" for address in config.kafka.bootstrap.split(",")],
        broker_client_id=f"{catalogue.STREAMS_APP}-{config.instance}",
        consumer_group_instance_id=f"{catalogue.STREAMS_APP}-{config.instance}",
        datadir=str(config.data_dir),
        store="rocksdb://",
        Table=AwaitableTable,
        autodiscover=False,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        # Provisioning makes the topics; whoever runs the agents need not be allowed to.
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=partitions,
        producer_acks=-1,
        producer_linger=0,
        producer_request_timeout=30.0,
        producer_max_request_size=2 << 20,
        broker_commit_interval=config.commit_seconds,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_max_poll_records=500,
        stream_buffer_maxsize=512,
        stream_wait_empty=True,
        table_standby_replicas=0,
    )


def _agent(app: App, topic: str, guard: Guard, body: Body, limit: int) -> InHand:
    in_hand = InHand(limit)
    door = app.doors[topic] = Door(app, in_hand, lambda event: guard.run(Event(_arrived(event), event.ack), body))

    async def consume(stream: Any) -> None:
        async for event in stream.noack().events():
            await door.let_in(event)

    channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    app.agent(channel, name=guard.stage)(consume)
    return in_hand


def _arrived(event: Any) -> Arrived:
    message = event.message
    return Arrived(
        message.topic, message.partition, message.offset, message.key, message.value, headers_of(message.headers)
    )


async def tell_again(streams: Streams) -> None:
    """Tell open alerts again when it is time to, until cancelled."""
    while True:
        # What could not be told comes with its next turn.
        with contextlib.suppress(BrokerUnavailableError):
            await streams.life.refresh()
        await asyncio.sleep(_REFRESH_SECONDS)


async def persist(streams: Streams) -> None:
    """Write down how far the tables have come, until cancelled, and then once more."""
    try:
        while True:
            await asyncio.sleep(_PERSIST_SECONDS)
            _persist(streams)
    finally:
        _persist(streams)


def _persist(streams: Streams) -> None:
    for ledger in streams.ledgers:
        ledger.persist()


async def measure(streams: Streams) -> None:
    """Keep the gauges of open alerts true, until cancelled."""
    while True:
        streams.open_alerts.measure(utc_now())
        await asyncio.sleep(_MEASURE_SECONDS)
