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
        """The page of each connector in each process that is in trouble there, by its key."""

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
                    for status in self._newest():
                        await self._look(status)
        finally:
            await asyncio.to_thread(self._view.stop)

    def _newest(self) -> list[ConnectorStatus]:
        """Return what was said last of each connector in each process; before release 0.3 the key named no process."""
        found: dict[str, ConnectorStatus] = {}
        for value in list(self._said.values()):
            try:
                status = self._context.codec.decode(value, ConnectorStatus)
            except (CodecError, SchemaUnavailableError):
                continue  # of another version of the hub, or at the next look
            known = found.get(status.connector_in_process)
            if known is None or known.reported_at < status.reported_at:
                found[status.connector_in_process] = status
        return list(found.values())

    async def _look(self, status: ConnectorStatus) -> None:
        now, key = utc_now(), status.connector_in_process
        reason = trouble_of(status, now)
        if reason is None:
            self._paged.pop(key, None)
            return
        page = page_of_connector(status, reason, now)
        if self._paged.get(key) == page.page_id:
            return
        try:
            await self._context.writer.send(self._context.page(page))
        except (CodecError, SchemaUnavailableError, BrokerUnavailableError):
            return  # at the next look
        self._paged[key] = page.page_id
