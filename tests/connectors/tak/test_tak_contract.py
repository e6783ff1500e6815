"""The contract suite on the TAK platform, against a real `taky`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.platforms.tak import CONNECTOR
from bondmate_connectors.platforms.tak.connector import Tak
from bondmate_connectors.testing import FormatContract, SinkContract, SourceContract, context, sos
from bondmate_connectors.testing import source as source_rules
from bondmate_demo.taky import TakyServer
from bondmate_schemas.enums import Classification, Mode
from bondmate_schemas.models import Delivery, Handling
from lxml import etree

XSD = "cot/schema/mitre/CoT Base-Event Schema  (PUBLIC RELEASE).xsd"


def connector(server: TakyServer, **settings: Any) -> Tak:
    config = CONNECTOR.config.model_validate(
        {
            "host": server.host,
            "port": server.port,
            "mode": "EXERCISE",
            "pong_timeout_seconds": 1,
            "identity_delay_seconds": 0.02,
            **settings,
        }
    )
    return CONNECTOR.build(config, context("tak"))


@pytest.fixture
def spec() -> ConnectorSpec:
    return CONNECTOR


@pytest.fixture
def stranger(tls_taky: TakyServer, pki: Any) -> Tak:
    """Trusts the right server, but shows a certificate that the server's authority has not signed."""
    return connector(tls_taky, tls=pki.stranger.settings() | {"ca_file": str(pki.server.ca)})


class TestTakSink(SinkContract):
    @pytest.fixture
    def spec(self) -> ConnectorSpec:
        return CONNECTOR

    @pytest.fixture
    def sink(self, taky: TakyServer, operator: Any) -> Tak:
        return connector(taky)

    @pytest.fixture
    def event(self) -> Delivery:
        return sos("tak")

    @pytest.fixture
    def bad_event(self) -> Delivery:
        secret = sos("tak", 99)
        assert secret.alert is not None
        header = secret.alert.header.model_copy(update={"handling": Handling(classification=Classification.SECRET)})
        return secret.model_copy(update={"alert": secret.alert.model_copy(update={"header": header})})

    @pytest.fixture
    def bad_code(self) -> str:
        return "classification_not_expressible"

    @pytest.fixture
    def remote_records(self, operator: Any) -> Callable[[], Awaitable[Sequence[str]]]:
        async def records() -> Sequence[str]:
            return operator.records()

        return records

    @pytest.fixture
    def outage(self, outage: Any) -> Any:
        return outage

    @pytest.fixture
    def sink_with_bad_credentials(self, stranger: Tak) -> Tak:
        return stranger

    @pytest.fixture
    def unanswered(self, taky: TakyServer) -> Callable[[], AbstractAsyncContextManager[None]]:
        @contextlib.asynccontextmanager
        async def frozen() -> AsyncIterator[None]:
            os.kill(taky.pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(taky.pid, signal.SIGCONT)

        return frozen


class TestTakSource(SourceContract):
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The waived rule waits as long as this for what never comes.
        monkeypatch.setattr(source_rules, "RECEIVE_SECONDS", 3.0)

    @pytest.fixture
    def spec(self) -> ConnectorSpec:
        return CONNECTOR

    @pytest.fixture
    def source(self, taky: TakyServer, operator: Any) -> Tak:
        return connector(taky)

    @pytest.fixture
    def emit(self, operator: Any) -> Callable[[int], Awaitable[Sequence[str]]]:
        async def answers(count: int) -> Sequence[str]:
            return [operator.answer("bondmate-e-1-9-1-1", f"copy {number}") for number in range(count)]

        return answers

    @pytest.fixture
    def identify(self) -> Callable[[Any], str]:
        return lambda event: event.header.external_refs[0].id

    @pytest.fixture
    def restart(self, taky: TakyServer) -> Callable[[], Awaitable[Tak]]:
        async def again() -> Tak:
            return connector(taky)

        return again

    @pytest.fixture
    def outage(self, outage: Any, source: Tak) -> Any:
        @contextlib.asynccontextmanager
        async def down_and_connected_again() -> AsyncIterator[None]:
            async with outage():
                yield
            # TAK keeps nothing for who is not there, so the source is there before the operator speaks.
            async with asyncio.timeout(5):
                await source.connect()

        return down_and_connected_again

    @pytest.fixture
    def source_with_bad_credentials(self, stranger: Tak) -> Tak:
        return stranger

    @pytest.fixture
    def proved_source(self, tls_taky: TakyServer, pki: Any) -> Tak:
        return connector(tls_taky, mode="ACTUAL", tls=pki.client.settings())

    @pytest.fixture
    def unproved_source(self, taky: TakyServer, operator: Any) -> Tak:
        return connector(taky, mode="ACTUAL")

    @pytest.fixture
    def answer(self, operator: Any, secret_operator: Any) -> Callable[[Mode, bool], Awaitable[str]]:
        async def answer(_mode: Mode, proved: bool) -> str:  # the suite's
            speaker = secret_operator if proved else operator
            speaker.announce()
            line = speaker.answer("bondmate-e-1-9-1-1", "copy")
            if proved:
                return "taken"
            lines = await speaker.seen("b-t-f")
            return next(text for event in lines if (text := event.findtext("detail/remarks")) and line)

        return answer


class TestCotFormat(FormatContract):
    format = FORMAT
    golden = Path(__file__).parent / "golden"

    @pytest.fixture(autouse=True)
    def _schema(self, corpus: Path) -> None:
        type(self).xsd = etree.XMLSchema(etree.parse(corpus / XSD))

    def schema_errors(self, message: bytes) -> Sequence[str]:
        return [] if self.xsd.validate(etree.fromstring(message)) else [str(self.xsd.error_log)]
