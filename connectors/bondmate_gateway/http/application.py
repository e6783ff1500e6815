"""The web application: its routes, problems for all that goes wrong, and the documents that anybody may read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import web
from bondmate_connectors.contract import Context
from bondmate_monitoring import metrics

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.http.acceptance import json_response
from bondmate_gateway.http.openapi import openapi
from bondmate_gateway.http.problems import Refused, of_http

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_KEEP_ALIVE_SECONDS = 75


def application_runner(routes: Iterable[web.RouteDef], config: GatewayConfig, context: Context) -> web.AppRunner:
    """Create the server of the API: `routes`, and the documents beside them."""
    app = web.Application(middlewares=[_as_problems], client_max_size=config.max_body_bytes)
    app.add_routes([*routes, *_documents()])
    return web.AppRunner(
        app,
        access_log=None,
        logger=_HttpLog(context),
        handle_signals=False,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
        shutdown_timeout=config.drain_seconds,
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


def _documents() -> list[web.RouteDef]:
    """Return the routes that anybody may read."""
    document = orjson.dumps(openapi())

    async def interface(_: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def health(_: web.Request) -> web.Response:
        return json_response({"status": "ok"}, 200)

    return [
        web.get("/v1/openapi.json", interface, allow_head=False),
        web.get("/healthz", health, allow_head=False),
    ]


class _HttpLog(logging.Logger):
    """Turns what aiohttp logs into one constant event: its texts and traces may quote a device."""

    def __init__(self, context: Context) -> None:
        super().__init__("device_http", logging.WARNING)
        self._context = context

    def handle(self, record: logging.LogRecord) -> None:
        """Log that something went wrong, and of which class it was."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self._context.log.warning("http_server_error", error=error)
