"""JSON over HTTP to one platform: its token goes nowhere else."""

from __future__ import annotations

import pytest
from aiohttp import web
from bondmate_connectors.errors import Rejected
from bondmate_connectors.testing import context
from bondmate_connectors.testing.http_room import HttpRoom
from bondmate_connectors.transports.json_http import JsonHttp, JsonHttpConfig


class Room(HttpRoom):
    """Writes down where it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/{path:.*}", self._note)]

    async def _note(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        return web.json_response({})


@pytest.mark.parametrize(
    "path",
    ["//{other}/x", "https://{other}/x", "http://{own}/api/x", "https://me@{own}/api/x", "events/..", "events/%2e%2e",
     "../x", "/x", "/apix", "events/./x", "events/%2E./x?q=1", "https://[", "data:x"],
)  # fmt: skip
async def test_a_path_that_leads_elsewhere_is_refused_and_one_below_is_asked_for(path):
    async with Room() as room, Room() as other:
        config = JsonHttpConfig(**{**room.settings, "url": f"{room.url}/api"})
        named = path.format(own=room.url.removeprefix("https://"), other=other.url.removeprefix("https://"))
        async with JsonHttp(config, context("room")) as link:
            with pytest.raises(Rejected) as told:
                await link.call("GET", named)
            await link.call("GET", "events/..%2Fid:7?since=../..")

    assert ("address_refused", []) == (told.value.code, other.asked)
    assert ["/api/events/..%2Fid:7?since=../.."] == room.asked
