"""The connection's owner tells operations the true reason for which it is not there."""

from __future__ import annotations

import asyncio

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import NotConnected
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.link import ConnectorLink
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.testing import eventually


class Server:
    """A platform whose connection fails with `reason` until it has none."""

    reason = "a ping was not answered"

    async def connect(self) -> None:
        if self.reason:
            raise NotConnected(self.reason)

    async def check(self) -> None: ...

    async def close(self) -> None: ...


async def test_the_reason_shown_is_why_it_is_not_connected_or_was_lost_and_goes_when_it_is_back() -> None:
    health, server = ConnectorHealth(), Server()
    link = ConnectorLink(server, Reports("tak", health), RunnerSettings())
    keeping = asyncio.create_task(link.keep())
    try:
        await eventually(lambda: "a ping" in health.of("tak").reason, "the reason")
        refused = health.of("tak")
        server.reason = ""
        generation = await link.up()
        connected = health.of("tak")
        server.reason = "nothing came from the server for 25 s"
        link.lost(generation, NotConnected(server.reason))
        lost = health.of("tak")
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})

    assert (Status.RECOVERABLE_ERROR, "not connected: a ping was not answered") == (refused.status, refused.reason)
    assert Status.OK is connected.status
    assert "connection lost: nothing came from the server for 25 s" == lost.reason
