"""What looks at the fixes of open alerts for rooms that they come to, whatever the table and the device do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bondmate_schemas.models import AlertState, DeviceLocation
from bondmate_streams.agents.crossing import Crossing
from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.logic import states
from bondmate_streams.logic.districts import parse_districts
from bondmate_streams.logic.ground import MapGround
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision

from tests.streams.logic.test_ground import MAP, ROUTES, district_map

PRESSED = datetime.now(UTC)


class Side:
    """The agent over one alert; every fix is surely in the north, and `unread` looks at the table fail."""

    def __init__(self, state: AlertState) -> None:
        self._state = state
        self._fix: DeviceLocation | None = None
        self.unread = 0
        self.joined: list[str] = []
        table = parse_routes(ROUTES)
        routing = SimpleNamespace(
            ground=MapGround.of(parse_districts(district_map(MAP)), table), routes=table,
            at=lambda *_: [Decision("north", "in-north")],
        )  # fmt: skip
        context: Any = SimpleNamespace(routing=routing)
        ours: Any = self
        self._crossing = Crossing(context, ours, ours, lambda _: self._fix, self._join)
        self._now = 1_000.0

    def get(self, _: str) -> AlertState:
        if self.unread:
            self.unread -= 1
            raise StoreUnavailableError("not now")
        return self._state

    @contextmanager
    def in_partition_of(self, _: str) -> Iterator[bool]:
        yield True

    async def _join(self, _: str, decisions: Sequence[Decision], __: Sequence[str]) -> None:
        self.joined += [one.destination for one in decisions]

    async def take(self, fix: DeviceLocation) -> None:
        self._fix = fix
        self._crossing.stir(self._state.header.event_id)
        await self.look()

    async def look(self) -> None:
        self._now += 4
        await self._crossing.look(self._now)


def opened(make: Any, **given: Any) -> AlertState:
    alert = make.alert(received_at=PRESSED, occurred_at=PRESSED, **given)
    state = states.change(None, alert, [Decision("south", "alerts")], PRESSED).state
    assert state is not None
    return state


def fix(make: Any, taken: float, received: float) -> DeviceLocation:
    """Return a fix of so many seconds after the press, and when the hub had it."""
    at, came = (PRESSED + timedelta(seconds=seconds) for seconds in (taken, received))
    position = make.position(at=at).model_copy(update={"accuracy_m": 5.0})
    found: DeviceLocation = make.location(position=position, occurred_at=at, received_at=came)
    return found


async def test_a_fix_is_looked_at_again_when_the_table_could_not_be_read(make: Any) -> None:
    side = Side(opened(make))
    await side.take(fix(make, 1, 1))
    side.unread = 1
    await side.take(fix(make, 11, 11))
    unread = [*side.joined]
    await side.look()

    assert ([], ["north"]) == (unread, side.joined)


async def test_what_waited_at_the_device_since_before_the_press_calls_nobody(make: Any) -> None:
    side = Side(opened(make, position=make.position(at=PRESSED)))
    for taken, received in ((-3600, 1), (-3580, 2)):
        await side.take(fix(make, taken, received))
    waited = [*side.joined]
    for taken in (5, 15):
        await side.take(fix(make, taken, taken))

    assert ([], ["north"]) == (waited, side.joined)


@pytest.mark.parametrize("accuracy_m", [None, 5_000.0])
async def test_an_alert_that_nobody_knows_of_is_told_by_the_first_place_that_it_has(
    make: Any, accuracy_m: float | None
) -> None:
    unrouted = states.change(None, make.alert(received_at=PRESSED, occurred_at=PRESSED), [], PRESSED).state
    assert unrouted is not None
    side, known = Side(unrouted), Side(opened(make))
    unsure = fix(make, 1, 1)
    unsure = unsure.model_copy(update={"position": unsure.position.model_copy(update={"accuracy_m": accuracy_m})})
    for each in (side, known):
        await each.take(unsure)

    assert (["north"], []) == (side.joined, known.joined)
