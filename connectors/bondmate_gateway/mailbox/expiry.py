"""Notifies the senders of messages that ended unread or unconfirmed: their time ran out, or the mailbox was full."""

from __future__ import annotations

import asyncio
from datetime import datetime

from bondmate_connectors.contract import Context
from bondmate_connectors.errors import ConnectorError
from bondmate_schemas.catalogue import DEVICE, RECEIPTS
from bondmate_schemas.enums import Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, EventHeader, Handling

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.enrolment.register import DeviceRegister
from bondmate_gateway.handover import HandoverQueue
from bondmate_gateway.mailbox.mail import Ending
from bondmate_gateway.mailbox.mailboxes import Mailboxes


class Expiry:
    """Every gateway watches every message; the receipts of all have one id, and who sees another's gives none."""

    def __init__(self, context: Context, register: DeviceRegister, mailboxes: Mailboxes, queue: HandoverQueue) -> None:
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._queue = queue

    async def follow(self, seconds: float) -> None:
        """Look every so many seconds, until cancelled."""
        while True:
            for ending in self._mailboxes.messages.ended(self._context.clock()):
                await self._tell(ending)
            await asyncio.sleep(seconds)

    async def _tell(self, ending: Ending) -> None:
        device = self._register.directory.devices.get(ending.device_id)
        receipt = receipt_of(ending, device, self._context.name, self._context.clock())
        try:
            await self._queue.hand_over([receipt], urgent=False)
        except ConnectorError:
            # Not durable now: it is told the next time somebody looks.
            self._mailboxes.messages.tell_again(ending)
        else:
            self._mailboxes.see(RECEIPTS, receipt.header.event_id, receipt)


def receipt_of(ended: Ending, device: EnrolledDevice | None, source: str, now: datetime) -> DeliveryReceipt:
    """Return the receipt of a message that ended before its device said all it was asked to say.

    Every gateway makes it, under one id. `device` is None for one that is not enrolled any more.
    """
    mail = ended.mail
    expired = mail.expires_at if ended.level is Level.EXPIRED else None
    return DeliveryReceipt(
        header=EventHeader(
            message_id=derived_id("receipt", ended.device_id, mail.message_id, ended.level),
            event_id=mail.message_id,
            incident_id=mail.incident_id,
            external_refs=mail.refs_of_sender,
            agency_id=device.agency if device else "",
            mode=mail.mode,
            occurred_at=expired or now,
            received_at=now,
            source=source,
            handling=device.profile.handling if device else Handling(),
        ),
        destination=DEVICE,
        level=ended.level,
        device_id=ended.device_id,
        delivery_id=mail.message_id,
        code=ended.code,
        **mail.told_to,
    )
