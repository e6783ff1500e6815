"""The admin endpoint of one role: on loopback, for who has the token; Kafka Connect's paths, problems of RFC 9457."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
import structlog
from aiohttp import hdrs, web
from bondmate_monitoring.build import version_of_hub
from pydantic import ValidationError

from bondmate_hub.admin.discovery import announced, token
from bondmate_hub.admin.orders import PauseOrder, RefusedError, SteeringOrder, TakeoverOrder
from bondmate_hub.settings import Settings

if TYPE_CHECKING:
    from bondmate_hub.admin.devices import DeviceOrders
    from bondmate_hub.admin.steering import Steering

_log = structlog.get_logger(__name__)
_HOST: Final = "127.0.0.1"
_MOST_BYTES: Final = 16 << 10
_BEARER: Final = "Bearer "
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Body = TypeVar("_Body", bound=SteeringOrder)


class AdminServer:
    """Serves while `serving` lasts; `connectors` are those of the role, set when it has some, `devices` a gateway's."""

    def __init__(self, role: str, settings: Settings, health: str = "") -> None:
        """Steer a role whose health is served at `health`."""
        self._role = role
        self._health = health
        self._settings = settings
        self.connectors: Steering | None = None
        self.devices: DeviceOrders | None = None
        self._port = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen, and be found in `data_dir/admin`; a role that cannot be steered does its work all the same."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        async with contextlib.AsyncExitStack() as stack:
            try:
                token(self._settings.data_dir)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                await self._listen(runner)
                url = f"http://{_HOST}:{self._port}"
                stack.enter_context(
                    announced(self._settings.data_dir, self._role, self._settings.instance, url, self._health)
                )
            except OSError as error:
                _log.warning("no admin endpoint", role=self._role, error=type(error).__name__, why=error.strerror)
            yield

    async def _listen(self, runner: web.AppRunner) -> None:
        wanted = self._settings.admin.ports.get(self._role, 0)
        try:
            await web.TCPSite(runner, _HOST, wanted).start()
        except OSError:
            if not wanted:
                raise
            _log.warning("admin port is taken, another one is used", role=self._role, port=wanted)
            await web.TCPSite(runner, _HOST, 0).start()
        self._port = int(runner.addresses[0][1])

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[_as_problems, self._guarded], client_max_size=_MOST_BYTES)
        app.add_routes(
            [
                web.get("/", self._root),
                web.get("/connectors", self._list),
                web.get("/connectors/{name}/status", self._status),
                web.post("/connectors/{name}/restart", self._restart),
                web.put("/connectors/{name}/pause", self._pause),
                web.put("/connectors/{name}/resume", self._resume),
                web.put("/devices/{device}/takeover", self._take_over),
                web.put("/devices/{device}/takeover-undo", self._undo_takeover),
                web.put("/devices/{device}/duress-end", self._end_duress),
            ]
        )
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        # A page in a browser of this machine reaches loopback too, by a name of its own that leads here.
        if request.headers.get(hdrs.HOST) not in {f"{_HOST}:{self._port}", f"localhost:{self._port}"}:
            raise RefusedError(421, "wrong_host", "Ask for the address that `data_dir/admin` names")
        if hdrs.ORIGIN in request.headers:
            raise RefusedError(403, "from_a_browser", "Not for pages in browsers")
        given = request.headers.getall(hdrs.AUTHORIZATION, [])
        wanted = f"{_BEARER}{token(self._settings.data_dir)}".encode()
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(errors="surrogateescape"), wanted):
            raise RefusedError(401, "no_token", "Bring the token in `data_dir/admin/token` as a bearer token")
        return await handler(request)

    async def _root(self, _: web.Request) -> web.Response:
        return _json({"version": version_of_hub(), "role": self._role, "instance": self._settings.instance})

    async def _list(self, request: web.Request) -> web.Response:
        names = self.connectors.names() if self.connectors else []
        if self.connectors and request.query.get("expand") == "status":
            return _json({name: {"status": self.connectors.status(name)} for name in names})
        return _json(names)

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self._steering().status(request.match_info["name"]))

    async def _restart(self, request: web.Request) -> web.Response:
        await self._steering().restart(request.match_info["name"], await _order(request, SteeringOrder))
        return web.Response(status=204)

    async def _pause(self, request: web.Request) -> web.Response:
        await self._steering().pause(request.match_info["name"], await _order(request, PauseOrder))
        return web.Response(status=202)

    async def _resume(self, request: web.Request) -> web.Response:
        await self._steering().resume(request.match_info["name"], await _order(request, SteeringOrder))
        return web.Response(status=202)

    async def _take_over(self, request: web.Request) -> web.Response:
        devices, order = self._device_orders(), await _order(request, TakeoverOrder)
        return _json(await devices.take_over(request.match_info["device"], order, order.spare))

    async def _undo_takeover(self, request: web.Request) -> web.Response:
        devices, order = self._device_orders(), await _order(request, SteeringOrder)
        return _json(await devices.take_over(request.match_info["device"], order))

    async def _end_duress(self, request: web.Request) -> web.Response:
        devices, order = self._device_orders(), await _order(request, SteeringOrder)
        return _json(await devices.end_duress(request.match_info["device"], order))

    def _device_orders(self) -> DeviceOrders:
        if self.devices is None:
            raise RefusedError(404, "not_found", "Devices are a gateway's: ask the role `gateway`")
        return self.devices

    def _steering(self) -> Steering:
        if self.connectors is None:
            raise RefusedError(404, "not_found", "No connector of this name runs in this role")
        return self.connectors


async def _order(request: web.Request, kind: type[_Body]) -> _Body:
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        detail = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in found)
        raise RefusedError(422, "bad_order", "Say `operator`, `reason` and what else it takes", detail) from None


@web.middleware
async def _as_problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as error:
        return _problem(error)
    except web.HTTPException as error:
        answer = _problem(RefusedError(error.status, f"http_{error.status}", error.reason))
        if hdrs.ALLOW in error.headers:
            answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return answer


def _problem(error: RefusedError) -> web.Response:
    document: dict[str, Any] = {
        "type": f"urn:bondmate:problem:{error.code}",
        "title": error.title,
        "status": error.status,
    }
    if error.detail:
        document["detail"] = error.detail
    answer = web.Response(status=error.status, body=orjson.dumps(document), content_type="application/problem+json")
    if error.status == web.HTTPUnauthorized.status_code:
        answer.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return answer


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
