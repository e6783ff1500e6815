"""The roles of the hub: what each runs, with logs, health and metrics around it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_monitoring import announce, logs, metrics
from bondmate_monitoring.build import version_of_hub
from bondmate_monitoring.health import RoleHealth
from bondmate_monitoring.server import MonitoringServer

from bondmate_hub.admin.server import AdminServer
from bondmate_hub.connectors import GATEWAY
from bondmate_hub.roles.fast_loop import run_fast, tune
from bondmate_hub.roles.ports import broker_port, looked_for_elsewhere, registry_port
from bondmate_hub.roles.reporting import RoleReporter
from bondmate_hub.settings import Settings, SettingsError, StreamsSection

if TYPE_CHECKING:
    from bondmate_connectors.runtime.settings import RunnerSettings
    from bondmate_streams.applied_routes import Applied
    from bondmate_streams.logic.districts import Districts
    from bondmate_streams.logic.routing import Ground, Routes

_LANE_NICENESS = 5
_LAG_SECONDS = 1.0
"""Between two looks at what streams and lane have not read."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a role while it runs."""

    health: RoleHealth
    admin: AdminServer
    endpoint: str = ""
    """Where metrics and health are served."""


_Role = Callable[[Settings, asyncio.Event, Around], Awaitable[None]]


def run_role(role: str, settings: Settings) -> None:
    """Run one role in this process until SIGTERM or SIGINT."""
    _configure_logs(role, settings)
    for each in settings.kafka.client.old_names:
        _log.warning("setting under its old name", setting=each)
    if role in {"broker", "registry"}:
        for each in looked_for_elsewhere(settings):
            _log.warning("listens where nobody looks", setting=each)
    for each in settings.twice:
        _log.warning("setting stands twice, the last one counts; `hub lint` refuses it", place=each)
    tune(batches=role == "lane")
    run_fast(_run(role, settings))


def run_supervised(roles: Sequence[str], settings: Settings, config: Path | None) -> None:
    """Run each role in a child process and start it again when it dies, until SIGTERM or SIGINT."""
    _configure_logs("supervisor", settings)
    asyncio.run(_supervise(roles, settings, config))


def _configure_logs(role: str, settings: Settings) -> None:
    logs.configure(settings.monitoring.log_level, identity=_identity(role, settings))


def _identity(role: str, settings: Settings) -> dict[str, str]:
    return {"role": role, "instance": settings.instance, "version": version_of_hub()}


@contextlib.contextmanager
def _spans(role: str, settings: Settings) -> Iterator[None]:
    """Send spans of the steps of events while a role runs, where the settings name a receiver."""
    if not settings.monitoring.otlp_endpoint:
        yield
        return
    try:
        from bondmate_monitoring.spans import write_spans  # noqa: PLC0415  # tens of MiB, for who has a receiver
    except ImportError:
        hint = "pip install 'bondmate-hub[tracing]', or leave it out"
        raise SettingsError([f"monitoring.otlp_endpoint: the extra `tracing` is not installed; {hint}"]) from None
    writer = write_spans(settings.monitoring.otlp_endpoint, _identity(role, settings))
    try:
        yield
    finally:
        writer.close()


async def _run(role: str, settings: Settings) -> None:
    stop = _stop_on_signals()
    with _spans(role, settings):
        async with _surrounded(role, settings) as around, _reported(around, settings):
            await ROLES[role](settings, stop, around)


async def _supervise(roles: Sequence[str], settings: Settings, config: Path | None) -> None:
    from bondmate_hub.roles.overview import Overview  # noqa: PLC0415  # roles need no supervisor
    from bondmate_hub.roles.supervisor import Supervisor, role_command  # noqa: PLC0415  # as above

    if config is None:
        raise SettingsError(["--config: required for several roles: each child reads the file again"])
    stop = _stop_on_signals()
    announce.supervised(roles)
    async with _surrounded("supervisor", settings) as around:
        around.health.started()
        supervisor = Supervisor([role_command(role, config) for role in roles], settings.data_dir / "logs")
        overview = Overview(roles, settings.data_dir, around.health, lambda: supervisor.pids)
        showing = asyncio.create_task(overview.run())
        await supervisor.run(stop)
        showing.cancel()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _surrounded(role: str, settings: Settings) -> AsyncIterator[Around]:
    """Serve metrics, health and the admin endpoint of a role while it runs."""
    await asyncio.to_thread(announce.role, role)  # in a source tree it asks git, which may take seconds
    _make_folder(settings.data_dir)
    health = RoleHealth(role)
    port = settings.monitoring.ports.get(role, 0)
    server = MonitoringServer(health, host=settings.monitoring.host, port=port)
    endpoint = await server.start()
    _log.info("role starts", role=role, endpoint=endpoint)
    metrics.ROLE_READY.set_function(lambda: health.ready().ok)
    admin = AdminServer(role, settings, endpoint)
    try:
        async with admin.serving():
            yield Around(health, admin, endpoint)
    finally:
        health.stopping()
        await server.stop()
        _log.info("role ended", role=role)


@contextlib.asynccontextmanager
async def _reported(around: Around, settings: Settings) -> AsyncIterator[None]:
    """Have the role tell how it is while it runs, and be ready only while the broker answers."""
    around.health.require("broker")
    reporter = RoleReporter(around.health, settings.kafka.config(), settings.instance, around.endpoint)
    reporting = asyncio.create_task(reporter.run())
    reporting.add_done_callback(_reported_no_more)
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        await reporter.farewell()


def _reported_no_more(reporting: asyncio.Task[None]) -> None:
    """Log that nobody hears any more how this role is; its work goes on."""
    if not reporting.cancelled() and (error := reporting.exception()):
        _log.error("role tells no more how it is", error=type(error).__name__, at=logs.raised_at(error))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"data_dir: {path} cannot be made a folder: {error.strerror}; name another, or move away what is there"
        raise SettingsError([told]) from None


# The roles. Each imports what it needs when it runs, so that no process holds another's libraries.


async def _broker(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig  # noqa: PLC0415

    broker = EmbeddedBroker(EmbeddedConfig(data_dir=settings.data_dir / "broker", port=broker_port(settings)))
    await asyncio.to_thread(broker.start)
    around.health.started()
    try:
        await stop.wait()
    finally:
        await asyncio.to_thread(broker.stop)


async def _registry(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_hub.registry.server import RegistryConfig, serving  # noqa: PLC0415

    host = settings.registry.host
    config = RegistryConfig(data_dir=settings.data_dir / "registry", host=host, port=registry_port(settings))
    async with serving(config):
        around.health.started()
        await stop.wait()


async def _connectors(settings: Settings, stop: asyncio.Event, around: Around, *, gateway: bool) -> None:
    from bondmate_connectors.runtime.control import Controls  # noqa: PLC0415
    from bondmate_connectors.runtime.run import run_connectors  # noqa: PLC0415
    from bondmate_connectors.runtime.supervision import ShutOutError  # noqa: PLC0415

    from bondmate_hub.admin.devices import DeviceOrders  # noqa: PLC0415
    from bondmate_hub.admin.pauses import PausedConnectors  # noqa: PLC0415
    from bondmate_hub.admin.steering import Steering  # noqa: PLC0415
    from bondmate_hub.connectors.instances import instances  # noqa: PLC0415
    from bondmate_hub.settings.watch import SettingsWatch  # noqa: PLC0415

    wanted = [instance for instance in instances(settings) if (instance.spec.name == GATEWAY) is gateway]
    for instance in wanted:
        announce.connector(instance.name, kinds=instance.spec.accepts, source=instance.spec.is_source)
        if gateway:
            # Devices have nobody else: a gateway that does not listen is not ready.
            around.health.require(instance.name)
            from bondmate_gateway.http.problems import ProblemKind  # noqa: PLC0415

            announce.gateway(instance.spec.emits, [kind.name for kind in ProblemKind])
    role_id = f"{settings.instance}-{around.health.role}"
    board, controls = ConnectorHealth(), Controls(PausedConnectors(settings.data_dir).current(datetime.now(UTC)))
    if gateway:
        around.admin.devices = DeviceOrders(settings)
    around.admin.connectors = Steering(wanted, controls, board, settings, worker_id=role_id)
    async with asyncio.TaskGroup() as group:
        beside = [
            group.create_task(_watch_lag(settings)),
            group.create_task(_tell(board, around.health, [instance.name for instance in wanted])),
            group.create_task(SettingsWatch(settings, controls).run()),
        ]
        try:
            await run_connectors(
                wanted, settings.kafka.config(), role_id=role_id, stop=stop, health=board,
                controls=controls, settings=_runner_settings(settings),
            )  # fmt: skip
        except ShutOutError as error:
            _log.error("role was shut out", role=around.health.role, why=str(error))  # it is no bug
            sys.exit(1)
        for task in beside:
            task.cancel()


async def _watch_lag(settings: Settings) -> None:
    """Show what the streams and the lane have not read; from here, since of their own standstill they tell nothing."""
    from bondmate_connectors.runtime.lag_metrics import show_lag  # noqa: PLC0415
    from bondmate_kafka.config import QUIET  # noqa: PLC0415
    from bondmate_kafka.consumer_lag import LagThread, LagWatch  # noqa: PLC0415
    from bondmate_kafka.threads import in_thread  # noqa: PLC0415
    from bondmate_schemas.catalogue import AGENT_TOPICS, DEVICE_LOCATIONS, LANE_GROUP, STREAMS_APP  # noqa: PLC0415

    reads = {"streams": (STREAMS_APP, tuple(AGENT_TOPICS.values()))}
    if settings.streams is not None:
        reads["lane"] = (LANE_GROUP, (DEVICE_LOCATIONS,))
    lag = LagThread(LagWatch({**settings.kafka.config().client(), **QUIET}, dict(reads.values())), _LAG_SECONDS)
    for consumer, (group, topics) in reads.items():
        show_lag(consumer, lag, [(group, topic) for topic in topics])
    looking = in_thread("hub lag", lag.run)
    try:
        await asyncio.wait({looking})  # which leaves it alone when this is cancelled: the thread ends it
    finally:
        lag.stop()
    _log.error("lag of streams and lane is not counted any more")


def _runner_settings(settings: Settings) -> RunnerSettings:
    from bondmate_connectors.runtime.retry import pauses  # noqa: PLC0415
    from bondmate_connectors.runtime.settings import RunnerSettings  # noqa: PLC0415

    restart = settings.restart
    return RunnerSettings(
        outside=settings.streams.outside_ids() if settings.streams else None,
        restart=pauses(restart.first_seconds, restart.longest_seconds),
        restart_sound_seconds=restart.sound_seconds,
        accounts_dir=settings.data_dir / "accounts",
        **settings.delivery.model_dump(),
    )


async def _tell(board: ConnectorHealth, health: RoleHealth, names: Sequence[str]) -> None:
    """Carry the connectors' states to the role's health; started once each has come past its start."""
    while True:
        states = {name: board.of(name) for name in names}
        for name, state in states.items():
            health.report(name, ok=state.status.value == "OK", reason=state.reason, status=state.status.value)
        if all(state.status.value not in {"CREATED", "STARTING"} for state in states.values()):
            health.started()
        await asyncio.sleep(0.2)


async def _pager(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_hub.pages.role import run_pager  # noqa: PLC0415

    if not settings.pages.steps:
        _log.warning("pages go to nobody: they stand on their topic and in the log alone", setting="pages.steps")
    await run_pager(settings, stop, around.health)


async def _drills(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_hub.drills.role import run_drills  # noqa: PLC0415

    await run_drills(settings, stop, around.health)


async def _by_routes(
    settings: Settings, stop: asyncio.Event, role: str, work: Callable[[Applied, asyncio.Event], Awaitable[None]]
) -> None:
    """Do the work of a role by the routes that were applied last, else by the file; anew by each newer version."""
    from bondmate_kafka.registry import RegistrySchemaIds  # noqa: PLC0415
    from bondmate_schemas.codec import Codec  # noqa: PLC0415
    from bondmate_streams.applied_routes import RoutesWatch  # noqa: PLC0415
    from bondmate_streams.routes_file import load_routes  # noqa: PLC0415

    kafka, file = settings.kafka.config(), load_routes(_required(settings).routes)
    codec = Codec(RegistrySchemaIds.of(kafka))
    await RoutesWatch(kafka, f"bondmate-{role}-{settings.instance}-routes", codec, file).run(work, stop)


async def _streams(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_streams.agents.config import StreamsConfig  # noqa: PLC0415
    from bondmate_streams.agents.run import run_streams  # noqa: PLC0415
    from bondmate_streams.logic.following import UpdatePace  # noqa: PLC0415

    from bondmate_hub.connectors import instances  # noqa: PLC0415

    section = _required(settings)

    async def work(applied: Applied, end: asyncio.Event) -> None:
        config = StreamsConfig(
            kafka=settings.kafka.config(),
            data_dir=settings.data_dir / "streams",
            routes=applied.routes,
            routes_version=applied.number,
            routes_applied_at=applied.applied_at,
            ground=_ground(section, applied.routes),
            secret=section.pseudonym_secret.get_secret_value().encode(),
            outside=section.outside_ids(),
            instance=settings.instance,
            known_devices=lambda: instances.enrolled_devices(settings),
            officers=lambda: instances.enrolled_officers(settings),
            receipt_takers=instances.receipt_takers(settings),
            untaken=instances.untaken(settings),
            paces={name: UpdatePace(*pace) for name, pace in instances.paces(settings).items()},
            agencies={name: entry.agency for name, entry in settings.connectors.items()},
            keep_closed=timedelta(days=section.closed_alerts_kept_days),
            session_seconds=section.session_seconds,
        )
        await run_streams(config, end, on_ready=around.health.started, on_wait=around.health.waits)

    await _by_routes(settings, stop, "streams", work)


async def _lane(settings: Settings, stop: asyncio.Event, around: Around) -> None:
    from bondmate_streams.lane.config import LaneConfig  # noqa: PLC0415
    from bondmate_streams.lane.run import run_lane  # noqa: PLC0415

    from bondmate_hub.connectors.instances import Register, untaken  # noqa: PLC0415

    # Where the processor is short, positions wait for alerts.
    os.nice(_LANE_NICENESS)
    section = _required(settings)

    async def work(applied: Applied, end: asyncio.Event) -> None:
        config = LaneConfig(
            kafka=settings.kafka.config(),
            data_dir=settings.data_dir / "lane",
            routes=applied.routes,
            secret=section.pseudonym_secret.get_secret_value().encode(),
            outside=section.outside_ids(),
            instance=settings.instance,
            districts=_districts(section),
            cooperative=section.lane_rebalance == "cooperative",
            register=Register(settings).officers,
            untaken=[name for name, kinds in untaken(settings).items() if "LOCATION" in kinds],
        )
        told = threading.Event()
        working = asyncio.create_task(asyncio.to_thread(run_lane, config, told, around.health.started))
        stopping = asyncio.create_task(end.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        told.set()
        await working
        stopping.cancel()

    await _by_routes(settings, stop, "lane", work)


def _districts(section: StreamsSection) -> Districts | None:
    if section.districts is None:
        return None
    # A hub without a map does without the library, which takes tens of MiB.
    from bondmate_streams.logic.districts import load_districts  # noqa: PLC0415

    return load_districts(section.districts)


def _ground(section: StreamsSection, routes: Routes) -> Ground | None:
    """Return the map for alerts and incidents, where rules ask where they are."""
    from bondmate_streams.logic.routing import distances  # noqa: PLC0415

    if section.districts is None or not distances(routes):
        return None
    from bondmate_streams.logic.ground import MapGround  # noqa: PLC0415  # as `_districts`

    return MapGround.of(_districts(section), routes)


def _required(settings: Settings) -> StreamsSection:
    if settings.streams is None:
        raise SettingsError(["streams: required by the roles streams and lane: name `routes` and `pseudonym_secret`"])
    return settings.streams


ROLES: Mapping[str, _Role] = {
    "broker": _broker,
    "registry": _registry,
    "gateway": partial(_connectors, gateway=True),
    "streams": _streams,
    "lane": _lane,
    "runner": partial(_connectors, gateway=False),
    "pager": _pager,
    "drills": _drills,
}


def roles_of(settings: Settings) -> list[str]:
    """Return the roles that a hub with these settings has: `hub run all`."""
    left_out = {"pager"} if not settings.pages.steps else set()
    left_out |= {"drills"} if not settings.drills.repeated else set()
    return [role for role in ROLES if role not in left_out]
