"""What every client of the broker and of the schema registry sets, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bondmate_schemas.codec import NAMESPACE, CodecError, SchemaUnavailableError, schema_text

_NOT_FOUND = 404
_AT_ONCE: Mapping[str, Any] = {"fetch.wait.max.ms": 100}
_MANY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """Where broker and registry are. `extra` goes to librdkafka as it is (security settings)."""

    bootstrap: str
    registry_url: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def producer(self, client_id: str) -> dict[str, Any]:
        """Give the settings of a producer: acks=all, idempotent, keys to partitions as the Java client does."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": client_id,
            "acks": "all",
            "enable.idempotence": True,
            # faust and Java use murmur2; librdkafka's own default would send equal keys to other partitions.
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "compression.type": "zstd",
            # Accepted means accepted: the client tries as long as anybody waits.
            "message.timeout.ms": 120_000,
            **self.extra,
        }

    def consumer(self, group: str, instance: str, *, gather_ms: int = 0) -> dict[str, Any]:
        """Give the settings of a consumer that commits by hand, static in its group under `instance`.

        With `gather_ms` the broker answers that often and not at each record: for what is plentiful and can wait.
        """
        wait = {"fetch.wait.max.ms": gather_ms, "fetch.min.bytes": _MANY_BYTES} if gather_ms else _AT_ONCE
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": instance,
            "group.id": group,
            "group.instance.id": instance,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 300_000,
            **wait,
            **self.extra,
        }


class RegistrySchemaIds:
    """`SchemaIds` from a Confluent-compatible registry; every answer is kept, since an id never changes."""

    def __init__(self, url: str) -> None:
        self._client = SchemaRegistryClient({"url": url})

    def id_of(self, record: str) -> int:
        """Give the id of today's schema of `record`, as provisioning registered it under the record's own name."""
        with _as_unavailable():
            schema = Schema(schema_text(record), "AVRO")
            found = self._client.lookup_schema(record_subject(record), schema).schema_id
        if found is None:
            raise SchemaUnavailableError(f"the registry names no id for {record}")
        return found

    def schema_of(self, schema_id: int) -> str:
        """Give the schema text of `schema_id`."""
        try:
            with _as_unavailable():
                return str(self._client.get_schema(schema_id).schema_str)
        except SchemaUnavailableError as error:
            if getattr(error.__cause__, "http_status_code", None) == _NOT_FOUND:
                raise CodecError("unknown_schema") from error
            raise


def record_subject(record: str) -> str:
    """Name the subject of a record for itself, beside those of the topics that carry it."""
    return f"{NAMESPACE}.{record}"


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except SchemaRegistryError as error:
        raise SchemaUnavailableError(f"the registry answered {error.http_status_code}") from error
    except (httpx2.HTTPError, OSError) as error:
        raise SchemaUnavailableError("the registry does not answer") from error
