"""The connector of the how-to meets answers that its page does not show."""

from __future__ import annotations

import asyncio
import importlib

from aiohttp import web
from bondmate_connectors.contract import Unreadable
from bondmate_connectors.errors import Rejected
from bondmate_connectors.testing import context
from bondmate_connectors.testing.http_room import HttpRoom
from how_to import HowTo

SOUND = {"alert": "a-1", "mode": "EXERCISE", "at": "2026-03-01T12:00:00Z"}
ODD = [
    7,
    {},
    {**SOUND, "id": 7},
    {**SOUND, "id": []},
    {**SOUND, "id": "a-2", "note": 7},
    {**SOUND, "id": "a-3", "at": 7},
]


class Cad(HttpRoom):
    """Gives all answers that were not ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, bool] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/answers", self._read), web.post("/answers/{id}", self._end)]

    async def _read(self, _: web.Request) -> web.Response:
        answers = [*ODD, {**SOUND, "id": "x/../y"}]
        return web.json_response(
            [each for each in answers if not isinstance(each, dict) or str(each.get("id")) not in self.ended]
        )

    async def _end(self, request: web.Request) -> web.Response:
        self.ended[request.match_info["id"]] = (await request.json())["taken"]
        return web.json_response({})


async def test_an_answer_that_is_none_is_given_once_and_holds_up_no_other(tmp_path, monkeypatch):
    (tmp_path / "acme_cad_of_the_page.py").write_text(HowTo("write-a-connector").files()["acme_cad.py"])
    monkeypatch.syspath_prepend(tmp_path)
    page = importlib.import_module("acme_cad_of_the_page")
    unread = []
    async with Cad() as room:
        connector = page.CONNECTOR.build(page.Config(cad=room.settings, poll_seconds=0.05), context("acme_cad"))
        await connector.connect()
        async with asyncio.timeout(10):
            while "x/../y" not in room.ended:
                incoming = await connector.receive()
                is_unread = isinstance(incoming.event, Unreadable)
                unread += [incoming.event] if is_unread else []
                await incoming.settle(Rejected("answer_unreadable") if is_unread else None)
        await connector.close()

    assert len(ODD) == len(unread)
    assert {"a-2": False, "a-3": False, "x/../y": True} == room.ended
