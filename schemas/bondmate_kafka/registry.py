"""The schema registry as the codec asks it."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from bondmate_schemas.codec import NAMESPACE, CodecError, SchemaUnavailableError, schema_text

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.security import RegistryAccess

_ANSWER_SECONDS: Final = 10.0
_REFUSALS: Final = {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"


class RegistrySchemaIds:
    """`SchemaIds` from a Confluent-compatible registry.

    Two requests of its API, asked without the client library: that would cost every process 8 MiB.
    """

    def __init__(self, url: str, access: RegistryAccess | None = None) -> None:
        access = access or RegistryAccess()
        self._url = url.rstrip("/")
        self._headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE, **access.headers()}
        self._context = access.context()

    @classmethod
    def of(cls, kafka: KafkaConfig) -> RegistrySchemaIds:
        """Return the ids of the registry of a hub."""
        return cls(kafka.registry_url, kafka.registry_access)

    def id_of(self, record: str) -> int:
        """Return the id of today's schema of `record`, as provisioning registered it under the record's own name."""
        asked = json.dumps({"schema": schema_text(record), "schemaType": "AVRO"}).encode()
        return int(self._answer("id", f"/subjects/{quote(record_subject(record), safe='')}", asked))

    def schema_of(self, schema_id: int) -> str:
        """Return the schema text of `schema_id`."""
        try:
            return str(self._answer("schema", f"/schemas/ids/{schema_id}"))
        except SchemaUnavailableError as error:
            if getattr(error.__cause__, "code", None) == http.HTTPStatus.NOT_FOUND:
                raise CodecError("unknown_schema") from error
            raise

    def why_absent(self, seconds: float) -> str:
        """Return why the registry does not answer within `seconds`, with its address; empty where it does."""
        request = Request(f"{self._url}/schemas/types", headers=self._headers)  # noqa: S310  # the operator's own setting
        try:
            with urlopen(request, timeout=seconds, context=self._context):  # noqa: S310
                return ""
        except HTTPError as error:
            error.close()
            return f"the schema registry refuses us at {self._url} ({error.code})" if error.code in _REFUSALS else ""
        except (OSError, http.client.HTTPException):
            return f"the schema registry does not answer at {self._url}"

    def _answer(self, name: str, path: str, body: bytes | None = None) -> Any:
        request = Request(f"{self._url}{path}", body, self._headers)  # noqa: S310  # the operator's own setting
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS, context=self._context) as answer:  # noqa: S310
                return json.load(answer)[name]
        except HTTPError as error:
            error.close()
            if error.code in _REFUSALS:
                raise SchemaUnavailableError(
                    f"the registry refuses the login ({error.code}): is `kafka.registry_login` right?"
                ) from error
            raise SchemaUnavailableError(f"the registry answered {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise SchemaUnavailableError(
                    "the registry's certificate is not trusted: is `kafka.registry_tls.ca_file` its authority?"
                ) from error
            raise SchemaUnavailableError("the registry does not answer") from error
        except (ValueError, LookupError, TypeError) as error:
            raise SchemaUnavailableError(f"the registry's answer holds no {name}") from error


def record_subject(record: str) -> str:
    """Name the subject of a record for itself, beside those of the topics that carry it."""
    return f"{NAMESPACE}.{record}"
