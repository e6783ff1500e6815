"""A step is a span where spans are on: read back from a real OTLP receiver, one trace across headers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from bondmate_monitoring import step_log
from bondmate_monitoring.spans import write_spans
from bondmate_monitoring.step_log import LoggedStep
from bondmate_monitoring.tracing import new_trace, of_event
from otlp import Receiver, receiving

EVENT = str(uuid.UUID(int=7 << 64 | 9))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def way(*, told: str | None = None) -> None:
    """Do the steps of an alert as the roles do, each by what it finds in the headers of what came before."""
    cause = (("traceparent", told.encode()),) if told else ()
    with LoggedStep("alert accepted", EVENT, cause, begins=True) as accepted:
        taken = LoggedStep("alert taken in", EVENT, accepted.cause)
        taken.done("published")
    with LoggedStep("press taken", EVENT, taken.cause) as pressed:
        pressed.outcome = "raised"
    with LoggedStep("alert's time has come", EVENT):
        pass


def test_an_alert_is_one_trace_from_the_devices_request_on_with_ids_and_constant_words(receiver: Receiver) -> None:
    writer = write_spans(receiver.endpoint, {"role": "gateway", "instance": "hub-1", "version": "1"})
    way()
    writer.close()
    spans = {span.name: span for span in receiver.spans}

    assert {of_event(EVENT).trace_id} == {span.trace_id for span in receiver.spans}
    root = spans["alert accepted"]
    assert ("", of_event(EVENT).parent_id) == (root.parent_id, root.span_id)
    assert root.span_id == spans["alert taken in"].parent_id
    assert spans["alert taken in"].span_id == spans["press taken"].parent_id
    assert root.span_id == spans["alert's time has come"].parent_id
    assert {"bondmate.event_id": EVENT, "bondmate.outcome": "raised"} == spans["press taken"].facts
    assert ("bondmate-gateway", "hub-1", "1") == tuple(
        root.resource[name] for name in ("service.name", "service.instance.id", "service.version")
    )


def test_a_trace_that_the_device_names_goes_on(receiver: Receiver) -> None:
    told = new_trace()
    writer = write_spans(receiver.endpoint, {"role": "gateway", "instance": "hub-1", "version": "1"})
    way(told=str(told))
    writer.close()
    accepted, pressed = (
        next(one for one in receiver.spans if one.name == name) for name in ("alert accepted", "press taken")
    )

    assert (told.trace_id, told.parent_id) == (accepted.trace_id, accepted.parent_id)
    assert told.trace_id == pressed.trace_id


def test_a_step_that_raises_is_a_span_that_failed(receiver: Receiver) -> None:
    writer = write_spans(receiver.endpoint, {"role": "gateway", "instance": "hub-1", "version": "1"})
    with pytest.raises(ValueError, match="no"), LoggedStep("press taken", EVENT):
        raise ValueError("no")
    writer.close()

    (span,) = receiver.spans
    assert span.failed
    assert "no" not in str(span.facts)


def test_while_spans_are_off_headers_go_on_as_they_came() -> None:
    cause = (("ce_id", b"1"), ("traceparent", b"as it came"))
    with LoggedStep("press taken", EVENT, cause) as step:
        pass
    with LoggedStep("press taken", EVENT) as without:
        pass

    assert step_log._spans is None
    assert cause is step.cause
    assert ("as it came", None) == (step.traceparent, without.traceparent)
