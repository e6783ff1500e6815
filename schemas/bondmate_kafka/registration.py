"""Make a schema registry what the topic catalogue says, as often as one likes.

Apart from the topics: the registry's client library brings 9 MiB with it, which no role needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx2
from bondmate_schemas.catalogue import Topic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bondmate_kafka.errors import ProvisioningError
from bondmate_kafka.registry import record_subject
from bondmate_kafka.security import RegistryAccess

_NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 404, 409, 422
_REFUSALS = (401, 403)


@dataclass(frozen=True, slots=True)
class Registration:
    """Which version and id a subject's schema has."""

    subject: str
    version: int
    schema_id: int
    new: bool
    """True when this call made the version."""


def register_schemas(
    registry_url: str,
    wanted: Sequence[Topic],
    schema_text: Callable[[str], str],
    access: RegistryAccess | None = None,
) -> list[Registration]:
    """Register the schema of every record under its own name and under `<topic>-value`; idempotent.

    Args:
        registry_url: a Confluent-compatible registry.
        wanted: the topics; those without a record are passed over.
        schema_text: gives the Avro schema of a record by name.
        access: how to be let in there.

    Raises:
        ProvisioningError: the registry does not answer, or refuses a schema; the message names subject and fault.
    """
    records = {topic.record for topic in wanted if topic.record}
    subjects = {record_subject(record): record for record in sorted(records)}
    subjects |= {f"{topic.name}-value": topic.record for topic in wanted if topic.record}
    with SchemaRegistryClient(_settings(registry_url, access or RegistryAccess())) as client:
        return [_register(client, subject, schema_text(record)) for subject, record in subjects.items()]


def _settings(url: str, access: RegistryAccess) -> dict[str, object]:
    login = {"basic.auth.user.info": f"{access.login.username}:{access.login.password}"} if access.login else {}
    return {"url": url, **login, **(access.tls.librdkafka() if access.tls else {})}


def _register(client: SchemaRegistryClient, subject: str, text: str) -> Registration:
    schema = Schema(text, "AVRO")
    try:
        new = not _is_known(client, subject, schema)
        if new:
            client.register_schema(subject, schema)
        found = client.lookup_schema(subject, schema)
    except SchemaRegistryError as error:
        raise ProvisioningError(_refusal(subject, error)) from error
    except (httpx2.HTTPError, OSError) as error:
        raise ProvisioningError("the schema registry does not answer; check its URL and that it runs") from error
    return Registration(subject, int(found.version or 0), int(found.schema_id or 0), new)


def _is_known(client: SchemaRegistryClient, subject: str, schema: Schema) -> bool:
    try:
        client.lookup_schema(subject, schema)
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND:
            return False
        raise
    return True


def _refusal(subject: str, error: SchemaRegistryError) -> str:
    if error.http_status_code == _CONFLICT:
        return f"subject {subject}: the schema may not follow its earlier versions: {error.error_message}"
    if error.http_status_code == _UNPROCESSABLE:
        return f"subject {subject}: the registry does not take the schema: {error.error_message}"
    if error.http_status_code in _REFUSALS:
        return f"the registry refuses the login ({error.http_status_code}): is `kafka.registry_login` right?"
    return f"subject {subject}: the registry answered {error.http_status_code}"
