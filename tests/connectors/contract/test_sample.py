"""The sample platform under the contract: the suite passes on a connector that is right."""

from __future__ import annotations

import pytest
from bondmate_connectors.testing import SinkContract, SourceContract, context, sos, with_settings_table
from bondmate_connectors.testing.conformance import ConformanceContract
from bondmate_connectors.testing.sample import (
    BADGE,
    CONNECTOR,
    LONGEST_TEXT,
    LedgerConnector,
    LedgerPlatform,
    Trouble,
    build,
)


@pytest.fixture
async def ledger():
    async with LedgerPlatform() as ledger:
        yield ledger


def too_long():
    event = sos()
    alert = event.alert.model_copy(update={"text": "x" * (LONGEST_TEXT + 1)})
    header = event.header.model_copy(update={"message_id": "bad", "event_id": "bad"})
    return event.model_copy(update={"alert": alert, "header": header})


class TestSampleSink(SinkContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def sink(self, ledger: LedgerPlatform) -> LedgerConnector:
        return build(ledger.url, context(), timeout_seconds=0.5)

    @pytest.fixture
    def sink_with_bad_credentials(self, ledger):
        return build(ledger.url, context(), token="wrong")

    @pytest.fixture
    def refusals(self, ledger):
        return {
            "http_401": lambda: ledger.in_trouble(Trouble.LOCKED),
            "http_302": lambda: ledger.in_trouble(Trouble.MOVED),
        }

    @pytest.fixture
    def event(self):
        return sos()

    @pytest.fixture
    def bad_event(self):
        return too_long()

    @pytest.fixture
    def bad_code(self):
        return "text_too_long"

    @pytest.fixture
    def remote_records(self, ledger):
        async def records():
            return list(ledger.entries)

        return records

    @pytest.fixture
    def outage(self, ledger):
        return ledger.down

    @pytest.fixture
    def throttled(self, ledger):
        return lambda: ledger.in_trouble(Trouble.THROTTLED)

    @pytest.fixture
    def false_success(self, ledger):
        return lambda: ledger.in_trouble(Trouble.FALSE_SUCCESS)

    @pytest.fixture
    def unanswered(self, ledger):
        return lambda: ledger.in_trouble(Trouble.UNANSWERED)


class TestSampleSource(SourceContract):
    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def source(self, ledger):
        return build(ledger.url, context())

    @pytest.fixture
    def source_with_bad_credentials(self, ledger):
        return build(ledger.url, context(), token="wrong")

    @pytest.fixture
    def refusals(self, ledger):
        return {
            "http_401": lambda: ledger.in_trouble(Trouble.LOCKED),
            "http_302": lambda: ledger.in_trouble(Trouble.MOVED),
        }

    @pytest.fixture
    def emit(self, ledger):
        return ledger.say

    @pytest.fixture
    def restart(self, ledger):
        async def again():
            return build(ledger.url, context())

        return again

    @pytest.fixture
    def outage(self, ledger):
        return ledger.down

    @pytest.fixture
    def answer(self, ledger):
        return lambda mode, proved: ledger.answer(mode, BADGE if proved else "of nobody")


class TestSampleConformance(ConformanceContract):
    @pytest.fixture
    def name(self):
        return "sample"

    @pytest.fixture
    def spec(self):
        return CONNECTOR

    @pytest.fixture
    def example(self):
        return {"url": "http://127.0.0.1:1", "token": "the-token-of-the-example"}

    @pytest.fixture
    def golden_folder(self, tmp_path):
        (tmp_path / "sos.platform.json").write_text("{}")
        return tmp_path

    @pytest.fixture
    def readme(self, tmp_path):
        readme = tmp_path / "README.md"
        readme.write_text(with_settings_table(with_settings_table("# Sample\n", CONNECTOR), CONNECTOR))
        return readme
