"""Series at zero from the start of a role: a counter that is born at 1 shows no increase, and a panel no line."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bondmate_monitoring import build
from bondmate_monitoring import metrics as m


def role(name: str) -> None:
    """Announce the role this process runs, and of which build it is."""
    m.BUILD_INFO.labels(build.version_of_hub(), build.commit()).set(1)
    m.ROLE_INFO.labels(name).set(1)


def supervised(roles: Iterable[str]) -> None:
    """Announce the restarts of the roles that this process keeps alive."""
    for name in roles:
        m.ROLE_RESTARTS.labels(name)


def connector(name: str, *, kinds: Iterable[str] = (), source: bool = False) -> None:
    """Announce what the runner keeps of a connector.

    Args:
        name: the connector as the settings name it.
        kinds: the Delivery kinds it takes; none when it is a source only.
        source: whether it gives events.
    """
    m.CONNECTOR_ERRORS.labels(name, "connect", "not_connected")
    m.CONNECTOR_DEAD.labels(name, "UNREADABLE", "")
    for status in m.STATUSES:
        m.CONNECTOR_STATUS.labels(name, status)
    for why in m.RESTARTS:
        m.CONNECTOR_RESTARTS.labels(name, why)
    for outcome in m.REREADS:
        m.CONNECTOR_REREADS.labels(name, outcome)
    for what in m.STALLS:
        m.CONNECTOR_STALLED.labels(name, what)
    if source:
        m.CONNECTOR_RECEIVED.labels(name)
    for kind in kinds:
        _sink(name, kind)


def _sink(name: str, kind: str) -> None:
    m.CONNECTOR_SENT.labels(name, kind)
    m.CONNECTOR_DEAD.labels(name, kind, "")
    m.CONNECTOR_DELIVERY_SECONDS.labels(name, kind)
    m.CONNECTOR_OLDEST_UNDELIVERED.labels(name, kind)
    m.CONNECTOR_LATE.labels(name, kind)
    for gauge in (
        m.CONNECTOR_IN_FLIGHT,
        m.CONNECTOR_PARKED,
        m.CONNECTOR_LAG_SECONDS,
        m.CONNECTOR_HELD,
        m.CONNECTOR_BACKLOG,
    ):
        gauge.labels(name)
    for outcome in m.RETRY_OUTCOMES:
        m.CONNECTOR_RETRIES.labels(name, outcome)
    for state in m.BREAKER_STATES:
        m.CONNECTOR_BREAKER.labels(name, "sink.locations" if kind == "LOCATION" else "sink", state)


def gateway(records: Iterable[str], problems: Iterable[str]) -> None:
    """Announce what the gateway keeps: the records it accepts, and the problems it answers with."""
    for record in records:
        m.ACCEPTED.labels(record)
        m.ACCEPT_SECONDS.labels(record)
    for problem in problems:
        m.REFUSED.labels(problem)


def streams(
    stages: Iterable[str],
    destinations: Iterable[str],
    alert_statuses: Iterable[str] = (),
    page_reasons: Collection[str] = (),
    modes: Iterable[str] = (),
) -> None:
    """Announce what the agents keep: a dead-letter count a stage, levels and age of alerts a destination, pages."""
    for mode in modes:
        m.UNANSWERED_ALERTS.labels(mode)
        for reason in page_reasons:
            m.PAGES.labels(reason, mode)
    for stage in stages:
        m.DEAD_LETTERS.labels(stage, "")
    for status in alert_statuses:
        m.OPEN_ALERTS.labels(status)
    for destination in destinations:
        m.UNDELIVERED_ALERT_SECONDS.labels(destination)
        m.ROUTED.labels(destination, "ALERT", "NEW")
        m.MESSAGES_TO_DEVICES.labels(destination, "addressed")
        for level in m.LEVELS:
            m.ALERT_LEVELS.labels(destination, level)


def pager(steps: Iterable[str], modes: Iterable[str]) -> None:
    """Announce what the pager keeps: open pages a mode, and what each step has taken or not."""
    for mode in modes:
        m.OPEN_PAGES.labels(mode)
    for step in steps:
        m.PAGE_STEP_FAILING_SECONDS.labels(step)
        for outcome in m.NOTICE_OUTCOMES:
            m.PAGE_NOTICES.labels(step, outcome)
