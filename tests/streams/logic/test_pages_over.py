"""When what a page is of has ended by itself: by what came after the page, never by what was there before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Level, Mode
from bondmate_schemas.models import AlertState, ConnectorStatus, DestinationState, DeviceAlert, EventHeader
from bondmate_streams.logic.pages import (
    OF_CONNECTORS,
    PageReason,
    is_over_at_alert,
    is_over_at_connector,
    page_of,
    page_of_connector,
)

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)
HEADER = EventHeader(message_id="m", event_id="alert-1", agency_id="agency", mode=Mode.ACTUAL, occurred_at=AT,
                     received_at=AT, source="device_http")  # fmt: skip


def status(state: str, seconds: float, since: float = 0) -> ConnectorStatus:
    at = AT + timedelta(seconds=seconds)
    return ConnectorStatus(connector="cad", reported_at=at, status=state, since=AT + timedelta(seconds=since))


PAGE = page_of_connector(status("PERMANENT_ERROR", 0), PageReason.CONNECTOR_FAILED, AT)


@pytest.mark.parametrize(
    ("said", "is_over"),
    [
        (status("OK", -1), False),
        (status("OK", 5), False),
        (status("OK", 6), True),
        (status("PERMANENT_ERROR", 20), False),
        (status("PERMANENT_ERROR", 20, since=10), True),
        (status("STOPPED", 20), True),
    ],
)
def test_a_connectors_page_ends_when_its_trouble_has_by_a_later_report(said: ConnectorStatus, is_over: bool):
    assert is_over is is_over_at_connector(PAGE, said, AT + timedelta(seconds=21))


def state(status: AlertStatus, level: Level = Level.DELIVERED, seconds: float = 1) -> AlertState:
    at = AT + timedelta(seconds=seconds)
    alert = DeviceAlert(header=HEADER, device_id="d", action=AlertAction.RAISE, kind=AlertKind.SOS)
    room = DestinationState(level=level, changed_at=at)
    return AlertState(
        header=HEADER, device_id="d", status=status, alert=alert, destinations={"room": room}, changed_at=at
    )


SEEN, OPEN = state(AlertStatus.ACCEPTED, Level.ACKNOWLEDGED), state(AlertStatus.DELIVERED)
COMING = state(AlertStatus.RESPONDING, Level.RESPONDING)
RESOLVED, EXPIRED = state(AlertStatus.RESOLVED), state(AlertStatus.EXPIRED)


@pytest.mark.parametrize(
    ("reason", "ended_by", "not_by"),
    [
        (PageReason.UNANSWERED, [SEEN, COMING, RESOLVED], [OPEN, EXPIRED]),
        (PageReason.UNANSWERED_AGAIN, [SEEN, COMING, RESOLVED], [OPEN, EXPIRED]),
        (PageReason.UNASSIGNED, [COMING, RESOLVED], [OPEN, SEEN]),
        (PageReason.UNROUTED, [RESOLVED], [OPEN, SEEN, COMING]),
        (PageReason.LATE, [], [OPEN, SEEN, RESOLVED]),
        (PageReason.EXPIRED, [], [EXPIRED, RESOLVED]),
        (PageReason.DEAD_LETTERED, [], [OPEN, SEEN, RESOLVED]),
    ],
)
def test_an_alerts_page_ends_when_a_person_has_done_what_it_asks_for(reason, ended_by, not_by):
    page = page_of(OPEN, reason, AT)

    assert [True] * len(ended_by) == [is_over_at_alert(page, each) for each in ended_by]
    assert [False] * len(not_by) == [is_over_at_alert(page, each) for each in not_by]


def test_a_state_of_before_the_page_ends_it_not():
    page = page_of(OPEN, PageReason.UNANSWERED_AGAIN, AT)

    assert not is_over_at_alert(page, state(AlertStatus.ACCEPTED, Level.ACKNOWLEDGED, seconds=-1))


def test_every_reason_of_a_connector_is_one_that_a_connectors_status_can_end():
    assert {reason for reason in PageReason if reason.startswith("connector_")} == OF_CONNECTORS
