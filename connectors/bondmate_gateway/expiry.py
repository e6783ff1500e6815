"""Tells the senders of messages that ended unread or unconfirmed: their time ran out, or the mailbox was full."""

from __future__ import annotations

import asyncio

from bondmate_connectors.contract import Context
from bondmate_connectors.errors import ConnectorError
from bondmate_schemas.catalogue import RECEIPTS

from bondmate_gateway import events
from bondmate_gateway.inbox import Inbox
from bondmate_gateway.mailbox import Ending, Mailboxes
from bondmate_gateway.register import Register


class Expiry:
    """Every gateway watches every message; the receipts of all have one id, and who sees another's gives none."""

    def __init__(self, context: Context, register: Register, mailboxes: Mailboxes, inbox: Inbox) -> None:
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._inbox = inbox

    async def follow(self, seconds: float) -> None:
        """Look every so many seconds, until cancelled."""
        while True:
            for ending in self._mailboxes.ended(self._context.clock()):
                await self._tell(ending)
            await asyncio.sleep(seconds)

    async def _tell(self, ending: Ending) -> None:
        device = self._register.device(ending.device_id)
        receipt = events.ending(ending, device, self._context.name, self._context.clock())
        try:
            await self._inbox.hand_over([receipt], urgent=False)
        except ConnectorError:
            # Not durable now: it is told the next time somebody looks.
            self._mailboxes.tell_again(ending)
        else:
            self._mailboxes.see(RECEIPTS, receipt.header.event_id, receipt)
