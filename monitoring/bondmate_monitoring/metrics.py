"""Every metric of the hub: names, units and closed label sets, in one place; a test asserts them.

Labels are names of connectors, destinations, stages, records and codes: never a device, person, incident or place. A
role announces its series at zero when it starts (`announce`): a counter born at 1 shows no increase.
"""

from __future__ import annotations

from typing import Any

import prometheus_client

KINDS = ("OTHER", "ALERT", "INCIDENT", "MESSAGE", "LOCATION", "RECEIPT", "UNREADABLE")
"""Values of `kind`: those of a Delivery, and what could not be read."""
LEVELS = ("DELIVERED", "ACCEPTED", "ACKNOWLEDGED", "RESPONDING", "RESOLVED", "DECLINED", "CANCELLED", "EXPIRED",
          "DEAD_LETTERED", "SUPERSEDED", "WITHHELD")  # fmt: skip
"""Values of `level`."""
STATUSES = ("CREATED", "STARTING", "OK", "RECOVERABLE_ERROR", "PERMANENT_ERROR", "FATAL_ERROR", "PAUSED", "STOPPING",
            "STOPPED")  # fmt: skip
"""Values of a connector's `status`."""
REASONS = ("NEW", "UPDATE", "CANCEL", "REFRESH")
"""Values of a Delivery's `reason`."""
BREAKER_STATES = ("closed", "open", "half_open")
"""Values of a breaker's `state`."""
RETRY_OUTCOMES = ("made", "postponed")
"""Values of a retry's `outcome`."""
RESTARTS = ("crash", "settings", "asked", "resumed")
"""Values of `why` a connector was built anew."""
REREADS = ("taken", "refused")
"""Values of the `outcome` of reading settings again."""
NOTICE_OUTCOMES = ("sent", "failed")
"""Values of the `outcome` of a page sent to a step."""
STALLS = ("send", "connect", "settle", "consumer")
"""Values of `what` stands still."""


class _KeptSeries:
    """Keeps the series of label values: the client library makes strings of them and takes a lock at every look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._kept: dict[tuple[Any, ...], Any] = {}
        super().__init__(*args, **kwargs)

    def labels(self, *values: Any, **named: Any) -> Any:
        """Return the series of these label values, in the order of the label names, or by name."""
        if named or values not in self._kept:
            series = super().labels(*values, **named)  # type: ignore[misc]  # of the metric it is mixed into
            return series if named else self._kept.setdefault(values, series)
        return self._kept[values]


class Counter(_KeptSeries, prometheus_client.Counter):
    """A counter."""


class Gauge(_KeptSeries, prometheus_client.Gauge):
    """A gauge."""


class Histogram(_KeptSeries, prometheus_client.Histogram):
    """A histogram."""


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# Connectors, kept by the runner (CONTRACT, telemetry).
CONNECTOR_RECEIVED = Counter("connector_received_events_total", "Events taken in by a source.", ["connector"])
CONNECTOR_SENT = Counter("connector_sent_events_total", "Events a sink has a receipt for.", ["connector", "kind"])
CONNECTOR_ERRORS = Counter("connector_errors_total", "Errors by stage and code.", ["connector", "stage", "code"])
CONNECTOR_DEAD = Counter("connector_dead_lettered_events_total", "Events dead-lettered.",
                         ["connector", "kind", "code"])  # fmt: skip
CONNECTOR_PASSED_OVER = Counter(
    "connector_passed_over_events_total", "Events settled without sending, on purpose.", ["connector", "reason"]
)
CONNECTOR_IN_FLIGHT = Gauge("connector_in_flight", "Events sent and not settled.", ["connector"])
CONNECTOR_PARKED = Gauge("connector_parked_keys", "Keys waiting for their next attempt.", ["connector"])
CONNECTOR_HELD = Gauge("connector_held_events", "Events taken from Kafka and not settled; bounded.", ["connector"])
CONNECTOR_BACKLOG = Gauge(
    "connector_backlog_events", "Events on a destination's topics that are not settled, as the broker counts them.",
    ["connector"],
)  # fmt: skip
CONNECTOR_STALLED = Gauge(
    "connector_stalled", "1 while something of a connector stands still: send, connect, settle, consumer.",
    ["connector", "what"],
)  # fmt: skip
CONNECTOR_LOOP_FROZEN = Gauge(
    "connector_loop_frozen", "1 while the event loop that all connectors of the process share does not turn."
)
CONNECTOR_LATE = Counter(
    "connector_late_events_total", "Events sent after their expiry, marked late.", ["connector", "kind"]
)
CONNECTOR_RETRIES = Counter(
    "connector_retries_total", "Retries made, and those the retry budget postponed.", ["connector", "outcome"]
)
CONNECTOR_RESTARTS = Counter(
    "connector_restarts_total", "Times a connector was built anew: after a crash, a pause, with new settings, asked.",
    ["connector", "why"],
)  # fmt: skip
CONNECTOR_REREADS = Counter(
    "connector_settings_read_again_total", "Times a connector's settings or files changed: taken, or refused.",
    ["connector", "outcome"],
)  # fmt: skip
CONNECTOR_PAUSED_ALERTS = Gauge(
    "connector_paused_alerts", "Alerts that wait behind the pause of a connector, by mode.", ["connector", "mode"]
)
CONNECTOR_BREAKER = Gauge(
    "connector_breaker", "1 for the state the breaker of a destination's part is in: closed, open, half_open.",
    ["connector", "part", "state"],
)  # fmt: skip
CONNECTOR_DELIVERY_SECONDS = Histogram(
    "connector_delivery_seconds", "From the hub's first sight of an event to its receipt, by why it was told.",
    ["connector", "kind", "reason"],
    buckets=_SECONDS,
)  # fmt: skip
CONNECTOR_STATUS = Gauge("connector_status", "1 for the status the connector is in.", ["connector", "status"])
CONNECTOR_OLDEST_UNDELIVERED = Gauge(
    "connector_oldest_undelivered_seconds", "Age of the oldest event taken and not delivered.", ["connector", "kind"]
)
CONNECTOR_LAG_SECONDS = Gauge("connector_lag_seconds", "Age of the record at the committed offset.", ["connector"])

# Devices, kept by the gateway.
ACCEPTED = Counter("hub_accepted_events_total", "Events answered with success, durable in Kafka.", ["record"])
REFUSED = Counter("hub_refused_requests_total", "Requests of devices refused, by problem.", ["problem"])
ACCEPT_SECONDS = Histogram("hub_accept_seconds", "From a device's request to its answer.", ["record"], buckets=_SECONDS)
DEVICES_CONNECTED = Gauge("hub_devices_connected", "Devices that listen for messages now.")

# Streams.
AGENT_EVENTS = Counter("hub_agent_events_total", "Events an agent has settled.", ["agent", "outcome"])
AGENT_SECONDS = Histogram("hub_agent_seconds", "Time an agent takes for an event.", ["agent"], buckets=_SECONDS)
DEAD_LETTERS = Counter("hub_dead_letters_total", "Records dead-lettered by a stage.", ["stage", "code"])
MISPLACED = Counter(
    "hub_misplaced_records_total",
    "Records in another's partition (moved, astray) or under another key (wrong_key): a foreign client writes them.",
    ["topic", "found"],
)
ROUTED = Counter(
    "hub_routed_deliveries_total", "Deliveries written, by destination.", ["destination", "kind", "reason"]
)
UNTAKEN = Counter(
    "hub_untaken_deliveries_total", "Deliveries written for a destination whose connector does not take them.",
    ["destination", "kind"],
)  # fmt: skip
FOREIGN_IDS = Counter(
    "hub_foreign_ids_total", "Records from outside that name what was given to others, or what nobody was given.",
    ["record"],
)  # fmt: skip
ROUTES_VERSION = Gauge("hub_routes_version", "Version of the routes that this role works by; 0: the file's.")
UNROUTED = Counter("hub_unrouted_events_total", "Events no route wanted.", ["record", "why"])
ALERT_LEVELS = Counter("hub_alert_levels_total", "Alerts that reached a level at a destination.",
                       ["destination", "level"])  # fmt: skip
ALERT_LEVEL_SECONDS = Histogram(
    "hub_alert_level_seconds", "From the hub's first sight of an alert to a level.", ["destination", "level"],
    buckets=_SECONDS,
)  # fmt: skip
MESSAGES_TO_DEVICES = Counter(
    "hub_messages_to_devices_total", "Messages to officers, one a device, and those refused, by sender.",
    ["sender", "outcome"],
)  # fmt: skip
MESSAGE_RECEIPTS = Counter(
    "hub_message_receipts_total", "Receipts of messages to officers: whether their sender was told.",
    ["sender", "level", "outcome"],
)  # fmt: skip
OPEN_ALERTS = Gauge("hub_open_alerts", "Alerts not yet closed, by status.", ["status"])
UNANSWERED_ALERTS = Gauge(
    "hub_unanswered_alerts", "Open alerts for which a person was paged and that nobody has answered.", ["mode"]
)
SILENT_DEVICES = Gauge("hub_silent_devices", "Devices on duty that are not heard of, of this worker's partitions.")
PAGES = Counter("hub_pages_total", "Pages to operations, by reason and by mode of the alert.", ["reason", "mode"])
OPEN_PAGES = Gauge("hub_open_pages", "Pages that nobody has taken and whose cause is not over.", ["mode"])
OLDEST_OPEN_PAGE_SECONDS = Gauge("hub_oldest_open_page_seconds", "Age of the oldest page that nobody has taken.")
PAGE_NOTICES = Counter(
    "hub_page_notices_total", "Pages, repeats and ends that were sent to a step, and those it did not take.",
    ["step", "outcome"],
)  # fmt: skip
PAGE_STEP_FAILING_SECONDS = Gauge(
    "hub_page_step_failing_seconds", "For how long a step has not taken what is due there; 0: it takes.", ["step"]
)
DRILLS = Counter(
    "hub_drills_total", "Drills that the role sent, by the hop that they did not come to; none: they arrived.",
    ["destination", "stopped_at"],
)  # fmt: skip
DRILL_FAILED = Gauge("hub_drill_failed", "1 while the last drill of a destination did not arrive.", ["destination"])
DRILL_HOP_SECONDS = Gauge(
    "hub_drill_hop_seconds", "From raising the last drill of a destination to each hop that it came to.",
    ["destination", "hop"],
)  # fmt: skip
UNDELIVERED_ALERT_SECONDS = Gauge(
    "hub_oldest_undelivered_alert_seconds", "Age of the oldest open alert that a destination has not got.",
    ["destination"],
)  # fmt: skip
LANE_FIXES = Counter("hub_lane_fixes_total", "Position fixes, by outcome.", ["outcome"])
LANE_BATCH_SECONDS = Histogram("hub_lane_batch_seconds", "Time the lane takes for a batch.", buckets=_SECONDS)

# What is unread, of every consumer: `consumer` is streams, lane, runner or mailboxes.
CONSUMER_LAG_EVENTS = Gauge(
    "hub_consumer_lag_events", "Records that a consumer of the hub has not settled, as the broker counts them.",
    ["consumer", "topic"],
)  # fmt: skip
CONSUMER_LAG_SECONDS = Gauge(
    "hub_consumer_lag_seconds", "Age of the oldest of them; 0 when all is settled.", ["consumer", "topic"]
)

# Processes.
ROLE_READY = Gauge("hub_role_ready", "1 while the role can do its work, as /readyz says.")
BUILD_INFO = Gauge("hub_build_info", "1 for the version and commit that this process runs.", ["version", "commit"])
ROLE_INFO = Gauge("hub_role_info", "1 for each role this process runs.", ["role"])
ROLE_RESTARTS = Counter("hub_role_restarts_total", "Times a role was started again after it died.", ["role"])
