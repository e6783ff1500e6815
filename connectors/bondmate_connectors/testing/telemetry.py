"""The metrics the runner must have kept for a sink, read the way Prometheus reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bondmate_schemas.enums import DeliveryKind
from prometheus_client import REGISTRY

from bondmate_connectors.contract import ConnectorSpec, Status

_PER_CONNECTOR = ("connector_in_flight", "connector_parked_keys", "connector_lag_seconds")


def assert_sink_telemetry(
    name: str, spec: ConnectorSpec, *, sent: Mapping[str, int], dead: Mapping[str, int], status: Status
) -> None:
    """Hold the metrics of the sink `name` against what is known to have happened.

    `sent` counts receipts by kind, `dead` dead letters by code; nothing may be in flight. The labels are as specified
    and none of another kind than `spec.accepts`.

    Raises:
        AssertionError: a metric is missing, has another value, or labels it must not have.
    """
    assert dict(sent) == by_label("connector_sent_events_total", name, "kind")
    assert dict(dead) == by_label("connector_dead_lettered_events_total", name, "code")
    assert dict(sent) == by_label("connector_delivery_seconds_count", name, "kind")
    assert set(sent) <= spec.accepts <= {kind.value for kind in DeliveryKind}
    assert {status.value} == {found for found, is_in in by_label("connector_status", name, "status").items() if is_in}
    assert [0] == [REGISTRY.get_sample_value("connector_in_flight", {"connector": name})]
    for metric in _PER_CONNECTOR:
        assert REGISTRY.get_sample_value(metric, {"connector": name}) is not None, metric
    assert set(spec.accepts) == set(by_label("connector_oldest_undelivered_seconds", name, "kind", all_values=True))


def by_label(metric: str, connector: str, label: str, *, all_values: bool = False) -> dict[str, int]:
    """Sum the samples of `metric` of a connector by the values of one label; those at 0 only when asked for.

    A gauge that is not known now counts as -1: neither nothing nor a number.
    """
    found: dict[str, int] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == metric and sample.labels.get("connector") == connector:
                value = sample.labels[label]
                found[value] = found.get(value, 0) + (-1 if math.isnan(sample.value) else int(sample.value))
    return {value: count for value, count in found.items() if count or all_values}
