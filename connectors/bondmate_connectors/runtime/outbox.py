"""The outbox of the runner: what must be written is tried until Kafka has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from bondmate_schemas import outbox
from bondmate_schemas.outbox import Headers, NotWritten, Outgoing
from confluent_kafka import KafkaError

from bondmate_connectors.runtime.retry import Backoff

__all__ = ["Headers", "NotWritten", "Outbox", "Outgoing"]


class Outbox(outbox.Outbox):
    """Send records with acks=all; an async context manager. Used from its event loop only."""

    def __init__(
        self, config: Mapping[str, Any], on_error: Callable[[KafkaError], None], backoff: Backoff | None = None
    ) -> None:
        super().__init__(config, on_error)
        self._backoff = backoff or Backoff()

    async def persist(self, message: Outgoing, refused: Callable[[str], None] = lambda _: None) -> None:
        """Return when Kafka has `message`; tries for ever, tells each failure's code to `refused`."""
        attempt = 0
        while True:
            try:
                await self.send(message)
            except NotWritten as error:
                attempt += 1
                refused(error.code)
            else:
                return
            await asyncio.sleep(self._backoff.seconds(attempt))
