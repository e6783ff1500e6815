"""Alerts as devices send them: dedupe, join, correlate, hand on by alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import Arrived, Headers, utc_now
from bondmate_monitoring.step_log import LoggedStep
from bondmate_schemas.catalogue import ALERT_CHANGES, DEVICE_MARKS
from bondmate_schemas.duress import begins, begun_by
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceMemory

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.nearby import Nearby
from bondmate_streams.agents.whereabouts import Whereabouts
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic.alerts import PressOutcome, emergencies, is_any_hidden, stand, take
from bondmate_streams.logic.duress import said_under
from bondmate_streams.logic.takeover import as_counted, beside, is_theirs, lent, marked, only, returned


@dataclass(eq=False)
class DeviceAlertIntake:
    """Owns the table `devices`."""

    context: AgentContext
    devices: RecordTable[DeviceMemory]
    whereabouts: Whereabouts
    hand_over: Callable[[DeviceAlert, Headers], Awaitable[bool]]
    marks: DeviceMarks
    nearby: Nearby

    async def alert(self, arrived: Arrived) -> InTurn:
        """Take one alert of a device."""
        alert = await self.context.read(arrived, DeviceAlert)
        return self.context.in_turn(arrived, alert, partial(self._take, alert, arrived.headers))

    async def _take(self, alert: DeviceAlert, cause: Headers) -> str:
        with LoggedStep("press taken", alert.header.event_id, cause) as step:
            step.outcome = await self._taken_locked(alert, step.cause)
        return step.outcome

    async def _taken_locked(self, alert: DeviceAlert, cause: Headers) -> str:
        device = alert.device_id
        async with self.context.locks.holding("devices", device):
            is_begun = begins(alert, self.marks.begun(device))
            if is_begun or self.marks.is_under_duress(device):
                alert = said_under(alert)
            taken = self._taken(alert)
            if taken.change is None:
                return taken.outcome
            # First on its way, then remembered: after a crash between the two it is sent again, under the same id.
            is_new = taken.outcome == "raised"
            if is_new and not alert.drill:
                self.nearby.look_again(taken.change, cause)
            if not (is_new and await self.hand_over(taken.change, cause)):
                await self._hand_on(taken.change, cause)
            if is_begun:
                await self._begin_duress(alert)
            await self.devices.put(device, taken.memory)
        return taken.outcome

    def _taken(self, alert: DeviceAlert) -> PressOutcome:
        device, mark = alert.device_id, self.marks.replaced(alert.device_id)
        memory = marked(self.devices.get(device), mark)
        counted = as_counted(alert, mark)
        if counted is None:
            return PressOutcome("from_replaced", memory or DeviceMemory(device_id=device))
        theirs = is_theirs(counted, memory)
        before = [] if theirs else self._before(device)
        given = lent(only(memory, theirs=theirs), device, before)
        # Where the spare is, nobody knows of whoever has the old one.
        last = (self.whereabouts.at_device if theirs else self.whereabouts.of)(device)
        taken = take(counted, given, last, utc_now(), self.nearby.link_of)
        return replace(taken, memory=beside(returned(taken.memory, given), memory, theirs=theirs))

    def _before(self, device_id: str) -> list[DeviceMemory]:
        """Return what is remembered of the devices whose place one took, without what was pressed there since."""
        copies = (only(self._copy_of(old), theirs=False) for old in self.marks.before(device_id))
        return [copy for copy in copies if copy is not None]

    def _copy_of(self, device_id: str) -> DeviceMemory | None:
        """Return what is remembered of another device, by our copy where it is another worker's."""
        copy = self.devices.at(partition_of(device_id.encode(), self.devices.partitions), device_id)
        return marked(copy, self.marks.replaced(device_id))

    def open_of(self, device_id: str, mode: Mode) -> set[str]:
        """Return the emergencies that a device has open in a mode, as far as is known here."""
        return {event_id for memory in self._known_of(device_id) for event_id in emergencies(memory, mode)}

    def is_any_hidden(self, device_id: str) -> bool:
        """Return whether a device has an emergency open that a room started silently, as far as is known here."""
        return any(map(is_any_hidden, self._known_of(device_id)))

    def _known_of(self, device_id: str) -> list[DeviceMemory | None]:
        return [only(self._copy_of(device_id), theirs=False), *self._before(device_id)]

    async def _begin_duress(self, alert: DeviceAlert) -> None:
        mark = begun_by(alert)
        self.marks.set(mark)
        await self.context.send(DEVICE_MARKS, mark.mark_id, mark)

    async def link(self) -> None:
        """Link alerts that could not be linked when they were raised, until cancelled."""
        await self.nearby.watch(self._hand_on)

    async def _hand_on(self, change: DeviceAlert, cause: Headers) -> None:
        await self.context.send(ALERT_CHANGES, change.header.event_id, change, cause)

    async def standing(self, arrived: Arrived) -> InTurn:
        """Hear how an alert of a device stands."""
        state = await self.context.read(arrived, AlertState)
        return self.context.in_turn(arrived, state, partial(self._hear, state))

    async def _hear(self, state: AlertState) -> str:
        async with self.context.locks.holding("devices", state.device_id):
            memory = self.devices.get(state.device_id)
            after = stand(memory, state)
            if after == memory:
                return "no_change"
            await self.devices.put(state.device_id, after)
        return "remembered"
