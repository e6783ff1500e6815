"""The webhook under the contract suite, both roles."""

from __future__ import annotations

from functools import partial

import pytest
from bondmate_connectors.platforms.cap_webhook import CONNECTOR
from bondmate_connectors.testing import SinkContract, SourceContract, another, sos


class TestCapWebhookSink(SinkContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def sink(self, build):
        return build()

    @pytest.fixture
    def sink_with_bad_credentials(self, build):
        return build(secret="wrong")

    @pytest.fixture
    def refusals(self, room):
        return {f"http_{status}": partial(room.in_trouble, str(status)) for status in (302, 401, 403, 405, 407, 410)}

    @pytest.fixture
    def event(self):
        return sos("room")

    @pytest.fixture
    def bad_event(self):
        event = another(sos("room"), 99)
        return event.model_copy(update={"alert": event.alert.model_copy(update={"text": "x" * 400})})

    @pytest.fixture
    def bad_code(self):
        return "http_400"

    @pytest.fixture
    def remote_records(self, room):
        return room.ids

    @pytest.fixture
    def outage(self, room):
        return room.down

    @pytest.fixture
    def throttled(self, room):
        return lambda: room.in_trouble("throttled")

    @pytest.fixture
    def false_success(self, room):
        return lambda: room.in_trouble("false_success")

    @pytest.fixture
    def unanswered(self, room):
        return lambda: room.in_trouble("unanswered")


class TestCapWebhookSource(SourceContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def source(self, build):
        return build()

    @pytest.fixture
    def source_with_bad_credentials(self, build):
        return build(secret="wrong")

    @pytest.fixture
    def emit(self, room):
        return room.say

    @pytest.fixture
    def restart(self, build):
        async def again():
            return build()

        return again

    @pytest.fixture
    def outage(self, room):
        return room.down

    @pytest.fixture
    def answer(self, room):
        return room.answer
