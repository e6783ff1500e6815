"""The one Grafana dashboard: are alerts getting through, to whom, how fast. Built by Grafana's own SDK.

Needs `grafana-foundation-sdk`, which only development installs; `make docs` writes what it gives to
`monitoring/grafana/dashboards/`. Every query gives data as soon as the hub has carried a few alerts: no panel is empty
because all is well, for zeros are announced (`announce`).
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Panel,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = ["UID", "dashboard_json"]

UID: Final = "bondmate-alerts"
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_TO: Final = 'destination=~"$destination"'
_BY: Final = 'connector=~"$destination"'
_RATE: Final = "[$__rate_interval]"
_WIDE: Final = 24
_LEVELS_SHOWN: Final = "DELIVERED|ACCEPTED|ACKNOWLEDGED|RESOLVED|DECLINED|EXPIRED|DEAD_LETTERED"


_Panel = Builder[Panel]


def dashboard_json() -> str:
    """Return the dashboard as Grafana imports and provisions it."""
    board = (
        dashboard.Dashboard("BondMate: are alerts getting through?")
        .uid(UID)
        .description(
            "Are alerts getting through, to whom, how fast. What to do: docs/runbook.md in the hub's repository."
        )
        .tags(["bondmate"])
        .editable()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data").type("prometheus"))
        .with_variable(_destinations())
    )
    for title, panels in _rows():
        board = board.with_row(dashboard.Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


def _destinations() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("destination")
        .label("Destination")
        .datasource(_SOURCE)
        .query("label_values(hub_oldest_undelivered_alert_seconds, destination)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".+")
        .multi(True)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _rows() -> list[tuple[str, list[_Panel]]]:
    return [
        ("Alerts: are they getting through?", _alerts()),
        ("Unread: is everything worked off?", _unread()),
        ("Speed: how fast?", _speed()),
        ("Destinations: who has trouble?", _connectors()),
        ("Pages: does anybody hear?", _pages()),
        ("Drills: is each path alive?", _drills()),
        ("Devices and positions", _devices()),
        ("Hub roles", _roles()),
    ]


def _alerts() -> list[_Panel]:
    return [
        _stat("Oldest undelivered alert", "s", 60, _query(f"max(hub_oldest_undelivered_alert_seconds{{{_TO}}})")),
        _stat("Alerts dead-lettered", "short", 1,
              _query(f'sum(increase(connector_dead_lettered_events_total{{kind="ALERT",{_BY}}}[$__range]))'
               ' + sum(increase(hub_dead_letters_total{stage=~"alert.*"}[$__range]))')),
        _stat("Open alerts", "short", None, _query("sum(hub_open_alerts)")),
        _stat("Paged, and nobody has answered", "short", 1,
              _query('sum(hub_unanswered_alerts{mode=~"ACTUAL|UNKNOWN"})')),
        _lines("Alerts in, a second", "reqps", 12,
               _query(f'sum by (record) (rate(hub_accepted_events_total{{record="DeviceAlert"}}{_RATE}))', "accepted"),
               _query(f'sum by (destination, reason) (rate(hub_routed_deliveries_total{{kind="ALERT",{_TO}}}{_RATE}))',
                      "to {{destination}}: {{reason}}")),
        _lines("Alerts at their destinations, a second", "reqps", 12,
               _query(f'sum by (destination, level) (rate(hub_alert_levels_total{{level=~"{_LEVELS_SHOWN}",{_TO}}}'
                      f"{_RATE}))", "{{destination}}: {{level}}")),
        _table("To whom, and how far", 12,
               _query(f'sum by (destination, level) (increase(hub_alert_levels_total{{level=~"{_LEVELS_SHOWN}",{_TO}}}'
                      "[$__range]))", table_form=True)),
        _lines("Oldest undelivered", "s", 12,
               _query(f"max by (destination) (hub_oldest_undelivered_alert_seconds{{{_TO}}})", "{{destination}}"),
               _query(f'max by (connector) (connector_oldest_undelivered_seconds{{kind="ALERT",{_BY}}})',
                      "in the runner: {{connector}}")),
        _lines("Open alerts by status", "short", 12, _query("sum by (status) (hub_open_alerts)", "{{status}}"),
               _query("sum by (mode) (hub_unanswered_alerts)", "paged, {{mode}}")),
        _lines("Dead letters in ten minutes", "short", 12,
               _query(f"sum by (connector, kind) (increase(connector_dead_lettered_events_total{{{_BY}}}[10m]))",
                      "{{connector}}: {{kind}}"),
               _query("sum by (stage) (increase(hub_dead_letters_total[10m]))", "stage {{stage}}")),
    ]  # fmt: skip


def _unread() -> list[_Panel]:
    shown = "max by (consumer, topic)"
    return [
        _lines("Oldest record that a consumer has not read", "s", 12,
               _query(f"{shown} (hub_consumer_lag_seconds)", "{{consumer}}: {{topic}}")),
        _lines("Accepted and not processed", "short", 12,
               _query(f"{shown} (hub_consumer_lag_events)", "{{consumer}}: {{topic}}")),
    ]  # fmt: skip


def _speed() -> list[_Panel]:
    alert = f'hub_alert_level_seconds_bucket{{level=~"DELIVERED|ACCEPTED|ACKNOWLEDGED",{_TO}}}'
    return [
        _lines("From the hub's first sight of an alert to its level", "s", _WIDE,
               *(_query(f"histogram_quantile({q}, sum by (le, destination, level) (rate({alert}{_RATE})))",
                        f"p{q * 100:.0f} {{{{destination}}}} {{{{level}}}}") for q in (0.5, 0.95, 0.99))),
        _lines("Receipt of an alert in the runner, p99", "s", 8,
               _query("histogram_quantile(0.99, sum by (le, connector, reason) (rate(connector_delivery_seconds_bucket"
                      f'{{kind="ALERT",{_BY}}}{_RATE})))', "{{connector}}: {{reason}}")),
        _lines("Answer to a device", "s", 8,
               *(_query(f"histogram_quantile({q}, sum by (le, record) (rate(hub_accept_seconds_bucket{_RATE})))",
                        f"p{q * 100:.0f} {{{{record}}}}") for q in (0.5, 0.99))),
        _lines("Agents, p99", "s", 8,
               _query(f"histogram_quantile(0.99, sum by (le, agent) (rate(hub_agent_seconds_bucket{_RATE})))",
                      "{{agent}}")),
    ]  # fmt: skip


def _connectors() -> list[_Panel]:
    return [
        _table("Status", 8, _query("max by (connector, status) (connector_status) == 1", table_form=True)),
        _lines("Lag", "s", 8, _query(f"max by (connector) (connector_lag_seconds{{{_BY}}})", "{{connector}}")),
        _lines("In flight and parked", "short", 8,
               _query(f"sum by (connector) (connector_in_flight{{{_BY}}})", "in flight: {{connector}}"),
               _query(f"sum by (connector) (connector_parked_keys{{{_BY}}})", "parked: {{connector}}")),
        _lines("Not settled, as the broker counts", "short", 8,
               _query(f"sum by (connector) (connector_backlog_events{{{_BY}}})", "{{connector}}"),
               _query(f"sum by (connector, mode) (connector_paused_alerts{{{_BY}}})",
                      "{{connector}}: {{mode}} alerts behind a pause")),
        _lines("Breakers not closed, and what stands still", "short", 8,
               _query(f'sum by (connector, part, state) (connector_breaker{{state!="closed",{_BY}}})',
                      "{{connector}} {{part}}: {{state}}"),
               _query(f"sum by (connector, what) (connector_stalled{{{_BY}}})", "{{connector}} stands still: {{what}}"),
               _query("sum(connector_loop_frozen)", "event loops frozen")),
        _lines("Retries and late events, a second", "reqps", 8,
               _query(f"sum by (connector, outcome) (rate(connector_retries_total{{{_BY}}}{_RATE}))",
                      "{{connector}}: retries {{outcome}}"),
               _query(f"sum by (connector, kind) (rate(connector_late_events_total{{{_BY}}}{_RATE}))",
                      "{{connector}}: late {{kind}}")),
        _lines("Sent, a second", "reqps", 12,
               _query(f"sum by (connector, kind) (rate(connector_sent_events_total{{{_BY}}}{_RATE}))",
                      "{{connector}}: {{kind}}")),
        _lines("Built anew", "short", 12,
               _query(f"sum by (connector, why) (increase(connector_restarts_total{{{_BY}}}[$__range]))",
                      "{{connector}}: {{why}}")),
        _lines("Errors, a second", "reqps", 12,
               _query(f"sum by (connector, stage, code) (rate(connector_errors_total{_RATE}))",
                      "{{connector}} {{stage}}: {{code}}")),
    ]  # fmt: skip


def _pages() -> list[_Panel]:
    return [
        _stat("Oldest page that nobody has taken", "s", 1800, _query("max(hub_oldest_open_page_seconds)")),
        _lines("Open pages", "short", 6, _query("max by (mode) (hub_open_pages)", "{{mode}}")),
        _lines("Steps that do not take pages", "s", 6,
               _query("max by (step) (hub_page_step_failing_seconds)", "{{step}}")),
        _lines("Pages, repeats and ends sent in ten minutes", "short", 6,
               _query("sum by (step, outcome) (increase(hub_page_notices_total[10m]))", "{{step}}: {{outcome}}")),
    ]  # fmt: skip


def _drills() -> list[_Panel]:
    return [
        _stat("Destinations whose last drill did not arrive", "short", 1, _query("sum(hub_drill_failed)")),
        _lines("Last drill, to each hop", "s", 12,
               _query("max by (destination, hop) (hub_drill_hop_seconds)", "{{destination}} {{hop}}")),
        _lines("Drills in a day, by where they stopped", "short", 6,
               _query("sum by (destination, stopped_at) (increase(hub_drills_total[1d]))",
                      "{{destination}} {{stopped_at}}")),
    ]  # fmt: skip


def _devices() -> list[_Panel]:
    return [
        _stat("Devices listening", "short", None, _query("sum(hub_devices_connected)")),
        _lines("Accepted from devices, a second", "reqps", 9,
               _query(f"sum by (record) (rate(hub_accepted_events_total{_RATE}))", "{{record}}"),
               _query(f"sum(rate(hub_refused_requests_total{_RATE}))", "refused")),
        _lines("Position fixes, a second", "reqps", 9,
               _query(f"sum by (outcome) (rate(hub_lane_fixes_total{_RATE}))", "{{outcome}}")),
    ]  # fmt: skip


def _roles() -> list[_Panel]:
    return [
        _lines("Up, and ready", "short", 8, _query('max by (role) (up{job="bondmate"})', "{{role}} up"),
               _query("max by (role) (hub_role_ready)", "{{role}} ready")),
        _lines("Restarts in an hour", "short", 8,
               _query('sum by (role) (changes(process_start_time_seconds{job="bondmate"}[1h]))', "{{role}}")),
        _lines("Memory", "bytes", 8,
               _query('sum by (role) (process_resident_memory_bytes{job="bondmate"})', "{{role}}")),
    ]  # fmt: skip


def _query(expression: str, legend: str = "", *, table_form: bool = False) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(_SOURCE).expr(expression).legend_format(legend or "__auto")
    if table_form:
        return query.instant().format(PromQueryFormat.TABLE)
    return query.range()


def _stat(title: str, unit: str, red_from: float | None, query: prometheus.Dataquery) -> _Panel:
    steps = [Threshold(value=None, color="green")]
    if red_from is not None:
        steps.append(Threshold(value=red_from, color="red"))
    return (
        stat.Panel()
        .title(title)
        .datasource(_SOURCE)
        .unit(unit)
        .span(6)
        .height(5)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(query.ref_id("A"))
    )


def _lines(title: str, unit: str, span: int, *queries: prometheus.Dataquery) -> _Panel:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    panel = timeseries.Panel().title(title).datasource(_SOURCE).unit(unit).span(span).height(8)
    panel = panel.legend(legend.show_legend(True).calcs(["lastNotNull", "max"])).min(0)
    for number, query in enumerate(queries):
        panel = panel.with_target(query.ref_id(chr(ord("A") + number)))
    return panel


def _table(title: str, span: int, query: prometheus.Dataquery) -> _Panel:
    return table.Panel().title(title).datasource(_SOURCE).span(span).height(8).with_target(query.ref_id("A"))
