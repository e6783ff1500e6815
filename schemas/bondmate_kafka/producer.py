"""Producers: the one place that builds them. `Outbox` writes from the event loop, `BlockingWriter` from a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from bondmate_schemas.catalogue import can_wait, is_for_destination
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bondmate_kafka.client import error_name, is_fatal
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.errors import NO_ANSWER, BrokerError
from bondmate_kafka.records import PARTITION_UA, Outgoing

_BUSY_SECONDS = 0.005
"""How often delivery reports are asked for while one is awaited; readers of the topic do not wait for them."""
_IDLE_SECONDS = 0.2
"""How often else: errors are told then too."""
_FAREWELL_SECONDS = 1.0
_GATHERED: Final[Mapping[str, Any]] = {
    # How long a record that can wait is kept back for others: a request costs broker and client more than a record.
    "linger.ms": 50,
    # Of the hub's own topics only; destinations read theirs with whatever client they have.
    "compression.type": "zstd",
}
Place = tuple[int, int]
"""Partition and offset of a record that was written."""


NOT_REPORTED: Final = "not_reported"
_NOT_ANSWERED: Final = frozenset({"_msg_timed_out", "_transport", "_all_brokers_down", NOT_REPORTED})


def open_producer(settings: Mapping[str, Any], on_delivery: Callable[[KafkaError | None, Message], None]) -> Producer:
    """Create a producer with librdkafka `settings`, as `KafkaConfig` gives them, that reports on all it writes."""
    return Producer({**settings, "on_delivery": on_delivery})


class NotWritten(Exception):
    """Kafka does not have the record, or did not say so; `code` is the client's constant name of the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Group:
    """Records that are waited for as one: `left` of them are on their way."""

    __slots__ = ("left", "report")

    def __init__(self, report: asyncio.Future[None], left: int) -> None:
        self.report = report
        self.left = left

    def done(self) -> bool:
        return self.report.done()

    def set_result(self, _: Place) -> None:
        self.left -= 1
        if not self.left:
            self.report.set_result(None)

    def set_exception(self, error: Exception) -> None:
        self.report.set_exception(error)


class _Line:
    """One producer, replaced when it can do no more."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._retired: list[Producer] = []
        self.producer = Producer(config)

    def ask(self) -> None:
        """Take the reports that are there."""
        try:
            for producer in (self.producer, *self._retired):
                producer.poll(0)
        finally:
            self._retired = [old for old in self._retired if len(old)]

    def name(self, error: KafkaError) -> str:
        """Return the constant name of `error`; after a fatal one there is a new producer."""
        if is_fatal(error):
            self._replace()
        return error_name(error)

    def _replace(self) -> None:
        """Take a new producer: after a fatal error (a broker that forgot our sequence) the old one only refuses."""
        self.producer.purge()
        self._retired.append(self.producer)
        self.producer = Producer(self._config)


class Outbox:
    """Send records with acks=all; an async context manager. Used from its event loop only.

    Alerts and what leads to their delivery go at once; what `can_wait` is gathered for a moment.
    The client library hands out delivery reports when it is asked. The loop asks, often while any is awaited: a thread
    that waits for them would take the interpreter's lock from the loop each time one comes.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        on_error: Callable[[KafkaError], None] = lambda _: None,
        pause_seconds: Callable[[int], float] = lambda _: 1.0,
    ) -> None:
        """Write with librdkafka settings `config`; `pause_seconds` follows the n-th failure of one record."""
        self._pause_seconds = pause_seconds
        at_once = {**config, "error_cb": on_error}
        self._at_once = _Line(at_once)
        self._gathering = _Line({**at_once, **_GATHERED})
        self._awaited = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_IDLE_SECONDS, self._ask)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Asked here too, never in a thread: reports end futures of this loop.
        end = self._loop.time() + _FAREWELL_SECONDS
        while self._awaited and self._loop.time() < end:  # noqa: ASYNC110  # a deadline, at the end only
            await asyncio.sleep(_BUSY_SECONDS)
        self._timer.cancel()

    def send(self, message: Outgoing, partition: int = PARTITION_UA) -> asyncio.Future[Place]:
        """Queue `message` and give the future of its delivery report; never blocks.

        Records of one key are written in the order of these calls; the key chooses the partition unless one is given.
        The future raises `NotWritten`.
        """
        report: asyncio.Future[Place] = self._loop.create_future()
        self._produce(message, message.partition if partition == PARTITION_UA else partition, report)
        return report

    def send_all(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        """Queue `messages` and give one future for all; else as `send`. It raises what befell the first of them."""
        report: asyncio.Future[None] = self._loop.create_future()
        group = _Group(report, len(messages))
        if not messages:
            report.set_result(None)
        for message in messages:
            self._produce(message, message.partition, group)
        return report

    async def persist(self, message: Outgoing, refused: Callable[[str], None] = lambda _: None) -> None:
        """Return when Kafka has `message`; tries for ever, and calls `refused` with the code of each failure."""
        attempt = 0
        while True:
            try:
                await self.send(message)
            except NotWritten as error:
                attempt += 1
                refused(error.code)
            else:
                return
            await asyncio.sleep(self._pause_seconds(attempt))

    def _produce(self, message: Outgoing, partition: int, report: asyncio.Future[Place] | _Group) -> None:
        gathers = can_wait(message.topic) and not is_for_destination(message.topic)
        line = self._gathering if gathers else self._at_once

        def delivered(error: KafkaError | None, written: Message) -> None:
            self._awaited -= 1
            if report.done():  # whoever waited was cancelled, or heard of another record of the group
                return
            if error is None:
                report.set_result((written.partition() or 0, written.offset() or 0))
            else:
                report.set_exception(NotWritten(line.name(error)))

        try:
            line.producer.produce(
                message.topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                partition=partition,
                on_delivery=delivered,
            )
        except BufferError:
            self._refused(report, NotWritten("queue_full"))
        except KafkaException as error:
            self._refused(report, NotWritten(line.name(error.args[0])))
        else:
            self._awaited += 1
            if self._awaited == 1:
                self._timer.cancel()
                self._timer = self._loop.call_later(_BUSY_SECONDS, self._ask)

    @staticmethod
    def _refused(report: asyncio.Future[Place] | _Group, error: NotWritten) -> None:
        if not report.done():
            report.set_exception(error)

    def _ask(self) -> None:
        """Take the reports that are there, and come back."""
        try:
            self._at_once.ask()
            self._gathering.ask()
        finally:
            self._timer = self._loop.call_later(_BUSY_SECONDS if self._awaited else _IDLE_SECONDS, self._ask)


class BlockingWriter:
    """Writes with acks=all and waits for the broker's word on each record."""

    def __init__(self, kafka: KafkaConfig, client_id: str, wait_seconds: float = 30.0) -> None:
        settings = {**kafka.producer(client_id), **QUIET, "message.timeout.ms": int(wait_seconds * 1000)}
        self._producer = Producer(settings)

    def write(self, messages: Sequence[Outgoing]) -> list[str | None]:
        """Write all; return for each None when the broker has it, else the constant name of why not."""
        codes: list[str | None] = [NOT_REPORTED] * len(messages)
        for place, message in enumerate(messages):
            try:
                self._producer.produce(
                    message.topic, message.value, message.key, message.partition, headers=list(message.headers),
                    on_delivery=partial(_reported, codes, place),
                )  # fmt: skip
            except KafkaException as error:
                codes[place] = error_name(error.args[0])
            except BufferError:
                codes[place] = "queue_full"
        self._producer.flush()
        return codes


def _reported(codes: list[str | None], place: int, error: KafkaError | None, _: Message) -> None:
    codes[place] = None if error is None else error_name(error)


def not_written(topic: str, code: str) -> BrokerError:
    """Return the error of a record that a `BlockingWriter` could not write, in words for a person."""
    if code in _NOT_ANSWERED:
        return BrokerError(NO_ANSWER)
    return BrokerError(f"topic {topic}: the broker refused ({code.upper()}); run `hub topics diff`")
