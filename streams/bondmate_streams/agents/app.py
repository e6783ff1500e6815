"""The agents of one worker, put together: topics, tables and who works on what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import structlog
from bondmate_kafka.records import utc_now
from bondmate_monitoring import announce
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import AlertState, DeviceMemory, IncidentLink, IncidentMemory

from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.check_ins import CheckIns
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.connector_watch import ConnectorWatch
from bondmate_streams.agents.crossing import Crossing
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.device_alerts import DeviceAlerts
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.following import Following
from bondmate_streams.agents.healing import Healing
from bondmate_streams.agents.incidents import Incidents
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.known_links import KnownLinks
from bondmate_streams.agents.last_locations import LastLocations
from bondmate_streams.agents.message_receipts import MessageReceipts
from bondmate_streams.agents.messages import Messages
from bondmate_streams.agents.nearby import Nearby
from bondmate_streams.agents.officers import KnownOfficers
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.agents.silence import Silence
from bondmate_streams.agents.starting import Starting
from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.application import FaustApp, attach_agent, create_faust_app
from bondmate_streams.faust_adapter.changelog_copies import ChangelogCopies
from bondmate_streams.faust_adapter.guard import Body, Guard
from bondmate_streams.faust_adapter.in_flight import InFlight
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.local_handoff import LocalHandoff
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.record_writer import KafkaWriter
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic.audit import Chain
from bondmate_streams.logic.healing import is_worth_keeping, kept_alone, one_alert
from bondmate_streams.logic.pages import PageReason

_log = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 0.5
_MEASURE_SECONDS: Final = 2.0
_PERSIST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Streams:
    """A faust app and what runs beside it."""

    app: FaustApp
    in_flight: tuple[InFlight, ...]
    last_locations: LastLocations
    marks: DeviceMarks
    check_ins: CheckIns
    audit: AuditWriter
    life: AlertLife
    following: Following
    crossing: Crossing
    open_alerts: OpenAlerts
    silence: Silence
    connectors: ConnectorWatch
    outbox: KafkaWriter
    ledgers: tuple[RecordTable[Any], ...]
    copies: ChangelogCopies
    healings: tuple[Healing[Any], ...]
    links: KnownLinks
    from_devices: DeviceAlerts


def create_app(config: StreamsConfig, codec: Codec, chain: Chain, partitions: int) -> Streams:
    """Put the agents together; nothing is started and nothing asked of anybody.

    Args:
        config: the settings.
        codec: the codec, its ids learnt already.
        chain: where the audit chain of this worker stands.
        partitions: how many every topic of the agents has.
    """
    app = create_faust_app(
        config.kafka, instance=config.instance, data_dir=config.data_dir, partitions=partitions,
        commit_seconds=config.commit_seconds, session_seconds=config.session_seconds,
    )  # fmt: skip
    outbox = KafkaWriter(config.kafka, f"{catalogue.STREAMS_APP}-{config.instance}-outbox")
    desk = Desk(
        config.routes, config.secret, codec, outbox, partitions, config.outside,
        untaken=config.untaken, agencies=config.rooms.agencies, ground=config.ground,
    )  # fmt: skip
    audit = AuditWriter(chain, outbox, desk.envelopes)
    known = KnownDevices(desk.agreements, config.known_devices)
    marks = DeviceMarks(config.kafka, config.instance, codec)
    silence = Silence(desk, OwnedPartitions(app, catalogue.DEVICE_ALERTS), config, marks)
    last = LastLocations(config.kafka, config.instance, codec, known, silence.see)
    locks = KeyLocks()
    open_alerts = OpenAlerts(config.routes.destinations, config.keep_closed, config.rooms)
    devices: RecordTable[DeviceMemory] = RecordTable(app, "devices", DeviceMemory, codec, outbox)
    alerts: RecordTable[AlertState] = RecordTable(app, "alerts", AlertState, codec, outbox)
    table: RecordTable[IncidentMemory] = RecordTable(app, "incidents", IncidentMemory, codec, outbox)
    owned = OwnedPartitions(app, catalogue.ALERT_CHANGES)
    following = Following(
        desk=desk, alerts=alerts, locks=locks, owned=owned, audit=audit, last=last, marks=marks, paces=config.paces
    )
    message_receipts = MessageReceipts(desk, config.receipt_takers)
    links: RecordTable[IncidentLink] = RecordTable(app, "links", IncidentLink, codec, outbox)
    known_links = KnownLinks(links, OwnedPartitions(app, catalogue.INCIDENT_LINKS), locks)
    nearby = Nearby(config, codec, marks.replaced)
    incidents = Incidents(
        desk=desk, table=table, known=known_links, locks=locks, audit=audit, message_receipts=message_receipts,
        alert_named=nearby.alert_named,
    )  # fmt: skip
    life = AlertLife(
        desk=desk,
        alerts=alerts,
        locks=locks,
        audit=audit,
        open_alerts=open_alerts,
        known=known,
        owned=owned,
        silence=silence,
        message_receipts=message_receipts,
        learn=incidents.learn,
        rooms=config.rooms,
        following=following,
    )
    crossing = Crossing(desk, alerts, owned, following.fix_of, life.crossed)
    following.on_look, following.on_forgotten = crossing.stir, crossing.forget
    hand_over = LocalHandoff(owned, "alert-changes", life.begin).hand_over
    from_devices = DeviceAlerts(desk, devices, locks, last, hand_over, marks=marks, nearby=nearby)
    officers = KnownOfficers(config.officers, last)
    starting = Starting(
        desk=desk, audit=audit, known=known, officers=officers, marks=marks, rooms=config.rooms, secret=config.secret,
        open_of=from_devices.open_of,
    )  # fmt: skip
    messages = Messages(
        desk=desk, locks=locks, audit=audit, known=known, officers=officers, marks=marks,
        wait_caught_up=last.view.wait_caught_up, starting=starting,
    )  # fmt: skip
    alerts.on_built(life.rebuild_beside)
    links.on_built(known_links.rebuild_beside)
    ledgers = (devices, alerts, table, links)
    copies = ChangelogCopies(config.kafka, f"{catalogue.STREAMS_APP}-{config.instance}-copies", ledgers, partitions)
    app.on_share = copies.leave_to_us
    bodies = _bodies(from_devices, life, incidents, messages)
    in_flight = tuple(
        attach_agent(app, topic, Guard(stage, outbox), body, config.in_flight) for stage, topic, body in bodies
    )
    announce.streams(
        (stage for stage, _, _ in bodies), config.routes.destinations, page_reasons=list(PageReason), modes=list(Mode)
    )
    watch = ConnectorWatch(desk, owned, config)
    healings = (
        Healing(
            "alerts", alerts, owned, locks, one_alert,
            lambda stray: is_worth_keeping(stray, utc_now(), config.keep_closed), life.note,
        ),
        Healing("devices", devices, owned, locks, kept_alone),
        Healing("incidents", table, owned, locks, kept_alone),
        Healing("links", links, owned, locks, kept_alone),
    )  # fmt: skip
    for healing in healings:
        app.after_each_share(healing.stir)
    return Streams(
        app,
        in_flight,
        last,
        marks,
        CheckIns(desk, OwnedPartitions(app, catalogue.DEVICE_ALERTS), config),
        audit,
        life,
        following,
        crossing,
        open_alerts,
        silence,
        watch,
        outbox,
        ledgers,
        copies,
        healings,
        known_links,
        from_devices,
    )


def _bodies(
    devices: DeviceAlerts, life: AlertLife, incidents: Incidents, messages: Messages
) -> tuple[tuple[str, str, Body], ...]:
    """Give what each stage does with the records of which topic."""
    return (
        ("alerts", catalogue.DEVICE_ALERTS, devices.alert),
        ("alert-standings", catalogue.ALERT_STANDINGS, devices.standing),
        ("alert-changes", catalogue.ALERT_CHANGES, life.change),
        ("receipts", catalogue.RECEIPTS, life.receipt),
        ("incidents", catalogue.INCIDENTS, incidents.event),
        ("incident-receipts", catalogue.INCIDENT_RECEIPTS, incidents.receipt),
        ("incident-links", catalogue.INCIDENT_LINKS, incidents.link),
        ("messages", catalogue.MESSAGES, messages.message),
    )


def writer(config: StreamsConfig) -> str:
    """Name the writer of this worker's audit chain."""
    return f"streams-{config.instance}"


async def keep_time(streams: Streams) -> None:
    """Do what time asks for of open alerts, until cancelled."""
    while True:
        await streams.life.look()
        await asyncio.sleep(_LOOK_SECONDS)


async def listen(streams: Streams) -> None:
    """Watch for devices and connectors that have gone quiet, and heal the tables, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for healing in streams.healings:
            group.create_task(healing.run())
        group.create_task(streams.following.run())
        group.create_task(streams.crossing.run())
        group.create_task(streams.silence.watch())
        group.create_task(streams.check_ins.watch())
        group.create_task(streams.links.watch())
        group.create_task(streams.from_devices.link())
        group.create_task(streams.connectors.run())


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
        try:
            ledger.persist()
        except StoreUnavailableError as error:
            _log.warning("tables not written down", error=type(error).__name__)


async def measure(streams: Streams) -> None:
    """Keep the gauges of open alerts true, until cancelled."""
    while True:
        streams.open_alerts.measure(utc_now())
        await asyncio.sleep(_MEASURE_SECONDS)
