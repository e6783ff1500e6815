"""One hub for all scenarios that were chosen; they begin together, and each test waits for its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from earlier import EARLIER, has_earlier
from scenarios.devices import client_of_earlier
from scenarios.play import PLAYS, Play, Played
from scenarios.stage import Stage, staged

pytest.register_assert_rewrite(
    *(f"scenarios.{name}" for name in ("alarms", "answers", "crowds", "operations", "silent"))
)


def _chosen(session: pytest.Session) -> list[Play]:
    plays = (item.callspec.params.get("play") for item in session.items if hasattr(item, "callspec"))
    return [play for play in plays if isinstance(play, Play)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which scenarios cannot be played on this checkout."""
    for play in PLAYS if not has_earlier() else ():
        if play.needs_history:
            terminalreporter.write_line(f"not played: {play}: the history does not reach back to {EARLIER}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The hub and its far ends."""
    plays = _chosen(request.session)
    officers = [officer for play in plays for officer in play.officers]
    routes = [route for play in plays for route in play.routes]
    folder = tmp_path_factory.mktemp("scenarios")
    old_client = await asyncio.to_thread(client_of_earlier, folder / "earlier")
    async with staged(folder, officers, routes, old_client) as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def played(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Played]:
    """All chosen scenarios, which go on side by side."""
    tasks = {str(play): asyncio.create_task(_act(play, stage)) for play in _chosen(request.session)}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _act(play: Play, stage: Stage) -> None:
    await play.act(stage)
