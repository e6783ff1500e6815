"""The OpenAPI 3.1 document of the device's API, made from the models that check the requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bondmate_gateway.http import answers, requests
from bondmate_gateway.http.problems import MEDIA_TYPE, ProblemKind

_ANY = (ProblemKind.unauthorized,)
_BODY = (
    *_ANY, ProblemKind.not_json, ProblemKind.bad_request, ProblemKind.timeout, ProblemKind.body_too_large,
    ProblemKind.invalid_field, ProblemKind.not_durable,
)  # fmt: skip
_STRICT = (*_BODY, ProblemKind.unsupported_media_type)


@dataclass(frozen=True, slots=True)
class _Post:
    path: str
    operation: str
    summary: str
    request: type[BaseModel]
    answer: type[BaseModel]
    problems: tuple[ProblemKind, ...]


_POSTS = (
    _Post("/v1/alerts", "postAlert", "Raise, update or cancel an alert; read leniently, never rate limited.",
          requests.AlertRequest, answers.Accepted, (*_BODY, ProblemKind.forbidden)),
    _Post("/v1/check-ins", "postCheckIn", "Owe a check-in, which becomes an alert if none comes in time; or check in.",
          requests.CheckInRequest, answers.Accepted, (*_STRICT, ProblemKind.forbidden)),
    _Post("/v1/locations", "postLocations", "Hand in up to 1,000 positions, in any order, however late.",
          requests.LocationsRequest, answers.LocationsAccepted,
          (*_STRICT, ProblemKind.forbidden, ProblemKind.rate_limited)),
    _Post("/v1/reports", "postReport", "Report an observation, a community concern, or document an incident.",
          requests.ReportRequest, answers.Accepted, (*_STRICT, ProblemKind.forbidden, ProblemKind.rate_limited)),
    _Post("/v1/messages", "postMessage", "Send a text of the officer.",
          requests.MessageRequest, answers.Accepted, (*_STRICT, ProblemKind.forbidden)),
    _Post("/v1/status", "postStatus", "Tell battery, shift and versions.",
          requests.StatusRequest, answers.Accepted, _STRICT),
    _Post("/v1/receipts", "postReceipt", "Tell how far a message has come on this device.",
          requests.ReceiptRequest, answers.Accepted, (*_STRICT, ProblemKind.forbidden, ProblemKind.not_found)),
)  # fmt: skip

_DESCRIPTION = """\
What a BondMate device says to the hub and hears from it.

**Success means durable, nothing more.** 202 is given when every event of the request is kept (Kafka, acks=all).
Anything else, also no answer: send the same request again, after `Retry-After` where one is given. The same
`message_id` with the same content is the same event, however often it comes, whatever gateway it comes to; with other
content it is another event, which the hub flags.

**An alert is never refused for what is in it**, as long as it is JSON with a `message_id`: a field that is not valid is
left out and named in `flags`. Every other request is refused whole when a field is missing, unknown or not valid.

**A device whose place another has taken** (`hub devices takeover`) may still press, and its owner alone hears of that;
all else from it is forbidden (403), a cancel too, and it is told nothing.

**Who a device is** comes from its enrolment: agency, officer, unit, callsign, and whether it is real or an exercise.
"""


def openapi() -> dict[str, Any]:
    """Return the document; validated in a test, written out by `hub docs`."""
    schemas = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BondMate integration hub: the device's API",
            "version": "1",
            "summary": "Alerts, positions, reports and messages of officers' devices.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"device": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "device": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of the device, given once at enrolment and bound to it.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for post in _POSTS:
        paths.setdefault(post.path, {})["post"] = _post(post)
    paths["/v1/messages"]["get"] = _long_poll()
    paths["/v1/stream"] = {"get": _stream()}
    paths["/v1/alerts/{alert_id}"] = {"get": _alert()}
    paths["/v1/openapi.json"] = {"get": _open("getInterface", "This document.", {"type": "object"})}
    paths["/healthz"] = {"get": _open("getHealth", "Whether the gateway takes requests.", _ref(answers.Health))}
    return paths


def _post(post: _Post) -> dict[str, Any]:
    return {
        "operationId": post.operation,
        "summary": post.summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(post.request)}}},
        "responses": {"202": _answer("The hub has it durably.", _ref(post.answer)), **_problems(post.problems)},
    }


def _long_poll() -> dict[str, Any]:
    return {
        "operationId": "getMessages",
        "summary": "Messages to this device and news of its alerts, by long poll.",
        "description": "Without `after`: every message not yet confirmed by a receipt, and every open alert.",
        "parameters": [
            _parameter(
                "wait_seconds", "How long to wait for news; 0 answers at once.", {"type": "number", "minimum": 0}
            ),
            _parameter("after", "The `cursor` of the last answer.", {"type": "string"}),
        ],
        "responses": {
            "200": _answer("What is new; empty when nothing came.", _ref(answers.News)),
            **_problems((*_ANY, ProblemKind.invalid_parameter)),
        },
    }


def _stream() -> dict[str, Any]:
    return {
        "operationId": "openStream",
        "summary": "Messages to this device and news of its alerts, pushed over a WebSocket (RFC 6455).",
        "description": "Each text frame is a `News`. What the device sends is not read; receipts are posted. Closed "
        "with 1008 when the device is revoked, with 1001 when the gateway stops or newer streams took its place.",
        "responses": {
            "101": {"description": "Switching to WebSocket."},
            **_problems((*_ANY, ProblemKind.bad_request)),
        },
    }


def _alert() -> dict[str, Any]:
    return {
        "operationId": "getAlert",
        "summary": "Where an alert of this device stands: the level that is true, never a higher one.",
        "parameters": [
            _parameter(
                "alert_id",
                "The device's own id of the alert (`alert_id`, else `message_id`), or its `event_id`.",
                {"type": "string"},
                "path",
            )
        ],
        "responses": {
            "200": _answer("Where it stands.", _ref(answers.AlertAnswer)),
            **_problems((*_ANY, ProblemKind.forbidden, ProblemKind.not_found)),
        },
    }


def _open(operation: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {"200": _answer(summary, schema)},
    }


def _parameter(name: str, description: str, schema: dict[str, Any], where: str = "query") -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "description": description, "schema": schema}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(kinds: tuple[ProblemKind, ...]) -> dict[str, Any]:
    return {str(status): _problem(status, kinds) for status in sorted({kind.status for kind in kinds})}


def _problem(status: int, kinds: tuple[ProblemKind, ...]) -> dict[str, Any]:
    described = " ".join(f"`{kind.name}`: {kind.title}" for kind in kinds if kind.status == status)
    problem: dict[str, Any] = {
        "description": described,
        "content": {MEDIA_TYPE: {"schema": _ref(answers.ProblemAnswer)}},
    }
    if status in {ProblemKind.rate_limited.status, ProblemKind.not_durable.status}:
        retry = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
        problem["headers"] = {"Retry-After": retry}
    return problem


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], Any]] = [(post.request, "validation") for post in _POSTS]
    told = (answers.Accepted, answers.LocationsAccepted, answers.News, answers.AlertAnswer, answers.ProblemAnswer,
            answers.Health)  # fmt: skip
    models += [(model, "validation") for model in told]
    _, document = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return dict(document["$defs"])
