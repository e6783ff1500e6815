"""The position updates of open emergencies: written by who has the alert, in the order of all else of it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import InitVar, dataclass
from datetime import timedelta
from itertools import islice
from typing import Final, NamedTuple

from bondmate_kafka.records import utc_now
from bondmate_schemas.flags import FROM_REPLACED, NOT_RENEWED
from bondmate_schemas.models import AlertState, Delivery, DeviceAlert, DeviceLocation

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.whereabouts import Whereabouts
from bondmate_streams.errors import NotNowError
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic.audit import together
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.following import (
    STANDS_SECONDS,
    UpdatePace,
    UpdateQueue,
    is_followed,
    is_news,
    newest,
    paces_of,
    place_of,
    update_of,
    with_fix,
)
from bondmate_streams.logic.starting import is_held_back
from bondmate_streams.logic.steps import Step

_LOOK_SECONDS: Final = 0.05
_AT_A_LOOK: Final = 200
"""Alerts a room hears of, so that the next look comes soon: there the first of an alert goes first."""
_FRESH: Final = timedelta(seconds=60)
_MISSED: Final = timedelta(minutes=10)
"""A fix of so long before an alert changed hands may have come while nobody had it; older ones were told."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a room was told last of where the device of an alert is."""

    fix_id: str
    place: tuple[float, float]
    at: float


class _News(NamedTuple):
    """What rooms are to hear of a fix."""

    state: AlertState
    fix: DeviceLocation
    notifications: Sequence[Notification]
    deliveries: Sequence[Delivery]


class _HeardBy(NamedTuple):
    """The rooms that hear where the device of an alert is, and whether none has yet."""

    rooms: tuple[str, ...]
    is_first: bool


@dataclass(eq=False)
class Following:
    """Sends rooms where the devices of open emergencies are; fixes come from the lane, by the topic of last fixes."""

    context: AgentContext
    alerts: RecordTable[AlertState]
    owned: OwnedPartitions
    whereabouts: Whereabouts
    paces: InitVar[Mapping[str, UpdatePace]]

    def __post_init__(self, paces: Mapping[str, UpdatePace]) -> None:
        found = paces_of(self.context.routing.routes.destinations, paces, self.context.agreements)
        self._turns = {name: UpdateQueue(pace) for name, pace in found.items()}
        # There may be a hundred thousand that nothing is heard of, so that each takes little.
        self._devices: dict[str, tuple[str, ...]] = {}
        """The open emergencies of each device that has one."""
        self._heard_by: dict[str, _HeardBy] = {}
        """Who hears where the device of an alert is, by alert."""
        self._alike: dict[_HeardBy, _HeardBy] = {}
        self._shown: defaultdict[str, dict[str, _Shown]] = defaultdict(dict)
        self._stirred: set[str] = set()
        """Devices of which there is something to look at."""
        self.on_look: Callable[[str], None] = lambda _: None
        """Called with each alert of whose device there is a fix to look at."""
        self.on_forgotten: Callable[[str], None] = lambda _: None
        self.whereabouts.on_change(self._see)

    def _see(self, device: str) -> None:
        """Note a fix; called in another thread for every fix there is, so it is a look into a dict or two."""
        if device in self._devices or self.whereabouts.before(device):
            self._stirred.add(device)

    def note(self, state: AlertState) -> None:
        """Take an alert as it stands now."""
        event_id = state.header.event_id
        if not is_followed(state):
            self._forget(event_id, state.device_id)
            return
        heard_by = self._heard_by.get(event_id)
        if heard_by is None:
            self._devices[state.device_id] = (*self._devices.get(state.device_id, ()), event_id)
            if state.alert.position is None and self.fix_of(state):
                # The press came between a fix and what the lane wrote of it.
                self._stirred.add(state.device_id)
        rooms = tuple(name for name in state.destinations if name in self._turns)
        # No worker can have told rooms where its device is that they do not know yet.
        is_fresh = state.alert.position is None or utc_now() - state.header.received_at <= _FRESH
        now = _HeardBy(rooms, is_first=is_fresh if heard_by is None else heard_by.is_first)
        self._heard_by[event_id] = self._alike.setdefault(now, now)

    def look_again(self, state: AlertState) -> None:
        """Look at an alert that nobody had for a while: of the newest fix rooms may not have heard."""
        fix = self.fix_of(state) if state.header.event_id in self._heard_by else None
        if fix is not None and utc_now() - fix.header.received_at <= _MISSED:
            self._stirred.add(state.device_id)

    def _forget(self, event_id: str, device: str) -> None:
        heard_by = self._heard_by.pop(event_id, None)
        if heard_by is None:
            return
        for name in heard_by.rooms:
            self._turns[name].forget(event_id)
        self._shown.pop(event_id, None)
        self.on_forgotten(event_id)
        others = tuple(other for other in self._devices.get(device, ()) if other != event_id)
        if others:
            self._devices[device] = others
        else:
            self._devices.pop(device, None)

    def clear(self) -> None:
        """Forget all, before it is noted anew what is ours."""
        for device, event_ids in [*self._devices.items()]:
            for event_id in event_ids:
                self._forget(event_id, device)

    def fix_of(self, state: AlertState) -> DeviceLocation | None:
        """Return the newest fix of the officer whom an alert is about.

        What was pressed at a device since it was replaced is about who has that.
        """
        there = FROM_REPLACED in state.header.flags
        return self.whereabouts.at_device(state.device_id) if there else self.whereabouts.of(state.device_id)

    def here(self, state: AlertState) -> DeviceAlert:
        """Return an alert where its device was last."""
        fix = self.fix_of(state) if is_followed(state) else None
        return with_fix(state.alert, fix, utc_now()) if fix and is_news(fix, state.alert) else state.alert

    def newest(self, step: Step) -> Sequence[Notification]:
        """Return what a step tells, with the newest fix of its device."""
        if not step.notifications or step.state is None or step.outcome == "raised":
            return step.notifications
        lapsed = NOT_RENEWED in step.state.alert.header.flags
        fix, now = None if lapsed else self.fix_of(step.state), utc_now()
        return [newest(notification, fix, now) for notification in step.notifications]

    async def run(self) -> None:
        """Send each room its updates as they are due, until cancelled."""
        while True:
            begun = time.monotonic()
            await self.look(begun)
            # Where much is due a look takes longer than that, and the next begins at once.
            await asyncio.sleep(max(0.0, begun + _LOOK_SECONDS - time.monotonic()))

    async def look(self, now: float) -> None:
        """Send each room what is due there, a little at a time: no SOS waits behind it."""
        while self._stirred:
            device = self._stirred.pop()
            for known in (device, *self.whereabouts.before(device)):
                for event_id in self._devices.get(known, ()):
                    self.on_look(event_id)
                    self._want(event_id, self._heard_by[event_id].rooms)
        due: defaultdict[str, list[str]] = defaultdict(list)
        for name, turns in self._turns.items():
            for event_id in islice(turns.due(now, self.owned.share), _AT_A_LOOK):
                due[event_id].append(name)
        if due:
            heard_of = (each for each in due.items() if each[0] in self._heard_by)
            found = (news for event_id, names in heard_of if (news := self._news_of(event_id, names, now)))
            await self._tell([news async for news in cooperatively(found)], now)

    async def _tell(self, all_news: Sequence[_News], now: float) -> None:
        """Send what is news, once it is logged: after a crash it is not sent again, and so could not be logged then."""
        entries = self.context.entries([notification for news in all_news for notification in news.notifications])
        await self.context.audit.write(*together(entries))
        reports: list[asyncio.Task[None]] = []
        # Until the broker has all of it the partitions are not another worker's, who might write an end before that.
        with ExitStack() as standing:
            async for news in cooperatively(all_news):
                event_id, names = news.state.header.event_id, [each.destination for each in news.deliveries]
                if event_id not in self._heard_by or not standing.enter_context(self.owned.in_partition_of(event_id)):
                    continue
                if self.context.locks.is_held("alerts", event_id) or not self._still_stands(news.state):
                    self._want(event_id, names)
                    continue
                sent = self.context.writer.send(*map(self.context.packed, news.deliveries))
                for delivery in news.deliveries:
                    self._note_told(event_id, delivery, news.fix, now)
                reports.append(asyncio.create_task(self._settled(sent, news.state, names)))
            await asyncio.gather(*reports)

    def _still_stands(self, state: AlertState) -> bool:
        """Whether an alert stands as it did, in the context of its partition."""
        try:
            now = self.alerts.get(state.header.event_id)
        except NotNowError:
            return False
        return now is not None and now.changed_at == state.changed_at

    def _want(self, event_id: str, names: Iterable[str]) -> None:
        is_first = self._heard_by[event_id].is_first
        for name in names:
            self._turns[name].want(event_id, is_first=is_first)

    def _news_of(self, event_id: str, names: Sequence[str], now: float) -> _News | None:
        """Return what rooms are to hear of where the device of an alert is; None where nothing is new to any."""
        with self.owned.in_partition_of(event_id) as ours:
            try:
                state = self.alerts.get(event_id) if ours else None
            except NotNowError:
                self._want(event_id, names)
                return None
        fix = self.fix_of(state) if state else None
        if state is None or fix is None or not is_followed(state) or not is_news(fix, state.alert):
            return None
        found = [update for name in names if (update := self._news(state, name, fix, now))]
        if not found:
            return None
        notifications, deliveries = zip(*found, strict=True)
        return _News(state, fix, notifications, deliveries)

    async def _settled(self, report: Awaitable[None], state: AlertState, names: Sequence[str]) -> None:
        """Wait for the broker's word; where it takes nothing now, what was to be told is due at once."""
        try:
            await report
        except NotNowError:
            event_id = state.header.event_id
            for name in names:
                self._turns[name].forget(event_id)
            self._shown.pop(event_id, None)
            self._stirred.add(state.device_id)

    def _news(
        self, state: AlertState, name: str, fix: DeviceLocation, now: float
    ) -> tuple[Notification, Delivery] | None:
        """Return what a room hears of a fix; None where it would see nothing new."""
        at, shown = state.destinations.get(name), self._shown[state.header.event_id].get(name)
        if at is None or (shown and shown.fix_id == fix.header.message_id):
            return None
        if is_held_back(state, name, self.context.routing.agencies):
            return None
        routes = {decision.destination: decision.route for decision in self.context.routing.of_known(state)[0]}
        notification = update_of(state, name, routes.get(name, ""), fix, utc_now())
        delivery = self.context.agreements.delivery(notification, utc_now(), at.id_key)
        if delivery is None or delivery.alert is None or delivery.alert.position is None:
            return None
        if shown and shown.place == place_of(delivery.alert.position) and now - shown.at < STANDS_SECONDS:
            return None
        return notification, delivery

    def _note_told(self, event_id: str, delivery: Delivery, fix: DeviceLocation, now: float) -> None:
        assert delivery.alert is not None
        assert delivery.alert.position is not None
        self._turns[delivery.destination].told(event_id, now)
        shown = _Shown(fix.header.message_id, place_of(delivery.alert.position), now)
        self._shown[event_id][delivery.destination] = shown
