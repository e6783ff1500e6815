"""Write to Kafka from the event loop: one producer of the process, whose delivery reports become futures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bondmate_schemas.catalogue import can_wait
from bondmate_schemas.kafka import is_fatal

_BUSY_SECONDS = 0.005
"""How often delivery reports are asked for while one is awaited; readers of the topic do not wait for them."""
_IDLE_SECONDS = 0.2
"""How often else: errors are told then too."""
_FAREWELL_SECONDS = 1.0
_GATHER_MS = 50
"""How long a record that can wait is kept back for others: a request costs broker and client more than a record."""
PARTITION_UA = -1
"""librdkafka's word for: the key chooses the partition."""
Headers = Sequence[tuple[str, bytes | None]]
Place = tuple[int, int]
"""Partition and offset of a record that was written."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write."""

    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    partition: int = PARTITION_UA


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
        """Give the constant name of `error`; after a fatal one there is a new producer."""
        if is_fatal(error):
            self._replace()
        return str(error.name()).lower()

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

    def __init__(self, config: Mapping[str, Any], on_error: Callable[[KafkaError], None] = lambda _: None) -> None:
        at_once = {**config, "error_cb": on_error}
        self._at_once = _Line(at_once)
        self._gathering = _Line({**at_once, "linger.ms": _GATHER_MS})
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

    def _produce(self, message: Outgoing, partition: int, report: asyncio.Future[Place] | _Group) -> None:
        line = self._gathering if can_wait(message.topic) else self._at_once

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
