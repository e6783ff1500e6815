"""Notifies the rooms of an open alert that its device was revoked: what comes from there is refused.

Every gateway that has the device in its file sees it; the updates of all have one id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from bondmate_connectors.contract import Context
from bondmate_connectors.errors import ConnectorError
from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import DEVICE_REVOKED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert, EventHeader

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.enrolment.register import DeviceRegister
from bondmate_gateway.handover import HandoverQueue
from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.mailboxes import Mailboxes


class Revocations:
    """Looks at the open alerts of revoked devices, of which an alert knows that its rooms were told."""

    def __init__(self, context: Context, register: DeviceRegister, mailboxes: Mailboxes, queue: HandoverQueue) -> None:
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._queue = queue
        self._told: set[str] = set()
        """Alerts whose rooms are being told, until their state says that they were."""

    async def follow(self, seconds: float) -> None:
        """Look every so many seconds, until cancelled."""
        while True:
            untold = list(self._untold())
            self._told.intersection_update(alert.event_id for _, alert in untold)
            for device, alert in untold:
                if alert.event_id not in self._told:
                    self._told.update(await self._tell(device, alert))
            await asyncio.sleep(seconds)

    def _untold(self) -> Iterator[tuple[EnrolledDevice, AlertProgress]]:
        """Yield the open alerts of revoked devices that do not say that their rooms were told."""
        for device in self._register.directory.revoked:
            for alert in self._mailboxes.box(device.device_id).alerts.values():
                if not alert.closed and not alert.is_revoked:
                    yield device, alert

    async def _tell(self, device: EnrolledDevice, alert: AlertProgress) -> tuple[str, ...]:
        """Return the alert that was told of; nothing where it is to be told at the next look."""
        update = revocation(device, alert, self._context.name, self._context.clock())
        try:
            await self._queue.hand_over([update], urgent=True)
        except ConnectorError:
            return ()
        return (alert.event_id,)


def revocation(device: EnrolledDevice, alert: AlertProgress, source: str, now: datetime) -> DeviceAlert:
    """Return the update of an open alert that says that its device was revoked; every gateway makes the same."""
    return DeviceAlert(
        header=EventHeader(
            message_id=derived_id("device", device.device_id, "revoked", alert.event_id),
            event_id=alert.event_id,
            incident_id=alert.incident_id,
            agency_id=device.agency,
            mode=device.mode,
            occurred_at=now,
            received_at=now,
            source=source,
            handling=device.profile.handling,
            flags=(DEVICE_REVOKED,),
        ),
        **device.carrier,
        action=AlertAction.UPDATE,
        kind=alert.kind,
    )
