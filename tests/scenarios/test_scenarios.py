"""Plays the scenarios with the hub's real processes: what each device shows, what each room reads, in order."""

from __future__ import annotations

import pytest
import scenarios.alarms
import scenarios.answers
import scenarios.crowds
import scenarios.silent  # noqa: F401  # they enter their scenarios
from scenarios.devices import EARLIER
from scenarios.play import PLAYS, Play, Played

pytestmark = [pytest.mark.scenarios, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


def _marked(play: Play) -> object:
    marks = [pytest.mark.xfail(reason=f"waits for {play.waits_for}", strict=True)] if play.waits_for else []
    return pytest.param(play, id=play.number.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("play", [_marked(play) for play in PLAYS])
async def test_scenario(play: Play, played: Played) -> None:
    if str(play) not in played:
        pytest.skip(f"the history does not reach back to {EARLIER}: a shallow clone")
    await played[str(play)]
