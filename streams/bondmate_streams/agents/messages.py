"""Texts: from devices to destinations, and from platforms to the device they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bondmate_schemas.catalogue import MESSAGES
from bondmate_schemas.enums import MessageDirection
from bondmate_schemas.models import DeviceMessage

from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.lanes import KeyLocks
from bondmate_streams.envelopes import Arrived, utc_now
from bondmate_streams.guard import BadEventError, both
from bondmate_streams.logic.messages import addressed, is_addressed, tell
from bondmate_streams.logic.states import SOURCE

_CATCH_UP_SECONDS: Final = 30.0
_WRITTEN_HERE: Final = ("ce_source", SOURCE.encode())


class Messages:
    """Keeps no state: a repeat has the ids it had."""

    def __init__(
        self,
        desk: Desk,
        locks: KeyLocks,
        audit: AuditWriter,
        known: KnownDevices,
        wait_caught_up: Callable[[float], bool],
    ) -> None:
        self._desk = desk
        self._locks = locks
        self._audit = audit
        self._known = known
        self._wait_caught_up = wait_caught_up

    async def message(self, arrived: Arrived) -> str:
        """Take one message, in the order of its device."""
        if _WRITTEN_HERE in arrived.headers:
            return "addressed_already"
        message = await self._desk.read(arrived, DeviceMessage)
        async with self._locks.holding("messages", message.device_id):
            if message.direction is MessageDirection.FROM_DEVICE:
                return await self._up(message, arrived)
            return await self._down(message, arrived)

    async def _up(self, message: DeviceMessage, arrived: Arrived) -> str:
        self._known.add(message.device_id)
        tellings = tell(message, self._desk.route(message))
        await both(
            self._desk.outbox.send(*self._desk.deliveries(tellings, arrived.headers)),
            self._audit.write(*self._desk.entries(tellings)),
        )
        return "told" if tellings else "unrouted"

    async def _down(self, message: DeviceMessage, arrived: Arrived) -> str:
        if is_addressed(message):
            return "addressed_already"
        # Nobody is unknown before all that is known has been read.
        await asyncio.to_thread(self._wait_caught_up, _CATCH_UP_SECONDS)
        device = self._known.meant(message.header.source, message.device_id)
        if device is None:
            raise BadEventError("unknown_device")
        if device == message.device_id:
            return "addressed_already"
        true = addressed(message, device, utc_now())
        await self._desk.outbox.send(self._desk.envelopes.pack(MESSAGES, device, true, arrived.headers))
        return "addressed"
