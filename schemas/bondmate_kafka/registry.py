"""The schema registry as the codec asks it."""

from __future__ import annotations

import http.client
import json
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from bondmate_schemas.codec import NAMESPACE, CodecError, SchemaUnavailableError, schema_text

_ANSWER_SECONDS: Final = 10.0
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"


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
