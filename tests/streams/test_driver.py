"""faust's consumer as the agents use it: what may be fetched while the tables are rebuilt."""

from __future__ import annotations

from types import SimpleNamespace

from bondmate_streams.agents.driver import _Consumer
from faust.types import TP

CHANGELOG, ALERTS = TP("changelog", 0), TP("alerts", 0)


def consumer() -> _Consumer:
    made = object.__new__(_Consumer)
    made.app = SimpleNamespace(doors={"alerts": None})  # type: ignore[assignment]  # what it needs of an app
    made._seeks = False
    made._active_partitions = {CHANGELOG}
    made._paused_partitions = {ALERTS}
    return made


def test_a_fetch_that_waits_does_not_see_what_is_resumed_meanwhile() -> None:
    rebuilding = consumer()
    waiting = rebuilding.may_be_fetched(rebuilding._get_active_partitions())
    rebuilding.resume_partitions({ALERTS})

    assert {CHANGELOG, ALERTS} == rebuilding._get_active_partitions()
    assert {CHANGELOG} == waiting == rebuilding.may_be_fetched(rebuilding._get_active_partitions())


def test_agents_are_fetched_for_as_soon_as_the_seek_is_done() -> None:
    rebuilt = consumer()
    rebuilt.suspend_flow, rebuilt.can_resume_flow = (SimpleNamespace(clear=bool, set=bool) for _ in range(2))  # type: ignore[assignment]
    rebuilt.resume_partitions({ALERTS})
    rebuilt.resume_flow()

    assert {CHANGELOG, ALERTS} == rebuilt.may_be_fetched(rebuilt._get_active_partitions())
