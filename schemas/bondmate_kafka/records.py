"""Records as Kafka carries them, and dead letters: framed Avro, the catalogue's key, CloudEvents headers (binary mode).

Source: CloudEvents 1.0, Kafka protocol binding, 3.2 (binary content mode); W3C Trace Context for `traceparent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final

from bondmate_monitoring.tracing import TRACEPARENT, parent_in
from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.codec import NAMESPACE, Codec
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Record

PARTITION_UA: Final = -1
"""librdkafka's word for: the key chooses the partition."""
CONTENT_TYPE: Final = b"application/avro"
SEALED_TRACE: Final = "bondmate.trace"
"""The trace of what is told to a destination, readable by the hub alone: in the clear it would be the same at each."""
Headers = Sequence[tuple[str, bytes | None]]
_ERROR: Final = "bondmate.error."


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write."""

    topic: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    partition: int = PARTITION_UA


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record as it came from Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """The id of its dead letter: the same record of the same place always has the same."""
        return derived_id("dead-letter", self.topic, str(self.partition), str(self.offset))

    def facts(self) -> dict[str, str]:
        """Return where it was, as dead letters state it."""
        return {"topic": self.topic, "partition": str(self.partition), "offset": str(self.offset)}


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record that never was on Kafka; its sender derives `id` from what it is."""

    id: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)

    def facts(self) -> dict[str, str]:
        """Return where it was: nowhere."""
        return {}


def utc_now() -> datetime:
    """Return the time, aware, in UTC, cut to the milliseconds the wire carries."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def headers_of(
    found: Iterable[tuple[str, str | bytes | None]] | Mapping[str, str | bytes | None] | None,
) -> tuple[tuple[str, bytes | None], ...]:
    """Return headers as a client has them in the one form used here."""
    pairs = found.items() if isinstance(found, Mapping) else found or ()
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)


class Envelopes:
    """Turn records into what is written to topics."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def pack(self, topic: str, key: str, record: Record, cause: Headers = ()) -> Outgoing:
        """Return the message that carries `record`, in the trace of the record that led to it.

        Raises:
            SchemaUnavailableError: the id of the record's schema is not known and the registry does not answer.
        """
        parent = parent_in(cause)
        return self.pack_traced(topic, key, record, str(parent) if parent else None)

    def pack_traced(self, topic: str, key: str, record: Record, traceparent: str | None) -> Outgoing:
        """Return the message that carries `record`, at that place in a trace; raises as `pack` does."""
        return Outgoing(topic, key.encode(), self._codec.encode(record), cloud_headers(record, traceparent))


def cloud_headers(record: Record, traceparent: str | None = None) -> Headers:
    """Return the CloudEvents attributes of `record` as Kafka headers."""
    found = list(_of_kind(type(record)))
    if traceparent:
        found.append((TRACEPARENT, traceparent.encode()))
    # Not `getattr`: pydantic takes its time to say that a model has no such field.
    header = vars(record).get("header")
    if header is not None:
        found += [
            ("ce_id", header.message_id.encode()),
            ("ce_source", header.source.encode()),
            ("ce_time", header.occurred_at.isoformat().encode()),
        ]
    return tuple(found)


@cache
def _of_kind(kind: type[Record]) -> Headers:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", f"{NAMESPACE}.{kind.__name__}".encode()),
        ("content-type", CONTENT_TYPE),
    )


def dead_letter(
    place: str, record: Arrived | Unsent, *, stage: str, code: str, now: datetime, connector: str = ""
) -> Outgoing:
    """Return the dead letter of `record` for `bondmate.dlq.<place>`: original bytes, key and headers, and the codes.

    No exception text goes there: it may hold personal data.
    """
    facts = {"connector": connector} if connector else {}
    facts |= record.facts() | {"stage": stage, "code": code, "id": record.id, "at": now.isoformat()}
    # A record replayed from a dead-letter topic has old facts: the newest are true.
    kept = tuple((name, value) for name, value in record.headers if not name.startswith(_ERROR))
    added = tuple((_ERROR + name, fact.encode()) for name, fact in facts.items())
    return Outgoing(dead_letter_topic(place), record.key, record.value, kept + added)
