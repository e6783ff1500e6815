"""The real servers, each started once, and our connector at each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tak_servers import environments
from tak_servers.node_operator import ProtobufServer
from tak_servers.site import KINDS, Hub, Site, attended, running, taken_up

# It takes as long as the three others together, and less hangs on it.
_LONG = {"FreeTAKServer"}


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=[pytest.mark.long] if name in _LONG else []) for name in KINDS],
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Each server with its operators, on its plain port."""
    with running(request.param) as server, attended(server, KINDS[request.param]) as site:
        yield site


@pytest.fixture
async def hub(site: Site) -> AsyncIterator[Hub]:
    """Our connector at the site's server."""
    async with taken_up(site, site.server.port) as hub:
        yield hub


@pytest.fixture
def protobuf_server() -> Iterator[ProtobufServer]:
    """A server of node-cot that offers TAK protocol 1."""
    environments.install((environments.OPERATOR,))
    server = ProtobufServer()
    server.start()
    server.wait_for(lambda: server.port, "it listens")
    yield server
    server.close()
