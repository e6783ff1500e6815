"""Plays the scenarios with the hub's real processes: what each device shows, what each room reads, in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
import scenarios.alarms
import scenarios.answers
import scenarios.crowds
import scenarios.operations
import scenarios.silent  # noqa: F401  # they enter their scenarios
from scenarios.play import Play, Played, playable
from scenarios.room import Document
from scenarios.stage import Stage

pytestmark = [pytest.mark.scenarios, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


def _marked(play: Play) -> object:
    marks = [pytest.mark.xfail(reason=f"waits for {play.waits_for}", strict=True)] if play.waits_for else []
    return pytest.param(play, id=play.number.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("play", [_marked(play) for play in playable()])
async def test_scenario(play: Play, played: Played) -> None:
    await played[str(play)]


async def test_what_every_room_has_read_holds_together(stage: Stage, played: Played) -> None:
    """An alert comes as new with full alarm first, nothing of it after its end, a repeat is the same, modes are apart.

    EMERGENCY.md, "The alert follows the officer" (nothing of an alert reaches a room after its ending) and "One event, one
    incident".
    """
    await asyncio.wait({asyncio.create_task(asyncio.sleep(0)), *played.values()})

    for room in stage.rooms.values():
        officers = [document for document in room.documents if document.callsign and document.parameters.get("kind")]
        by_alert: dict[str, list[Document]] = defaultdict(list)
        for document in officers:
            known = [each for each in by_alert[document.alert] if each.identifier == document.identifier]
            assert all(each == document for each in known)
            by_alert[document.alert] += [document] if not known else []
        kinds = {alert: [each.kind for each in documents] for alert, documents in by_alert.items()}
        assert {each.status for each in officers} <= {"Exercise" if room is stage.ex else "Actual"}
        assert [] == [alert for alert, each in kinds.items() if each[0] != "Alert" or "Alert" in each[1:]]
        assert [] == [alert for alert, each in kinds.items() if "Cancel" in each[:-1]]
