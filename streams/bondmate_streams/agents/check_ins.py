"""Watches the check-ins that are due, and raises the alert of each that does not come; see `logic/check_ins.py`.

They stand on a compacted topic that every worker reads, so that none is lost with a device, a gateway or a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Final

from bondmate_kafka.records import Outgoing, utc_now
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.catalogue import CHECK_INS, DEVICE_ALERTS
from bondmate_schemas.check_ins import after
from bondmate_schemas.codec import SchemaUnavailableError
from bondmate_schemas.models import CheckIn

from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.context import AgentContext, decoded
from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.logic.check_ins import ANYBODY_AFTER, DONE_KEPT, Done, missed

_LOOK_SECONDS: Final = 0.5


class CheckIns:
    """What is due, by the id of the alert that it becomes."""

    def __init__(self, context: AgentContext, owned: OwnedPartitions, config: StreamsConfig) -> None:
        """Raise those of the partitions `owned`, which are those of device alerts, and late ones of any."""
        self._context = context
        self._owned = owned
        self._view = TopicView(config.kafka, f"bondmate-check-ins-{config.instance}", (CHECK_INS,), self.see)
        self._due: dict[str, CheckIn] = {}
        self._done: dict[str, Done] = {}
        self._overtaken: set[str] = set()
        """What is due no more, while the newest record of the topic says that it is."""

    def see(self, seen: Seen) -> None:
        """Take what a device said; called in the thread of the view, so each change is one step of a dict."""
        said = None if seen.value is None else decoded(self._context.codec, seen.value, CheckIn)
        if seen.value is not None and said is None:
            return
        known, done = self._due.get(seen.key), self._done.get(seen.key)
        if said and done and done.overtook(said):
            self._overtaken.add(seen.key)
            return
        left = after(known, said) if said else None
        self._overtaken.discard(seen.key)
        if said and said.done and left is None:
            self._done[seen.key] = Done.of(said, seen.value or b"")
        elif left is not None:
            self._done.pop(seen.key, None)  # said anew since
        if left is None:
            self._due.pop(seen.key, None)
        else:
            self._due[seen.key] = left

    async def watch(self) -> None:
        """Raise what was missed, until cancelled."""
        self._view.start()
        try:
            while True:
                await self.look(utc_now())
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await asyncio.to_thread(self._view.stop)

    async def look(self, now: datetime) -> None:
        """Raise the alert of each check-in that is due by `now`; say again what came, where that was overtaken."""
        for event_id, done in list(self._done.items()):
            if event_id in self._overtaken:
                await self._say_again(event_id, done)
            if now - done.at >= DONE_KEPT:
                self._done.pop(event_id, None)
                self._overtaken.discard(event_id)
        for event_id, due in list(self._due.items()):
            # What is said last may stand behind it, until all has been read.
            if due.due_at <= now and self._view.caught_up:
                with self._owned.in_partition_of(due.device_id) as ours:
                    if ours or now - due.due_at >= ANYBODY_AFTER:
                        await self._raise(event_id, due, now)

    async def _say_again(self, event_id: str, done: Done) -> None:
        """Write once more that it came, since of a key the newest record alone is kept."""
        with self._owned.in_partition_of(done.device_id) as ours, contextlib.suppress(BrokerUnavailableError):
            if ours:
                await self._context.writer.send(Outgoing(CHECK_INS, event_id.encode(), done.record, ()))
                self._overtaken.discard(event_id)

    async def _raise(self, event_id: str, due: CheckIn, now: datetime) -> None:
        alert = self._context.envelopes.pack(DEVICE_ALERTS, due.device_id, missed(due, now))
        try:
            # The alert first: killed in between, it is raised again under the same id, which makes no second one.
            await self._context.writer.send(alert)
            await self._context.writer.send(Outgoing(CHECK_INS, event_id.encode(), None, ()))
        except (BrokerUnavailableError, SchemaUnavailableError):
            return  # at the next look
        if self._due.get(event_id) is due:
            del self._due[event_id]
        AGENT_EVENTS.labels("check-ins", "missed").inc()
