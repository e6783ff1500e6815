"""The OpenAPI document is valid, says what the server does, and is what the server gives out."""

from __future__ import annotations

import json

import jsonschema
import pytest
from bondmate_gateway.http.openapi import openapi
from openapi_spec_validator import OpenAPIV31SpecValidator

DOCUMENT = openapi()


def test_the_document_is_valid_openapi_3_1_and_plain_json():
    OpenAPIV31SpecValidator(DOCUMENT).validate()

    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["openapi"].startswith("3.1")


async def test_the_server_gives_out_the_document_and_its_health_to_anybody(bench):
    async with bench.session.get("/v1/openapi.json") as document, bench.session.get("/healthz") as health:
        assert await document.json() == DOCUMENT
        assert await health.json() == {"status": "ok"}


async def test_the_document_describes_exactly_the_routes_there_are(bench):
    app = bench.gateway._listening._listener._runner.app
    served = {(route.resource.canonical, route.method.lower()) for route in app.router.routes()}
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}

    assert served == described


def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


@pytest.mark.parametrize(
    ("path", "request_schema", "answer_schema", "body"),
    [
        ("/v1/alerts", "AlertRequest", "Accepted", {"message_id": "m", "kind": "SOS"}),
        (
            "/v1/locations",
            "LocationsRequest",
            "LocationsAccepted",
            {
                "fixes": [
                    {"sequence": 1, "position": {"latitude": 1, "longitude": 2, "fixed_at": "2026-11-23T06:00:00Z"}}
                ]
            },
        ),
        ("/v1/reports", "ReportRequest", "Accepted", {"message_id": "m", "occurred_at": "2026-11-23T06:00:00Z"}),
        ("/v1/status", "StatusRequest", "Accepted", {"message_id": "m", "occurred_at": "2026-11-23T06:00:00Z"}),
        (
            "/v1/messages",
            "MessageRequest",
            "Accepted",
            {"message_id": "m", "occurred_at": "2026-11-23T06:00:00Z", "text": "x"},
        ),
    ],
)
async def test_requests_and_answers_fit_the_schemas(bench, path, request_schema, answer_schema, body):
    status, answer = await bench.device().post(path, body)
    _, problem = await bench.device().post_bytes(path, b"{")
    _, news = await bench.device().get("/v1/messages")

    assert status == 202
    schema(request_schema).validate(body)
    schema(answer_schema).validate(answer)
    schema("ProblemAnswer").validate(problem)
    schema("News").validate(news)
    with pytest.raises(jsonschema.ValidationError):
        schema(request_schema).validate({**body, "mode": "TEST"})
