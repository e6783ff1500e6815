"""The pick-up under the contract suite, from both places."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import pytest
from bondmate_connectors.platforms.cap_pickup import CONNECTOR
from bondmate_connectors.testing import SourceContract

ALERT = (
    '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{}</identifier><sender>wx@example.org</sender>'
    "<sent>2020-03-01T10:00:00+01:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope></alert>"
)


class TestCapPickupFromFolder(SourceContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def source(self, from_folder):
        return from_folder()

    @pytest.fixture
    def source_with_bad_credentials(self, from_feed):
        return from_feed(feed={"token": "wrong"})  # a folder has no credentials of its own

    @pytest.fixture
    def refusals(self):
        return {}  # a folder refuses nobody

    @pytest.fixture
    def emit(self, folder):
        async def emit(count):
            start = len(list(folder.iterdir()))
            names = [f"d-{start + number}" for number in range(count)]
            for name in names:
                (folder / f"{name}.xml").write_text(ALERT.format(name))
            return names

        return emit

    @pytest.fixture
    def restart(self, from_folder):
        async def again():
            return from_folder()

        return again

    @pytest.fixture
    def outage(self, folder):
        @asynccontextmanager
        async def away():
            hidden = folder.rename(folder.with_name("away"))
            yield
            hidden.rename(folder)

        return away


class TestCapPickupFromFeed(SourceContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def source(self, from_feed):
        return from_feed()

    @pytest.fixture
    def source_with_bad_credentials(self, from_feed):
        return from_feed(feed={"token": "wrong"})

    @pytest.fixture
    def refusals(self, server):
        return {f"http_{status}": partial(server.refusing, status) for status in (302, 401, 403, 405, 407, 410)}

    @pytest.fixture
    def emit(self, server):
        return server.say

    @pytest.fixture
    def restart(self, from_feed):
        async def again():
            return from_feed()

        return again

    @pytest.fixture
    def outage(self, server):
        return server.down
