"""A step of an event is one line with its ids, and a library that repeats itself does not fill the log."""

from __future__ import annotations

import io
import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.producer import open_producer
from bondmate_monitoring import logs, step_log
from bondmate_monitoring.few_of_a_kind import FewOfAKind
from bondmate_monitoring.step_log import LoggedStep
from bondmate_monitoring.tracing import new_trace, of_event
from hypothesis import given
from hypothesis import strategies as st

IDENTITY = {"role": "runner", "instance": "hub-1", "version": "1.2.3"}
EVENT = str(uuid.UUID(int=7))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    found = io.StringIO()
    logs.configure("info", renderer="json", stream=found, identity=IDENTITY)
    yield found
    root.handlers[:], level, logging.raiseExceptions = before
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = False
    structlog.reset_defaults()
    logs.configure_identity({})
    step_log.configure_steps(None, {})


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_step_is_a_line_with_the_ids_of_its_event_and_who_did_it(stream: io.StringIO) -> None:
    trace = new_trace()
    with LoggedStep("delivery settled", EVENT, (("traceparent", str(trace).encode()),), destination="room") as step:
        step.level, step.outcome, step.attempt = "DELIVERED", "NEW", 2

    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert {
        "event": "delivery settled", "event_id": EVENT, "trace_id": trace.trace_id, "destination": "room",
        "level": "DELIVERED", "outcome": "NEW", "attempt": 2, "logger": "bondmate_step", **IDENTITY,
    } | {"level": "info"} == line | {"level": "info"}  # fmt: skip


def test_the_trace_of_an_event_whose_device_named_none_is_the_same_wherever_it_is_asked(stream: io.StringIO) -> None:
    for cause in ((), (("traceparent", b"nonsense"),), (("traceparent", None),)):
        with LoggedStep("press taken", EVENT, cause):
            pass

    assert {of_event(EVENT).trace_id} == {line["trace_id"] for line in lines(stream)}
    assert EVENT.replace("-", "") == of_event(EVENT).trace_id
    assert 32 == len(of_event("their own id").trace_id)


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_an_id_holds_its_line_is_one_line_of_json(event_id: str, outcome: str) -> None:
    stream = io.StringIO()
    step_log.configure_steps(stream, IDENTITY)
    logging.getLogger("bondmate_step").setLevel(logging.INFO)
    try:
        with LoggedStep("press taken", event_id) as step:
            step.outcome = outcome
    finally:
        step_log.configure_steps(None, {})

    (line,) = stream.getvalue().splitlines()
    assert "press taken" == json.loads(line)["event"]
    assert line.isascii()


def test_a_step_that_raises_is_none(stream: io.StringIO) -> None:
    with pytest.raises(ValueError, match="no"), LoggedStep("press taken", EVENT):
        raise ValueError("no")

    assert "" == stream.getvalue()


def test_at_a_terminal_and_for_every_other_line_it_is_said_who_speaks(stream: io.StringIO) -> None:
    structlog.get_logger("bondmate_hub").info("role starts", role="another")
    logging.getLogger("faust").error("%s", "lost")
    first, second = lines(stream)
    step_log.configure_steps(None, {})
    with LoggedStep("press taken", EVENT):
        pass

    assert ("another", "hub-1") == (first["role"], first["instance"])
    assert ("runner", "1.2.3", "lost") == (second["role"], second["version"], second["event"])
    assert ("press taken", EVENT, "runner") == tuple(lines(stream)[2][name] for name in ("event", "event_id", "role"))


def test_of_what_a_library_repeats_a_few_lines_pass_and_how_many_were_left_out_is_said() -> None:
    now = [0.0]
    few = FewOfAKind(most=2, seconds=60, clock=lambda: now[0])

    def said(message: str = "%s [%s] %s", *args: str, name: str = "librdkafka") -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "f", 1, message, args or ("FAIL", "c-1", "refused"), None)
        return record.getMessage() if few.filter(record) else None

    first = [said() for _ in range(10)]
    other = said("%s [%s] %s", "AUTH", "c-1", "refused")
    now[0] = 61.0
    again = [said() for _ in range(3)]

    assert (2, 8) == (sum(one is not None for one in first), first.count(None))
    assert "AUTH [c-1] refused" == other
    assert ["FAIL [c-1] refused (and 8 more like this before)", "FAIL [c-1] refused", None] == again


def test_the_hubs_own_lines_all_pass(stream: io.StringIO) -> None:
    for _ in range(50):
        structlog.get_logger("bondmate_hub").warning("connector down")

    assert 50 == len(lines(stream))


def test_librdkafkas_own_lines_go_the_same_way_a_few_of_a_kind(stream: io.StringIO) -> None:
    producer = open_producer(KafkaConfig("127.0.0.1:1", "").producer("test"), lambda *_: None)
    producer.produce("topic", b"value")
    for _ in range(100):
        producer.poll(0.05)
        if len(lines(stream)) >= 5:
            break
    producer.purge()
    producer.flush(5)

    told = [line for line in lines(stream) if line["logger"] == "librdkafka"]
    assert 1 <= len(told) <= 10
    assert {"runner"} == {line["role"] for line in told}
    assert any("127.0.0.1:1" in line["event"] for line in told)
