"""Open emergencies whose devices come to where other rooms are told of alerts; fixes come as `following` has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bondmate_schemas.models import AlertState, DeviceLocation

from bondmate_streams.agents.context import AgentContext
from bondmate_streams.errors import NotNowError
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic.crossing import seen
from bondmate_streams.logic.following import is_followed, is_news, with_fix
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.routing import Decision, held
from bondmate_streams.logic.starting import is_unconfirmed

_LOOK_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 4.0
"""Of one alert a fix is looked at so often at most: two of three are `APART`, and thousands of alerts stay cheap."""


@dataclass(eq=False)
class Crossing:
    """Has rooms join; where no rule asks where an alert is, it does nothing."""

    context: AgentContext
    alerts: RecordTable[AlertState]
    owned: OwnedPartitions
    fix_of: Callable[[AlertState], DeviceLocation | None]
    """Gives the newest fix of the device that an alert follows."""
    join: Callable[[str, Sequence[Decision], Sequence[str]], Awaitable[None]]
    """Takes an alert, who is told for where it has come to, and by which rules."""
    _stirred: set[str] = field(default_factory=set)
    """The alerts of which there is a fix to look at."""
    _since: dict[str, dict[str, datetime]] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)

    def stir(self, event_id: str) -> None:
        """Note that there is a fix of the device of an open alert."""
        if isinstance(self.context.routing.ground, MapGround):
            self._stirred.add(event_id)

    def forget(self, event_id: str) -> None:
        """Forget an alert that is over, or another worker's now."""
        self._stirred.discard(event_id)
        for known in (self._since, self._looked):
            known.pop(event_id, None)

    async def run(self) -> None:
        """Look at fixes, until cancelled."""
        while True:
            await self.look(time.monotonic())
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self, now: float) -> None:
        """Look at the newest fix of each alert whose turn it is."""
        for event_id in [*self._stirred]:
            if now - self._looked.get(event_id, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
                continue
            self._stirred.discard(event_id)
            self._looked[event_id] = now
            try:
                state = self._state(event_id)
                fix = self.fix_of(state) if state else None
                # Before somebody confirms it, nobody else is to learn where it is.
                calls = state and is_followed(state) and not is_unconfirmed(state.alert)
                if fix and state and calls and is_news(fix, state.alert):
                    await self._take(state, fix)
            except NotNowError:
                self._stirred.add(event_id)

    def _state(self, event_id: str) -> AlertState | None:
        with self.owned.in_partition_of(event_id) as ours:
            return self.alerts.get(event_id) if ours else None

    async def _take(self, state: AlertState, fix: DeviceLocation) -> None:
        ground, accuracy_m = self.context.routing.ground, fix.position.accuracy_m
        event_id, alert = state.header.event_id, with_fix(state.alert, fix, fix.header.received_at)
        if not isinstance(ground, MapGround):
            return
        if not state.destinations and (told := self.context.routing.at(alert, ground)):
            # Nobody knows of it: the first place that it has is as good as one that it had when it was raised.
            await self.join(event_id, told, held(alert, self.context.routing.routes, ground))
        if accuracy_m is None or not state.destinations:
            return
        surely, perhaps = (
            [one for one in self.context.routing.at(alert, around) if one.destination not in state.destinations]
            for around in (ground.surely(accuracy_m), ground.perhaps(accuracy_m))
        )
        since, joins = seen(
            self._since.get(event_id, {}),
            [one.destination for one in surely],
            [one.destination for one in perhaps],
            fix.position.fixed_at,
        )
        self._since[event_id] = since
        if joins:
            rules = held(alert, self.context.routing.routes, ground.surely(accuracy_m))
            await self.join(event_id, [one for one in surely if one.destination in joins], rules)
