"""Watches how the connectors say they are, and pages operations for one that is silent, failed or long away."""

from __future__ import annotations

import asyncio
from typing import Final

from bondmate_kafka.records import utc_now
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import STATE_CONNECTORS
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_schemas.models import ConnectorStatus

from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.logic.pages import page_of_connector, trouble_of

_LOOK_SECONDS: Final = 1.0


class ConnectorWatch:
    """The last status of each connector; one worker pages for all."""

    def __init__(self, context: AgentContext, owned: OwnedPartitions, config: StreamsConfig) -> None:
        """Page while its first partition is among `owned`."""
        self._context = context
        self._owned = owned
        self._view = TopicView(config.kafka, f"bondmate-connectors-{config.instance}", (STATE_CONNECTORS,), self._see)
        self._said: dict[str, bytes] = {}
        self._paged: dict[str, str] = {}
        """The page of each connector that is in trouble, by its name."""

    def _see(self, seen: Seen) -> None:
        if seen.value is None:
            self._said.pop(seen.key, None)
        else:
            self._said[seen.key] = seen.value

    async def run(self) -> None:
        """Watch, until cancelled."""
        self._view.start()
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                if self._view.caught_up and self._owned.has_first:
                    for value in list(self._said.values()):
                        await self._look(value)
        finally:
            await asyncio.to_thread(self._view.stop)

    async def _look(self, value: bytes) -> None:
        now = utc_now()
        try:
            status = self._context.codec.decode(value, ConnectorStatus)
            reason = trouble_of(status, now)
            if reason is None:
                self._paged.pop(status.connector, None)
                return
            page = page_of_connector(status, reason, now)
            if self._paged.get(status.connector) != page.page_id:
                await self._context.writer.send(self._context.page(page))
                self._paged[status.connector] = page.page_id
        except (CodecError, SchemaUnavailableError, BrokerUnavailableError):
            return  # of another version of the hub, or at the next look
