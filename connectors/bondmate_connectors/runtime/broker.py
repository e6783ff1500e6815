"""Whether the broker is there: said once when it goes, once when it is back, and waited for at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog
from bondmate_kafka.admin import admin_client
from bondmate_kafka.admin import missing as missing_of
from bondmate_kafka.client import KafkaError, Refusals, is_no_broker
from bondmate_kafka.config import KafkaConfig

from bondmate_connectors.contract import Status

_log = structlog.get_logger(__name__)
_ANSWER_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.5


class BrokerWatch:
    """Whether the broker answers; `report` puts it into every connector's health."""

    def __init__(self, kafka: KafkaConfig, report: Callable[[Status, str], None]) -> None:
        self._kafka = kafka
        self._report = report
        self._down = False
        self._refusals = Refusals()
        self._told: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._probing: asyncio.Task[None] | None = None

    async def wait_for(self, topics: Iterable[str]) -> None:
        """Return when the broker answers and has all `topics`; says once what is waited for, however many wait."""
        admin = admin_client(self._kafka)
        wanted = set(topics)
        while missing := await asyncio.to_thread(missing_of, admin, wanted, _ANSWER_SECONDS):
            if missing not in self._told:
                self._told.add(missing)
                _log.warning("waiting", what=missing, bootstrap=self._kafka.bootstrap)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        if self._told:
            self._told.clear()
            _log.info("waiting is over", bootstrap=self._kafka.bootstrap)

    def on_error(self, error: KafkaError) -> None:
        """Take an error of any client, from any thread."""
        self._refusals.note(error)
        if is_no_broker(error):
            self._loop.call_soon_threadsafe(self._went_down)

    def _went_down(self) -> None:
        if not self._down:
            self._down = True
            self._report(Status.RECOVERABLE_ERROR, self._refusals.why or "the broker does not answer")
            self._probing = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        await self.wait_for(())
        self._down = False
        self._refusals.why = ""
        self._report(Status.OK, "the broker answers")

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
