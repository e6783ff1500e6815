"""The life of alerts: changes told to destinations, what time asks for, and who joins; receipts are in `receipts`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from bondmate_kafka.records import Arrived, Headers, utc_now
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_monitoring.step_log import LoggedStep
from bondmate_schemas.models import AlertState, DeviceAlert

from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.errors import NotNowError
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.logic import crossing, late_rooms, starting, states, timers
from bondmate_streams.logic.late_rooms import with_held
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.routing import Decision

_AT_A_TIME = 200
"""Alerts that time has come for, told side by side."""
_REPEATS = frozenset({"repeat", "repeated_end"})
"""What is remembered once more before it is told once more: a worker may have died between the two."""


@dataclass(eq=False)
class AlertLife:
    """Decides on the changes of alerts, and on what time brings; `AlertSteps` carries it out."""

    context: AgentContext
    steps: AlertSteps
    owned: OwnedPartitions
    """The partitions of the alerts that it works on."""
    _rebuilding: asyncio.Task[None] | None = field(default=None, init=False)

    async def change(self, arrived: Arrived) -> InTurn:
        """Take one change of an alert."""
        alert = await self.context.read(arrived, DeviceAlert)
        return self.context.in_turn(arrived, alert, partial(self.begin, alert, arrived.headers))

    async def begin(self, alert: DeviceAlert, cause: Headers) -> str:
        """Take one change of an alert that lies in our partitions; `cause` are the headers of what led to it."""
        with LoggedStep("alert taken up", alert.header.event_id, cause) as step:
            step.outcome = await self._begun(alert, step.cause)
        return step.outcome

    async def _begun(self, alert: DeviceAlert, cause: Headers) -> str:
        routing = self.context.routing
        async with self.context.locks.holding("alerts", alert.header.event_id):
            state = self.steps.alerts.get(alert.header.event_id)
            decisions, escalation = (routing.route(alert), []) if state is None else routing.of_known(state)
            held = routing.held(alert) if state is None else ()
            # By its own mode and agency, which no change of it has another of.
            further: Sequence[Decision] = ()
            if state is not None and states.asks_routes_again(state, alert):
                merged = states.merged_with(state, alert)
                further, held = routing.route_again(merged), routing.held(merged)
            step = states.change(state, alert, decisions, utc_now(), further=further, escalation=escalation)
            step = with_held(self.steps.keyed(step, state), held)
            outbound = self.steps.outbound(step, cause)
            if step.state is not None and (step.state != state or step.outcome in _REPEATS):
                # A receipt must find its alert.
                await self.steps.remember_and_tell(step.state, decisions, outbound, cause)
            else:
                await self.context.tell(*outbound)
        return step.outcome

    async def look(self) -> int:
        """Do what time asks for, of every alert whose time has come; return for how many something was to do."""
        if not self.steps.open_alerts.is_whole:
            return 0
        after, event_ids = self.steps.open_alerts.due(utc_now())
        room = asyncio.Semaphore(_AT_A_TIME)
        return sum(await asyncio.gather(*(self._due(event_id, after, room) for event_id in event_ids)))

    async def _due(self, event_id: str, after: datetime, room: asyncio.Semaphore) -> bool:
        async with room, self.context.locks.holding("alerts", event_id):
            with self.owned.in_partition_of(event_id) as ours, contextlib.suppress(NotNowError):
                if not ours:
                    return False
                # What cannot be read or told now, is due again at once.
                self.steps.open_alerts.plan(event_id, utc_now())
                if state := self.steps.alerts.get(event_id):
                    return await self._take_time(state, after)
                self.steps.open_alerts.plan(event_id, None)
        return False

    async def _take_time(self, state: AlertState, after: datetime) -> bool:
        event_id, now, routing = state.header.event_id, utc_now(), self.context.routing
        if forget_at := self.steps.open_alerts.forget_at(state):
            return await self._forget(event_id, forget_at, now)
        decisions, escalation = routing.of_known(state)
        held: Sequence[str] = ()
        if late_rooms.due_at(state, self.steps.rooms):
            here = self.steps.following.here(state)
            decisions, held = routing.route_again(here), routing.held(here)
        if (at := starting.renew_by(state)) and at <= now:
            # What is followed no more from now on stays where it was last.
            state = state.model_copy(update={"alert": self.steps.following.here(state)})
        step = self.steps.keyed(timers.due(state, decisions, escalation, after, now, rooms=self.steps.rooms), state)
        step = with_held(step, held if step.outcome == "joined" else ())
        await self.context.tell(*self.steps.outbound(step, (), state))
        if step.state is not None:
            AGENT_EVENTS.labels("alert-times", step.outcome).inc()
            with LoggedStep("alert's time has come", event_id) as done:
                done.outcome = step.outcome
            await self.steps.remember(step.state, decisions)
        else:
            self.steps.open_alerts.plan(
                event_id, timers.next_due(state, decisions, escalation, now, rooms=self.steps.rooms)
            )
        return bool(step.notifications or step.pages)

    async def crossed(self, event_id: str, decisions: Sequence[Decision], held: Sequence[str]) -> None:
        """Have rooms join an open alert whose device has come to them."""
        async with self.context.locks.holding("alerts", event_id):
            with self.owned.in_partition_of(event_id) as ours:
                state = self.steps.alerts.get(event_id) if ours else None
                if state is None or state.status in CLOSED:
                    return
                step = self.steps.keyed(crossing.crossed(state, decisions, held, utc_now()), state)
                if step.state is None or step.state == state:
                    return
                await self.context.tell(*self.steps.outbound(step, ()))
                AGENT_EVENTS.labels("alert-times", step.outcome).inc()
                with LoggedStep("alert came to more rooms", event_id) as done:
                    done.outcome = step.outcome
                await self.steps.remember(step.state, self.context.routing.of_known(step.state)[0])

    async def _forget(self, event_id: str, at: datetime, now: datetime) -> bool:
        """Forget a closed alert whose time has come: nobody asks for it any more, and it is somebody's data."""
        if at > now:
            self.steps.open_alerts.plan(event_id, at)
            return False
        await self.steps.alerts.forget(event_id)
        self.steps.open_alerts.plan(event_id, None)
        AGENT_EVENTS.labels("alert-times", "forgotten").inc()
        return True

    async def rebuild_beside(self) -> None:
        """Begin to build the open alerts anew; new alerts do not wait for that."""
        self._rebuilding = asyncio.create_task(self.rebuild())

    async def rebuild(self) -> None:
        """Build the open alerts anew from the table; a rebuild that begins meanwhile takes the place of this one."""
        build = self.steps.open_alerts.clear()
        self.steps.following.clear()
        try:
            async for state in cooperatively(self.steps.alerts.records()):
                if not self.steps.open_alerts.is_current(build):
                    return
                # What was begun before may yet end, and has noted the alert as it stands by now.
                if not self.steps.open_alerts.knows(state.header.event_id):
                    self.steps.watch_known(state)
                self.steps.following.look_again(state)
        finally:
            self.steps.open_alerts.built(build)
