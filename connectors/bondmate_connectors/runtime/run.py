"""Run configured connectors side by side: each with its own consumers, health and end, so that none harms another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.consumer_lag import LagThread, LagWatch
from bondmate_kafka.producer import Outbox
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.threads import in_thread
from bondmate_monitoring import metrics
from bondmate_monitoring.logs import raised_at
from bondmate_schemas.catalogue import destination_group, destination_topic, locations_topic
from bondmate_schemas.codec import Codec, SchemaUnavailableError
from bondmate_schemas.enums import DeliveryKind, Mode
from bondmate_schemas.models import Delivery, DeliveryReceipt

from bondmate_connectors.contract import Context, Status
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.replay import replays_of
from bondmate_connectors.runtime.account import Account
from bondmate_connectors.runtime.account_file import AccountFile
from bondmate_connectors.runtime.backlog import Backlog
from bondmate_connectors.runtime.behind import Behind, show_behind
from bondmate_connectors.runtime.broker import BrokerWatch
from bondmate_connectors.runtime.control import Control, Controls, Pause
from bondmate_connectors.runtime.envelopes import AddressedEnvelopes
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.heartbeat import Beating, Heartbeat, Paused
from bondmate_connectors.runtime.instance import Instance
from bondmate_connectors.runtime.intake import Intake
from bondmate_connectors.runtime.lag_metrics import show_lag
from bondmate_connectors.runtime.link import ConnectorLink
from bondmate_connectors.runtime.replay_runner import ReplayRunner, replay_consumer
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.retry import Backoff
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.sink_runner import SinkRunner
from bondmate_connectors.runtime.sink_tools import SinkTools
from bondmate_connectors.runtime.source_runner import SourceRunner, SourceTools
from bondmate_connectors.runtime.supervision import ShutOutError, Supervision, leaves, unending
from bondmate_connectors.runtime.suspects import Suspects
from bondmate_connectors.runtime.watchdog import LoopWatch, Stalls, tell_stalls

_log = structlog.get_logger(__name__)
_POSITIONS = DeliveryKind.LOCATION.value
_LOOK_ENDS_SECONDS = 0.5
_POSITIONS_GATHER_MS = 50
"""How long positions may wait for others to be taken with."""


async def run_connectors(
    instances: Sequence[Instance],
    kafka: KafkaConfig,
    *,
    role_id: str,
    stop: asyncio.Event,
    codec: Codec | None = None,
    settings: RunnerSettings | None = None,
    health: ConnectorHealth | None = None,
    controls: Controls | None = None,
) -> None:
    """Run `instances` until `stop` is set, then drain and close within 10 s.

    `role_id` is the fixed identity of this process: its consumers are static members of their groups under it, so two
    processes never share one. A connector that crashes is started again with growing pauses, one with a wrong setting
    waits for a person; both are said in `health`, and the others go on. By `controls` each can be steered meanwhile.

    Raises:
        Misconfigured: two instances have one name.
        ShutOutError: a consumer of this process was shut out of its group.
    """
    _refuse_twins(instances)
    try:
        codec = codec or Codec(RegistrySchemaIds.of(kafka))
        board = health or ConnectorHealth()
        watch = BrokerWatch(kafka, partial(_report_to_all, board, [instance.name for instance in instances]))
        config = kafka.producer(f"{role_id}-connectors")
        settings = settings or RunnerSettings()
        lag = _lag_thread(kafka, instances, settings)
        looking = in_thread("consumer lag", lag.run)
        looking.add_done_callback(_looked)
        async with Outbox(config, watch.on_error, Backoff().seconds) as outbox:
            hub = _Hub(kafka, role_id, codec, settings, board, watch, outbox, lag)
            pauses = controls.pauses if controls is not None else {}
            runners = [_Runner(hub, instance, pauses.get(instance.name)) for instance in instances]
            if controls is not None:
                controls.update({runner.name: runner.control for runner in runners})
            heartbeat = Heartbeat(
                [runner.beating for runner in runners], health=board, envelopes=AddressedEnvelopes(codec),
                outbox=outbox, role_id=role_id, every_seconds=settings.heartbeat_seconds,
            )  # fmt: skip
            try:
                await _run_all(hub, runners, heartbeat, stop)
            finally:
                lag.stop()
                await watch.close()
            await heartbeat.last()
        await asyncio.wait({looking}, timeout=_LOOK_ENDS_SECONDS)
    except* ShutOutError as group:
        raise next(iter(leaves(group))) from None


async def _run_all(hub: _Hub, runners: Sequence[_Runner], heartbeat: Heartbeat, stop: asyncio.Event) -> None:
    """Run each connector until `stop` is set and it has drained, while the loop is watched."""
    loop_watch = LoopWatch(hub.settings.stall_seconds)
    with loop_watch.watching():
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(loop_watch.keep_beating())
            group.create_task(heartbeat.run(stop))
            running = [group.create_task(runner.run(stop), name=runner.name) for runner in runners]
            await stop.wait()
            hub.lag.stop()
            await hub.watch.close()
            if running:
                await asyncio.wait(running)
            beating.cancel()


def _looked(looking: asyncio.Future[None]) -> None:
    """Log that nobody counts the backlog any more; everything else goes on."""
    if not looking.cancelled() and (error := looking.exception()):
        _log.error("backlog not counted any more", error=type(error).__name__, at=raised_at(error))


def _lag_thread(kafka: KafkaConfig, instances: Sequence[Instance], settings: RunnerSettings) -> LagThread:
    groups = {group: (topic,) for each in instances for group, topic in groups_of(each).items()}
    config = {**kafka.client(), **QUIET}
    return LagThread(LagWatch(config, groups), settings.lag_every_seconds)


def topics_of(instance: Instance) -> Iterator[str]:
    """Yield the topics that a destination reads."""
    if instance.spec.accepts - {_POSITIONS}:
        yield destination_topic(instance.name)
    if _POSITIONS in instance.spec.accepts:
        yield locations_topic(instance.name)


def groups_of(instance: Instance) -> dict[str, str]:
    """Return the consumer groups of a destination, each with the topic it reads."""
    return {destination_group(topic): topic for topic in topics_of(instance)}


def _report_to_all(board: ConnectorHealth, names: Sequence[str], status: Status, reason: str) -> None:
    for name in names:
        board.report(name, "broker", status, reason)


def _refuse_twins(instances: Sequence[Instance]) -> None:
    found = [instance.name for instance in instances]
    if twins := sorted({name for name in found if found.count(name) > 1}):
        raise Misconfigured(f"connectors named twice: {', '.join(twins)}")


@dataclass(frozen=True, slots=True)
class _Hub:
    """What all connectors of the process share."""

    kafka: KafkaConfig
    role_id: str
    codec: Codec
    settings: RunnerSettings
    health: ConnectorHealth
    watch: BrokerWatch
    outbox: Outbox
    lag: LagThread


class _Runner:
    """Run one connector in all its roles and keep its failures from the others."""

    def __init__(self, hub: _Hub, instance: Instance, pause: Pause | None) -> None:
        self._hub = hub
        self.name = self._name = instance.name
        self._topics = tuple(topics_of(instance))
        self._reads = tuple(groups_of(instance).items())
        self._stalls = Stalls()
        self._spec = instance.spec
        self._authority = instance.authority
        self.control = Control(instance.config, pause)
        folder = hub.settings.accounts_dir
        file = AccountFile(folder, instance.name) if folder else None
        self._account = Account(hub.settings.account_retry_seconds, file)
        self.control.on_restart = self._account.once_more
        self._behind: Behind | None = None
        self._suspects = Suspects(refusals=hub.settings.refused_alone_tries, breaks=hub.settings.breaks_alone)
        self._reports = Reports(instance.name, hub.health)
        self._envelopes = AddressedEnvelopes(hub.codec, hub.settings.outside)
        # From the start, and on after its end: what nobody delivers is counted.
        self._backlog = Backlog(
            instance.name, instance.spec.accepts, _now, lambda: hub.lag.oldest_seconds(self._reads, _now())
        )
        self.beating = Beating(self._reports, self._waiting_events, self._backlog.lag_seconds, self._paused)
        metrics.CONNECTOR_BACKLOG.labels(instance.name).set_function(self._shown_events)
        show_lag("runner", hub.lag, self._reads)
        if instance.spec.is_sink:
            show_behind(instance.name, Counter())

    def _waiting_events(self) -> int | None:
        return self._hub.lag.events(self._reads)

    def _shown_events(self) -> float:
        events = self._waiting_events()
        return float("nan") if events is None else events

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, life after life; never raises what the connector raised.

        Raises:
            ShutOutError: not the connector failed, but this process lost its place.
        """
        supervision = Supervision(self._reports, self._hub.health, self._hub.settings, self.control)
        await supervision.keep(self._live, self._rest, stop)

    async def _rest(self, stop: asyncio.Event) -> None:
        """Count what waits while the connector is paused, until `stop`."""
        if not self._spec.accepts - {_POSITIONS}:
            await stop.wait()
            return
        topic = destination_topic(self._name)
        config = {**self._hub.kafka.consumer(destination_group(topic), f"{self._hub.role_id}-paused"), **QUIET}
        self._behind = behind = Behind(self._name, topic, config, self._decode)
        counting = in_thread(f"behind {self._name}", behind.run)
        try:
            await stop.wait()
        finally:
            behind.stop()
            self._behind = None
            await asyncio.wait({counting}, timeout=self._hub.settings.close_seconds)

    def _paused(self) -> Paused | None:
        pause = self.control.paused(_now())
        if pause is None:
            return None
        alerts = self._behind.alerts if self._behind else {}
        real = sum(count for mode, count in alerts.items() if mode in {Mode.ACTUAL, Mode.UNKNOWN})
        return Paused(pause.until, sum(alerts.values()), real)

    async def _live(self, stop: asyncio.Event) -> None:
        """Build the connector with the settings of now, work until `stop`, close it."""
        self._stalls = Stalls()
        connector = self._spec.build(self.control.config, self._context())
        try:
            await self._work(connector, stop)
        finally:
            await self._close(connector)

    async def _close(self, connector: Any) -> None:
        try:
            async with asyncio.timeout(self._hub.settings.close_seconds):
                await connector.close()
        except TimeoutError as error:
            self._reports.failed("close", error)

    async def _work(self, connector: Any, stop: asyncio.Event) -> None:
        """Prepare, replay, connect, run the roles; a stop while still waiting for something ends that at once."""
        self._account.use(self._spec.login(self.control.config))
        link = ConnectorLink(connector, self._reports, self._hub.settings, self._stalls, self._account)
        async with asyncio.TaskGroup() as group:
            ready = await _unless(stop, self._prepare(connector, group, stop))
            keeping = group.create_task(unending(link.keep, "link"))
            watching = group.create_task(tell_stalls(self._stalls, self._reports, self._hub.settings.stall_seconds))
            if ready:
                self._reports.status("connector", Status.OK)
                async with asyncio.TaskGroup() as roles:
                    for role in self._roles(connector, link, stop):
                        roles.create_task(role)
                await stop.wait()
            keeping.cancel()
            watching.cancel()
            self._reports.status("connector", Status.STOPPING)

    async def _prepare(self, connector: Any, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        await self._hub.watch.wait_for((*self._topics, *replays_of(self._spec)))
        await self._learn()
        if replays := replays_of(self._spec):
            config = replay_consumer(self._hub.kafka, self._name, self._hub.role_id)
            replay = ReplayRunner(connector, replays, config=config, codec=self._hub.codec,
                                  reports=self._reports, settings=self._hub.settings)  # fmt: skip
            group.create_task(unending(partial(replay.run, stop), "replay", stop))
            await replay.caught_up.wait()

    async def _learn(self) -> None:
        """Wait for the registry, so that nothing asks it on the event loop later."""
        attempt = 0
        while True:
            try:
                await self._envelopes.learn({*self._spec.emits, DeliveryReceipt.__name__})
            except SchemaUnavailableError:
                attempt += 1
                self._reports.status("registry", Status.RECOVERABLE_ERROR, "the registry does not answer")
                await asyncio.sleep(self._hub.settings.backoff.seconds(attempt))
            else:
                self._reports.status("registry", Status.OK)
                return

    def _roles(self, connector: Any, link: ConnectorLink, stop: asyncio.Event) -> Iterator[Any]:
        if self._spec.is_sink:
            tools = SinkTools(self._name, self._spec, connector, link, self._hub.outbox, self._envelopes, self._reports,
                              self._backlog, self._hub.settings, _now, self._stalls,
                              suspects=self._suspects)  # fmt: skip
            for topic in self._topics:
                yield unending(partial(self._deliver, tools, topic, stop), "sink", stop)
        if self._spec.is_source:
            yield SourceRunner(
                SourceTools(self._name, connector, link, self._hub.outbox, self._envelopes, self._reports,
                            self._hub.settings, _now, self._authority, self._stalls,
                            ended=Status.OK if self._spec.is_sink else Status.STOPPED)
            ).run(stop)  # fmt: skip

    async def _deliver(self, tools: SinkTools, topic: str, stop: asyncio.Event) -> None:
        suffix = topic.removeprefix(destination_topic(self._name))
        place = f"{self._name}{suffix}"
        runner = SinkRunner(tools, part=f"sink{suffix}", dead_letters=place, positions=bool(suffix))
        gather_ms = _POSITIONS_GATHER_MS if suffix else 0
        config = self._hub.kafka.consumer(destination_group(topic), f"{self._hub.role_id}-{place}", gather_ms=gather_ms)
        intake = Intake(topic, {**config, **QUIET, "error_cb": self._hub.watch.on_error}, self._decode, runner,
                        self._hub.settings)  # fmt: skip
        # What an earlier life of this connector held is read again; until now its age was told.
        self._backlog.forget(topic)
        intake.start()
        self._stalls.ask("consumer", intake.quiet_seconds)
        try:
            await runner.run(intake, stop)
        finally:
            await intake.stop()

    def _decode(self, value: bytes | None) -> Delivery:
        return self._hub.codec.decode(value, Delivery)

    def _context(self) -> Context:
        def report(status: Status, reason: str) -> None:
            self._reports.status("platform", status, reason)

        return Context(self._name, structlog.get_logger().bind(connector=self._name), report, _now)


async def _unless(stop: asyncio.Event, work: Any) -> bool:
    """Do `work` unless `stop` comes first; return whether it was done."""
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done() and not stop.is_set()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _now() -> datetime:
    return datetime.now(UTC)
