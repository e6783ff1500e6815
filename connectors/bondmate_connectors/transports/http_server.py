"""HTTP in, for platforms that call us: a listener, its certificate, and refusals as problem details (RFC 9457)."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware
from bondmate_schemas.error_codes import HUB_TABLE, ErrorTable

from bondmate_connectors.contract import Context
from bondmate_connectors.errors import Misconfigured, NotConnected
from bondmate_connectors.transports.addresses import is_this_machine
from bondmate_connectors.transports.tls import ServerTlsConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SHORTEST_DRAIN_SECONDS = 0.01
"""aiohttp takes 0 for: wait for ever."""
_BACKLOG = 1024
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PROBLEM = "application/problem+json"


def server_context(host: str, tls: ServerTlsConfig | None, setting: str = "listen.tls") -> ssl.SSLContext | None:
    """Return the context to listen with; None for plain HTTP, which is for loopback only. `setting` is that of `tls`.

    Raises:
        Misconfigured: plain HTTP beyond loopback, or a certificate that cannot be used.
    """
    if tls is not None:
        return tls.server_context()
    if not is_this_machine(host):
        raise Misconfigured(f"{setting}: must be set unless `host` is a loopback address (127.0.0.1, ::1, localhost)")
    return None


def problem(
    status: int,
    code: str,
    title: str,
    *,
    path: str = "",
    headers: Mapping[str, str] | None = None,
    table: ErrorTable = HUB_TABLE,
) -> web.Response:
    """Return a refusal as problem details; `path` is the place of the fault, never a value.

    The number of `code` is that of `table`, in which a connector has its own codes too.
    """
    document: dict[str, Any] = {"type": f"urn:bondmate:problem:{code}", "title": title, "status": status}
    if number := table.find(code).number:
        document["number"] = number
    if path:
        document["detail"] = f"at {path}"
    return web.Response(status=status, body=orjson.dumps(document), content_type=_PROBLEM, headers=headers)


def trace_of(request: web.Request) -> str | None:
    """Return the trace context of a request (W3C Trace Context, 3.2), or None for one that is missing or malformed."""
    told = request.headers.get("traceparent", "")
    return told if _TRACE.fullmatch(told) else None


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write what the server refuses by itself as problem details too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, f"http_{error.status}", error.reason, headers=allow)


class HttpListener:
    """A listening HTTP server; started once, stopped once. `refusals` writes what its routes and itself refuse."""

    def __init__(
        self,
        routes: Iterable[web.RouteDef],
        context: Context,
        *,
        max_body_bytes: int,
        drain_seconds: float,
        keep_alive_seconds: float = 3630.0,
        refusals: Middleware = as_problems,
    ) -> None:
        app = web.Application(middlewares=[refusals], client_max_size=max_body_bytes)
        app.add_routes(routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_QuietLog(context),
            handle_signals=False,
            keepalive_timeout=keep_alive_seconds,
            shutdown_timeout=max(drain_seconds, _SHORTEST_DRAIN_SECONDS),
        )

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen.

        Raises:
            NotConnected: the address is taken or not ours.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls, backlog=_BACKLOG).start()
        except OSError as error:
            await self._runner.cleanup()
            raise NotConnected(f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)})") from error

    @property
    def port(self) -> int:
        """The port it is bound to; of use when 0 was asked for."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Take no more connections, let answers go out, end."""
        await self._runner.cleanup()


class _QuietLog(logging.Logger):
    """Turns what aiohttp logs into one constant event: its texts and traces may quote a caller."""

    def __init__(self, context: Context) -> None:
        super().__init__("http_server", logging.WARNING)
        self._context = context

    def handle(self, record: logging.LogRecord) -> None:
        """Log that something went wrong, and of which class it was."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self._context.log.warning("http_server_error", error=error)
