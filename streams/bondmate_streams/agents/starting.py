"""Emergencies that control rooms start: who may, told to the room where it may not, and raised like a press."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bondmate_kafka.records import Headers, utc_now
from bondmate_monitoring.metrics import MESSAGES_TO_DEVICES
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_MARKS, RECEIPTS
from bondmate_schemas.duress import SECOND_PERSON
from bondmate_schemas.models import Address, DeviceMark, DeviceMessage, EmergencyStart

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.device_alerts import DeviceAlertIntake
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.errors import BadEventError
from bondmate_streams.logic import starting
from bondmate_streams.logic.addressing import MessageSender, Missing, Officer, Officers, resolve
from bondmate_streams.logic.messages import unreached
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import MayMessage


@dataclass(eq=False)
class Starting:
    """Keeps no state: who asked first for a silent one stands among the marks."""

    context: AgentContext
    known: KnownDevices
    officers: Officers
    marks: DeviceMarks
    rooms: Rooms
    devices: DeviceAlertIntake
    """Has the emergencies that a device has open."""

    def found(self, order: DeviceMessage, start: EmergencyStart) -> Officer | Missing:
        """Return the officer of whom it is, or why the room may not start it; blocks while it reads files."""
        source, name = order.header.source, " ".join(start.names)
        room, agency = self.context.routing.routes.destinations.get(source), self.rooms.agencies.get(source)
        if room is None or len(start.names) != 1:
            return Missing(name, starting.ONE_DEVICE if room else "emergency_not_owner")
        may = MayMessage(agencies=(agency,) if agency else (), most_devices=1)
        agreements = self.context.agreements
        sender = MessageSender(may, agreements.sees_ids(source), lambda named: self.known.meant(source, named))
        reached = resolve(Address(names=(name,)), order.header.mode, sender, self.officers, utc_now())
        if not reached.devices:
            return reached.missing[0]
        officer = self.officers.of(self.marks.current(reached.devices[0]))
        problem = starting.problem_of(order, start, room, agency, officer)
        known = self.devices.open_of(officer.device_id, order.header.mode)
        # What comes again of the same order is a repeat.
        if not problem and known and starting.event_id_of(order) not in known:
            problem = starting.OPEN
        return Missing(name, problem) if problem else officer

    def is_any_hidden(self, device_id: str) -> bool:
        """Whether a device has an emergency of which nothing may be shown there."""
        return self.devices.is_any_hidden(device_id)

    async def take(self, order: DeviceMessage, start: EmergencyStart, found: Officer | Missing, cause: Headers) -> str:
        """Start it, or tell the room why not.

        Raises:
            BadEventError: the room may not start it.
        """
        now = utc_now()
        if isinstance(found, Missing):
            await self._answer(order, found, now, cause)
            raise BadEventError(found.code)
        asked = self.marks.of(starting.ASKED, found.device_id)
        if starting.needs_second(order, start, asked, now):
            await self._log(order, None, found, "emergency_asked")
            await self._mark(starting.asked(order, found, now))
            await self._answer(order, Missing(start.names[0], SECOND_PERSON), now, cause)
            return "second_person_needed"
        alert = starting.alert_of(order, start, found, now, self.rooms)
        # Logged before it is raised, and the first person's word is used up after that: a crash in between repeats it.
        await self._log(order, alert.header.event_id, found, "emergency_started")
        await self.context.send(DEVICE_ALERTS, found.device_id, alert, cause)
        if start.silent:
            await self._mark(starting.used(order, found, now))
        self._count(order, "emergency_started")
        return "emergency_started"

    async def _log(self, order: DeviceMessage, event_id: str | None, officer: Officer, what: str) -> None:
        await self.context.audit.write(starting.logged(order, event_id, officer.device_id, what, self.context.secret))

    async def _mark(self, mark: DeviceMark) -> None:
        await self.context.send(DEVICE_MARKS, mark.mark_id, mark)
        self.marks.set(mark)

    async def _answer(self, order: DeviceMessage, missing: Missing, now: datetime, cause: Headers) -> None:
        receipt = unreached(order, missing, now)
        await self.context.send(RECEIPTS, receipt.header.event_id, receipt, cause)
        self._count(order, missing.code)

    def _count(self, order: DeviceMessage, outcome: str) -> None:
        source = order.header.source
        MESSAGES_TO_DEVICES.labels(source if source in self.context.routing.routes.destinations else "", outcome).inc()
