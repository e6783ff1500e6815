"""What the gateway answers when it refuses: problem details (RFC 9457) that name the field and never its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import orjson
from aiohttp import web
from bondmate_schemas.error_codes import HUB_CODES, ErrorTable
from pydantic import ValidationError

from bondmate_gateway.error_codes import GATEWAY_CODES

MEDIA_TYPE = "application/problem+json"
_TABLE = ErrorTable((*HUB_CODES, *GATEWAY_CODES))
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


class ProblemKind(Enum):
    """The closed list of problems: HTTP status and title; the name is the last part of the type."""

    not_json = (400, "The body is not JSON in UTF-8.")
    invalid_parameter = (400, "A parameter of the query is not valid.")
    bad_request = (400, "The request cannot be understood.")
    unauthorized = (401, "The token is missing, unknown or revoked.")
    forbidden = (403, "This belongs to another device.")
    not_found = (404, "There is no such thing.")
    method_not_allowed = (405, "This path does not take this method.")
    timeout = (408, "The body did not arrive in time.")
    body_too_large = (413, "The body is larger than the gateway takes.")
    unsupported_media_type = (415, "The body must be application/json.")
    invalid_field = (422, "A field is missing, unknown or not valid.")
    rejected = (422, "The hub cannot take this event.")
    rate_limited = (429, "Too many requests of this device.")
    not_durable = (503, "The hub cannot keep the event now; send it again.")

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        self.title = title


class Refused(Exception):  # it is the answer, not a fault of ours
    """Ends a request with a problem; the server writes it out."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str = "",
        *,
        fields: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """Return the problem document; `errors` holds a JSON pointer (RFC 6901, as a fragment) for each field."""
        document: dict[str, Any] = {
            "type": f"urn:bondmate:problem:{self.kind.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "number": _TABLE.find(self.kind.name).number,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.fields:
            document["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in self.fields]
        return document

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        return web.Response(
            status=self.kind.status,
            body=orjson.dumps(self.document()),
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def invalid(error: ValidationError) -> Refused:
    """Return the problem for a body that its model refused; at most 20 fields are named."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    # pydantic counts only sound items, so that one bad item of one is also reported as a list too short.
    inside = {item["loc"][: len(item["loc"]) - depth] for item in found for depth in range(1, len(item["loc"]))}
    found = [item for item in found if item["type"] != "too_short" or item["loc"] not in inside]
    return Refused(ProblemKind.invalid_field, fields=[(pointer(item["loc"]), item["msg"]) for item in found[:20]])


def field(name: str, detail: str) -> Refused:
    """Return the problem for one top-level field."""
    return Refused(ProblemKind.invalid_field, fields=[(pointer((name,)), detail)])


def pointer(loc: Iterable[int | str]) -> str:
    """Return the JSON pointer of a place.

    A name that the device made up may hold anything, so what does not look like a name is left out with all below it.
    """
    path = "#"
    for part in loc:
        if isinstance(part, str) and not _PLAIN_NAME.match(part):
            break
        path += f"/{part}"
    return path


def of_http(error: web.HTTPException) -> Refused:
    """Return the problem for what aiohttp refuses by itself."""
    kinds = {
        404: ProblemKind.not_found,
        405: ProblemKind.method_not_allowed,
        413: ProblemKind.body_too_large,
        415: ProblemKind.unsupported_media_type,
    }
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Refused(kinds.get(error.status, ProblemKind.bad_request), headers=allow)
