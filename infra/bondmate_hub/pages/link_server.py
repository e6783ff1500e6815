"""The page behind a link: looked at as often as one likes, taken by POST alone, since mail filters follow links."""

from __future__ import annotations

import contextlib
import html
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

import structlog
from aiohttp import web
from bondmate_connectors.transports.http_server import server_context
from bondmate_connectors.transports.tls import ServerTlsConfig
from bondmate_kafka.records import utc_now
from bondmate_schemas.models import OperationsPage, PageMark
from yarl import URL

from bondmate_hub.pages.links import LinkRefusedError, Taker, taker_of
from bondmate_hub.settings.pages import LinkSection

__all__ = ["LinkServer", "NotTakenError", "Takes"]

_log = structlog.get_logger(__name__)
_MOST_BYTES: Final = 4096
_LONGEST_NAME: Final = 80
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_STATUS: Final = {"not_a_link": 404, "not_known": 404, "expired": 410, "taken": 410, "over": 410}
_RETRY_SECONDS: Final = "5"


class NotTakenError(Exception):
    """It cannot be written down now who took the page, so nobody has; let them try again."""


class Takes(Protocol):
    """What the server asks of the pager."""

    def look(self, page_id: str) -> tuple[OperationsPage | None, PageMark | None]:
        """Return a page and what ended it; raises `NotTakenError` while that is not known yet."""

    async def take(self, taker: Taker, name: str) -> bool:
        """Write down that a page was taken, and return whether it still was open; raises `NotTakenError`."""


class LinkServer:
    """Serves the links of pages while `serving` lasts."""

    def __init__(self, config: LinkSection, takes: Takes) -> None:
        self._config = config
        self._key = config.secret.get_secret_value().encode()
        self._takes = takes
        path = URL(config.url).path.rstrip("/")
        self._app = web.Application(client_max_size=_MOST_BYTES)
        self._app.add_routes([web.get(path + "/{token}", self._show), web.post(path + "/{token}", self._take)])

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
            Misconfigured: the certificate cannot be used.
        """
        config = self._config
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            tls = None
            if config.certificate_file:
                key = config.key_file or config.certificate_file
                tls = ServerTlsConfig(certificate_file=config.certificate_file, key_file=key)
            await web.TCPSite(runner, config.host, config.port, ssl_context=server_context(config.host, tls)).start()
            yield
        finally:
            await runner.cleanup()

    async def _show(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._looked_at)

    async def _take(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._taken)

    async def _answered(
        self, request: web.Request, answer: Callable[[web.Request, Taker, OperationsPage], Awaitable[web.Response]]
    ) -> web.Response:
        try:
            taker = taker_of(self._key, request.match_info["token"], utc_now())
            return await answer(request, taker, self._open_page(taker))
        except LinkRefusedError as error:
            return _document(_STATUS[error.code], error.code)
        except NotTakenError:
            return _document(503, "not_durable", **{"Retry-After": _RETRY_SECONDS})

    def _open_page(self, taker: Taker) -> OperationsPage:
        page, end = self._takes.look(taker.page_id)
        if page is None:
            raise LinkRefusedError("not_known")
        if end is not None:
            raise LinkRefusedError(end.mark)
        return page

    async def _looked_at(self, _request: web.Request, _taker: Taker, page: OperationsPage) -> web.Response:
        return _document(200, "open", _facts(page) + _FORM)

    async def _taken(self, request: web.Request, taker: Taker, page: OperationsPage) -> web.Response:
        form = await request.post()
        name = " ".join(str(form.get("operator", "")).split())[:_LONGEST_NAME]
        if not await self._takes.take(taker, name):
            raise LinkRefusedError("taken")
        _log.info("page taken by link", page_id=page.page_id, step=taker.step)
        return _document(200, "taken", _facts(page))


_FORM: Final = (
    '<form method="post"><p><label>operator <input name="operator" maxlength="80" autocomplete="name"></label>'
    "<p><button>take</button></form>"
)


def _facts(page: OperationsPage) -> str:
    told = {"reason": page.reason, "mode": page.mode.value, "subject": page.subject, "incident_id": page.incident_id,
            "agency_id": page.agency_id, "raised_at": f"{page.raised_at:%Y-%m-%d %H:%M:%S}Z"}  # fmt: skip
    rows = (f"<tr><td>{name}<td>{html.escape(value)}" for name, value in told.items() if value)
    return f"<table>{''.join(rows)}</table>"


def _document(status: int, state: str, body: str = "", **headers: str) -> web.Response:
    text = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{state}</title><h1>{state}</h1>{body}"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS | headers)
