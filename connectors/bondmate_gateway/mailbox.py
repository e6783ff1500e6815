"""What waits for each device: messages addressed to it, and where its own alerts stand.

Rebuilt from the topics at each start, in every gateway; nothing here is the only copy of anything.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from bondmate_schemas.catalogue import CHECK_INS, DEVICE, STATE_ALERTS, STREAMS_SOURCE
from bondmate_schemas.device_alert_ids import alert_event_id, own_ids, real_event_id
from bondmate_schemas.duress import BEGUN, ENDED, begins, begun_by, is_under
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Level, MessageDirection, Mode, Priority
from bondmate_schemas.flags import DEVICE_REVOKED, FROM_REPLACED, STARTED_BY_ROOM
from bondmate_schemas.models import (
    AlertState,
    AlertWhole,
    Attachment,
    CheckIn,
    DeliveryReceipt,
    DeviceAlert,
    DeviceMark,
    DeviceMessage,
    ExternalRef,
    Record,
)
from bondmate_schemas.takeover import REPLACED, before, current

from bondmate_gateway.deadlines import Deadlines
from bondmate_gateway.owed import Owed
from bondmate_gateway.said import Said, listed, said_of

_ALERTS_PER_DEVICE = 5
_RANK = {None: 0, Level.DELIVERED: 1, Level.ACCEPTED: 2, Level.ACKNOWLEDGED: 3}
_ENDINGS = frozenset({Level.EXPIRED, Level.WITHHELD})
_CLOSED = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED, AlertStatus.EXPIRED})


UNDELIVERED: Final = "undelivered"
"""Code of what is told of a message that its device has not had for long."""
UNDELIVERED_AFTER: Final = timedelta(minutes=5)
_NO_NEWS: Final = timedelta(days=1)
"""What has waited for longer when a gateway reads of it was told of, or is no news any more."""

T = TypeVar("T", str, str | None)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to a device, cut to what the device is told."""

    version: int
    device_id: str
    """The device that it was written to; another may have its place."""
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
    refs: tuple[ExternalRef, ...] = ()
    level: Level | None = None
    ended: bool = False
    """Whether its sender was told that its time ran out."""
    waits_since: datetime | None = None
    """When it came, while its sender is to be told that its device has not had it for long."""
    silent: bool = False
    aloud: bool = False
    """Whether its sender wants it to sound although the officer is under duress."""

    @property
    def settled(self) -> bool:
        """Whether the device has said all it is asked to say of it."""
        wanted = Level.ACKNOWLEDGED if self.requires_acknowledgement else Level.DELIVERED
        return _RANK[self.level] >= _RANK[wanted]

    def is_expired(self, now: datetime) -> bool:
        """Whether it must not be shown as new any more."""
        return self.expires_at is not None and self.expires_at <= now

    def is_wanted(self, now: datetime) -> bool:
        """Whether the device must still say that its officer confirmed it."""
        return self.requires_acknowledgement and not self.settled and not self.is_expired(now)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, cut to what its device is told."""

    version: int
    device_id: str | None
    """The device that raised it; another may have its place. None: pressed at a replaced device, it stays there."""
    event_id: str
    alert_ids: tuple[str, ...]
    """The device's own ids: of the alert, and of presses that became part of it, the newest last."""
    incident_id: str | None
    kind: AlertKind
    silent: bool
    status: AlertStatus
    cancel_requested: bool
    destinations: tuple[tuple[str, Level], ...]
    changed_at: datetime
    said: tuple[Said, ...] = ()
    whole: AlertWhole | None = None
    """Who ended it and why, and what it goes on from."""
    is_revoked: bool = False
    """Whether its rooms were told that the device was revoked."""

    @classmethod
    def raised(cls, alert: DeviceAlert) -> Standing:
        """Return where an alert stands of which nobody was told yet."""
        return cls(
            version=0,
            device_id=None if FROM_REPLACED in alert.header.flags else alert.device_id,
            event_id=_one(alert.header.event_id),
            alert_ids=own_ids(alert),
            incident_id=_one(alert.header.incident_id),
            kind=alert.kind,
            silent=alert.silent,
            status=AlertStatus.RAISED,
            cancel_requested=False,
            destinations=(),
            changed_at=alert.header.received_at,
            whole=alert.whole,
            is_revoked=DEVICE_REVOKED in alert.header.flags,
        )

    @property
    def closed(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _CLOSED


@dataclass(frozen=True, slots=True)
class Ending:
    """A message that ended before its device had said all it is asked to say, or waits for long."""

    device_id: str
    mail: Mail
    level: Level
    code: str

    @classmethod
    def of_time(cls, device_id: str, mail: Mail) -> Ending:
        """Give the end of one whose time ran out."""
        return cls(
            device_id, mail, Level.EXPIRED, "expired_undelivered" if mail.level is None else "expired_unconfirmed"
        )

    @classmethod
    def of_waiting(cls, device_id: str, mail: Mail) -> Ending:
        """Return what is told of one that its device has not had for long: it is kept, and still given."""
        return cls(device_id, mail, Level.UNKNOWN, UNDELIVERED)

    @classmethod
    def of_room(cls, device_id: str, mail: Mail) -> Ending:
        """Give the end of one for which there was no room any more."""
        return cls(device_id, mail, Level.WITHHELD, "mailbox_full")


class Listener:
    """One stream or long poll of a device; `gone` once a newer one took its place."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False


class Box:
    """What waits for one device."""

    __slots__ = (
        "alerts", "duress", "duress_end", "early", "ended_early", "given_at", "listeners", "mails", "marked_at",
        "names", "version", "waiters",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self.mails: dict[str, Mail] = {}
        self.alerts: dict[str, Standing] = {}
        self.duress: DeviceMark | None = None
        self.duress_end: DeviceMark | None = None
        self.marked_at = 0
        """The version of what the device is told of its duress, and of what it owes for another."""
        self.names: dict[str, str] = {}
        """The alert that a press became part of, by the event id its device was told."""
        self.early: dict[str, Level] = {}
        self.ended_early: dict[tuple[str, bool], None] = {}
        """What was told of a message before it came here: that it ended, or else that it waits."""
        self.given_at: dict[str, float] = {}
        """When a message that must be confirmed was last given to the device, by the monotonic clock."""
        self.listeners: list[Listener] = []
        self.waiters: set[asyncio.Future[None]] = set()

    @property
    def is_under_duress(self) -> bool:
        """Whether all that the device is told must stay silent."""
        return is_under(self.duress, self.duress_end)

    def is_silent(self, mail: Mail) -> bool:
        """Return whether a message must be shown without a sound or a question."""
        return mail.silent or (self.is_under_duress and not mail.aloud)

    def event_of(self, event_id: str) -> str:
        """Give the event id of the alert that the press of this one became part of; else the same."""
        return self.names.get(event_id, event_id)

    def next_version(self) -> int:
        """Count up."""
        self.version += 1
        return self.version

    def new_mails(self, after: int, mode: Mode, now: datetime) -> list[Mail]:
        """Give the messages after a version that a device of this mode has yet to confirm, in order.

        An exercise never reaches a real patrol (DESIGN, promise 5), not as a text either.
        """
        return [m for m in self._mails(mode) if m.version > after and (m.level is None or m.is_wanted(now))]

    def repeats(self, mode: Mode, now: datetime, given_before: float) -> list[Mail]:
        """Give the messages that must be confirmed, are not, and were last given before a monotonic time."""
        return [m for m in self._given(mode, now) if self.given_at[m.message_id] <= given_before]

    def last_given(self, mode: Mode, now: datetime) -> float | None:
        """Give the earliest monotonic time at which one of those was given; None when there are none."""
        return min((self.given_at[m.message_id] for m in self._given(mode, now)), default=None)

    def _given(self, mode: Mode, now: datetime) -> Iterator[Mail]:
        if self.given_at:
            asked = (m for m in self._mails(mode) if m.message_id in self.given_at and m.is_wanted(now))
            yield from (m for m in asked if not self.is_silent(m))

    def _mails(self, mode: Mode) -> Iterator[Mail]:
        drill = {Mode.EXERCISE, Mode.TEST} if mode is Mode.ACTUAL else frozenset[Mode]()
        return (mail for mail in self.mails.values() if mail.mode not in drill)

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


def _one(text: T) -> T:
    """Give the one copy of a text that many mails share: a thousand devices make a hundred thousand mails."""
    return text if text is None else sys.intern(text)


def _waits_since(message: DeviceMessage, *, told: bool) -> datetime | None:
    """Return when a message came whose sender is to be told of it; none of the hub's own has one."""
    theirs = any(ref.system == STREAMS_SOURCE for ref in message.header.external_refs)
    return message.header.received_at if theirs and not told else None


def _is_hidden(alert: DeviceAlert) -> bool:
    """Return whether a room has started it silently, and its officer has not pressed: nothing of it is shown."""
    return STARTED_BY_ROOM in alert.header.flags and alert.silent and not own_ids(alert)


def _names_a_device(message: DeviceMessage) -> bool:
    """Whether the streams have written the true device on it: what a platform wrote names a pseudonym, or nobody."""
    return STREAMS_SOURCE in (message.header.source, *message.header.hops)


class Mailboxes:
    """The boxes of all devices."""

    def __init__(
        self, messages_per_device: int, full: Callable[[], None], undelivered_after: timedelta = UNDELIVERED_AFTER
    ) -> None:
        self._limit = messages_per_device
        self._undelivered_after = undelivered_after
        self._full = full
        self._boxes: dict[str, Box] = {}
        self._deadlines = Deadlines()
        self._dropped: list[Ending] = []
        self._places: dict[str, str] = {}
        """Devices that took the place of another, by that other."""
        self._spares: set[str] = set()
        self._owed = Owed()
        self._owners: dict[str, str] = {}
        """Who a message or an alert belongs to, by its id."""

    def see(self, topic: str, key: str, record: Record | None) -> None:
        """Take one record of a topic; None is a tombstone of `key`."""
        if isinstance(record, DeviceMessage):
            if record.direction is MessageDirection.TO_DEVICE and _names_a_device(record):
                self._take_message(record)
        elif isinstance(record, DeliveryReceipt) and record.destination == DEVICE:
            self._take_receipt(record)
        elif isinstance(record, AlertState):
            self._take_state(record)
        elif isinstance(record, DeviceMark):
            self._take_mark(record)
        elif topic == CHECK_INS and (record is None or isinstance(record, CheckIn)):
            self._take_check_in(key, record)
        elif record is None and topic == STATE_ALERTS:
            self._forget_alert(key)

    def ended(self, now: datetime) -> list[Ending]:
        """Take the messages that ended before their device said all it is asked to say, each once.

        Give one back with `tell_again` when its sender could not be told.
        """
        due = ((device, self.box(device).mails.get(message)) for device, message in self._deadlines.due(now))
        late = [self._due(device, mail, now) for device, mail in due if mail is not None]
        dropped, self._dropped = self._dropped, []
        return [one for one in (*late, *dropped) if not one.mail.settled and not self._is_told(one, now)]

    def tell_again(self, ending: Ending) -> None:
        """Give an ending with the next that `ended` gives."""
        self._dropped.append(ending)

    def _is_told(self, one: Ending, now: datetime) -> bool:
        waits, since = one.code == UNDELIVERED, one.mail.waits_since
        if waits and (since is None or one.mail.level is not None or now - since > _NO_NEWS):
            return True
        return one.mail.ended or (one.mail.message_id, not waits) in self.box(one.device_id).ended_early

    def _due(self, device_id: str, mail: Mail, now: datetime) -> Ending:
        return Ending.of_time(device_id, mail) if mail.is_expired(now) else Ending.of_waiting(device_id, mail)

    def _watch(self, device_id: str, mail: Mail) -> None:
        if mail.settled or mail.ended:
            return
        if mail.expires_at is not None:
            self._deadlines.add(mail.expires_at, device_id, mail.message_id)
        if mail.waits_since is not None and mail.level is None:
            at = mail.waits_since + self._undelivered_after
            if mail.expires_at is None or at < mail.expires_at:
                self._deadlines.add(at, device_id, mail.message_id)

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

    def is_replaced(self, device_id: str) -> bool:
        """Return whether another device has taken the place of this one, which is told nothing any more."""
        return device_id in self._places

    def own_event(self, device_id: str, alert_id: str) -> str | None:
        """Return the alert that a spare means by an id of the device whose place it took; None for any other."""
        if device_id not in self._spares:
            return None
        alerts = self.box(device_id).alerts.values()
        return next((one.event_id for one in alerts if alert_id in {one.event_id, *one.alert_ids}), None)

    def owed(self, device_id: str) -> list[CheckIn]:
        """Return the check-ins that a device is told it owes, also for those whose place it took.

        Under duress it is told of none: whoever holds the officer would see there that nobody believed what was said.
        """
        is_told = not self.is_replaced(device_id) and not self.box(device_id).is_under_duress
        return self._owed.of(self._all_of(device_id)) if is_told else []

    def owed_as(self, device_id: str, check_in_id: str) -> CheckIn | None:
        """Return the check-in that a device means by an id, its own first; None for one that nobody owes."""
        return self._owed.named([device_id], check_in_id) or self._owed.named(self._all_of(device_id), check_in_id)

    def _all_of(self, device_id: str) -> list[str]:
        """Return a device and those whose place it took."""
        return [device_id, *(before(device_id, self._places) if device_id in self._spares else ())]

    def taken(self, alert: DeviceAlert) -> None:
        """Remember what was just accepted, until the streams tell more of it: the alert, that it is one of duress."""
        if self.is_replaced(alert.device_id):
            return
        box = self.box(alert.device_id)
        if alert.action is AlertAction.RAISE and box.event_of(alert.header.event_id) not in box.alerts:
            self._keep_alert(alert, Standing.raised(alert))
        if begins(alert, box.duress):
            self._take_mark(begun_by(alert))

    def _take_mark(self, mark: DeviceMark) -> None:
        box = self.box(mark.device_id)
        was_under = box.is_under_duress
        if mark.mark == BEGUN and (box.duress is None or box.duress.since <= mark.since):
            box.duress = mark
        elif mark.mark == ENDED and (box.duress_end is None or box.duress_end.since <= mark.since):
            box.duress_end = mark
        if mark.mark == REPLACED:
            self._take_place(mark)
        if box.is_under_duress is was_under:
            return
        box.marked_at = box.next_version()
        for event_id, alert in box.alerts.items():
            # Told again, what was loud until now to be silent from now on.
            box.alerts[event_id] = replace(alert, version=box.next_version())
        box.wake()

    def _take_place(self, mark: DeviceMark) -> None:
        """Take that another device has the place of one, or that it has its own again."""
        had = current(mark.device_id, self._places)
        self._places.pop(mark.device_id, None)
        if mark.other_device_id:
            self._places[mark.device_id] = mark.other_device_id
        self._spares = set(self._places.values())
        has = current(mark.device_id, self._places)
        if has != had:
            self._move({mark.device_id, *before(mark.device_id, self._places)}, had, has, mark.since)

    def _move(self, of: Collection[str], from_id: str, to_id: str, since: datetime) -> None:
        """Give the device that has a place now what was told `of` some to the one before it, and was open then."""
        old, box = self.box(from_id), self.box(to_id)
        for mail in [mail for mail in old.mails.values() if mail.device_id in of]:
            del old.mails[mail.message_id]
            if not mail.settled:
                box.mails[mail.message_id] = replace(mail, version=box.next_version())
                self._owners[mail.message_id] = to_id
                self._watch(to_id, mail)
        for alert in [alert for alert in old.alerts.values() if alert.device_id in of]:
            del old.alerts[alert.event_id]
            # Read anew at a start, an end may come before the mark: the spare, which was away, has yet to hear of it.
            if not alert.closed or alert.changed_at >= since:
                box.alerts[alert.event_id] = replace(alert, version=box.next_version())
                self._owners[alert.event_id] = to_id
        if from_id in of:
            self._move_early(old, box)
        self._tell_owed(box)
        old.wake()

    def _move_early(self, old: Box, box: Box) -> None:
        """Move what came before the message that it is of."""
        early, ended_early = old.early, old.ended_early
        old.early, old.ended_early = {}, {}
        for message_id, level in early.items():
            self._keep_early(box, message_id, level)
        for message_id, ended in ended_early:
            self._take_ending(box, message_id, None, ended=ended)

    def _take_check_in(self, event_id: str, said: CheckIn | None) -> None:
        self._owed.take(event_id, said)
        if said is not None and self.is_replaced(said.device_id):
            self._tell_owed(self.box(current(said.device_id, self._places)))

    @staticmethod
    def _tell_owed(box: Box) -> None:
        box.marked_at = box.next_version()
        box.wake()

    @staticmethod
    def _incidents(box: Box) -> Iterator[str | None]:
        yield from (mail.incident_id for mail in box.mails.values())
        yield from (alert.incident_id for alert in box.alerts.values())

    def _take_message(self, message: DeviceMessage) -> None:
        device_id = current(message.device_id, self._places)
        box = self.box(device_id)
        header = message.header
        if header.message_id in box.mails:
            return
        mail = box.mails[header.message_id] = Mail(
            version=box.next_version(),
            device_id=_one(message.device_id),
            message_id=header.message_id,
            event_id=_one(header.event_id),
            incident_id=_one(header.incident_id),
            alert_id=_one(message.alert_id),
            in_reply_to=_one(message.in_reply_to),
            sender=_one(message.sender),
            text=_one(message.text),
            language=header.language,
            priority=message.priority,
            mode=header.mode,
            requires_acknowledgement=message.requires_acknowledgement,
            occurred_at=header.occurred_at,
            expires_at=header.expires_at,
            attachments=message.attachments,
            refs=() if header.source == STREAMS_SOURCE else header.external_refs,  # of an answer nobody is told
            level=box.early.pop(header.message_id, None),
            ended=(header.message_id, True) in box.ended_early,
            waits_since=_waits_since(message, told=(header.message_id, False) in box.ended_early),
            silent="silent" in header.flags,
            aloud=message.aloud,
        )
        for ended in (True, False):
            box.ended_early.pop((header.message_id, ended), None)
        self._watch(device_id, mail)
        self._owners[header.message_id] = device_id
        self._make_room(device_id, box, header.received_at)
        box.wake()

    def _make_room(self, device_id: str, box: Box, now: datetime) -> None:
        """Drop what matters least: settled first, then expired, then the oldest."""
        if len(box.mails) <= self._limit:
            return
        settled = (m.message_id for m in box.mails.values() if m.settled)
        expired = (m.message_id for m in box.mails.values() if m.is_expired(now))
        dropped = next(settled, None) or next(expired, None)
        if dropped is None:
            self._full()
            dropped = next(iter(box.mails))
        mail = box.mails.pop(dropped)
        if not mail.settled and not mail.ended:
            self._dropped.append(Ending.of_room(device_id, mail))
        box.given_at.pop(dropped, None)
        self._owners.pop(dropped, None)

    def _take_receipt(self, receipt: DeliveryReceipt) -> None:
        if receipt.device_id is None or receipt.delivery_id is None:
            return
        # Whose a message is now counts, and not which device said so before another had its place.
        box = self.box(self._owners.get(receipt.delivery_id) or current(receipt.device_id, self._places))
        mail = box.mails.get(receipt.delivery_id)
        if receipt.level in _ENDINGS or receipt.code == UNDELIVERED:
            self._take_ending(box, receipt.delivery_id, mail, ended=receipt.level in _ENDINGS)
        elif receipt.level not in _RANK:
            return
        elif mail is None:  # the topics are read side by side, so that a receipt may come before its message
            self._keep_early(box, receipt.delivery_id, receipt.level)
        elif _RANK[receipt.level] > _RANK[mail.level]:
            box.mails[mail.message_id] = replace(mail, level=receipt.level)

    def _take_ending(self, box: Box, message_id: str, mail: Mail | None, *, ended: bool) -> None:
        if mail is not None:
            told: dict[str, object] = {"ended": True} if ended else {"waits_since": None}
            box.mails[message_id] = replace(mail, **told)  # type: ignore[arg-type]  # names of its fields
            return
        box.ended_early[message_id, ended] = None
        if len(box.ended_early) > self._limit:
            del box.ended_early[next(iter(box.ended_early))]

    def _keep_early(self, box: Box, message_id: str, level: Level) -> None:
        if _RANK[level] > _RANK[box.early.get(message_id)]:
            box.early[message_id] = level
        if len(box.early) > self._limit:
            del box.early[next(iter(box.early))]

    def _take_state(self, state: AlertState) -> None:
        if _is_hidden(state.alert):
            return
        standing = replace(
            Standing.raised(state.alert),
            device_id=None if FROM_REPLACED in state.alert.header.flags else state.device_id,
            status=state.status,
            cancel_requested=state.cancel_requested,
            destinations=tuple((name, at.level_said) for name, at in listed(state)),
            changed_at=state.changed_at,
            said=said_of(state),
        )
        self._keep_alert(state.alert, standing)

    def _keep_alert(self, alert: DeviceAlert, standing: Standing) -> None:
        header = alert.header
        device_id = current(standing.device_id, self._places) if standing.device_id else alert.device_id
        box = self.box(device_id)
        if box.event_of(header.event_id) in box.alerts.keys() - {header.event_id}:
            if not _is_again(box, header.event_id):
                return  # an exercise that its device goes on from as real: by its ids it asks for that
            del box.names[header.event_id]
        before = box.alerts.get(header.event_id)
        names = standing.alert_ids
        box.alerts[header.event_id] = replace(standing, version=box.next_version())
        self._owners[header.event_id] = device_id
        if before is None or before.alert_ids != names:
            self._name(box, alert, device_id, {alert.device_id, standing.device_id or alert.device_id})
        self._drop_oldest_alert(box)
        box.wake()

    def _name(self, box: Box, alert: DeviceAlert, device_id: str, pressed_at: Collection[str]) -> None:
        """Let an alert be found by every press that became part of it, which until now was kept as one of its own."""
        event_id = alert.header.event_id
        told = {alert_event_id(device, own_id) for device in pressed_at for own_id in own_ids(alert)} - {event_id}
        if box.alerts[event_id].closed:
            # What was pressed under one of its ids since it ended is an emergency of its own.
            told -= {name for name in told if (press := box.alerts.get(name)) and not press.closed}
        self._unname(box, event_id, but=told)
        for name in told:
            box.names[name] = event_id
            self._owners[name] = device_id
            if (press := box.alerts.get(name)) and not press.closed:
                del box.alerts[name]

    def _unname(self, box: Box, event_id: str, but: Collection[str] = ()) -> None:
        """Forget by what other names an alert goes."""
        for name in [name for name, alert in box.names.items() if alert == event_id and name not in but]:
            del box.names[name]
            if name not in box.alerts:
                self._owners.pop(name, None)

    def _drop_oldest_alert(self, box: Box) -> None:
        if len(box.alerts) > _ALERTS_PER_DEVICE:
            closed = next((event_id for event_id, alert in box.alerts.items() if alert.closed), None)
            self._drop_alert(box, closed or next(iter(box.alerts)))

    def _forget_alert(self, event_id: str) -> None:
        if owner := self._owners.get(event_id):
            self._drop_alert(self.box(owner), event_id)

    def _drop_alert(self, box: Box, event_id: str) -> None:
        """Forget an alert and its names; of one that another goes by too, who it belongs to stays known."""
        box.alerts.pop(event_id, None)
        self._unname(box, event_id)
        if event_id not in box.names:
            self._owners.pop(event_id, None)


def _is_again(box: Box, event_id: str) -> bool:
    """Return whether what was part of an alert that has ended is an alert again, under its own id."""
    other = box.event_of(event_id)
    return other != real_event_id(event_id) and box.alerts[other].closed
