"""A connector that goes silent, fails or stays away pages operations, once a trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_schemas.catalogue import PAGES, STATE_CONNECTORS
from bondmate_schemas.models import ConnectorStatus, OperationsPage
from bondmate_streams.logic.pages import PageReason, page_of_connector, trouble_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def paused(alerts: int, real: int, since: float) -> Any:
    return status(status="PAUSED", since=since).model_copy(
        update={"paused_alerts": alerts, "paused_real_alerts": real, "paused_until": NOW + timedelta(hours=1)}
    )


def status(
    name: str = "cap", *, status: str = "OK", ago: float = 0, since: float = 3600, refused: float | None = None,
    now: datetime = NOW,
) -> Any:  # fmt: skip
    return ConnectorStatus(
        connector=name,
        reported_by="runner-1",
        reported_at=now - timedelta(seconds=ago),
        interval_seconds=1,
        status=status,
        reason="of tests",
        since=now - timedelta(seconds=since),
        breaker="closed",
        oldest_seconds=0,
        parked_keys=0,
        refused_since=None if refused is None else now - timedelta(seconds=refused),
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (status(), None),
        (status(ago=2.9), None),
        (status(ago=3.1), PageReason.CONNECTOR_SILENT),
        (status(status="STOPPED", ago=9_000), None),
        (status(status="RECOVERABLE_ERROR", since=59), None),
        (status(status="RECOVERABLE_ERROR", since=60), PageReason.CONNECTOR_DOWN),
        (status(status="RECOVERABLE_ERROR", since=1, refused=1), PageReason.CONNECTOR_REFUSED),
        (status(status="RECOVERABLE_ERROR", since=99, refused=1, ago=4), PageReason.CONNECTOR_SILENT),
        (status(status="FATAL_ERROR"), PageReason.CONNECTOR_FAILED),
        (status(status="PERMANENT_ERROR", ago=99), PageReason.CONNECTOR_FAILED),
        (paused(0, 0, since=3600), None),
        (paused(1, 1, since=0), PageReason.PAUSED_ALERT),
        (paused(1, 0, since=59), None),
        (paused(1, 0, since=60), PageReason.PAUSED_ALERT),
        (status(status="PAUSED", ago=3.1), PageReason.CONNECTOR_SILENT),
    ],
)
def test_only_trouble_pages(said: ConnectorStatus, reason: PageReason | None) -> None:
    assert reason == trouble_of(said, NOW)


def test_one_trouble_is_one_page_and_the_next_another() -> None:
    first = page_of_connector(status(ago=4), PageReason.CONNECTOR_SILENT, NOW)
    later = page_of_connector(status(ago=4), PageReason.CONNECTOR_SILENT, NOW + timedelta(seconds=9))
    other = page_of_connector(status(ago=3.5), PageReason.CONNECTOR_SILENT, NOW)

    assert first.page_id == later.page_id != other.page_id


def test_one_refusal_is_one_page_however_the_status_changes_meanwhile() -> None:
    first = page_of_connector(status(status="RECOVERABLE_ERROR", since=9, refused=9), PageReason.CONNECTOR_REFUSED, NOW)
    later = page_of_connector(status(status="RECOVERABLE_ERROR", since=1, refused=9), PageReason.CONNECTOR_REFUSED, NOW)
    other = page_of_connector(status(status="RECOVERABLE_ERROR", since=9, refused=2), PageReason.CONNECTOR_REFUSED, NOW)

    assert first.page_id == later.page_id != other.page_id
    assert 9 == first.waited_seconds


@pytest.mark.system
def test_a_connector_that_falls_silent_pages_once_also_over_a_restart_and_again_when_it_falls_silent_anew(
    topics: Any, configured: Any, running: Any, tmp_path: Path
) -> None:
    def pages() -> list[OperationsPage]:
        return [page for page in topics.records(PAGES, OperationsPage) if page.subject == "quiet"]

    topics.put(STATE_CONNECTORS, status("quiet", now=datetime.now(UTC)), status("well", status="STOPPED"))
    streams = running(configured(tmp_path))
    topics.wait(PAGES, OperationsPage, lambda page: page.subject == "quiet")
    streams.stop()
    streams = running(configured(tmp_path))
    topics.put(STATE_CONNECTORS, status("quiet", now=datetime.now(UTC)))
    topics.wait(PAGES, OperationsPage, lambda page: page.subject == "quiet" and page.page_id != pages()[0].page_id)
    streams.stop()

    assert 2 == len({page.page_id for page in pages()})
    assert {"connector_silent"} == {page.reason for page in pages()}
    assert [] == [page for page in topics.records(PAGES, OperationsPage) if page.subject == "well"]
