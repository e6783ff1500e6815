"""The agents of one worker, put together: topics, tables and who works on what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from bondmate_kafka.records import Envelopes, utc_now
from bondmate_kafka.topic_view import TopicView
from bondmate_monitoring import announce
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import AlertState, DeviceMemory, IncidentLink, IncidentMemory

from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.check_ins import CheckIns
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.connector_watch import ConnectorWatch
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.crossing import Crossing
from bondmate_streams.agents.device_alerts import DeviceAlertIntake
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
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.agents.receipts import AlertReceipts, Receipts, to_incident, words_to_officer
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.agents.silent_devices import SilentDevices
from bondmate_streams.agents.starting import Starting
from bondmate_streams.agents.whereabouts import Whereabouts
from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.application import FaustApp, attach_agent, create_faust_app
from bondmate_streams.faust_adapter.changelog_copies import ChangelogCopies
from bondmate_streams.faust_adapter.guard import Body, Guard
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


Work = Callable[[], Coroutine[Any, Any, None]]
"""Work beside the agents, until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Streams:
    """A faust app and what runs beside it."""

    app: FaustApp
    writer: KafkaWriter
    tables: tuple[RecordTable[Any], ...]
    audit: AuditWriter
    marks: TopicView
    """To be read before the first press is taken: who is under duress."""
    last_locations: TopicView
    beside: tuple[Work, ...]
    """What runs beside the agents once the app has started."""


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
    rooms = config.rooms
    audit = AuditWriter(chain, outbox, Envelopes(codec))
    context = AgentContext(
        RoutingService(config.routes, rooms.agencies, config.ground), config.secret, codec, outbox, audit,
        partitions=partitions, outside=config.outside, untaken=config.untaken,
    )  # fmt: skip
    known = KnownDevices(context.agreements, config.known_devices)
    marks = DeviceMarks(config.kafka, config.instance, codec)
    of_devices = OwnedPartitions(app, catalogue.DEVICE_ALERTS)
    silent_devices = SilentDevices(context, of_devices, config, marks)
    last = LastLocations(config.kafka, config.instance, codec, known, silent_devices.see)
    devices: RecordTable[DeviceMemory] = RecordTable(app, "devices", DeviceMemory, codec, outbox)
    alerts: RecordTable[AlertState] = RecordTable(app, "alerts", AlertState, codec, outbox)
    table: RecordTable[IncidentMemory] = RecordTable(app, "incidents", IncidentMemory, codec, outbox)
    links: RecordTable[IncidentLink] = RecordTable(app, "links", IncidentLink, codec, outbox)
    tables = (devices, alerts, table, links)
    owned = OwnedPartitions(app, catalogue.ALERT_CHANGES)
    whereabouts = Whereabouts(last, marks)
    following = Following(context, alerts, owned, whereabouts, config.paces)
    steps = AlertSteps(
        context=context, alerts=alerts, silent_devices=silent_devices, following=following, rooms=rooms,
        open_alerts=OpenAlertIndex(config.routes.destinations, config.keep_closed, rooms),
    )  # fmt: skip
    life = AlertLife(context, steps, owned)
    crossing = Crossing(context, alerts, owned, following.fix_of, life.crossed)
    following.on_look, following.on_forgotten = crossing.stir, crossing.forget
    message_receipts = MessageReceipts(context, config.receipt_takers)
    known_links = KnownLinks(links, OwnedPartitions(app, catalogue.INCIDENT_LINKS), context.locks)
    nearby = Nearby(config, codec, marks.replaced)
    incidents = Incidents(context, table, known_links, message_receipts, nearby.alert_named)
    of_alerts = AlertReceipts(context, steps, message_receipts, incidents.learn)
    others = partial(to_incident, context), partial(words_to_officer, context, known, rooms.unlisted)
    receipts = Receipts(context, of_alerts, message_receipts, others)
    hand_over = LocalHandoff(owned, "alert-changes", life.begin).hand_over
    from_devices = DeviceAlertIntake(context, devices, whereabouts, hand_over, marks, nearby)
    officers = KnownOfficers(config.officers, last)
    messages = Messages(context, known, officers, marks, Starting(context, known, officers, marks, rooms, from_devices))
    alerts.on_built(life.rebuild_beside)
    links.on_built(known_links.rebuild_beside)
    app.copies = ChangelogCopies(config.kafka, f"{catalogue.STREAMS_APP}-{config.instance}-copies", tables, partitions)
    _attach(app, config, outbox, {
        "alerts": from_devices.alert,
        "alert-standings": from_devices.standing,
        "alert-changes": life.change,
        "receipts": receipts.receipt,
        "incidents": incidents.event,
        "incident-receipts": incidents.receipt,
        "incident-links": incidents.link,
        "messages": messages.message,
    })  # fmt: skip
    healings = (
        Healing(
            "alerts", alerts, owned, context.locks, one_alert,
            lambda stray: is_worth_keeping(stray, utc_now(), config.keep_closed), steps.watch_known,
        ),
        Healing("devices", devices, owned, context.locks, kept_alone),
        Healing("incidents", table, owned, context.locks, kept_alone),
        Healing("links", links, owned, context.locks, kept_alone),
    )  # fmt: skip
    for healing in healings:
        app.after_each_share(healing.stir)
    beside: tuple[Work, ...] = (
        partial(_keep_time, life), partial(_measure, steps.open_alerts), partial(_persist, tables),
        *(healing.run for healing in healings),
        following.run, crossing.run, silent_devices.watch,
        CheckIns(context, of_devices, config).watch, ConnectorWatch(context, owned, config).run,
        known_links.watch, from_devices.link,
    )  # fmt: skip
    return Streams(app, outbox, tables, audit, marks.view, last.view, beside)


def _attach(app: FaustApp, config: StreamsConfig, outbox: KafkaWriter, stages: Mapping[str, Body]) -> None:
    """Have each stage take what comes on its topic, and its metrics stand at nought before anything does."""
    for stage, body in stages.items():
        attach_agent(app, catalogue.AGENT_TOPICS[stage], Guard(stage, outbox), body, config.in_flight)
    announce.streams(stages, config.routes.destinations, page_reasons=list(PageReason), modes=list(Mode))


def chain_writer(config: StreamsConfig) -> str:
    """Return the name under which this worker writes its audit chain."""
    return f"streams-{config.instance}"


async def _keep_time(life: AlertLife) -> None:
    """Do what time asks for of open alerts, until cancelled."""
    while True:
        await life.look()
        await asyncio.sleep(_LOOK_SECONDS)


async def _persist(tables: Sequence[RecordTable[Any]]) -> None:
    """Write down how far the tables have come, until cancelled, and then once more."""
    try:
        while True:
            await asyncio.sleep(_PERSIST_SECONDS)
            _persist_once(tables)
    finally:
        _persist_once(tables)


def _persist_once(tables: Sequence[RecordTable[Any]]) -> None:
    for table in tables:
        try:
            table.persist()
        except StoreUnavailableError as error:
            _log.warning("tables not written down", error=type(error).__name__)


async def _measure(open_alerts: OpenAlertIndex) -> None:
    """Keep the gauges of open alerts true, until cancelled."""
    while True:
        open_alerts.measure(utc_now())
        await asyncio.sleep(_MEASURE_SECONDS)
