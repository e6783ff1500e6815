"""Incidents: state kept, events told to destinations, their receipts taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from bondmate_kafka.records import Arrived, Headers, utc_now
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.catalogue import INCIDENT_LINKS, INCIDENT_RECEIPTS, INCIDENTS, RECEIPTS, STATE_INCIDENTS, key_of
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent, IncidentLink, IncidentMemory
from bondmate_schemas.refusals import said_by

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.known_links import KnownLinks
from bondmate_streams.agents.message_receipts import MessageReceipts
from bondmate_streams.errors import BadEventError
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic import incidents, links
from bondmate_streams.logic.echoes import AlertNamed, answer_of
from bondmate_streams.logic.incidents import IncidentOutcome
from bondmate_streams.logic.life_cycle import REFUSED
from bondmate_streams.logic.links import LinkOutcome
from bondmate_streams.logic.outside import with_keys


@dataclass(eq=False)
class Incidents:
    """Owns the table `incidents`."""

    context: AgentContext
    table: RecordTable[IncidentMemory]
    known: KnownLinks
    message_receipts: MessageReceipts
    alert_named: AlertNamed

    async def event(self, arrived: Arrived) -> InTurn:
        """Take one event of an incident."""
        said = await self.context.read(arrived, IncidentEvent)
        try:
            event = self.context.returned(said)
        except BadEventError as error:
            await self._refuse(said_by(said), str(error))
        if answer := answer_of(event, self.context.agreements.outside, self.alert_named):
            return self.context.in_turn(arrived, event, partial(self._echo, answer, arrived.headers), said=said)
        return self.context.in_turn(arrived, event, partial(self._take, event, arrived.headers), said=said)

    async def _echo(self, answer: DeliveryReceipt, cause: Headers) -> str:
        """Hand on what says an alert of ours again, to that alert."""
        await self.context.send(RECEIPTS, answer.header.event_id, answer, cause)
        return "repeats_alert"

    async def link(self, arrived: Arrived) -> InTurn:
        """Take what a message belongs to, or an event that was handed on to here."""
        news = await self.context.read(arrived, IncidentLink)
        return self.context.in_turn(arrived, news, partial(self._learn, news, arrived.headers))

    async def learn(self, link: IncidentLink, cause: Headers) -> None:
        """Learn what a message belongs to: at once where its partition is ours, else by the topic.

        Not to be called by who holds the lock of an incident: it takes one.
        """
        with self.known.in_partition_of(link.message_id) as ours:
            if ours:
                outcome = await self._learn(link, cause)
                AGENT_EVENTS.labels("incident-links", outcome).inc()
                return
        await self._announce(link, cause)

    async def _learn(self, news: IncidentLink, cause: Headers) -> str:
        outcome = ""
        if news.targets:
            async with self.context.locks.holding("incidents", news.message_id):
                met = links.learn(self.known.get(news.message_id), news, utc_now())
                await self._hand_on(met, cause)
                outcome = met.outcome
        refused: BadEventError | None = None
        for event in news.events:
            try:
                outcome = await self._take(event, cause, news.hops)
            except BadEventError as error:
                refused = error
        if refused is not None:
            raise refused
        return outcome

    async def _take(self, event: IncidentEvent, cause: Headers, hops: int = 0) -> str:
        key = key_of(INCIDENTS, event)
        async with self.context.locks.holding("incidents", key):
            memory = self.table.get(key)
            # What neither refers to anything nor can be referred to is of no chain.
            of_chain = event.refers_to or event.header.event_id == event.header.message_id
            link = self.known.get(event.header.event_id) if of_chain else None
            met = links.meet(event, memory, link, hops, utc_now())
            await self._hand_on(met, cause)
            if met.event is None:
                return met.outcome
            decisions = self.context.routing.route(incidents.placed(met.event, memory))
            decisions += incidents.staying(met.event, memory, decisions, self.context.routing.by_place)
            taken = incidents.take(memory, met.event, decisions, utc_now())
            if taken.outcome in REFUSED:
                await self._refuse(said_by(met.event), taken.outcome)
            if taken.notifications and (link := links.announced_event(met.event)):
                # Before anybody is told. An answer that overtakes it all the same is of an unknown incident.
                await self._announce(link, cause)
            await self._settle(key, self._keyed(taken, memory), cause)
        return met.outcome or taken.outcome

    async def _announce(self, link: IncidentLink, cause: Headers) -> None:
        await self.context.send(INCIDENT_LINKS, link.message_id, link, cause)

    async def _hand_on(self, met: LinkOutcome, cause: Headers) -> None:
        """Pass on what goes on elsewhere before it is remembered here: after a crash it is passed on again."""
        pack = self.context.envelopes.pack
        outgoing = [pack(INCIDENT_LINKS, link.message_id, link, cause) for link in met.handed_on]
        outgoing += [pack(RECEIPTS, receipt.header.event_id, receipt, cause) for receipt in met.receipts]
        await self.context.writer.send(*outgoing)
        if met.link is not None:
            await self.known.put(met.link)

    async def receipt(self, arrived: Arrived) -> InTurn:
        """Take one receipt of an event of an incident."""
        receipt = await self.context.read(arrived, DeliveryReceipt)
        return self.context.in_turn(arrived, receipt, partial(self._receive, receipt, arrived))

    async def _receive(self, receipt: DeliveryReceipt, arrived: Arrived) -> str:
        key = key_of(arrived.topic, receipt)
        async with self.context.locks.holding("incidents", key):
            memory = self.table.get(key)
            if memory is None and (found := links.to_incident(receipt, self.known.get(key))):
                at_home = key_of(arrived.topic, found)
                await self.context.send(INCIDENT_RECEIPTS, at_home, found, arrived.headers)
                return "handed_on"
            taken = incidents.receive(memory, receipt, utc_now())
            if taken.outcome in REFUSED:
                await self._refuse(receipt, taken.outcome)
            if memory is not None and (link := links.announced_answer(receipt)):
                await self._announce(link, arrived.headers)
            await self._settle(key, taken, arrived.headers)
        return taken.outcome

    async def _refuse(self, said: DeliveryReceipt, code: str) -> NoReturn:
        """Refuse what somebody said, and let its sender know; raises what dead-letters it."""
        await self.context.tell(*self.message_receipts.refusal(said, code))
        raise BadEventError(code)

    def _keyed(self, taken: IncidentOutcome, before: IncidentMemory | None) -> IncidentOutcome:
        """Return what was taken, with the keys of the ids of destinations that hear of the incident first."""
        if taken.memory is None:
            return taken
        state, old = taken.memory.state, before.state.destinations if before else ()
        destinations = with_keys(old, state.destinations, self.context.agreements.outside)
        keyed = state.model_copy(update={"destinations": destinations})
        return replace(taken, memory=taken.memory.model_copy(update={"state": keyed}))

    async def _settle(self, key: str, taken: IncidentOutcome, cause: Headers) -> None:
        if taken.memory is None:
            return
        outgoing = self.context.deliveries(taken.notifications, taken.memory.state.destinations)
        outgoing.append(self.context.envelopes.pack(STATE_INCIDENTS, key, taken.memory.state, cause))
        # Told before it is remembered: after a crash in between it is told again, under the same ids.
        await self.context.tell(outgoing, self.context.entries(taken.notifications))
        await self.table.put(key, taken.memory)
