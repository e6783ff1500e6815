"""What the pager makes of what it reads: in whatever order pages and the states of their alerts come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bondmate_hub.pages.book import PageBook, taken
from bondmate_hub.pages.topics import AlertsOfPages, PageTopics
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen
from bondmate_schemas.catalogue import PAGE_MARKS, PAGES, STATE_ALERTS, STATE_CONNECTORS
from bondmate_schemas.codec import Codec, SchemaUnavailableError, schema_text
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Mode
from bondmate_schemas.models import AlertState, ConnectorStatus, DeviceAlert, EventHeader, OperationsPage

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)
NOWHERE = KafkaConfig("127.0.0.1:1", "http://127.0.0.1:1")


class Ids:
    """A registry in memory that can be away."""

    def __init__(self) -> None:
        self.records, self.away = [], False

    def id_of(self, record: str) -> int:
        self.records.append(record)
        return len(self.records)

    def schema_of(self, schema_id: int) -> str:
        if self.away:
            raise SchemaUnavailableError("away")
        return schema_text(self.records[schema_id - 1])


@pytest.fixture
def ids() -> Ids:
    return Ids()


def encoded(ids: Ids, record) -> bytes:
    """Encode with a codec of its own, so that the reader has to ask for the schema."""
    return Codec(ids).encode(record)


def state(number: int) -> AlertState:
    header = EventHeader(message_id="m", event_id=f"alert-{number}", agency_id="agency", mode=Mode.ACTUAL,
                         occurred_at=AT, received_at=AT, source="device_http")  # fmt: skip
    alert = DeviceAlert(header=header, device_id="d", action=AlertAction.RAISE, kind=AlertKind.SOS)
    return AlertState(header=header, device_id="d", status=AlertStatus.RESOLVED, alert=alert, changed_at=AT)


def alerts_of(ids: Ids, *, live: bool) -> AlertsOfPages:
    found = AlertsOfPages(NOWHERE, "test", Codec(ids))
    if live:
        found._view._caught_up.set()
    return found


def names(states) -> list[str]:
    return [each.header.event_id for each in states]


def see(alerts: AlertsOfPages, ids: Ids, number: int) -> None:
    alerts._see(Seen(STATE_ALERTS, f"alert-{number}", encoded(ids, state(number)), 0))


def test_the_state_of_an_alert_counts_though_its_page_is_read_after_it(ids: Ids):
    alerts = alerts_of(ids, live=True)
    see(alerts, ids, 1)
    see(alerts, ids, 2)

    assert [] == names(alerts.changed([]))
    assert ["alert-2"] == names(alerts.changed(["alert-2"]))
    assert [] == names(alerts.changed(["alert-2"]))


def test_of_the_past_only_alerts_of_open_pages_are_kept(ids: Ids):
    alerts = alerts_of(ids, live=False)
    assert [] == names(alerts.changed(["alert-1"]))
    for number in range(1, 4):
        see(alerts, ids, number)

    assert ["alert-1"] == names(alerts.changed(["alert-1", "alert-2"]))


def test_a_registry_that_is_away_loses_no_state_and_what_nobody_can_read_is_passed_over(ids: Ids):
    alerts = alerts_of(ids, live=True)
    see(alerts, ids, 1)
    ids.away = True
    assert [] == names(alerts.changed(["alert-1"]))
    ids.away = False
    assert ["alert-1"] == names(alerts.changed(["alert-1"]))
    alerts._see(Seen(STATE_ALERTS, "alert-1", b"nothing", 0))

    assert [] == names(alerts.changed(["alert-1"]))


def test_alerts_that_no_page_is_of_take_no_more_room_for_ever(ids: Ids):
    alerts = alerts_of(ids, live=True)
    for number in range(3000):
        alerts._see(Seen(STATE_ALERTS, f"alert-{number}", b"", 0))
    list(alerts.changed([]))

    assert 1000 == len(alerts._recent)
    assert "alert-2999" in alerts._recent


def test_pages_marks_and_statuses_are_taken_once_the_registry_answers(ids: Ids):
    book = PageBook()
    topics = PageTopics(NOWHERE, "test", Codec(ids), book)
    page = OperationsPage(page_id="p", reason="alert_unrouted", subject="a", mode=Mode.ACTUAL, raised_at=AT)
    said = ConnectorStatus(connector="cad", reported_at=AT, status="OK", since=AT)
    for topic, key, record in ((PAGES, "a", page), (PAGE_MARKS, "p", taken("p", AT, "kim", "mends it")),
                               (STATE_CONNECTORS, "cad", said)):  # fmt: skip
        topics._queue.append(Seen(topic, key, encoded(ids, record), 0))
    topics._view._caught_up.set()
    ids.away = True
    away = topics.catch_up()
    ids.away = False
    topics._queue.append(Seen(PAGES, "b", b"nothing", 0))
    there = topics.catch_up()

    assert (False, True) == (away, there)
    assert ("kim", ["p"], ["cad"]) == (book.end_of("p").operator, list(book.pages), list(topics.statuses))
    topics._queue.extend([Seen(PAGE_MARKS, "p", None, 0), Seen(STATE_CONNECTORS, "cad", None, 0)])
    topics.catch_up()
    assert (None, {}) == (book.end_of("p"), topics.statuses)
