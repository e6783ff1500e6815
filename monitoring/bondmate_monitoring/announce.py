"""Series at zero from the start of a role: a counter that is born at 1 shows no increase, and a panel no line."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import product

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
    _begin(m.CONNECTOR_STATUS, [name], m.STATUSES)
    _begin(m.CONNECTOR_RESTARTS, [name], m.RESTARTS)
    _begin(m.CONNECTOR_REREADS, [name], m.REREADS)
    _begin(m.CONNECTOR_STALLED, [name], m.STALLS)
    if source:
        m.CONNECTOR_RECEIVED.labels(name)
    if not (taken := list(kinds)):
        return
    for by_kind in (m.CONNECTOR_SENT, m.CONNECTOR_OLDEST_UNDELIVERED, m.CONNECTOR_LATE):
        _begin(by_kind, [name], taken)
    _begin(m.CONNECTOR_DEAD, [name], taken, [""])
    _begin(m.CONNECTOR_DELIVERY_SECONDS, [name], taken, ["NEW"])
    for gauge in (m.CONNECTOR_IN_FLIGHT, m.CONNECTOR_PARKED, m.CONNECTOR_LAG_SECONDS, m.CONNECTOR_HELD,
                  m.CONNECTOR_BACKLOG):  # fmt: skip
        gauge.labels(name)
    _begin(m.CONNECTOR_RETRIES, [name], m.RETRY_OUTCOMES)
    parts = {"sink.locations" if kind == "LOCATION" else "sink" for kind in taken}
    _begin(m.CONNECTOR_BREAKER, [name], parts, m.BREAKER_STATES)


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
    modes, destinations = list(modes), list(destinations)
    _begin(m.UNANSWERED_ALERTS, modes)
    _begin(m.PAGES, page_reasons, modes)
    _begin(m.DEAD_LETTERS, stages, [""])
    _begin(m.OPEN_ALERTS, alert_statuses)
    _begin(m.UNDELIVERED_ALERT_SECONDS, destinations)
    _begin(m.ROUTED, destinations, ["ALERT"], ["NEW"])
    _begin(m.MESSAGES_TO_DEVICES, destinations, ["addressed"])
    _begin(m.ALERT_LEVELS, destinations, m.LEVELS)


def pager(steps: Iterable[str], modes: Iterable[str]) -> None:
    """Announce what the pager keeps: open pages a mode, and what each step has taken or not."""
    steps = list(steps)
    _begin(m.OPEN_PAGES, modes)
    _begin(m.PAGE_STEP_FAILING_SECONDS, steps)
    _begin(m.PAGE_NOTICES, steps, m.NOTICE_OUTCOMES)


def drills(destinations: Iterable[str]) -> None:
    """Announce what the role `drills` keeps: whether the last drill of a destination arrived."""
    destinations = list(destinations)
    _begin(m.DRILL_FAILED, destinations)
    _begin(m.DRILLS, destinations, [""])


def _begin(metric: m.Counter | m.Gauge | m.Histogram, *labels: Iterable[str]) -> None:
    """Begin the series of each combination of these values of a metric's labels, in their order."""
    for values in product(*labels):
        metric.labels(*values)
