"""Pages: what a person in operations must see now, because nothing else will bring it to a person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from bondmate_schemas.enums import AlertStatus, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, ConnectorStatus, OperationsPage

from bondmate_streams.logic.deliveries import of_round
from bondmate_streams.logic.levels import is_answered, is_helped


class PageReason(StrEnum):
    """Why operations are paged."""

    UNANSWERED = "alert_unanswered"
    """Nobody took an alert up within the time that its route, or the default, names."""
    UNANSWERED_AGAIN = "alert_unanswered_again"
    """The last room that had taken an alert up has closed its part, and its owner has not."""
    UNASSIGNED = "alert_unassigned"
    """A person has seen an alert, and for too long nobody has said that a unit is assigned."""
    LATE = "alert_late"
    """A press that was made before an alert ended came after it: nobody in a room was told of it."""
    FROM_EXERCISE = "alert_real_from_exercise"
    """A device of an exercise raised a real emergency: only its owner was told."""
    STARTED = "alert_started_by_room"
    """A control room started an emergency of an officer who had not pressed."""
    NOT_RENEWED = "alert_not_renewed"
    """Nobody has renewed an emergency that a control room started: its device is not followed any more."""
    UNROUTED = "alert_unrouted"
    """An alert goes nowhere."""
    CROSSING = "alert_crossing"
    """The device of an open alert came to more rooms than are told by that alone."""
    EXPIRED = "alert_expired"
    """An alert expired and nobody had taken it up."""
    DEAD_LETTERED = "alert_dead_lettered"
    """A destination takes an alert, or a change of it, not at all: nobody there knows."""
    DRILL_FAILED = "drill_failed"
    """A destination has not got a drill by the time that the hub ended it: an alert would not reach it either."""
    UNKNOWN_MODE = "alert_of_unknown_mode"
    """Nobody can tell whether an alert is real."""
    CONNECTOR_SILENT = "connector_silent"
    """A connector says nothing any more: its runner may be dead."""
    CONNECTOR_FAILED = "connector_failed"
    """A connector crashed, and is started again with growing pauses, or waits for a person to mend a setting."""
    CONNECTOR_REFUSED = "connector_refused"
    """A platform refuses us: credentials, certificate or the place we ask; the hub asks on."""
    CONNECTOR_DOWN = "connector_down"
    """A platform has not answered for a while; the hub tries on."""
    PAUSED_ALERT = "connector_paused_alert_waits"
    """An alert waits behind the pause that a person gave a connector."""


OF_CONNECTORS: Final = frozenset(
    {
        PageReason.CONNECTOR_SILENT,
        PageReason.CONNECTOR_FAILED,
        PageReason.CONNECTOR_REFUSED,
        PageReason.CONNECTOR_DOWN,
        PageReason.PAUSED_ALERT,
    }
)
"""Why a connector is paged for; its name is the subject."""
DOWN_SECONDS: Final = 60
"""How long a platform may be away before a person hears of it."""
_PAUSED: Final = "PAUSED"
_FAILED: Final = frozenset({"PERMANENT_ERROR", "FATAL_ERROR"})


def trouble_of(status: ConnectorStatus, now: datetime) -> PageReason | None:
    """Return why operations must hear of a connector; None when they need not."""
    if status.status in _FAILED:
        return PageReason.CONNECTOR_FAILED
    if status.is_silent(now):
        return PageReason.CONNECTOR_SILENT
    if status.refused_since is not None:
        return PageReason.CONNECTOR_REFUSED
    if status.status == _PAUSED:
        # A real alert at once; one of an exercise when it has waited as long as one behind a platform that is away.
        waits = status.paused_alerts > 0 and (now - status.since).total_seconds() >= DOWN_SECONDS
        return PageReason.PAUSED_ALERT if waits or status.paused_real_alerts else None
    is_down = status.status == "RECOVERABLE_ERROR" and (now - status.since).total_seconds() >= DOWN_SECONDS
    return PageReason.CONNECTOR_DOWN if is_down else None


def page_of_connector(status: ConnectorStatus, reason: PageReason, now: datetime) -> OperationsPage:
    """Page for a connector; of one trouble the page has one id."""
    since = _since(status, reason)
    return OperationsPage(
        page_id=derived_id("page", reason, status.connector_in_process, since.isoformat()),
        reason=reason.value,
        subject=status.connector,
        mode=Mode.SYSTEM,
        waited_seconds=max(0.0, (now - since).total_seconds()),
        raised_at=now,
    )


def _since(status: ConnectorStatus, reason: PageReason) -> datetime:
    if reason is PageReason.CONNECTOR_SILENT:
        return status.reported_at
    if reason is PageReason.CONNECTOR_REFUSED and status.refused_since is not None:
        return status.refused_since
    return status.since


def page_of(
    state: AlertState, reason: PageReason, now: datetime, *, destination: str = "", number: int = 0
) -> OperationsPage:
    """Page for an alert, at one destination where that is named; made again it has the same id: it is acted on once.

    `number` is that of the round of escalation, where each round pages. Of the officer nothing is told: who acts looks
    the alert up where they may.
    """
    header = state.header
    if reason is PageReason.UNROUTED and header.mode is Mode.UNKNOWN:
        reason = PageReason.UNKNOWN_MODE
    return OperationsPage(
        page_id=derived_id("page", reason, header.event_id, *([destination] if destination else []), *of_round(number)),
        reason=reason.value,
        subject=header.event_id,
        incident_id=header.incident_id,
        agency_id=header.agency_id,
        mode=header.mode,
        waited_seconds=max(0.0, (now - header.received_at).total_seconds()),
        raised_at=now,
    )


_APART_SECONDS: Final = 5.0
"""How far the clocks of two hosts may be apart: a report of before the page must not pass for one of after it."""
_ENDED_BY_A_PERSON: Final = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED})
_OUTLIVES_ITS_ALERT: Final = frozenset({PageReason.LATE, PageReason.EXPIRED, PageReason.DEAD_LETTERED})
"""What somebody must hear although the alert has ended."""


def is_over_at_connector(page: OperationsPage, status: ConnectorStatus, now: datetime) -> bool:
    """Whether the trouble that a connector's page is of has ended, by what the connector said after the page."""
    if (status.reported_at - page.raised_at).total_seconds() <= _APART_SECONDS:
        return False
    reason = trouble_of(status, now)
    return reason is None or page_of_connector(status, reason, now).page_id != page.page_id


def is_over_at_alert(page: OperationsPage, state: AlertState) -> bool:
    """Whether what an alert's page is of has ended, by the state of the alert after the page."""
    if state.changed_at < page.raised_at:
        return False
    if state.status in _ENDED_BY_A_PERSON:
        return page.reason not in _OUTLIVES_ITS_ALERT
    if page.reason in {PageReason.UNANSWERED, PageReason.UNANSWERED_AGAIN}:
        return is_answered(state)
    return page.reason == PageReason.UNASSIGNED and is_helped(state)
