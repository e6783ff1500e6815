"""The messages of all devices: taken in, settled by receipts, dropped where there is no room, ended in time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.catalogue import STREAMS_SOURCE
from bondmate_schemas.enums import Level, MessageDirection
from bondmate_schemas.models import DeliveryReceipt, DeviceMessage

from bondmate_gateway.mailbox.box import Box, Boxes
from bondmate_gateway.mailbox.mail import RANK, UNDELIVERED, Ending, Mail
from bondmate_gateway.mailbox.replacements import Handing

_ENDINGS: Final = frozenset({Level.EXPIRED, Level.WITHHELD})
_NO_NEWS: Final = timedelta(days=1)
"""What has waited for longer when a gateway reads of it was told of, or is no news any more."""


class Deadlines:
    """When the time of messages runs out, soonest first; asking what is due costs nothing while nothing is."""

    def __init__(self) -> None:
        self._times: list[tuple[datetime, str, str]] = []

    def add(self, time: datetime, device_id: str, message_id: str) -> None:
        """Have this message come due at `time`."""
        heapq.heappush(self._times, (time, device_id, message_id))

    def due(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Take out, as device and message, what has come due."""
        while self._times and self._times[0][0] <= now:
            _, device_id, message_id = heapq.heappop(self._times)
            yield device_id, message_id


class DeviceMessages:
    """Keeps the messages in the boxes of their devices, at most `limit` in each; `full` is called where one is lost."""

    def __init__(self, boxes: Boxes, limit: int, full: Callable[[], None], undelivered_after: timedelta) -> None:
        self._boxes = boxes
        self._limit = limit
        self._full = full
        self._undelivered_after = undelivered_after
        self._deadlines = Deadlines()
        self._dropped: list[Ending] = []

    def take(self, message: DeviceMessage) -> None:
        """Take a message to a device whose true name the streams have written on it."""
        # What a platform wrote itself names a pseudonym, or nobody.
        is_true = STREAMS_SOURCE in (message.header.source, *message.header.hops)
        if message.direction is not MessageDirection.TO_DEVICE or not is_true:
            return
        device_id = self._boxes.replacements.current(message.device_id)
        box = self._boxes.box(device_id)
        message_id = message.header.message_id
        if message_id in box.mails:
            return
        mail = box.mails[message_id] = Mail.of(
            message,
            box.next_version(),
            level=box.early.pop(message_id, None),
            ended=(message_id, True) in box.ended_early,
            told=(message_id, False) in box.ended_early,
        )
        for ended in (True, False):
            box.ended_early.pop((message_id, ended), None)
        self._watch(device_id, mail)
        self._boxes.owners[message_id] = device_id
        self._make_room(device_id, box, message.header.received_at)
        box.wake()

    def take_receipt(self, receipt: DeliveryReceipt) -> None:
        """Take how far a message has come on its device, or that its sender was told of its end."""
        if receipt.device_id is None or receipt.delivery_id is None:
            return
        # Whose a message is now counts, and not which device said so before another had its place.
        owner = self._boxes.owners.get(receipt.delivery_id)
        box = self._boxes.box(owner or self._boxes.replacements.current(receipt.device_id))
        mail = box.mails.get(receipt.delivery_id)
        if receipt.level in _ENDINGS or receipt.code == UNDELIVERED:
            self._take_ending(box, receipt.delivery_id, mail, ended=receipt.level in _ENDINGS)
        elif receipt.level not in RANK:
            return
        elif mail is None:  # the topics are read side by side, so that a receipt may come before its message
            self._keep_early(box, receipt.delivery_id, receipt.level)
        elif RANK[receipt.level] > RANK[mail.level]:
            box.mails[mail.message_id] = replace(mail, level=receipt.level)

    def move(self, handing: Handing) -> None:
        """Move what has yet to be said of from one box to another."""
        old, box = self._boxes.box(handing.from_id), self._boxes.box(handing.to_id)
        for mail in [mail for mail in old.mails.values() if mail.device_id in handing.of]:
            del old.mails[mail.message_id]
            if not mail.settled:
                box.mails[mail.message_id] = replace(mail, version=box.next_version())
                self._boxes.owners[mail.message_id] = handing.to_id
                self._watch(handing.to_id, mail)
        if handing.from_id in handing.of:
            self._move_early(old, box)

    def ended(self, now: datetime) -> list[Ending]:
        """Take the messages that ended before their device said all it is asked to say, each once.

        Return one with `tell_again` when its sender could not be told.
        """
        due = ((device, self._boxes.box(device).mails.get(message)) for device, message in self._deadlines.due(now))
        late = [_due(device, mail, now) for device, mail in due if mail is not None]
        dropped, self._dropped = self._dropped, []
        return [one for one in (*late, *dropped) if not one.mail.settled and not self._is_told(one, now)]

    def tell_again(self, ending: Ending) -> None:
        """Have an ending come with the next that `ended` takes."""
        self._dropped.append(ending)

    def _is_told(self, one: Ending, now: datetime) -> bool:
        waits, since = one.code == UNDELIVERED, one.mail.waits_since
        if waits and (since is None or one.mail.level is not None or now - since > _NO_NEWS):
            return True
        return one.mail.ended or (one.mail.message_id, not waits) in self._boxes.box(one.device_id).ended_early

    def _watch(self, device_id: str, mail: Mail) -> None:
        if mail.settled or mail.ended:
            return
        if mail.expires_at is not None:
            self._deadlines.add(mail.expires_at, device_id, mail.message_id)
        if mail.waits_since is not None and mail.level is None:
            at = mail.waits_since + self._undelivered_after
            if mail.expires_at is None or at < mail.expires_at:
                self._deadlines.add(at, device_id, mail.message_id)

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
            self._dropped.append(Ending(device_id, mail, Level.WITHHELD, "mailbox_full"))
        box.given_at.pop(dropped, None)
        self._boxes.owners.pop(dropped, None)

    def _take_ending(self, box: Box, message_id: str, mail: Mail | None, *, ended: bool) -> None:
        if mail is not None:
            box.mails[message_id] = replace(mail, ended=True) if ended else replace(mail, waits_since=None)
            return
        box.ended_early[message_id, ended] = None
        if len(box.ended_early) > self._limit:
            del box.ended_early[next(iter(box.ended_early))]

    def _keep_early(self, box: Box, message_id: str, level: Level) -> None:
        if RANK[level] > RANK[box.early.get(message_id)]:
            box.early[message_id] = level
        if len(box.early) > self._limit:
            del box.early[next(iter(box.early))]

    def _move_early(self, old: Box, box: Box) -> None:
        """Move what came before the message that it is of."""
        early, ended_early = old.early, old.ended_early
        old.early, old.ended_early = {}, {}
        for message_id, level in early.items():
            self._keep_early(box, message_id, level)
        for message_id, ended in ended_early:
            self._take_ending(box, message_id, None, ended=ended)


def _due(device_id: str, mail: Mail, now: datetime) -> Ending:
    """Return the end of a message whose time ran out; of another, which is kept, that its device has not had it."""
    if not mail.is_expired(now):
        return Ending(device_id, mail, Level.UNKNOWN, UNDELIVERED)
    return Ending(
        device_id, mail, Level.EXPIRED, "expired_undelivered" if mail.level is None else "expired_unconfirmed"
    )
