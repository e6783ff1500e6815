"""What every client of the broker and of the schema registry sets, in one place."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from confluent_kafka import KafkaError

from bondmate_schemas.codec import NAMESPACE, CodecError, SchemaUnavailableError, schema_text
from bondmate_schemas.partitions import PARTITIONER

_ANSWER_SECONDS: Final = 10.0
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_AT_ONCE: Mapping[str, Any] = {"fetch.wait.max.ms": 100}
_MANY_BYTES = 1 << 20


def is_fatal(error: KafkaError) -> bool:
    """Tell whether a client has given up for good: make another. `fatal()` says so of some only, the code of others."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL  # noqa: SLF001  # the client's public name for it


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
            "linger.ms": 0,
            "compression.type": "zstd",
            # Accepted means accepted: the client tries as long as anybody waits.
            "message.timeout.ms": 120_000,
            **self.extra,
            # Not for settings to choose: tables and the lane's memory go by partition.
            "partitioner": PARTITIONER,
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
    """`SchemaIds` from a Confluent-compatible registry.

    Two requests of its API, asked without the client library: that would cost every process 8 MiB.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def id_of(self, record: str) -> int:
        """Give the id of today's schema of `record`, as provisioning registered it under the record's own name."""
        asked = json.dumps({"schema": schema_text(record), "schemaType": "AVRO"}).encode()
        return int(self._answer("id", f"/subjects/{quote(record_subject(record), safe='')}", asked))

    def schema_of(self, schema_id: int) -> str:
        """Give the schema text of `schema_id`."""
        try:
            return str(self._answer("schema", f"/schemas/ids/{schema_id}"))
        except SchemaUnavailableError as error:
            if getattr(error.__cause__, "code", None) == http.HTTPStatus.NOT_FOUND:
                raise CodecError("unknown_schema") from error
            raise

    def _answer(self, name: str, path: str, body: bytes | None = None) -> Any:
        headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
        request = Request(f"{self._url}{path}", body, headers)  # noqa: S310  # the operator's own setting
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                return json.load(answer)[name]
        except HTTPError as error:
            error.close()
            raise SchemaUnavailableError(f"the registry answered {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise SchemaUnavailableError("the registry does not answer") from error
        except (ValueError, LookupError, TypeError) as error:
            raise SchemaUnavailableError(f"the registry's answer holds no {name}") from error


def record_subject(record: str) -> str:
    """Name the subject of a record for itself, beside those of the topics that carry it."""
    return f"{NAMESPACE}.{record}"
