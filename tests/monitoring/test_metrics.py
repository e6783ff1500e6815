"""Every metric, its name and its labels are a closed set; no label can hold a person, a device or a place."""

from __future__ import annotations

import re

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.breaker import BreakerState
from bondmate_monitoring import announce, build, metrics
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

LABELS = {
    "connector_received_events": ("connector",),
    "connector_sent_events": ("connector", "kind"),
    "connector_errors": ("connector", "stage", "code"),
    "connector_dead_lettered_events": ("connector", "kind", "code"),
    "connector_passed_over_events": ("connector", "reason"),
    "connector_in_flight": ("connector",),
    "connector_parked_keys": ("connector",),
    "connector_held_events": ("connector",),
    "connector_backlog_events": ("connector",),
    "connector_stalled": ("connector", "what"),
    "connector_loop_frozen": (),
    "connector_late_events": ("connector", "kind"),
    "connector_paused_alerts": ("connector", "mode"),
    "connector_retries": ("connector", "outcome"),
    "connector_restarts": ("connector", "why"),
    "connector_settings_read_again": ("connector", "outcome"),
    "connector_breaker": ("connector", "part", "state"),
    "connector_delivery_seconds": ("connector", "kind", "reason"),
    "connector_status": ("connector", "status"),
    "connector_oldest_undelivered_seconds": ("connector", "kind"),
    "connector_lag_seconds": ("connector",),
    "hub_accepted_events": ("record",),
    "hub_refused_requests": ("problem",),
    "hub_accept_seconds": ("record",),
    "hub_devices_connected": (),
    "hub_agent_events": ("agent", "outcome"),
    "hub_agent_seconds": ("agent",),
    "hub_dead_letters": ("stage", "code"),
    "hub_routed_deliveries": ("destination", "kind", "reason"),
    "hub_misplaced_records": ("topic", "found"),
    "hub_untaken_deliveries": ("destination", "kind"),
    "hub_routes_version": (),
    "hub_unrouted_events": ("record", "why"),
    "hub_foreign_ids": ("record",),
    "hub_alert_levels": ("destination", "level"),
    "hub_alert_level_seconds": ("destination", "level"),
    "hub_messages_to_devices": ("sender", "outcome"),
    "hub_message_receipts": ("sender", "level", "outcome"),
    "hub_open_alerts": ("status",),
    "hub_pages": ("reason", "mode"),
    "hub_open_pages": ("mode",),
    "hub_oldest_open_page_seconds": (),
    "hub_page_notices": ("step", "outcome"),
    "hub_page_step_failing_seconds": ("step",),
    "hub_drills": ("destination", "stopped_at"),
    "hub_drill_failed": ("destination",),
    "hub_drill_hop_seconds": ("destination", "hop"),
    "hub_silent_devices": (),
    "hub_unanswered_alerts": ("mode",),
    "hub_oldest_undelivered_alert_seconds": ("destination",),
    "hub_lane_fixes": ("outcome",),
    "hub_lane_batch_seconds": (),
    "hub_consumer_lag_events": ("consumer", "topic"),
    "hub_consumer_lag_seconds": ("consumer", "topic"),
    "hub_role_ready": (),
    "hub_build_info": ("version", "commit"),
    "hub_role_info": ("role",),
    "hub_role_restarts": ("role",),
}
METRICS = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def test_the_metrics_and_their_labels_are_exactly_these() -> None:
    assert LABELS == {metric._name: metric._labelnames for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_a_name_says_its_owner_and_its_unit(metric: MetricWrapperBase) -> None:
    assert re.fullmatch(r"(hub|connector)(_[a-z]+)+", metric._name)
    assert metric._documentation.endswith(".")
    assert isinstance(metric, Counter | Gauge | Histogram)
    if isinstance(metric, Histogram):
        assert metric._name.endswith("_seconds")


def test_the_closed_label_values_are_those_of_the_schemas_and_the_contract() -> None:
    assert set(metrics.KINDS) == {kind.value for kind in DeliveryKind} | {"UNREADABLE"}
    assert set(metrics.LEVELS) == {level.value for level in Level} - {"UNKNOWN"}
    assert set(metrics.REASONS) == {reason.value for reason in DeliveryReason}
    assert set(metrics.BREAKER_STATES) == {state.value for state in BreakerState}
    assert set(metrics.STATUSES) == {status.value for status in Status}


def test_a_role_shows_zeros_before_anything_happens() -> None:
    announce.role("test-role")
    announce.supervised(["test-role"])
    announce.connector("test-sink", kinds=["ALERT", "LOCATION"], source=True)
    announce.gateway(["TestRecord"], ["test-problem"])
    announce.streams(["test-stage"], ["test-sink"])
    announce.pager(["test-step"], ["ACTUAL"])
    announce.drills(["test-sink"])

    shown = generate_latest(_registry()).decode()

    for line in (
        f'hub_build_info{{commit="{build.commit()}",version="{build.version_of_hub()}"}} 1.0',
        'hub_role_info{role="test-role"} 1.0',
        'hub_role_restarts_total{role="test-role"} 0.0',
        'connector_status{connector="test-sink",status="OK"} 0.0',
        'connector_dead_lettered_events_total{code="",connector="test-sink",kind="ALERT"} 0.0',
        'connector_delivery_seconds_count{connector="test-sink",kind="LOCATION",reason="NEW"} 0.0',
        'connector_received_events_total{connector="test-sink"} 0.0',
        'connector_breaker{connector="test-sink",part="sink.locations",state="open"} 0.0',
        'connector_retries_total{connector="test-sink",outcome="postponed"} 0.0',
        'connector_stalled{connector="test-sink",what="send"} 0.0',
        'connector_late_events_total{connector="test-sink",kind="ALERT"} 0.0',
        'hub_accepted_events_total{record="TestRecord"} 0.0',
        'hub_refused_requests_total{problem="test-problem"} 0.0',
        'hub_dead_letters_total{code="",stage="test-stage"} 0.0',
        'hub_drill_failed{destination="test-sink"} 0.0',
        'hub_drills_total{destination="test-sink",stopped_at=""} 0.0',
        'hub_oldest_undelivered_alert_seconds{destination="test-sink"} 0.0',
        'hub_alert_levels_total{destination="test-sink",level="ACKNOWLEDGED"} 0.0',
        'hub_open_pages{mode="ACTUAL"} 0.0',
        'hub_page_notices_total{outcome="failed",step="test-step"} 0.0',
        'hub_page_step_failing_seconds{step="test-step"} 0.0',
    ):
        assert line in shown.splitlines()


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for metric in METRICS:
        registry.register(metric)
    return registry
