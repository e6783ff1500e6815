"""What waits for each device: messages addressed to it, and where its own alerts stand.

Rebuilt from the topics at each start, in every gateway; nothing here is the only copy of anything.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.enums import AlertKind, AlertStatus, Level, MessageDirection, Mode, Priority
from bondmate_schemas.models import AlertState, Attachment, DeliveryReceipt, DeviceAlert, DeviceMessage, Record

DEVICE = "device"
"""`destination` of the receipts that devices give for messages; never of an alert's receipts."""
DEVICE_ALERT_SYSTEM = "device"
"""`system` of the external reference under which an alert carries the device's own id."""

_ALERTS_PER_DEVICE = 5
_RANK = {None: 0, Level.DELIVERED: 1, Level.ACCEPTED: 2, Level.ACKNOWLEDGED: 3}
_CLOSED = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED, AlertStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to a device, cut to what the device is told."""

    version: int
    message_id: str
    event_id: str
    incident_id: str | None
    alert_id: str | None
    in_reply_to: str | None
    sender: str
    text: str
    language: str | None
    priority: Priority
    mode: Mode
    requires_acknowledgement: bool
    occurred_at: datetime
    expires_at: datetime | None
    attachments: tuple[Attachment, ...]
    level: Level | None = None

    @property
    def settled(self) -> bool:
        """Whether the device has said all it is asked to say of it."""
        wanted = Level.ACKNOWLEDGED if self.requires_acknowledgement else Level.DELIVERED
        return _RANK[self.level] >= _RANK[wanted]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, cut to what its device is told."""

    version: int
    event_id: str
    alert_id: str | None
    incident_id: str | None
    kind: AlertKind
    silent: bool
    status: AlertStatus
    cancel_requested: bool
    destinations: tuple[tuple[str, Level], ...]
    changed_at: datetime

    @property
    def closed(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _CLOSED


class Listener:
    """One stream or long poll of a device; `gone` once a newer one took its place."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False


class Box:
    """What waits for one device."""

    __slots__ = ("alerts", "early", "listeners", "mails", "version", "waiters")

    def __init__(self) -> None:
        self.version = 0
        self.mails: OrderedDict[str, Mail] = OrderedDict()
        self.alerts: OrderedDict[str, Standing] = OrderedDict()
        self.early: OrderedDict[str, Level] = OrderedDict()
        self.listeners: list[Listener] = []
        self.waiters: set[asyncio.Future[None]] = set()

    def next_version(self) -> int:
        """Count up."""
        self.version += 1
        return self.version

    def new_mails(self, after: int, mode: Mode) -> list[Mail]:
        """Give the messages after a version that a device of this mode has not confirmed yet.

        An exercise never reaches a real patrol (DESIGN, promise 5), not as a text either.
        """
        drill = {Mode.EXERCISE, Mode.TEST} if mode is Mode.ACTUAL else frozenset[Mode]()
        return [m for m in self.mails.values() if m.version > after and m.level is None and m.mode not in drill]

    def new_standings(self, after: int) -> list[Standing]:
        """Give the alerts that changed after a version; at first only those still open."""
        return [s for s in self.alerts.values() if s.version > after and (after or not s.closed)]

    def wake(self) -> None:
        """Let every listener look again."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self) -> None:
        """Wait until something changed; look first, without a pause in between."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)


class Mailboxes:
    """The boxes of all devices."""

    def __init__(self, messages_per_device: int, full: Callable[[], None]) -> None:
        self._limit = messages_per_device
        self._full = full
        self._boxes: dict[str, Box] = {}
        self._owners: dict[str, str] = {}
        """Who a message or an alert belongs to, by its id."""

    def see(self, topic: str, key: str, record: Record | None) -> None:
        """Take one record of a topic; None is a tombstone of `key`."""
        if isinstance(record, DeviceMessage) and record.direction is MessageDirection.TO_DEVICE:
            self._take_message(record)
        elif isinstance(record, DeliveryReceipt) and record.destination == DEVICE:
            self._take_receipt(record)
        elif isinstance(record, AlertState):
            self._take_state(record)
        elif record is None and topic == STATE_ALERTS:
            self._forget_alert(key)

    def box(self, device_id: str) -> Box:
        """Give the box of a device, an empty one when nothing has come yet."""
        return self._boxes.setdefault(device_id, Box())

    def wake_all(self) -> None:
        """Let every listener look again, for example whether its device is still enrolled."""
        for box in self._boxes.values():
            box.wake()

    def owner(self, known_id: str) -> str | None:
        """Give the device that a message or an alert belongs to, or None when the hub does not know it (any more)."""
        return self._owners.get(known_id)

    def knows_incident(self, device_id: str, incident_id: str) -> bool:
        """Tell whether a message or an alert of this device has named the incident."""
        return any(incident_id == named for named in self._incidents(self.box(device_id)))

    def raised(self, alert: DeviceAlert) -> None:
        """Remember an alert that was just accepted, until the streams tell more of it."""
        box = self.box(alert.device_id)
        if alert.header.event_id not in box.alerts:
            self._keep_alert(alert, AlertStatus.RAISED, (), cancel_requested=False, changed_at=alert.header.received_at)

    @staticmethod
    def _incidents(box: Box) -> Iterator[str | None]:
        yield from (mail.incident_id for mail in box.mails.values())
        yield from (alert.incident_id for alert in box.alerts.values())

    def _take_message(self, message: DeviceMessage) -> None:
        box = self.box(message.device_id)
        header = message.header
        if header.message_id in box.mails:
            return
        box.mails[header.message_id] = Mail(
            version=box.next_version(),
            message_id=header.message_id,
            event_id=header.event_id,
            incident_id=header.incident_id,
            alert_id=message.alert_id,
            in_reply_to=message.in_reply_to,
            sender=message.sender,
            text=message.text,
            language=header.language,
            priority=message.priority,
            mode=header.mode,
            requires_acknowledgement=message.requires_acknowledgement,
            occurred_at=header.occurred_at,
            expires_at=header.expires_at,
            attachments=message.attachments,
            level=box.early.pop(header.message_id, None),
        )
        self._owners[header.message_id] = message.device_id
        self._make_room(box, header.received_at)
        box.wake()

    def _make_room(self, box: Box, now: datetime) -> None:
        """Drop what matters least: settled first, then expired, then the oldest."""
        if len(box.mails) <= self._limit:
            return
        settled = (m.message_id for m in box.mails.values() if m.settled)
        expired = (m.message_id for m in box.mails.values() if m.expires_at is not None and m.expires_at <= now)
        dropped = next(settled, None) or next(expired, None)
        if dropped is None:
            self._full()
            dropped = next(iter(box.mails))
        del box.mails[dropped]
        self._owners.pop(dropped, None)

    def _take_receipt(self, receipt: DeliveryReceipt) -> None:
        if receipt.device_id is None or receipt.delivery_id is None or receipt.level not in _RANK:
            return
        box = self.box(receipt.device_id)
        mail = box.mails.get(receipt.delivery_id)
        if mail is None:  # the topics are read side by side, so that a receipt may come before its message
            self._keep_early(box, receipt.delivery_id, receipt.level)
        elif _RANK[receipt.level] > _RANK[mail.level]:
            box.mails[mail.message_id] = replace(mail, level=receipt.level)

    def _keep_early(self, box: Box, message_id: str, level: Level) -> None:
        if _RANK[level] > _RANK[box.early.get(message_id)]:
            box.early[message_id] = level
        if len(box.early) > self._limit:
            box.early.popitem(last=False)

    def _take_state(self, state: AlertState) -> None:
        levels = tuple((name, standing.level) for name, standing in state.destinations.items())
        self._keep_alert(
            state.alert, state.status, levels, cancel_requested=state.cancel_requested, changed_at=state.changed_at
        )

    def _keep_alert(
        self,
        alert: DeviceAlert,
        status: AlertStatus,
        levels: tuple[tuple[str, Level], ...],
        *,
        cancel_requested: bool,
        changed_at: datetime,
    ) -> None:
        box = self.box(alert.device_id)
        header = alert.header
        box.alerts[header.event_id] = Standing(
            version=box.next_version(),
            event_id=header.event_id,
            alert_id=next((ref.id for ref in header.external_refs if ref.system == DEVICE_ALERT_SYSTEM), None),
            incident_id=header.incident_id,
            kind=alert.kind,
            silent=alert.silent,
            status=status,
            cancel_requested=cancel_requested,
            destinations=levels,
            changed_at=changed_at,
        )
        self._owners[header.event_id] = alert.device_id
        self._drop_oldest_alert(box)
        box.wake()

    def _drop_oldest_alert(self, box: Box) -> None:
        if len(box.alerts) > _ALERTS_PER_DEVICE:
            closed = next((event_id for event_id, alert in box.alerts.items() if alert.closed), None)
            dropped = closed or next(iter(box.alerts))
            del box.alerts[dropped]
            self._owners.pop(dropped, None)

    def _forget_alert(self, event_id: str) -> None:
        if owner := self._owners.pop(event_id, None):
            self.box(owner).alerts.pop(event_id, None)
