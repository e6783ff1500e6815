"""Long work leaves the loop to others, and the watch over open alerts is built anew in that way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from bondmate_schemas.enums import AlertStatus
from bondmate_schemas.models import AlertState
from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.logic.rooms import ANY_ROOMS


class Clock:
    """Stands still but for what the work takes."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, count: int, seconds: float) -> Iterator[int]:
        for number in range(count):
            self.now += seconds
            yield number


async def test_other_work_waits_for_no_more_than_a_turn() -> None:
    clock, seen = Clock(), [0.0]

    async def other() -> None:
        while True:
            seen.append(clock())
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    found = [number async for number in cooperatively(clock.spend(200, 0.001), clock)]
    task.cancel()

    assert list(range(200)) == found
    assert max(after - before for before, after in itertools.pairwise(seen)) < 0.007


class Table:
    """The alerts of a worker; `hook` runs before each is given."""

    def __init__(self, states: list[AlertState], hook: Any) -> None:
        self._states, self._hook = states, hook

    def records(self) -> Iterator[AlertState]:
        for state in list(self._states):
            self._hook(state)
            yield state


def life_over(table: Any, open_alerts: OpenAlertIndex) -> AlertLife:
    routing = SimpleNamespace(of_known=lambda state: ([], []), routes=SimpleNamespace(destinations={}))
    given: dict[str, Any] = {"context": SimpleNamespace(routing=routing)}
    given["silent_devices"] = SimpleNamespace(known=lambda state: None)
    given["following"] = SimpleNamespace(
        clear=lambda: None, note=lambda state: None, here=lambda state: False, look_again=lambda state: None
    )
    steps = AlertSteps(rooms=ANY_ROOMS, alerts=table, open_alerts=open_alerts, **given)
    return AlertLife(given["context"], steps, None)  # type: ignore[arg-type]


def state(make: Any, event_id: str, status: AlertStatus = AlertStatus.ROUTED) -> AlertState:
    alert = make.alert(event_id=event_id)
    return AlertState(header=alert.header, device_id=alert.device_id, status=status, alert=alert, destinations={},
                      changed_at=alert.header.received_at)  # fmt: skip


async def test_what_ends_while_alerts_are_built_anew_is_not_written_over_by_an_older_state(make: Any) -> None:
    open_alerts = OpenAlertIndex([])
    looked = []

    def end_meanwhile(given: AlertState) -> None:
        looked.append(asyncio.create_task(life.look()))
        if given.header.event_id == "one":
            open_alerts.note(state(make, "two", AlertStatus.ACKNOWLEDGED), [], [])

    life = life_over(Table([state(make, "one"), state(make, "two")], end_meanwhile), open_alerts)
    await life.rebuild()

    assert [0, 0] == await asyncio.gather(*looked)
    assert open_alerts.is_whole
    assert {AlertStatus.ROUTED: 1, AlertStatus.ACKNOWLEDGED: 1} == +open_alerts._counts


async def test_a_later_building_takes_the_place_of_one_that_goes_on(make: Any) -> None:
    open_alerts = OpenAlertIndex([])
    later: list[Any] = []

    def begin_another(_: AlertState) -> None:
        if not later:
            later.append(life_over(Table([state(make, "new")], lambda _: None), open_alerts).rebuild())
            open_alerts.clear()

    await life_over(Table([state(make, "old")], begin_another), open_alerts).rebuild()
    whole_before = open_alerts.is_whole
    await later[0]

    assert (False, True) == (whole_before, open_alerts.is_whole)
    assert [False, True] == [open_alerts.knows(event_id) for event_id in ("old", "new")]
