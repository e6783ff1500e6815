"""The life of alerts: changes told to destinations, receipts taken, closings passed on, open ones told again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import Arrived, Headers, Outgoing, utc_now
from bondmate_monitoring.metrics import AGENT_EVENTS, ALERT_LEVEL_SECONDS, ALERT_LEVELS
from bondmate_schemas.catalogue import (
    ALERT_CHANGES,
    ALERT_STANDINGS,
    INCIDENT_RECEIPTS,
    MESSAGES,
    key_of,
)
from bondmate_schemas.device_alert_ids import is_hidden
from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, IncidentLink

from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.following import Following
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.message_receipts import MessageReceipts
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.agents.silence import Silence
from bondmate_streams.errors import BadEventError, NotNowError
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.record_writer import gather_both
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic import crossing, heard, late_rooms, others, starting, states, timers
from bondmate_streams.logic.answers import is_of_incident
from bondmate_streams.logic.audit import Entry
from bondmate_streams.logic.deliveries import Telling
from bondmate_streams.logic.late_rooms import with_held
from bondmate_streams.logic.life_cycle import CLOSED, REFUSED
from bondmate_streams.logic.links import announced_answer
from bondmate_streams.logic.officer import answer
from bondmate_streams.logic.outside import with_keys
from bondmate_streams.logic.real import taken_as_real
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, in_order

_AT_A_TIME = 200
"""Alerts that time has come for, told side by side."""
_REPEATS = frozenset({"repeat", "repeated_end"})
"""What is remembered once more before it is told once more: a worker may have died between the two."""
_ENDS = frozenset({"closed", "closed_by_operations", "repeated_end"})
"""What is remembered before it is told: of an end that is only told, the next worker knows nothing and tells on."""


class AlertLife:
    """Owns the table `alerts`."""

    def __init__(
        self,
        *,
        desk: Desk,
        alerts: RecordTable[AlertState],
        locks: KeyLocks,
        audit: AuditWriter,
        open_alerts: OpenAlerts,
        known: KnownDevices,
        owned: OwnedPartitions,
        silence: Silence,
        message_receipts: MessageReceipts,
        learn: Callable[[IncidentLink, Headers], Awaitable[None]],
        rooms: Rooms,
        following: Following,
    ) -> None:
        self._desk = desk
        self._alerts = alerts
        self._locks = locks
        self._audit = audit
        self._open = open_alerts
        self._known = known
        self._owned = owned
        self._silence = silence
        self._message_receipts = message_receipts
        self._learn = learn
        self._rooms = rooms
        self._following = following
        self._rebuilding: asyncio.Task[None] | None = None
        self._confirm_to = frozenset(
            name for name, destination in desk.routes.destinations.items() if destination.tell_own_closing
        )

    async def change(self, arrived: Arrived) -> InTurn:
        """Take one change of an alert."""
        alert = await self._desk.read(arrived, DeviceAlert)
        return self._desk.in_turn(arrived, alert, partial(self.begin, alert, arrived.headers))

    async def begin(self, alert: DeviceAlert, cause: Headers) -> str:
        """Take one change of an alert that lies in our partitions; `cause` are the headers of what led to it."""
        async with self._locks.holding("alerts", alert.header.event_id):
            state = self._alerts.get(alert.header.event_id)
            decisions, escalation = (self._desk.route(alert), []) if state is None else self._desk.of_known(state)
            held = self._desk.held(alert) if state is None else ()
            # By its own mode and agency, which no change of it has another of.
            further: Sequence[Decision] = ()
            if state is not None and states.asks_routes_again(state, alert):
                merged = states.merged_with(state, alert)
                further, held = self._desk.quietly(merged), self._desk.held(merged)
            step = states.change(state, alert, decisions, utc_now(), further=further, escalation=escalation)
            step = with_held(self._keyed(step, state), held)
            telling = self._telling(step, cause)
            if step.state is not None and (step.state != state or step.outcome in _REPEATS):
                # A receipt must find its alert.
                await self._remember_and_tell(step.state, decisions, telling)
            else:
                await self._tell(telling)
        return step.outcome

    async def receipt(self, arrived: Arrived) -> InTurn:
        """Take one receipt."""
        said = await self._desk.read(arrived, DeliveryReceipt)
        try:
            receipt = self._desk.returned(said)
        except BadEventError as error:
            await self._tell(self._message_receipts.refusal(said, str(error)))
            raise
        return self._desk.in_turn(arrived, receipt, partial(self._receive, receipt, arrived), said=said)

    async def _receive(self, receipt: DeliveryReceipt, arrived: Arrived) -> str:
        event_id = receipt.header.event_id
        async with self._locks.holding("alerts", event_id):
            state = self._alerts.get(event_id)
            if state is None:
                return await self._other(receipt, arrived)
            decisions, escalation = self._desk.of_known(state)
            step = heard.receive(
                state, receipt, self._confirm_to, decisions, utc_now(), rooms=self._rooms, escalation=escalation,
                other=self._other_alert(receipt),
            )  # fmt: skip
            step = self._keyed(replace(step, state=taken_as_real(step.state, self._rooms)), state)
            if step.outcome in REFUSED:
                await self._tell(self._message_receipts.refusal(receipt, step.outcome))
                raise BadEventError(step.outcome)
            telling = self._telling(step, arrived.headers)
            if step.refused:
                refusal, entries = self._message_receipts.refusal(receipt, step.refused)
                telling = [*telling[0], *refusal], [*telling[1], *entries]
            if step.state is not None and step.outcome in _ENDS:
                await self._remember_and_tell(step.state, decisions, telling)
            else:
                # Told before it is remembered: what a level leads to is told only when it rises.
                await self._tell(telling)
                if step.state is not None and step.state != state:
                    self._note(step.state, self._desk.of_known(step.state)[0])
                    await self._alerts.put(event_id, step.state)
        if link := announced_answer(receipt):
            await self._learn(link, arrived.headers)
        _count(step, receipt)
        if step.refused:
            raise BadEventError(step.refused)
        return step.outcome

    def _other_alert(self, receipt: DeliveryReceipt) -> AlertState | None:
        """Return the alert that a room links one to, by our copy where it is another worker's."""
        if not receipt.link_to:
            return None
        return self._alerts.at(partition_of(receipt.link_to.encode(), self._alerts.partitions), receipt.link_to)

    async def _remember_and_tell(
        self, state: AlertState, decisions: Sequence[Decision], telling: tuple[list[Outgoing], list[Entry]]
    ) -> None:
        """Remember an alert before it is told; what led to it comes again after a crash in between."""
        self._note(state, decisions)
        await gather_both(self._alerts.put(state.header.event_id, state), self._tell(telling))

    async def _other(self, receipt: DeliveryReceipt, arrived: Arrived) -> str:
        """Pass on a receipt that is not of an alert: to its incident, a person's words to the officer.

        One of a message to an officer goes to the message's sender.
        """
        outgoing, entries = self._message_receipts.telling(receipt)
        if is_of_incident(receipt):
            key = key_of(INCIDENT_RECEIPTS, receipt)
            outgoing.append(self._desk.envelopes.pack(INCIDENT_RECEIPTS, key, receipt, arrived.headers))
        device = self._known.meant(receipt.destination, receipt.device_id) if receipt.device_id else None
        device = None if receipt.destination in self._rooms.unlisted else device
        if device and (message := answer(receipt, device, utc_now())):
            outgoing.append(self._desk.envelopes.pack(MESSAGES, device, message, arrived.headers))
        await self._tell((outgoing, entries))
        return "passed_on" if outgoing else "not_an_alert"

    def _keyed(self, step: Step, before: AlertState | None) -> Step:
        """Return `step` as the next after `before`, with the keys of the ids of those that hear of the alert first now.

        Its state says which nobody may know of, by the version of now: a later one may unlist a room that was told.
        """
        if step.state is None:
            return step
        state = others.with_unlisted(step.state, self._rooms)
        if before is None or state.destinations.keys() != before.destinations.keys():
            old = before.destinations if before else ()
            destinations = with_keys(old, state.destinations, self._desk.agreements.outside)
            state = state.model_copy(update={"destinations": destinations})
        state = in_order(state, before)
        return step if state is step.state else replace(step, state=state)

    def _telling(
        self, step: Step, cause: Headers, before: AlertState | None = None
    ) -> tuple[list[Outgoing], list[Entry]]:
        state, tellings = step.state or before, self._following.newest(step)
        if state:
            tellings = others.beside(tellings, state, self._rooms)
            tellings = starting.without_places(tellings, state, self._rooms.agencies)
        if self._rooms.retired:
            tellings = [telling for telling in tellings if self._hears(telling)]
        outgoing = self._desk.deliveries(tellings, state.destinations if state else {})
        outgoing.extend(self._beside(step, cause))
        return outgoing, self._desk.entries(tellings)

    def _hears(self, telling: Telling) -> bool:
        """Return whether a destination is still told: a retired one of endings only."""
        return telling.destination not in self._rooms.retired or telling.reason is DeliveryReason.CANCEL

    def _tell(self, telling: tuple[list[Outgoing], list[Entry]]) -> Awaitable[None]:
        outgoing, entries = telling
        return gather_both(self._desk.outbox.send(*outgoing), self._audit.write(*entries))

    def _beside(self, step: Step, cause: Headers) -> Iterator[Outgoing]:
        pack = self._desk.envelopes.pack
        if step.state is not None and step.standing:
            yield pack(ALERT_STANDINGS, step.state.device_id, step.state, cause)
        if step.reopened is not None:
            yield pack(ALERT_CHANGES, step.reopened.header.event_id, step.reopened, cause)
        if step.message is not None and not (step.state and is_hidden(step.state.alert)):
            yield pack(MESSAGES, step.message.device_id, step.message, cause)
        yield from (self._desk.page(page, cause) for page in step.pages)

    def note(self, state: AlertState) -> None:
        """Watch over an alert as it stands now, which something else than an event has written."""
        self._note(state, self._desk.of_known(state)[0])

    def _note(self, state: AlertState, decisions: Sequence[Decision]) -> None:
        self._silence.known(state)
        self._following.note(state)
        self._open.note(state, decisions, self._desk.of_known(state)[1])

    async def look(self) -> int:
        """Do what time asks for, of every alert whose time has come; gives for how many something was to do."""
        if not self._open.is_whole:
            return 0
        after, event_ids = self._open.due(utc_now())
        room = asyncio.Semaphore(_AT_A_TIME)
        return sum(await asyncio.gather(*(self._due(event_id, after, room) for event_id in event_ids)))

    async def _due(self, event_id: str, after: datetime, room: asyncio.Semaphore) -> bool:
        async with room, self._locks.holding("alerts", event_id):
            with self._owned.in_partition_of(event_id) as ours, contextlib.suppress(NotNowError):
                if not ours:
                    return False
                # What cannot be read or told now, is due again at once.
                self._open.plan(event_id, utc_now())
                if state := self._alerts.get(event_id):
                    return await self._take_time(state, after)
                self._open.plan(event_id, None)
        return False

    async def _take_time(self, state: AlertState, after: datetime) -> bool:
        event_id, now = state.header.event_id, utc_now()
        if forget_at := self._open.forget_at(state):
            return await self._forget(event_id, forget_at, now)
        decisions, escalation = self._desk.of_known(state)
        held: Sequence[str] = ()
        if late_rooms.due_at(state, self._rooms):
            here = self._following.here(state)
            decisions, held = self._desk.quietly(here), self._desk.held(here)
        step = self._keyed(timers.due(state, decisions, escalation, after, now, rooms=self._rooms), state)
        step = with_held(step, held if step.outcome == "joined" else ())
        # Told before it is remembered: told again after a crash in between, under the same ids.
        await self._tell(self._telling(step, (), state))
        if step.state is not None:
            AGENT_EVENTS.labels("alert-times", step.outcome).inc()
            self._note(step.state, decisions)
            await self._alerts.put(event_id, step.state)
        else:
            self._open.plan(event_id, timers.next_due(state, decisions, escalation, now, rooms=self._rooms))
        return bool(step.tellings or step.pages)

    async def crossed(self, event_id: str, decisions: Sequence[Decision], held: Sequence[str]) -> None:
        """Have rooms join an open alert whose device has come to them."""
        async with self._locks.holding("alerts", event_id):
            with self._owned.in_partition_of(event_id) as ours:
                state = self._alerts.get(event_id) if ours else None
                if state is None or state.status in CLOSED:
                    return
                step = self._keyed(crossing.crossed(state, decisions, held, utc_now()), state)
                if step.state is None or step.state == state:
                    return
                # Told before it is remembered: told again after a crash in between, under the same ids.
                await self._tell(self._telling(step, ()))
                AGENT_EVENTS.labels("alert-times", step.outcome).inc()
                self._note(step.state, self._desk.of_known(step.state)[0])
                await self._alerts.put(event_id, step.state)

    async def _forget(self, event_id: str, at: datetime, now: datetime) -> bool:
        """Forget a closed alert whose time has come: nobody asks for it any more, and it is somebody's data."""
        if at > now:
            self._open.plan(event_id, at)
            return False
        await self._alerts.forget(event_id)
        self._open.plan(event_id, None)
        AGENT_EVENTS.labels("alert-times", "forgotten").inc()
        return True

    async def rebuild_beside(self) -> None:
        """Begin to build the open alerts anew; new alerts do not wait for that."""
        self._rebuilding = asyncio.create_task(self.rebuild())

    async def rebuild(self) -> None:
        """Build the open alerts anew from the table; a rebuild that begins meanwhile takes the place of this one."""
        build = self._open.clear()
        self._following.clear()
        try:
            async for state in cooperatively(self._alerts.records()):
                if not self._open.is_current(build):
                    return
                # What was begun before may yet end, and has noted the alert as it stands by now.
                if not self._open.knows(state.header.event_id):
                    self.note(state)
                self._following.look_again(state)
        finally:
            self._open.built(build)


def _count(step: Step, receipt: DeliveryReceipt) -> None:
    for destination, level in step.risen:
        ALERT_LEVELS.labels(destination, level.value).inc()
        if step.state is not None:
            seconds = (receipt.header.occurred_at - step.state.header.received_at).total_seconds()
            ALERT_LEVEL_SECONDS.labels(destination, level.value).observe(max(0.0, seconds))
