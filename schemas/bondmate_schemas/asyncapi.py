"""The interface specification of the topics, AsyncAPI 3.1, derived from the catalogue and the schemas.

For who reads or writes the hub's topics directly: a CAD that takes its Deliveries from Kafka, an auditor, a tool. The
word for retry and dead letters that AsyncAPI lacks stands in extensions, `x-dead-letter` and `x-retention`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from bondmate_schemas import catalogue
from bondmate_schemas.catalogue import Topic
from bondmate_schemas.codec import NAMESPACE, RECORDS, schema_text
from bondmate_schemas.partitions import PARTITIONER, PARTITIONING

CONTENT_TYPE: Final = "application/avro"
_AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
_BINDING: Final = "0.5.0"
_DESTINATION: Final = "{destination}"
_DEAD: Final = catalogue.dead_letter_topic("{place}")
_DAY_MS: Final = 86_400_000
_PARTITIONER: Final = {"hash": "murmur2", "librdkafka": PARTITIONER}
_ERROR_FACTS: Final = {
    "topic": "Topic the record was read from; absent when it never was in Kafka.",
    "partition": "Its partition there.",
    "offset": "Its offset there.",
    "connector": "Connector or stage that gave it up.",
    "stage": "What was being done with it.",
    "code": "Why, from a closed set; never the text of an exception.",
    "id": "Id of the dead letter: the same record gets the same one.",
    "at": "When (UTC, ISO 8601).",
}


@dataclass(frozen=True, slots=True)
class _Traffic:
    """Which roles of the hub write a topic, which read it, and in which consumer group."""

    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    group: str = ""
    reply: str = ""


_STREAMS: Final = catalogue.STREAMS_APP
_TRAFFIC: Final = {
    catalogue.DEVICE_ALERTS: _Traffic(("gateway", "runner"), ("streams",), _STREAMS),
    catalogue.DEVICE_LOCATIONS: _Traffic(("gateway", "runner"), ("lane",), "bondmate-lane"),
    catalogue.DEVICE_STATUS: _Traffic(("gateway",)),
    catalogue.INCIDENTS: _Traffic(("gateway", "runner"), ("streams",), _STREAMS),
    catalogue.MESSAGES: _Traffic(("gateway", "runner"), ("streams", "gateway"), _STREAMS),
    catalogue.RECEIPTS: _Traffic(("runner", "streams"), ("streams", "gateway"), _STREAMS),
    catalogue.STATE_ALERTS: _Traffic(("streams",), ("pager",)),
    catalogue.STATE_INCIDENTS: _Traffic(("streams",)),
    catalogue.LAST_LOCATION: _Traffic(("lane",), ("streams",)),
    catalogue.AUDIT: _Traffic(("streams", "lane", "dlq", "pager")),
    catalogue.PAGES: _Traffic(("streams",), ("pager",)),
    catalogue.PAGE_MARKS: _Traffic(("pager",), ("pager",)),
    catalogue.STATE_CONNECTORS: _Traffic(("gateway", "runner"), ("streams", "pager")),
    catalogue.DEAD_LETTER_DECISIONS: _Traffic(("dlq",), ("dlq",)),
    catalogue.destination_topic(_DESTINATION): _Traffic(
        ("streams",), ("runner",), f"bondmate-{_DESTINATION}", catalogue.RECEIPTS
    ),
    catalogue.locations_topic(_DESTINATION): _Traffic(("lane",), ("runner",), f"bondmate-{_DESTINATION}.locations"),
    _DEAD: _Traffic(("gateway", "runner", "streams", "lane")),
}
_INSIDE: Final = _Traffic(("streams",), ("streams",), _STREAMS)


def document(version: str) -> dict[str, Any]:
    """Return the AsyncAPI document of hub `version`, as plain data in the order it should be written."""
    topics = _topics()
    return {
        "asyncapi": "3.1.0",
        "info": _info(version),
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": {_channel_id(topic.name): _channel(topic) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in _operations(topic)},
        "components": {
            "messages": {**{name: _message(name) for name in RECORDS}, "DeadLetter": _dead_letter()},
            "schemas": {"CloudEvent": _cloud_event()},
        },
    }


def faults(found: dict[str, Any]) -> list[str]:
    """Return what is wrong in a document and a JSON Schema does not see: references, addresses, messages.

    It needs no copy of the specification's schema, so that it can run anywhere; where the schema is at hand, hold the
    document against it too.
    """
    wrong = [f"{reference}: leads nowhere" for reference in _references(found) if not _leads(found, reference)]
    for name, channel in found["channels"].items():
        named = {part.split("}")[0] for part in channel["address"].split("{")[1:]}
        if named != set(channel.get("parameters", {})):
            wrong.append(f"channels.{name}: parameters are not those of the address")
    used = {reference.rpartition("/")[2] for reference in _references(found["channels"])}
    wrong += [f"components.messages.{name}: in no channel" for name in found["components"]["messages"]
              if name not in used]  # fmt: skip
    operated = {operation["channel"]["$ref"].rpartition("/")[2] for operation in found["operations"].values()}
    wrong += [f"channels.{name}: no operation" for name in found["channels"] if name not in operated]
    return wrong


def _topics() -> list[Topic]:
    """Return every topic of a hub, one for each pattern where names of destinations and stages come in."""
    dead_letters = catalogue.is_dead_letters
    found = [topic for topic in catalogue.topics(destinations=(_DESTINATION,)) if not dead_letters(topic.name)]
    dead = next(topic for topic in catalogue.topics() if dead_letters(topic.name) and topic.retention_ms > _DAY_MS)
    return [*found, Topic(_DEAD, dead.key, None, dead.doc, dead.retention_ms)]


def _info(version: str) -> dict[str, Any]:
    return {
        "title": "BondMate integration hub",
        "version": version,
        "description": (
            "Topics of the hub. Values are Avro in the Confluent wire format: a zero byte, four bytes of schema id, "
            "the body. Headers carry CloudEvents 1.0 in binary mode and, within the hub, W3C `traceparent` (to "
            "destinations sealed, as `bondmate.trace`); positions that the hub writes for destinations, and last "
            "positions, carry none. At-least-once: a repeat is known by "
            "`ce_source` and `ce_id`, which are `source` and `message_id` of the record's header. "
            f"{PARTITIONING} Generated from the catalogue; do not edit."
        ),
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "localhost:9092",
        "protocol": "kafka",
        "description": "As the settings `kafka.bootstrap` and `kafka.registry_url` say.",
        "bindings": {
            "kafka": {
                "schemaRegistryUrl": "http://localhost:8081",
                "schemaRegistryVendor": "confluent",
                "bindingVersion": _BINDING,
            }
        },
    }


def _channel_id(topic: str) -> str:
    """Turn a topic's name into one that stands in a reference: bondmate.device.alerts to deviceAlerts."""
    words = [word for word in "".join(c if c.isalnum() else " " for c in topic).split() if word != "bondmate"]
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _channel(topic: Topic) -> dict[str, Any]:
    channel: dict[str, Any] = {"address": topic.name, "description": topic.doc}
    if parameters := _parameters(topic.name):
        channel["parameters"] = parameters
    if messages := _messages(topic):
        channel["messages"] = messages
    return channel | {
        "bindings": {"kafka": _channel_binding(topic)},
        "x-key": topic.key,
        **({"x-partitioner": _PARTITIONER} if topic.partitions > 1 and topic.name != _DEAD else {}),
        "x-retention": _retention(topic),
        "x-personal-data": topic.personal,
        **({} if topic.name == _DEAD else {"x-dead-letter": {"address": _DEAD, "headers": "bondmate.error.*"}}),
    }


def _parameters(name: str) -> dict[str, Any]:
    if _DESTINATION in name:
        return {"destination": {"description": "Name of the destination in the hub's settings."}}
    if name == _DEAD:
        stages = ", ".join(f"`{stage}`" for stage in catalogue.stages())
        return {"place": {"description": f"A stage ({stages}), a source, a destination, or a destination's positions "
                                         "(`<destination>.locations`, kept a day)."}}  # fmt: skip
    return {}


def _messages(topic: Topic) -> dict[str, Any]:
    name = topic.record or ("DeadLetter" if topic.name == _DEAD else "")
    return {name: {"$ref": f"#/components/messages/{name}"}} if name else {}


def _channel_binding(topic: Topic) -> dict[str, Any]:
    return {
        "partitions": topic.partitions,
        "topicConfiguration": {"cleanup.policy": topic.cleanup.split(","), "retention.ms": topic.retention_ms},
        "bindingVersion": _BINDING,
    }


def _retention(topic: Topic) -> str:
    if topic.retention_ms < 0:
        return "kept by key" if "compact" in topic.cleanup else "kept for ever"
    return f"{topic.retention_ms // (_DAY_MS // 24)} h"


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    traffic = _TRAFFIC.get(topic.name, _INSIDE)
    name = _channel_id(topic.name)
    found = [(f"send{name[0].upper()}{name[1:]}", _send(topic, traffic))]
    if traffic.readers:
        found.append((f"receive{name[0].upper()}{name[1:]}", _receive(topic, traffic)))
    return found


def _send(topic: Topic, traffic: _Traffic) -> dict[str, Any]:
    operation: dict[str, Any] = _operation("send", topic, traffic.writers)
    if traffic.reply:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{_channel_id(traffic.reply)}"}}
    return operation


def _receive(topic: Topic, traffic: _Traffic) -> dict[str, Any]:
    operation = _operation("receive", topic, traffic.readers)
    if traffic.group:
        group = {"type": "string", "description": "Consumer group."}
        if _DESTINATION not in traffic.group:
            group |= {"const": traffic.group}
        else:
            group |= {"description": f"Consumer group, `{traffic.group}`."}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
    return operation


def _operation(action: str, topic: Topic, roles: tuple[str, ...]) -> dict[str, Any]:
    channel = _channel_id(topic.name)
    operation: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}
    if names := list(_messages(topic)):
        operation["messages"] = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
    return operation | {"x-roles": list(roles)}


def _message(record: str) -> dict[str, Any]:
    avro = _named_apart(json.loads(schema_text(record)))
    return {
        "name": f"{NAMESPACE}.{record}",
        "title": record,
        "summary": avro["doc"],
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/CloudEvent"},
        "payload": {"schemaFormat": _AVRO, "schema": avro},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "As `x-key` of the channel says, by its `x-partitioner`."},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": _BINDING,
            }
        },
        "x-personal-fields": {path: list(tags) for path, tags in catalogue.personal_fields(record)},
    }


def _named_apart(node: Any) -> Any:
    """Write each full name as namespace and name: the specification's own JSON Schema knows no other way."""
    if isinstance(node, list):
        return [_named_apart(part) for part in node]
    if not isinstance(node, dict):
        return node
    apart = {key: _named_apart(value) for key, value in node.items()}
    if "symbols" in node or "fields" in node:
        apart["namespace"], _, apart["name"] = node["name"].rpartition(".")
    return apart


def _dead_letter() -> dict[str, Any]:
    facts = {f"bondmate.error.{name}": {"type": "string", "description": doc} for name, doc in _ERROR_FACTS.items()}
    return {
        "name": "DeadLetter",
        "title": "Dead letter",
        "summary": "A record that was given up: original key, value and headers, and why.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": facts,
            "required": [f"bondmate.error.{name}" for name in ("connector", "stage", "code", "id", "at")],
        },
        "payload": {"type": "string", "format": "binary", "description": "The original bytes, whatever they are."},
    }


def _cloud_event() -> dict[str, Any]:
    """Return the headers of a record: CloudEvents 1.0 in binary mode, and the trace; none for a topic of positions."""
    return {
        "type": "object",
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "description": "`header.message_id`, the idempotency key."},
            "ce_source": {"type": "string", "description": "`header.source`."},
            "ce_type": {"type": "string", "description": f"`{NAMESPACE}.<Record>`."},
            "ce_time": {"type": "string", "format": "date-time", "description": "`header.occurred_at`."},
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            "traceparent": {"type": "string", "description": "W3C Trace Context."},
            "bondmate.replay.of": {"type": "string", "description": "Replayed: the id of its dead letter."},
            "bondmate.replay.count": {"type": "string", "description": "Replayed: how often, this time included."},
            "bondmate.moved.times": {"type": "string", "description": "Written again in its partition: how often."},
            "bondmate.moved.from": {"type": "string", "description": "Then: topic/partition/offset it lay at before."},
        },
    }


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for inner in node.values() for reference in _references(inner)]
    return [reference for inner in node for reference in _references(inner)] if isinstance(node, list) else []


def _leads(root: Any, reference: str) -> bool:
    node = root
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
