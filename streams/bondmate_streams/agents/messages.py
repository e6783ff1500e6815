"""Texts: from devices to destinations, and from platforms to the devices they mean."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bondmate_kafka.records import Arrived, utc_now
from bondmate_monitoring.metrics import MESSAGES_TO_DEVICES
from bondmate_schemas.catalogue import MESSAGES, RECEIPTS
from bondmate_schemas.enums import MessageDirection
from bondmate_schemas.models import DeviceMessage

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.officers import KnownOfficers
from bondmate_streams.agents.starting import Starting
from bondmate_streams.errors import BadEventError
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.logic.addressing import MessageSender, Reached, resolve
from bondmate_streams.logic.duress import shown_silently
from bondmate_streams.logic.headers import SOURCE
from bondmate_streams.logic.messages import address_of, addressed, is_addressed, tell, unreached
from bondmate_streams.logic.routing import MayMessage

_NOTHING: Final = MayMessage(known=False)
"""What a source may that is no destination: no device has a name there."""
_CATCH_UP_SECONDS: Final = 30.0
_WRITTEN_HERE: Final = ("ce_source", SOURCE.encode())


@dataclass(eq=False)
class Messages:
    """Keeps no state: a repeat has the ids it had."""

    context: AgentContext
    known: KnownDevices
    officers: KnownOfficers
    marks: DeviceMarks
    starting: Starting

    async def message(self, arrived: Arrived) -> str | InTurn:
        """Take one message, in the order of its device."""
        if _WRITTEN_HERE in arrived.headers:
            return "addressed_already"
        said = await self.context.read(arrived, DeviceMessage)
        is_ours = said.direction is MessageDirection.FROM_DEVICE or is_addressed(said)
        message = said if is_ours else self.context.returned(said)
        return self.context.in_turn(arrived, message, partial(self._take, message, arrived), said=said)

    async def _take(self, message: DeviceMessage, arrived: Arrived) -> str:
        async with self.context.locks.holding("messages", message.device_id):
            if message.direction is MessageDirection.FROM_DEVICE:
                return await self._up(message)
            return await self._down(message, arrived)

    async def _up(self, message: DeviceMessage) -> str:
        self.known.add(message.device_id)
        notifications = tell(message, self.context.routing.route(message))
        await self.context.tell(self.context.deliveries(notifications), self.context.entries(notifications))
        return "told" if notifications else "unrouted"

    async def _down(self, message: DeviceMessage, arrived: Arrived) -> str:
        if is_addressed(message):
            return "addressed_already"
        # Nobody is unknown before all that is known has been read.
        await asyncio.to_thread(self.officers.wait_caught_up, _CATCH_UP_SECONDS)
        if start := message.emergency:
            found = await asyncio.to_thread(self.starting.found, message, start)
            return await self.starting.take(message, start, found, arrived.headers)
        reached = await asyncio.to_thread(self._resolve, message)
        now = utc_now()
        pack = self.context.envelopes.pack
        # A look into the memory of each device, of which there may be thousands.
        hiding = await asyncio.to_thread(self._hiding, message, reached)
        outgoing = [
            pack(MESSAGES, device, addressed(
                message, device, now, reached.names.get(device), silent=device in hiding), arrived.headers)
            for device in reached.devices
        ]  # fmt: skip
        silent = [device for device in reached.devices if device in hiding or self._is_silent(message, device)]
        told = [unreached(message, missing, now) for missing in reached.missing]
        told += [shown_silently(message, device, now) for device in silent]
        outgoing += [pack(RECEIPTS, receipt.header.event_id, receipt, arrived.headers) for receipt in told]
        await self.context.writer.send(*outgoing)
        self._count(message.header.source, reached)
        if not reached.devices:
            raise BadEventError(reached.missing[0].code)
        return "addressed"

    def _resolve(self, message: DeviceMessage) -> Reached:
        source = message.header.source
        destination = self.context.routing.routes.destinations.get(source)
        sender = MessageSender(
            destination.may_message if destination else _NOTHING,
            self.context.agreements.sees_ids(source),
            lambda name: self.known.meant(source, name),
            self.context.agreements.sees_callsigns(source),
        )
        found = resolve(address_of(message), message.header.mode, sender, self.officers, utc_now())
        # Each officer once, by the device that was replaced: the gateways follow its place, which may go on.
        current = self.marks.current
        in_order = sorted(found.devices, key=lambda device: current(device) != device)
        return replace(found, devices=tuple({current(device): device for device in in_order}.values()))

    def _hiding(self, message: DeviceMessage, reached: Reached) -> frozenset[str]:
        """Return the devices that may show nothing of what a room has started silently; of duress the gateways know."""
        if message.aloud:
            return frozenset()
        return frozenset(device for device in reached.devices if self.starting.is_any_hidden(device))

    def _is_silent(self, message: DeviceMessage, device_id: str) -> bool:
        return not message.aloud and self.marks.is_under_duress(self.marks.current(device_id))

    def _count(self, source: str, reached: Reached) -> None:
        sender = source if source in self.context.routing.routes.destinations else ""
        MESSAGES_TO_DEVICES.labels(sender, "addressed").inc(len(reached.devices))
        for missing in reached.missing:
            MESSAGES_TO_DEVICES.labels(sender, missing.code).inc()
