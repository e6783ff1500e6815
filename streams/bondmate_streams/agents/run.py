"""Run the stream processors in a loop of the caller's, without faust's own program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from bondmate_kafka.admin import admin_client, partition_counts
from bondmate_kafka.client import KafkaException
from bondmate_kafka.errors import BrokerError
from bondmate_schemas import catalogue
from bondmate_schemas.codec import RECORDS, Codec, SchemaUnavailableError

from bondmate_streams.agents.app import Streams, chain_writer, create_app
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.faust_adapter.application import FaustApp

_log = structlog.get_logger(__name__)
_ASK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 3.0
_MARKS_SECONDS: Final = 5.0
T = TypeVar("T")


class StreamsFailedError(RuntimeError):
    """The worker crashed; start the process again under the same instance: nothing is lost."""


async def run_streams(
    config: StreamsConfig,
    stop: asyncio.Event,
    on_ready: Callable[[], object] = lambda: None,
    on_wait: Callable[[str], object] = lambda _: None,
) -> None:
    """Run until `stop` is set, then end what is in hand, commit, and return; `on_ready` is called once events flow.

    Broker, registry or topics that are not there are waited for; `on_wait` is told for what, and the log once. One
    worker a process and data folder.

    Raises:
        StreamsFailedError: faust gave up; end the process and start another.
    """
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ready = asyncio.create_task(_prepared(config, on_wait))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([ready, stopped], return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            streams = await ready
            async with streams.writer:
                on_wait("reads its tables")
                await _serve(config, streams, stop, on_ready)
    finally:
        ready.cancel()
        stopped.cancel()


async def _prepared(config: StreamsConfig, on_wait: Callable[[str], object]) -> Streams:
    codec = Codec(config.ids())
    partitions = await _answered(
        "streams wait for the broker", on_wait, lambda: _partitions(config), BrokerError, UnreadyTopicsError
    )
    await _answered("streams wait for the schema registry", on_wait, lambda: _learn(codec), SchemaUnavailableError)
    chain = await _answered(
        "streams wait for the audit trail",
        on_wait,
        lambda: chain_so_far(config.kafka, codec, chain_writer(config)),
        KafkaException,
        SchemaUnavailableError,
    )
    return create_app(config, codec, chain, partitions)


async def _serve(config: StreamsConfig, streams: Streams, stop: asyncio.Event, on_ready: Callable[[], object]) -> None:
    app = streams.app
    audit = asyncio.create_task(streams.audit.run())
    assert app.copies is not None, "the agents were put together with their copies"
    beside = [asyncio.create_task(app.copies.run())]
    streams.last_locations.start()
    streams.marks.start()
    _log.info("streams read their tables before they join", instance=config.instance)
    try:
        await _until(stop, [asyncio.create_task(app.copies.wait_caught_up())], beside)
        if not stop.is_set():
            # Who is under duress is known before the first press is taken; a broker that is slow holds nobody up.
            await asyncio.to_thread(streams.marks.wait_caught_up, _MARKS_SECONDS)
            await app.start()
            beside += [asyncio.create_task(work()) for work in streams.beside]
            beside.append(asyncio.create_task(_call_when_ready(app, on_ready)))
            _log.info("streams started", instance=config.instance)
            await _until(stop, [asyncio.create_task(app.wait_until_stopped())], [audit, *beside])
            await app.drain(config.drain_seconds)
            await app.leave()
    finally:
        for task in beside:
            task.cancel()
        await _end(streams)
        audit.cancel()
        await asyncio.gather(audit, *beside, return_exceptions=True)
        for view in (streams.last_locations, streams.marks):
            await asyncio.to_thread(view.stop)
    if app.crash_reason is not None:
        raise StreamsFailedError(type(app.crash_reason).__name__) from app.crash_reason
    _log.info("streams stopped", instance=config.instance)


async def _end(streams: Streams) -> None:
    if streams.app.started:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await streams.app.stop()
        except TimeoutError:
            # What was done is committed, or no broker takes it: then it comes again.
            _log.warning("streams are ended without waiting for the broker")
    for table in streams.tables:
        table.close()


async def _until(stop: asyncio.Event, ends: Sequence[asyncio.Task[Any]], beside: Sequence[asyncio.Task[None]]) -> None:
    """Wait for `stop`, for one of `ends`, or for a task beside them to fail."""
    waiting = [asyncio.create_task(stop.wait()), *ends]
    try:
        done, _ = await asyncio.wait([*waiting, *beside], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    for task in done.intersection(beside):
        await task


async def _call_when_ready(app: FaustApp, on_ready: Callable[[], object]) -> None:
    """Call `on_ready` once the tables are built; then stay: the end of a task beside the worker ends the worker."""
    await app.wait_tables_built()
    on_ready()
    await asyncio.Event().wait()


class UnreadyTopicsError(RuntimeError):
    """Topics of the catalogue are not there yet, or not alike: provisioning makes them."""


def _partitions(config: StreamsConfig) -> int:
    """Return how many partitions the topics have; tables go by partition, so all must have as many."""
    there = partition_counts(admin_client(config.kafka), _ASK_SECONDS)
    wanted = {topic.name: topic for topic in catalogue.topics(destinations=config.routes.destinations)}
    if missing := sorted(set(wanted) - set(there)):
        raise UnreadyTopicsError(f"{len(missing)} topics are missing, {missing[0]} among them; hub topics apply")
    counts = {there[name]: name for name, topic in wanted.items() if topic.partitions > 1}
    if len(counts) > 1:
        raise UnreadyTopicsError(f"topics differ in their number of partitions: {', '.join(counts.values())}")
    return next(iter(counts))


def _learn(codec: Codec) -> None:
    for record in RECORDS:
        codec.learn(record)


async def _answered(
    event: str, on_wait: Callable[[str], object], ask: Callable[[], T], *refusals: type[Exception]
) -> T:
    said = False
    while True:
        try:
            return await asyncio.to_thread(ask)
        except refusals as error:
            is_ours = isinstance(error, UnreadyTopicsError | BrokerError | SchemaUnavailableError)
            why = str(error) if is_ours else ""
            on_wait(": ".join(filter(None, (event, why))))
            if not said:
                _log.warning(event, error=type(error).__name__, why=why)
            said = True
        await asyncio.sleep(_AGAIN_SECONDS)
