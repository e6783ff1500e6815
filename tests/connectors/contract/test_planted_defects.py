"""The suite catches what it is for: defects planted in the sample connector, each by the test meant for it."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("test_sample.py").read_text()
BUILD = """
import asyncio
from dataclasses import replace
from pydantic import Field, SecretStr
from bondmate_connectors.contract import ConnectorConfig, Receipt
from bondmate_connectors.errors import NotConnected, Rejected, Transient
from bondmate_connectors.testing import sample

def build(url, context, *, token=sample.TOKEN, timeout_seconds=5.0):
    return Defective(sample.LedgerConfig(url=url, token=SecretStr(token), timeout_seconds=timeout_seconds), context)
"""

NOT_IDEMPOTENT = """
class Defective(LedgerConnector):
    async def send(self, event):
        again = self.__dict__.setdefault("again", set())
        number = f"-{len(again)}" if event.id in again else ""
        again.add(event.id)
        header = event.header.model_copy(update={"message_id": event.id + number})
        return await super().send(event.model_copy(update={"header": header}))
"""
LEAN_UNDER_ANOTHER_ID = """
class Defective(LedgerConnector):
    async def send_lean(self, event):
        header = event.header.model_copy(update={"message_id": event.id + "-lean"})
        return await self.send(event.model_copy(update={"header": header}))
"""
REFUSAL_AS_TRANSIENT = """
class Defective(LedgerConnector):
    async def send(self, event):
        try:
            return await super().send(event)
        except Rejected as error:
            raise Transient("again, please") from error
"""
NO_NOT_CONNECTED = """
class Defective(LedgerConnector):
    async def send(self, event):
        try:
            return await super().send(event)
        except NotConnected as error:
            raise Transient("not connected") from error
"""
TASK_LEAK = """
class Defective(LedgerConnector):
    async def connect(self):
        await super().connect()
        self.heart = asyncio.create_task(asyncio.sleep(600))
"""
SILENT_DROP = """
class Defective(LedgerConnector):
    async def send(self, event):
        if event.reason.value == "UPDATE":
            return Receipt(sample.CONNECTOR.proves, "L-0")
        return await super().send(event)
"""
REFUSAL_IS_FINAL = """
from bondmate_connectors.errors import AuthFailed, Misconfigured

class Defective(LedgerConnector):
    async def send(self, event):
        try:
            return await super().send(event)
        except AuthFailed as error:
            raise Misconfigured("token: they refuse it") from error
"""
ONCE_REFUSED_ALWAYS_REFUSED = """
from bondmate_connectors.errors import AuthFailed

class Defective(LedgerConnector):
    barred = False

    async def send(self, event):
        if self.barred:
            raise AuthFailed("http_401")
        try:
            return await super().send(event)
        except AuthFailed:
            self.barred = True
            raise
"""
REDIRECT_ENDS_IT = """
from bondmate_connectors.errors import AuthFailed

class Defective(LedgerConnector):
    async def receive(self):
        try:
            return await super().receive()
        except AuthFailed as error:
            if error.code == "http_302":
                raise Rejected(error.code) from error
            raise
"""
SETTLED_TOO_EARLY = """
class Defective(LedgerConnector):
    async def receive(self):
        incoming = await super().receive()
        await incoming.settle(None)
        return incoming
"""
ANYBODY_IS_BELIEVED = """
from bondmate_connectors.contract import Proof

class Defective(LedgerConnector):
    async def receive(self):
        return replace(await super().receive(), proof=Proof.LOGIN)
"""
NOTHING_IS_PROVED = """
from bondmate_connectors.contract import Proof

class Defective(LedgerConnector):
    async def receive(self):
        return replace(await super().receive(), proof=Proof.NONE)
"""
REFUSED_IN_SILENCE = """
Defective = LedgerConnector
CONNECTOR = replace(sample.CONNECTOR, refusals={"not_authenticated": "cannot, and names no clause"})
"""
PLAIN_CREDENTIAL = """
Defective = LedgerConnector

class Plain(sample.LedgerConfig):
    token: str = Field(description="Bearer token, for all to see.")

CONNECTOR = replace(sample.CONNECTOR, config=Plain)
"""
DEFECTS = [
    pytest.param(NOT_IDEMPOTENT, "test_same_event_twice_is_one_record", id="not idempotent"),
    pytest.param(LEAN_UNDER_ANOTHER_ID, "test_leanest_form_is_the_same_event", id="a lean form under another id"),
    pytest.param(REFUSAL_AS_TRANSIENT, "test_permanent_refusal_is_rejected", id="a refusal reported as transient"),
    pytest.param(NO_NOT_CONNECTED, "test_send_before_connect_is_not_connected", id="no NotConnected"),
    pytest.param(TASK_LEAK, "test_close_leaves_nothing_behind", id="a task leak"),
    pytest.param(PLAIN_CREDENTIAL, "test_secrets_are_secret", id="a credential in plain text"),
    pytest.param(REFUSAL_IS_FINAL, "test_refusal_passes", id="a refusal that is final"),
    pytest.param(ONCE_REFUSED_ALWAYS_REFUSED, "test_refusal_passes", id="a refusal that is remembered"),
    pytest.param(REDIRECT_ENDS_IT, "test_refusal_passes", id="a redirect that is no refusal"),
    pytest.param(SILENT_DROP, "test_updates_of_one_key_arrive_in_order", id="a silent drop"),
    pytest.param(ANYBODY_IS_BELIEVED, "test_an_answer_of_nobody_is_refused_and_told", id="anybody is believed"),
    pytest.param(NOTHING_IS_PROVED, "test_an_answer_is_of_this_destination_and_its_agency", id="nobody is believed"),
    pytest.param(REFUSED_IN_SILENCE, "test_refusals_are_told", id="refused, and nobody is told"),
    pytest.param(
        SETTLED_TOO_EARLY, "test_unsettled_is_given_again_with_the_same_id", id="settled before the hub has it"
    ),
]


@pytest.fixture
def suite(pytester):
    """Run the sample's contract with code added; gives outcomes by name of test."""

    def run(code, only=""):
        pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
        pytester.makepyfile(test_planted=SAMPLE + BUILD + code)
        options = ["-p", "no:cacheprovider", "-p", "no:randomly", *(["-k", only] if only else [])]
        result = pytester.inline_run(*options)
        outcomes = {}
        for report in result.getreports("pytest_runtest_logreport"):
            if report.when == "call" or report.outcome != "passed":
                name = report.nodeid.rpartition("::")[2].partition("[")[0]
                outcomes.setdefault(name, set()).add("xfailed" if hasattr(report, "wasxfail") else report.outcome)
        return outcomes

    return run


@pytest.mark.parametrize(("defect", "meant"), DEFECTS)
def test_a_planted_defect_is_caught_by_the_test_meant_for_it(suite, defect, meant):
    outcomes = suite(defect, only=meant)

    assert "failed" in outcomes[meant]


def waived(waivers, sink_without="throttled"):
    """Give code that leaves a fixture of the sink out and waives rules."""
    return f"""
Defective = LedgerConnector
CONNECTOR = replace(sample.CONNECTOR, waivers={waivers!r})
del TestSampleSink.{sink_without}
"""


def test_a_scenario_that_is_not_given_fails_its_rule(suite):
    outcomes = suite(waived({}), only="retry_after_is_honoured or event_gives_receipt")

    assert {"test_retry_after_is_honoured": {"failed"}, "test_event_gives_receipt": {"passed"}} == outcomes


def test_a_waiver_excepts_from_its_rule_alone(suite):
    code = waived({"sink.retry_after_is_honoured": "this ledger never asks for a pause"})
    outcomes = suite(code, only="retry_after_is_honoured or event_gives_receipt")

    assert {"test_retry_after_is_honoured": {"xfailed"}, "test_event_gives_receipt": {"passed"}} == outcomes


def test_a_waiver_of_a_rule_that_holds_is_stale_and_fails(suite):
    outcomes = suite(waived({"event_gives_receipt": "it never worked in my day"}), only="event_gives_receipt")

    assert {"test_event_gives_receipt": {"failed"}} == outcomes


@pytest.mark.parametrize("waivers", [{"no_such_rule": "because it is not a rule"}, {"close_twice": "because"}])
def test_a_waiver_names_a_rule_and_a_reason(suite, waivers):
    outcomes = suite(waived(waivers), only="waivers_name_rules_and_reasons")

    assert {"test_waivers_name_rules_and_reasons": {"failed"}} == outcomes
