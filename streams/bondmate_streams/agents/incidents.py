"""Incidents: state kept, events told to destinations, their receipts taken."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bondmate_schemas.catalogue import STATE_INCIDENTS, key_of
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent, IncidentMemory

from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.message_receipts import MessageReceipts
from bondmate_streams.agents.tables import Ledger
from bondmate_streams.envelopes import Arrived, Headers, utc_now
from bondmate_streams.guard import BadEventError, InTurn, both
from bondmate_streams.lanes import KeyLocks
from bondmate_streams.logic import incidents
from bondmate_streams.logic.incidents import Taken
from bondmate_streams.logic.life_cycle import REFUSED
from bondmate_streams.logic.outside import with_keys


class Incidents:
    """Owns the table `incidents`."""

    def __init__(
        self,
        desk: Desk,
        table: Ledger[IncidentMemory],
        locks: KeyLocks,
        audit: AuditWriter,
        message_receipts: MessageReceipts,
    ) -> None:
        self._desk = desk
        self._table = table
        self._locks = locks
        self._audit = audit
        self._message_receipts = message_receipts

    async def event(self, arrived: Arrived) -> InTurn:
        """Take one event of an incident."""
        said = await self._desk.read(arrived, IncidentEvent)
        event = self._desk.returned(said)
        return self._desk.in_turn(arrived, event, partial(self._take, event, arrived), said=said)

    async def _take(self, event: IncidentEvent, arrived: Arrived) -> str:
        key = key_of(arrived.topic, event)
        async with self._locks.holding("incidents", key):
            memory = self._table.get(key)
            taken = incidents.take(memory, event, self._desk.route(event), utc_now())
            await self._settle(key, self._keyed(taken, memory), arrived.headers)
        return taken.outcome

    async def receipt(self, arrived: Arrived) -> InTurn:
        """Take one receipt of an event of an incident."""
        receipt = await self._desk.read(arrived, DeliveryReceipt)
        return self._desk.in_turn(arrived, receipt, partial(self._receive, receipt, arrived))

    async def _receive(self, receipt: DeliveryReceipt, arrived: Arrived) -> str:
        key = key_of(arrived.topic, receipt)
        async with self._locks.holding("incidents", key):
            taken = incidents.receive(self._table.get(key), receipt, utc_now())
            if taken.outcome in REFUSED:
                outgoing, entries = self._message_receipts.refusal(receipt, taken.outcome)
                await both(self._desk.outbox.send(*outgoing), self._audit.write(*entries))
                raise BadEventError(taken.outcome)
            await self._settle(key, taken, arrived.headers)
        return taken.outcome

    def _keyed(self, taken: Taken, before: IncidentMemory | None) -> Taken:
        """Return what was taken, with the keys of the ids of destinations that hear of the incident first."""
        if taken.memory is None:
            return taken
        state, old = taken.memory.state, before.state.destinations if before else ()
        destinations = with_keys(old, state.destinations, self._desk.agreements.outside)
        keyed = state.model_copy(update={"destinations": destinations})
        return replace(taken, memory=taken.memory.model_copy(update={"state": keyed}))

    async def _settle(self, key: str, taken: Taken, cause: Headers) -> None:
        if taken.memory is None:
            return
        outgoing = self._desk.deliveries(taken.tellings, taken.memory.state.destinations)
        outgoing.append(self._desk.envelopes.pack(STATE_INCIDENTS, key, taken.memory.state, cause))
        # Told before it is remembered: after a crash in between it is told again, under the same ids.
        await both(self._desk.outbox.send(*outgoing), self._audit.write(*self._desk.entries(taken.tellings)))
        await self._table.put(key, taken.memory)
