"""What waits for each device: messages addressed to it, and where its own alerts stand.

Rebuilt from the topics at each start, in every gateway; nothing here is the only copy of anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bondmate_schemas.catalogue import CHECK_INS, DEVICE, STATE_ALERTS
from bondmate_schemas.duress import BEGUN, ENDED, begins, begun_by
from bondmate_schemas.enums import AlertAction
from bondmate_schemas.models import (
    AlertState,
    CheckIn,
    DeliveryReceipt,
    DeviceAlert,
    DeviceMark,
    DeviceMessage,
    Record,
)
from bondmate_schemas.takeover import REPLACED

from bondmate_gateway.mailbox.box import Box, Boxes
from bondmate_gateway.mailbox.device_alerts import DeviceAlerts
from bondmate_gateway.mailbox.device_messages import DeviceMessages
from bondmate_gateway.mailbox.due_check_ins import DueCheckIns

UNDELIVERED_AFTER: Final = timedelta(minutes=5)


class Mailboxes:
    """The boxes of all devices: takes each record of the topics to what it is of, and answers whose something is."""

    def __init__(
        self, messages_per_device: int, full: Callable[[], None], undelivered_after: timedelta = UNDELIVERED_AFTER
    ) -> None:
        self.boxes = Boxes()
        self._replacements = self.boxes.replacements
        self.messages = DeviceMessages(self.boxes, messages_per_device, full, undelivered_after)
        self.alerts = DeviceAlerts(self.boxes)
        self._due = DueCheckIns()

    def see(self, topic: str, key: str, record: Record | None) -> None:
        """Take one record of a topic; None is a tombstone of `key`."""
        if isinstance(record, DeviceMessage):
            self.messages.take(record)
        elif isinstance(record, DeliveryReceipt) and record.destination == DEVICE:
            self.messages.take_receipt(record)
        elif isinstance(record, AlertState):
            self.alerts.take_state(record)
        elif isinstance(record, DeviceMark):
            self._take_mark(record)
        elif topic == CHECK_INS and (record is None or isinstance(record, CheckIn)):
            self._take_check_in(key, record)
        elif record is None and topic == STATE_ALERTS:
            self.alerts.forget(key)

    def accepted(self, alert: DeviceAlert) -> None:
        """Remember what was just accepted, until the streams tell more of it: the alert, that it is one of duress."""
        if self.is_replaced(alert.device_id):
            return
        if alert.action is AlertAction.RAISE:
            self.alerts.take_raised(alert)
        if begins(alert, self.box(alert.device_id).duress):
            self._take_mark(begun_by(alert))

    def box(self, device_id: str) -> Box:
        """Return the box of a device, an empty one when nothing has come yet."""
        return self.boxes.box(device_id)

    def knows_incident(self, device_id: str, incident_id: str) -> bool:
        """Whether a message or an alert of this device has named the incident."""
        box = self.box(device_id)
        named = {mail.incident_id for mail in box.mails.values()} | {alert.incident_id for alert in box.alerts.values()}
        return incident_id in named

    def is_replaced(self, device_id: str) -> bool:
        """Whether another device has taken the place of this one, which is told nothing any more."""
        return self._replacements.is_replaced(device_id)

    def owed(self, device_id: str) -> list[CheckIn]:
        """Return the check-ins that a device is told it owes, also for those whose place it took.

        Under duress it is told of none: whoever holds the officer would see there that nobody believed what was said.
        """
        is_told = not self.is_replaced(device_id) and not self.box(device_id).is_under_duress
        return self._due.of(self._replacements.with_before(device_id)) if is_told else []

    def owed_as(self, device_id: str, check_in_id: str) -> CheckIn | None:
        """Return the check-in that a device means by an id, its own first; None for one that nobody owes."""
        own = self._due.named([device_id], check_in_id)
        return own or self._due.named(self._replacements.with_before(device_id), check_in_id)

    def _take_mark(self, mark: DeviceMark) -> None:
        box = self.box(mark.device_id)
        was_under = box.is_under_duress
        if mark.mark == BEGUN and (box.duress is None or box.duress.since <= mark.since):
            box.duress = mark
        elif mark.mark == ENDED and (box.duress_end is None or box.duress_end.since <= mark.since):
            box.duress_end = mark
        if mark.mark == REPLACED:
            self._take_over(mark)
        if box.is_under_duress is was_under:
            return
        box.marked_at = box.next_version()
        for event_id, alert in box.alerts.items():
            # Told again, what was loud until now to be silent from now on.
            box.alerts[event_id] = replace(alert, version=box.next_version())
        box.wake()

    def _take_over(self, mark: DeviceMark) -> None:
        """Move to the device that has a place now what was open at the one before it."""
        handing = self._replacements.take(mark)
        if handing is None:
            return
        self.messages.move(handing)
        self.alerts.move(handing, mark.since)
        _owes_anew(self.box(handing.to_id))
        self.box(handing.from_id).wake()

    def _take_check_in(self, event_id: str, said: CheckIn | None) -> None:
        self._due.take(event_id, said)
        if said is not None and self.is_replaced(said.device_id):
            _owes_anew(self.box(self._replacements.current(said.device_id)))


def _owes_anew(box: Box) -> None:
    """Have the device told what it owes."""
    box.marked_at = box.next_version()
    box.wake()
