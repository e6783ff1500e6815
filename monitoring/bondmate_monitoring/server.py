"""The small HTTP server of every role: `/metrics` for Prometheus, health for whoever starts and stops processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bondmate_monitoring.health import ProbeResult, RoleHealth

_OK, _UNAVAILABLE = 200, 503


@dataclass(eq=False)
class MonitoringServer:
    """Serve metrics and health of this process, on loopback unless told otherwise: it asks nobody who they are."""

    health: RoleHealth
    host: str = "127.0.0.1"
    port: int = 0
    registry: CollectorRegistry = REGISTRY

    def __post_init__(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/health", self._document)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> str:
        """Listen; gives the URL, with the port that was taken where 0 was asked for.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        return f"http://{self.host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening; safe without `start`, safe twice."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(self.registry), headers={hdrs.CONTENT_TYPE: content_type})

    async def _livez(self, _request: web.Request) -> web.Response:
        """Answer, which is all there is to it: a process that stands still does not."""
        return _answer(ProbeResult(ok=True, reasons={}))

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _answer(self.health.ready())

    async def _startupz(self, _request: web.Request) -> web.Response:
        return _answer(self.health.startup())

    async def _document(self, _request: web.Request) -> web.Response:
        return _json(self.health.document(), _OK)


def _answer(verdict: ProbeResult) -> web.Response:
    return _json({"ok": verdict.ok, "reasons": verdict.reasons}, _OK if verdict.ok else _UNAVAILABLE)


def _json(body: dict[str, Any], status: int) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, sort_keys=True))
