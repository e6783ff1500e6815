"""The faust app of one worker: how it is set, and how an agent's body is attached to a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal, cast

import faust
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import Arrived, headers_of
from bondmate_kafka.security import Security
from bondmate_schemas.catalogue import STREAMS_APP
from faust.types import TP

from bondmate_streams.faust_adapter.admission import Admission
from bondmate_streams.faust_adapter.changelog_copies import ChangelogCopies
from bondmate_streams.faust_adapter.driver import AgentsConsumer
from bondmate_streams.faust_adapter.guard import Body, Guard, GuardedEvent
from bondmate_streams.faust_adapter.in_flight import InFlight
from bondmate_streams.faust_adapter.tables import DurableTable


class RecoveryEnd(asyncio.Event):
    """The end of the building of tables: faust sets and clears it in one step, and may do so before it waits."""

    def __init__(self, recovery: Any) -> None:
        super().__init__()
        self._recovery = recovery

    async def wait(self) -> Literal[True]:
        """Wait until the tables are built; by their state, not by the signal alone."""
        while self._recovery.in_recovery:
            await super().wait()
        return True


class FaustApp(faust.App):
    """A faust app whose consumer works as in `driver`, and whose own statistics are off: we keep ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.admissions: dict[str, Admission] = {}
        """The admissions of the agents, by topic."""
        self.copies: ChangelogCopies | None = None
        """Follows other workers' partitions of the tables; to be run from before the start on."""
        super().__init__(*args, **kwargs)

    def on_init_dependencies(self) -> Any:
        """Return the services that start with the app; faust's monitor, a seventh of an event's cost, hears nothing."""
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        recovery = self.tables.recovery  # type: ignore[attr-defined]
        recovery._signal_recovery_end = RecoveryEnd(recovery)  # noqa: SLF001
        return services

    def after_each_share(self, call: Callable[[], object]) -> None:
        """Have `call` called whenever partitions were shared anew and our tables are whole."""

        def called(*_: object, **__: object) -> None:
            call()

        self.on_rebalance_complete.connect(called)

    async def wait_tables_built(self) -> None:
        """Wait until the tables have been built for the first time."""
        await self.tables.recovery.completed.wait()  # type: ignore[attr-defined]

    def on_share(self, ours: Collection[TP]) -> None:
        """Have the copies leave our partitions alone, before the tables hear of them."""
        if self.copies is not None:
            self.copies.leave_to_us(ours)

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, wait for what the agents have in hand, and give up what takes longer than `seconds`."""
        await asyncio.gather(*(admission.drain(seconds) for admission in self.admissions.values()))

    async def leave(self) -> None:
        """Leave the group at once; to be called when nothing is in hand, and before `stop`."""
        await cast("AgentsConsumer", self.consumer).leave()

    def _new_transport(self) -> Any:
        transport: Any = super()._new_transport()
        transport.Consumer = AgentsConsumer
        return transport


def create_faust_app(
    kafka: KafkaConfig, *, instance: str, data_dir: Path, partitions: int, commit_seconds: float, session_seconds: float
) -> FaustApp:
    """Create the app, set for few, precious events; nothing is started and nothing asked of anybody."""
    return FaustApp(
        STREAMS_APP,
        broker=[f"kafka://{address}" for address in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka.security),
        broker_client_id=f"{STREAMS_APP}-{instance}",
        consumer_group_instance_id=f"{STREAMS_APP}-{instance}",
        datadir=str(data_dir),
        store="rocksdb://",
        Table=DurableTable,
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
        broker_commit_interval=commit_seconds,
        broker_session_timeout=session_seconds,
        # A member hears of others that join or leave with its next heartbeat.
        broker_heartbeat_interval=0.2,
        broker_max_poll_records=500,
        stream_buffer_maxsize=512,
        stream_wait_empty=True,
        table_standby_replicas=0,
    )


def _credentials(security: Security) -> Any:
    """Return how faust's own clients are let in; None where nobody asks."""
    context = security.tls.context() if security.tls else None
    if security.login:
        login = security.login
        return faust.SASLCredentials(
            username=login.username, password=login.password, mechanism=login.mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context=context) if context else None


def attach_agent(app: FaustApp, topic: str, guard: Guard, body: Body, limit: int) -> None:
    """Run `body` on each record of a topic, at most `limit` at a time."""
    work = lambda event: guard.run(GuardedEvent(_arrived(event), event.ack), body)  # noqa: E731  # it has no name of its own
    admission = Admission(app, InFlight(limit), work)
    app.admissions[topic] = admission

    async def consume(stream: Any) -> None:
        async for event in stream.noack().events():
            await admission.admit_waiting(event)

    channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    app.agent(channel, name=guard.stage)(consume)


def _arrived(event: Any) -> Arrived:
    message = event.message
    return Arrived(
        message.topic, message.partition, message.offset, message.key, message.value, headers_of(message.headers)
    )
