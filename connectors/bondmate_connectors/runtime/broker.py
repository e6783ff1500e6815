"""Whether the broker is there: said once when it goes, once when it is back, and waited for at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from bondmate_schemas.kafka import KafkaConfig
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from bondmate_connectors.contract import Status

_log = structlog.get_logger(__name__)
_ANSWER_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.5
QUIET: dict[str, Any] = {"log_level": 2}
"""librdkafka would write a line to stderr for every attempt; its errors come through callbacks."""


class BrokerWatch:
    """Know whether the broker answers; `report` tells every connector's health."""

    def __init__(self, kafka: KafkaConfig, report: Callable[[Status, str], None]) -> None:
        self._kafka = kafka
        self._report = report
        self._down = False
        self._told: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._probing: asyncio.Task[None] | None = None

    async def wait_for(self, topics: Iterable[str]) -> None:
        """Return when the broker answers and has all `topics`; says once what is waited for, however many wait."""
        admin = AdminClient({"bootstrap.servers": self._kafka.bootstrap, **self._kafka.extra, **QUIET})
        wanted = set(topics)
        while missing := await asyncio.to_thread(_missing, admin, wanted):
            if missing not in self._told:
                self._told.add(missing)
                _log.warning("waiting", what=missing, bootstrap=self._kafka.bootstrap)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        if self._told:
            self._told.clear()
            _log.info("waiting is over", bootstrap=self._kafka.bootstrap)

    def on_error(self, error: KafkaError) -> None:
        """Take an error of any client, from any thread."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  # the client's public name for it
            self._loop.call_soon_threadsafe(self._went_down)

    def _went_down(self) -> None:
        if not self._down:
            self._down = True
            self._report(Status.RECOVERABLE_ERROR, "the broker does not answer")
            self._probing = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        await self.wait_for(())
        self._down = False
        self._report(Status.OK, "the broker answers")

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)


def _missing(admin: AdminClient, wanted: set[str]) -> str:
    """Name what is not there: the broker, or topics; empty when all is."""
    try:
        found = admin.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException:
        return "broker"
    return " ".join(sorted(wanted - {name for name, topic in found.items() if topic.error is None}))
