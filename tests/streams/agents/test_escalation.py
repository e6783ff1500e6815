"""An alert that nobody answers goes on to the next destinations and at last to a person, whatever dies meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import DEVICE_ALERTS, PAGES, RECEIPTS, destination_topic
from bondmate_schemas.enums import AlertKind, DeliveryReason, Level
from bondmate_schemas.flags import UNANSWERED
from bondmate_schemas.models import Delivery, OperationsPage

TAK, CAP = destination_topic("tak"), destination_topic("cap")
FIRST_SECONDS, PAGE_SECONDS = 2, 4
"""As the routes of these tests say."""
LATE_SECONDS = 3
"""A second while a worker is up, and what two busy cores may add: never early is what counts here."""


def unanswered(make: Any, device: str) -> Any:
    return make.alert(device, kind=AlertKind.OFFICER_DOWN)


def of(event_id: str) -> Any:
    return lambda delivery: delivery.header.event_id == event_id


def wait_until_up(topics: Any, make: Any) -> None:
    """Wait until the streams have done something: a time is kept while a worker is up."""
    first = make.alert(f"device-e-{time.monotonic_ns()}")
    topics.put(DEVICE_ALERTS, first)
    topics.wait(TAK, Delivery, of(first.header.event_id))


def test_it_is_told_louder_and_further_and_paged_at_its_time_and_never_early(
    topics: Any, make: Any, streams: Any
) -> None:
    wait_until_up(topics, make)
    alert = unanswered(make, "device-e1")
    topics.put(DEVICE_ALERTS, alert)
    to_tak = topics.wait(TAK, Delivery, of(alert.header.event_id))
    page = topics.wait(PAGES, OperationsPage, lambda page: page.subject == alert.header.event_id)[0]
    to_cap = topics.wait(CAP, Delivery, of(alert.header.event_id), count=2)
    time.sleep(1)

    waited = (to_tak[0].header.published_at - alert.header.received_at).total_seconds()
    assert FIRST_SECONDS <= waited <= FIRST_SECONDS + LATE_SECONDS
    assert PAGE_SECONDS <= page.waited_seconds <= PAGE_SECONDS + LATE_SECONDS
    assert [DeliveryReason.NEW, DeliveryReason.UPDATE] == [delivery.reason for delivery in to_cap]
    assert UNANSWERED in to_cap[1].header.flags


def test_an_answer_ends_it(topics: Any, make: Any, streams: Any) -> None:
    alert, other = unanswered(make, "device-e2"), unanswered(make, "device-e3")
    topics.put(DEVICE_ALERTS, alert, other)
    topics.wait(CAP, Delivery, of(alert.header.event_id))
    topics.put(RECEIPTS, make.receipt(alert.header.event_id, "cap", Level.ACKNOWLEDGED))
    topics.wait(PAGES, OperationsPage, lambda page: page.subject == other.header.event_id)

    assert [] == [page for page in topics.records(PAGES, OperationsPage) if page.subject == alert.header.event_id]
    assert [] == [delivery for delivery in topics.records(TAK, Delivery) if of(alert.header.event_id)(delivery)]


@pytest.mark.system
def test_timers_survive_a_kill_and_what_was_missed_meanwhile_is_done_at_once_and_acts_once(  # noqa: PLR0917
    kafka: KafkaConfig, topics: Any, make: Any, routes_text: str, tmp_path: Path, worker: Any, streams: Any
) -> None:
    streams.stop()
    with worker(kafka, tmp_path, routes_text):
        wait_until_up(topics, make)
        before = unanswered(make, "device-e4")
        topics.put(DEVICE_ALERTS, before)
        topics.wait(TAK, Delivery, of(before.header.event_id))
        between = unanswered(make, "device-e5")
        topics.put(DEVICE_ALERTS, between)
        topics.wait(CAP, Delivery, of(between.header.event_id))
    died = time.time()
    time.sleep(max(0.0, between.header.received_at.timestamp() + PAGE_SECONDS + 0.5 - time.time()))
    subjects = {before.header.event_id, between.header.event_id}
    assert not subjects & {page.subject for page in topics.records(PAGES, OperationsPage)}

    with worker(kafka, tmp_path, routes_text):
        pages = topics.wait(PAGES, OperationsPage, lambda page: page.subject in subjects, count=2)
        to_tak = topics.wait(TAK, Delivery, of(between.header.event_id))
        topics.put(RECEIPTS, *(make.receipt(subject, "cap", Level.RESOLVED) for subject in subjects))
    told_before = [delivery for delivery in topics.records(TAK, Delivery) if of(before.header.event_id)(delivery)]

    assert subjects == {page.subject for page in pages}
    assert len(subjects) == len({page.page_id for page in pages})
    assert to_tak[0].header.published_at.timestamp() > died
    assert 1 == len({delivery.id for delivery in told_before if delivery.reason is DeliveryReason.NEW})
