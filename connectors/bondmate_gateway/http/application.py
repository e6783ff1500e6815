"""The web application: its routes, problems for all that goes wrong, and the documents that anybody may read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import orjson
from aiohttp import web
from bondmate_connectors.contract import Context
from bondmate_connectors.transports.http_server import Handler, HttpListener
from bondmate_monitoring import metrics

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.http.acceptance import json_response
from bondmate_gateway.http.openapi import openapi
from bondmate_gateway.http.problems import Refused, of_http

_KEEP_ALIVE_SECONDS = 75


def listener(routes: Iterable[web.RouteDef], config: GatewayConfig, context: Context) -> HttpListener:
    """Create the server of the API: `routes`, and the documents beside them."""
    return HttpListener(
        [*routes, *_documents()],
        context,
        max_body_bytes=config.max_body_bytes,
        drain_seconds=config.drain_seconds,
        keep_alive_seconds=_KEEP_ALIVE_SECONDS,
        refusals=_as_problems,
    )


@web.middleware
async def _as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write every refusal as a problem document, and count it."""
    try:
        return await handler(request)
    except Refused as refused:
        problem = refused
    except web.HTTPException as error:
        problem = of_http(error)
    metrics.REFUSED.labels(problem.kind.name).inc()
    return problem.response()


@cache
def _interface() -> bytes:
    return orjson.dumps(openapi())


def _documents() -> list[web.RouteDef]:
    """Return the routes that anybody may read."""
    document = _interface()

    async def interface(_: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def health(_: web.Request) -> web.Response:
        return json_response({"status": "ok"}, 200)

    return [
        web.get("/v1/openapi.json", interface, allow_head=False),
        web.get("/healthz", health, allow_head=False),
    ]
