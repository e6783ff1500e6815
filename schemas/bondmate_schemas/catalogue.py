"""The one list of topics: names, keys, records, partitions, retention, and what is personal in them.

Provisioning, the interface specification, retention, access rules and privacy reports are all derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from bondmate_schemas.codec import RECORDS, schema

Cleanup = Literal["delete", "compact", "compact,delete"]

DEVICE_ALERTS = "bondmate.device.alerts"
DEVICE_LOCATIONS = "bondmate.device.locations"
DEVICE_STATUS = "bondmate.device.status"
INCIDENTS = "bondmate.incidents"
MESSAGES = "bondmate.messages"
RECEIPTS = "bondmate.receipts"
STATE_ALERTS = "bondmate.state.alerts"
STATE_INCIDENTS = "bondmate.state.incidents"
LAST_LOCATION = "bondmate.state.last-location"
STATE_CONNECTORS = "bondmate.state.connectors"
"""How each connector is, told by its runner again and again: what has gone quiet shows here."""
ROLE_STATUS = "bondmate.role.status"
"""How each process of the hub is, as it says again and again; of one that ended an hour ago nobody asks."""
DEVICE_MARKS = "bondmate.state.device-marks"
"""What holds of a device until a person says otherwise: that its officer is under duress."""
STATE_ROUTES = "bondmate.state.routes"
"""The routes that every role works by, once a person has applied a version of them."""
CHECK_INS = "bondmate.state.check-ins"
"""Check-ins that devices owe; a tombstone once the alert was raised."""
AUDIT = "bondmate.audit"
PAGES = "bondmate.pages"
"""For the people who run the hub: what would otherwise come to nobody."""
PAGE_MARKS = "bondmate.state.pages"
"""What became of each page: whom it was sent to, who took it."""
DEAD_LETTER_DECISIONS = "bondmate.dlq.decisions"
"""What people have done about dead letters; not itself a topic of dead letters."""
ALERT_CHANGES = "bondmate.streams.alert-changes"
"""Between the agents: alerts joined and correlated, by alert, so that they meet their receipts in one partition."""

ALERT_STANDINGS = "bondmate.streams.alert-standings"
"""Between the agents: alerts closed or opened anew, by device, so that they meet the device's next alert."""
INCIDENT_RECEIPTS = "bondmate.streams.incident-receipts"
"""Between the agents: receipts of incident events, by incident, so that they meet its state."""
INCIDENT_LINKS = "bondmate.streams.incident-links"
"""Between the agents: what refers to a message of a control room, by that message, so that they meet."""

STREAMS_SOURCE = "streams"
"""`source` or one of the `hops` of what the streams wrote: only such a message to a device names its true device."""
DEVICE = "device"
"""`destination` of the receipts of messages to officers; never of an alert's receipts."""
STREAMS_APP = "bondmate-streams"
"""faust's application id, the prefix of the topics faust makes for itself, and the agents' consumer group."""
LANE_GROUP = "bondmate-lane"
"""The consumer group of the location lane."""
AGENT_TOPICS = {
    "alerts": DEVICE_ALERTS,
    "incidents": INCIDENTS,
    "alert-changes": ALERT_CHANGES,
    "alert-standings": ALERT_STANDINGS,
    "incident-receipts": INCIDENT_RECEIPTS,
    "incident-links": INCIDENT_LINKS,
    "messages": MESSAGES,
    "receipts": RECEIPTS,
}
"""What each agent of the streams reads."""
TABLE_RECORDS = {
    "devices": "DeviceMemory",
    "alerts": "AlertState",
    "incidents": "IncidentMemory",
    "links": "IncidentLink",
}
"""The record that is a faust table's value; each table has a changelog topic."""

_HOUR = 3_600_000
_DAY = 24 * _HOUR
PARTITIONS = 4
"""Partitions of a topic where the settings name no other number."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it must be.

    `key` says what the record key is; `record` names the Avro record of the values, or is None where the values are
    bytes of somebody else (dead letters) or faust's own. `retention_ms` is -1 for ever. `personal` is true where a
    value may hold personal data.
    """

    name: str
    key: str
    record: str | None
    doc: str
    retention_ms: int
    cleanup: Cleanup = "delete"
    partitions: int = PARTITIONS
    personal: bool = True


_FIXED = (
    Topic(DEVICE_ALERTS, "device_id", "DeviceAlert", "Alerts as the devices raise, update and cancel them.", 30 * _DAY),
    Topic(DEVICE_LOCATIONS, "device_id", "DeviceLocation", "Positions of the devices.", _DAY),
    Topic(DEVICE_STATUS, "device_id", "DeviceStatus", "Heartbeat, battery, shift, versions.", _DAY),
    Topic(INCIDENTS, "incident_id", "IncidentEvent", "What devices and control rooms say of incidents.", 30 * _DAY),
    Topic(MESSAGES, "device_id", "DeviceMessage", "Texts between officers and control rooms.", 7 * _DAY),
    Topic(RECEIPTS, "event_id", "DeliveryReceipt", "Every change of level.", 30 * _DAY),
    Topic(STATE_ALERTS, "event_id", "AlertState",
          "Where each alert stands; tombstone some days after it closed. Also the changelog of faust's table.",
          -1, "compact"),
    Topic(STATE_INCIDENTS, "incident_id", "IncidentState", "Where each incident stands.", -1, "compact"),
    Topic(LAST_LOCATION, "device_id", "DeviceLocation", "Last fix a device; tombstone at end of shift.", _DAY,
          "compact,delete"),
    Topic(DEVICE_MARKS, "mark_id", "DeviceMark", "What holds of a device until a person ends it.", -1, "compact"),
    # One is due within a day.
    Topic(CHECK_INS, "event_id", "CheckIn", "Check-ins that devices owe; told to nobody.", 2 * _DAY, "compact,delete"),
    Topic(AUDIT, "writer", "AuditRecord", "What was disclosed to whom, and why; a hash chain a writer.", -1),
    Topic(STATE_CONNECTORS, "connector_in_process", "ConnectorStatus",
          "How each connector is in each process that runs it; silence shows a dead runner.", -1,
          "compact", partitions=1, personal=False),
    Topic(ROLE_STATUS, "process", "RoleStatus", "How each process of the hub is; silence shows a dead one.", _HOUR,
          partitions=1, personal=False),
    Topic(STATE_ROUTES, "name", "RoutesVersion", "The routes and agreements that every role works by.", -1, "compact",
          partitions=1),
    Topic(PAGES, "subject", "OperationsPage", "What a person in operations must see now.", 30 * _DAY, partitions=1,
          personal=False),
    # Kept longer than any page: one that outlived its mark would be sent again.
    Topic(PAGE_MARKS, "mark_id", "PageMark", "What became of each page.", 60 * _DAY, "compact,delete", partitions=1),
    # Kept longer than any letter: a letter that outlived its decision would look undecided.
    Topic(DEAD_LETTER_DECISIONS, "letter_id", "DeadLetterDecision", "What people have done about dead letters.",
          60 * _DAY, "compact,delete", partitions=1),
    Topic(ALERT_CHANGES, "event_id", "DeviceAlert", "Between the agents: alerts joined and correlated.", _DAY),
    Topic(ALERT_STANDINGS, "device_id", "AlertState", "Between the agents: alerts closed or opened anew.", _DAY),
    Topic(INCIDENT_RECEIPTS, "incident_id", "DeliveryReceipt", "Between the agents: receipts of incidents.", _DAY),
    Topic(INCIDENT_LINKS, "message_id", "IncidentLink", "Between the agents: what refers to a message.", _DAY),
)  # fmt: skip
_CAN_WAIT = frozenset({
    LAST_LOCATION, MESSAGES, RECEIPTS, STATE_ALERTS, STATE_INCIDENTS, STATE_CONNECTORS, STATE_ROUTES, AUDIT,
    ALERT_STANDINGS,
    INCIDENT_RECEIPTS, ROLE_STATUS,
})  # fmt: skip
_KEYS = {topic.name: topic.key for topic in _FIXED}


def destination_topic(destination: str) -> str:
    """Name the topic of a destination's alerts, incidents and messages."""
    return f"bondmate.to.{destination}"


def locations_topic(destination: str) -> str:
    """Name the topic of a destination's positions."""
    return f"bondmate.to.{destination}.locations"


def destination_group(topic: str) -> str:
    """Name the consumer group that reads a topic of a destination."""
    return f"bondmate-{topic.removeprefix(destination_topic(''))}"


def dead_letter_topic(stage: str) -> str:
    """Name the dead-letter topic of a stage, source or destination."""
    return f"bondmate.dlq.{stage}"


def is_dead_letters(topic: str) -> bool:
    """Whether `topic` holds dead letters."""
    return topic.startswith(dead_letter_topic("")) and topic != DEAD_LETTER_DECISIONS


def changelog_topic(table: str) -> str:
    """Name the topic from which faust rebuilds a table; that of the alerts is the state everybody may read."""
    return STATE_ALERTS if table == "alerts" else f"{STREAMS_APP}-{table}-changelog"


def can_wait(topic: str) -> bool:
    """Whether a record may lie a few hundredths of a second before it is sent: no alert waits for it."""
    return topic in _CAN_WAIT or topic.endswith((".locations", "-changelog"))


def is_for_destination(topic: str) -> bool:
    """Whether a topic is read by a destination, with a client of its own choice."""
    return topic.startswith(destination_topic(""))


def stages() -> tuple[str, ...]:
    """Name the stages of the hub that dead-letter by themselves, besides sources and destinations."""
    return (*AGENT_TOPICS, "locations")


def topics(
    destinations: Iterable[str] = (), sources: Iterable[str] = (), partitions: int = PARTITIONS
) -> tuple[Topic, ...]:
    """Return every topic of a hub with these destinations and sources, in order of name.

    `partitions` is how many each has that is spread at all: tables and topics go together partition by partition.
    """
    names = tuple(destinations)
    found = [*_FIXED, *_faust_topics()]
    for name in names:
        found.extend(_destination_topics(name))
    found.extend(_dead_letters(dead_letter_topic(stage), _kept(stage)) for stage in {*stages(), *names, *sources})
    spread = (topic if topic.partitions == 1 else replace(topic, partitions=partitions) for topic in found)
    return tuple(sorted({topic.name: topic for topic in spread}.values(), key=lambda topic: topic.name))


def personal_fields(record: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the path and the tags of every personal field of `record`, nested records included."""
    return tuple(_tagged(schema(record), "", {}))


def _destination_topics(name: str) -> Iterator[Topic]:
    yield Topic(destination_topic(name), "incident_id", "Delivery", f"What {name} may see.", 7 * _DAY)
    yield Topic(locations_topic(name), "device_id", "Delivery", f"Positions that {name} may see.", _DAY)
    # A copy never outlives its source's class: positions stay a day.
    yield _dead_letters(dead_letter_topic(f"{name}.locations"), _DAY)


def _kept(stage: str) -> int:
    return _DAY if stage == "locations" else 30 * _DAY


def _dead_letters(name: str, retention_ms: int) -> Topic:
    return Topic(name, "original", None, "Original bytes, key and headers with `bondmate.error.*`.", retention_ms)


def _faust_topics() -> Iterator[Topic]:
    yield Topic(f"{STREAMS_APP}-__assignor-__leader", "-", None, "faust's election of a leader.", _DAY, partitions=1,
                personal=False)  # fmt: skip
    for table, record in TABLE_RECORDS.items():
        if changelog_topic(table) != STATE_ALERTS:
            yield Topic(changelog_topic(table), table, record, f"Changelog of the table `{table}`.", -1, "compact")


def _tagged(node: Any, path: str, named: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Walk an Avro schema; unions, arrays and maps do not show in a path."""
    # A type is written out at its first use only; later ones go by its name.
    if isinstance(node, list):
        for branch in node:
            yield from _tagged(branch, path, named)
    elif isinstance(node, str):
        if node in named:
            yield from _tagged(named[node], path, named)
    elif node.get("type") == "record":
        named[node["name"]] = node
        for field in node["fields"]:
            here = f"{path}.{field['name']}" if path else field["name"]
            if tags := field.get("confluent:tags"):
                yield here, tuple(tags)
            yield from _tagged(field["type"], here, named)
    else:
        for inner in ("items", "values", "type"):
            yield from _tagged(node.get(inner, ""), path, named)


def key_of(topic: str, record: object) -> str:
    """Return the record key that the catalogue prescribes for `record` on `topic`."""
    wanted = _KEYS[topic]
    header = getattr(record, "header", None)
    if wanted == "incident_id":
        return str(header.incident_id or header.event_id)  # type: ignore[union-attr]
    if wanted == "event_id":
        return str(header.event_id)  # type: ignore[union-attr]
    return str(getattr(record, wanted))


assert {topic.record for topic in _FIXED} <= set(RECORDS)
