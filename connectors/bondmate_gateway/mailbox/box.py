"""What waits for each device, who listens for it, and who each message and alert belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime

from bondmate_schemas.duress import is_under
from bondmate_schemas.enums import Level, Mode
from bondmate_schemas.models import DeviceMark

from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.mail import Mail
from bondmate_gateway.mailbox.replacements import Replacements


class DeviceListener:
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
        self.alerts: dict[str, AlertProgress] = {}
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
        self.listeners: list[DeviceListener] = []
        self.waiters: set[asyncio.Future[None]] = set()

    @property
    def is_under_duress(self) -> bool:
        """Whether all that the device is told must stay silent."""
        return is_under(self.duress, self.duress_end)

    def is_silent(self, mail: Mail) -> bool:
        """Whether a message must be shown without a sound or a question."""
        return mail.silent or (self.is_under_duress and not mail.aloud)

    def event_of(self, event_id: str) -> str:
        """Return the event id of the alert that the press of this one became part of; else the same."""
        return self.names.get(event_id, event_id)

    def next_version(self) -> int:
        """Count up."""
        self.version += 1
        return self.version

    def new_mails(self, after: int, mode: Mode, now: datetime) -> list[Mail]:
        """Return the messages after a version that a device of this mode has yet to confirm, in order.

        An exercise never reaches a real patrol, not as a text either.
        """
        return [m for m in self._mails(mode) if m.version > after and (m.level is None or m.is_wanted(now))]

    def repeats(self, mode: Mode, now: datetime, given_before: float) -> list[Mail]:
        """Return the messages that must be confirmed, are not, and were last given before a monotonic time."""
        return [m for m in self._given(mode, now) if self.given_at[m.message_id] <= given_before]

    def last_given(self, mode: Mode, now: datetime) -> float | None:
        """Return the earliest monotonic time at which one of those was given; None when there are none."""
        return min((self.given_at[m.message_id] for m in self._given(mode, now)), default=None)

    def _given(self, mode: Mode, now: datetime) -> Iterator[Mail]:
        if self.given_at:
            asked = (m for m in self._mails(mode) if m.message_id in self.given_at and m.is_wanted(now))
            yield from (m for m in asked if not self.is_silent(m))

    def _mails(self, mode: Mode) -> Iterator[Mail]:
        drill = {Mode.EXERCISE, Mode.TEST} if mode is Mode.ACTUAL else frozenset[Mode]()
        return (mail for mail in self.mails.values() if mail.mode not in drill)

    def new_alerts(self, after: int) -> list[AlertProgress]:
        """Return the alerts that changed after a version; at first only those still open."""
        return [one for one in self.alerts.values() if one.version > after and (after or not one.closed)]

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


class Boxes:
    """One box a device; `owners` and `replacements` say into which what is read belongs."""

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = {}
        self.replacements = Replacements()
        self.owners: dict[str, str] = {}
        """Who a message or an alert belongs to, by its id."""

    def box(self, device_id: str) -> Box:
        """Return the box of a device, an empty one when nothing has come yet."""
        return self._boxes.setdefault(device_id, Box())

    def wake_all(self) -> None:
        """Let every listener look again."""
        for box in self._boxes.values():
            box.wake()
