"""Tells the rooms of an open alert that its device was revoked: what comes from there is refused.

Every gateway that has the device in its file sees it; the updates of all have one id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bondmate_connectors.contract import Context
from bondmate_connectors.errors import ConnectorError

from bondmate_gateway import events
from bondmate_gateway.directory import Device
from bondmate_gateway.inbox import Inbox
from bondmate_gateway.mailbox import Mailboxes, Standing
from bondmate_gateway.register import Register


class Revocations:
    """Looks at the open alerts of revoked devices, of which an alert knows that its rooms were told."""

    def __init__(self, context: Context, register: Register, mailboxes: Mailboxes, inbox: Inbox) -> None:
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._inbox = inbox
        self._told: set[str] = set()
        """Alerts whose rooms are being told, until their state says that they were."""

    async def follow(self, seconds: float) -> None:
        """Look every so many seconds, until cancelled."""
        while True:
            untold = list(self._untold())
            self._told.intersection_update(standing.event_id for _, standing in untold)
            for device, standing in untold:
                if standing.event_id not in self._told:
                    self._told.update(await self._tell(device, standing))
            await asyncio.sleep(seconds)

    def _untold(self) -> Iterator[tuple[Device, Standing]]:
        """Yield the open alerts of revoked devices that do not say that their rooms were told."""
        for device in self._register.revoked():
            for standing in self._mailboxes.box(device.device_id).alerts.values():
                if not standing.closed and not standing.is_revoked:
                    yield device, standing

    async def _tell(self, device: Device, standing: Standing) -> tuple[str, ...]:
        """Return the alert that was told of; nothing where it is to be told at the next look."""
        alert = events.revocation(device, standing, self._context.name, self._context.clock())
        try:
            await self._inbox.hand_over([alert], urgent=True)
        except ConnectorError:
            return ()
        return (standing.event_id,)
