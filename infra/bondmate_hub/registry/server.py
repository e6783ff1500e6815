"""The registry's HTTP face: Confluent's paths and error bodies, nothing else.

Paths: Confluent Schema Registry API reference. What is not served (references, modes other than READWRITE,
associations, exporters) is refused with a Confluent error body, so that clients fall back as with any older registry.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import web

from bondmate_hub.registry.errors import NotFoundError, RegistryError, UnprocessableError
from bondmate_hub.registry.store import SchemaStore, Version

__all__ = ["RegistryConfig", "application", "serving", "serving_in_thread"]

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_MAX_BODY_BYTES = 1 << 20
_STORE = web.AppKey("store", SchemaStore)
_BAD_REQUEST = 400

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """The address of the registry, and the folder of its schemas."""

    data_dir: Path
    """Directory of its own; made when absent. One process at a time."""
    host: str = "127.0.0.1"
    """It has neither TLS nor passwords: keep it on loopback or behind what has."""
    port: int = 0
    """0 takes a free one."""


@asynccontextmanager
async def serving(config: RegistryConfig) -> AsyncIterator[str]:
    """Serve until the block ends; gives the URL.

    Raises:
        StoreDamagedError: the directory is in use or cannot be read.
        OSError: the port is taken.
    """
    store = await asyncio.to_thread(SchemaStore, config.data_dir)
    runner = web.AppRunner(application(store), access_log=None)
    try:
        await runner.setup()
        await web.TCPSite(runner, config.host, config.port).start()
        yield f"http://{config.host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        store.close()


@contextmanager
def serving_in_thread(config: RegistryConfig) -> Iterator[str]:
    """Serve as `serving` does, for a caller that has no event loop to spare; gives the URL."""
    started: Future[str] = Future()
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry") as thread:
        served = thread.submit(asyncio.run, _serve(config, started, stop))
        try:
            yield started.result()
        finally:
            stop.set()
            served.result()


async def _serve(config: RegistryConfig, started: Future[str], stop: threading.Event) -> None:
    try:
        async with serving(config) as url:
            started.set_result(url)
            await asyncio.to_thread(stop.wait)
    except (OSError, RegistryError) as error:
        if started.done():
            raise
        started.set_exception(error)


def application(store: SchemaStore) -> web.Application:
    """Make the web application that answers from `store`."""
    app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_answer_errors])
    app[_STORE] = store
    app.add_routes(_ROUTES)
    return app


@web.middleware
async def _answer_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RegistryError as error:
        return _json({"error_code": error.code, "message": str(error)}, error.status)
    except web.HTTPException as error:
        if error.status < _BAD_REQUEST:
            raise
        answer = _json({"error_code": error.status, "message": f"HTTP {error.status} {error.reason}"}, error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


# --- subjects and versions -------------------------------------------------------------------------------------------


async def _subjects(request: web.Request) -> web.Response:
    prefix = request.query.get("subjectPrefix", "")
    names = await _call(request, SchemaStore.subjects, deleted=_flag(request, "deleted"))
    return _json([name for name in names if name.startswith(prefix)])


async def _versions(request: web.Request) -> web.Response:
    found = await _call(request, SchemaStore.versions, _subject(request), deleted=_flag(request, "deleted"))
    return _json([version.number for version in found])


async def _version(request: web.Request) -> web.Response:
    return _json(_full(await _asked_version(request)))


async def _version_text(request: web.Request) -> web.Response:
    return web.Response(text=(await _asked_version(request)).text, content_type=_CONTENT_TYPE)


async def _asked_version(request: web.Request) -> Version:
    number, deleted = request.match_info["version"], _flag(request, "deleted")
    return await _call(request, SchemaStore.version, _subject(request), number, deleted=deleted)


async def _metadata(request: web.Request) -> web.Response:
    # No schema here carries metadata, so a request for some finds nothing, and one for none finds the latest.
    if request.query.getall("key", []):
        raise NotFoundError.schema()
    return _json(_full(await _call(request, SchemaStore.version, _subject(request), "latest")))


async def _look_up(request: web.Request) -> web.Response:
    text = await _schema(request)
    found = await _call(request, SchemaStore.find, _subject(request), text, deleted=_flag(request, "deleted"))
    return _json(_full(found))


async def _register(request: web.Request) -> web.Response:
    return _json(_full(await _call(request, SchemaStore.register, _subject(request), await _schema(request))))


async def _delete_subject(request: web.Request) -> web.Response:
    permanent = _flag(request, "permanent")
    return _json(await _call(request, SchemaStore.delete, _subject(request), permanent=permanent))


async def _delete_version(request: web.Request) -> web.Response:
    number, permanent = request.match_info["version"], _flag(request, "permanent")
    return _json((await _call(request, SchemaStore.delete, _subject(request), number, permanent=permanent))[0])


async def _referenced_by(request: web.Request) -> web.Response:
    await _asked_version(request)
    return _json([])


# --- ids -------------------------------------------------------------------------------------------------------------


async def _schema_by_id(request: web.Request) -> web.Response:
    # `subject` only tells a registry with contexts where to look; here an id means one schema everywhere.
    return _json({"schema": await _call(request, SchemaStore.text, _id(request))})


async def _text_by_id(request: web.Request) -> web.Response:
    return web.Response(text=await _call(request, SchemaStore.text, _id(request)), content_type=_CONTENT_TYPE)


async def _versions_by_id(request: web.Request) -> web.Response:
    found = await _call(request, SchemaStore.uses, _id(request), deleted=_flag(request, "deleted"))
    return _json([{"subject": version.subject, "version": version.number} for version in found])


async def _subjects_by_id(request: web.Request) -> web.Response:
    found = await _call(request, SchemaStore.uses, _id(request), deleted=_flag(request, "deleted"))
    return _json(sorted({version.subject for version in found}))


# --- compatibility, levels, the rest ---------------------------------------------------------------------------------


async def _compatibility(request: web.Request) -> web.Response:
    number = request.match_info.get("version")
    faults = await _call(request, SchemaStore.faults, _subject(request), await _schema(request), number)
    verdict: dict[str, object] = {"is_compatible": not faults}
    return _json(verdict | {"messages": faults} if _flag(request, "verbose") else verdict)


async def _get_config(request: web.Request) -> web.Response:
    inherit = _flag(request, "defaultToGlobal")
    level = await _call(request, SchemaStore.level, request.match_info.get("subject"), inherit=inherit)
    return _json({"compatibilityLevel": level})


async def _put_config(request: web.Request) -> web.Response:
    body = await _body(request)
    # Confluent's clients send one name and read the other.
    level = body.get("compatibility", body.get("compatibilityLevel"))
    wanted = await _call(request, SchemaStore.set_level, request.match_info.get("subject"), str(level))
    return _json({"compatibility": wanted, "compatibilityLevel": wanted})


async def _delete_config(request: web.Request) -> web.Response:
    was = await _call(request, SchemaStore.clear_level, request.match_info.get("subject"))
    return _json({"compatibilityLevel": was})


async def _health(request: web.Request) -> web.Response:
    return _json({"status": "ok", "subjects": len(await _call(request, SchemaStore.subjects))})


def _always(value: object) -> _Handler:
    async def answer(_: web.Request) -> web.Response:
        return _json(value)

    return answer


_ROUTES = [
    web.get("/", _always({})),
    web.get("/healthz", _health),
    web.get("/contexts", _always(["."])),
    web.get("/subjects", _subjects),
    web.post("/subjects/{subject}", _look_up),
    web.delete("/subjects/{subject}", _delete_subject),
    web.get("/subjects/{subject}/metadata", _metadata),
    web.get("/subjects/{subject}/versions", _versions),
    web.post("/subjects/{subject}/versions", _register),
    web.get("/subjects/{subject}/versions/{version}", _version),
    web.delete("/subjects/{subject}/versions/{version}", _delete_version),
    web.get("/subjects/{subject}/versions/{version}/schema", _version_text),
    web.get("/subjects/{subject}/versions/{version}/referencedby", _referenced_by),
    web.get("/schemas/types", _always(["AVRO"])),
    web.get("/schemas/ids/{id}", _schema_by_id),
    web.get("/schemas/ids/{id}/schema", _text_by_id),
    web.get("/schemas/ids/{id}/versions", _versions_by_id),
    web.get("/schemas/ids/{id}/subjects", _subjects_by_id),
    web.post("/compatibility/subjects/{subject}/versions", _compatibility),
    web.post("/compatibility/subjects/{subject}/versions/{version}", _compatibility),
    web.get("/config", _get_config),
    web.put("/config", _put_config),
    web.delete("/config", _delete_config),
    web.get("/config/{subject}", _get_config),
    web.put("/config/{subject}", _put_config),
    web.delete("/config/{subject}", _delete_config),
    web.get("/mode", _always({"mode": "READWRITE"})),
    web.get("/mode/{subject}", _always({"mode": "READWRITE"})),
]


# --- what every handler needs ----------------------------------------------------------------------------------------


async def _call(request: web.Request, method: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    """Ask the store in a thread: it waits for the disk, and a large schema takes its time."""
    return await asyncio.to_thread(method, request.app[_STORE], *args, **kwargs)


def _subject(request: web.Request) -> str:
    return request.match_info["subject"]


def _id(request: web.Request) -> int:
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit()):
        raise NotFoundError(404, "HTTP 404 Not Found")
    return int(text[:18])


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise RegistryError(400, "The body is not JSON") from error
    if not isinstance(body, dict):
        raise RegistryError(400, "The body is not a JSON object")
    return body


async def _schema(request: web.Request) -> str:
    body = await _body(request)
    if body.get("schemaType") not in {None, "AVRO"}:
        raise UnprocessableError(42201, "Invalid schema: only AVRO is served here")
    if body.get("references"):
        raise UnprocessableError(42201, "Invalid schema: references are not served here, name every type in the schema")
    text = body.get("schema")
    if not isinstance(text, str):
        raise UnprocessableError(42201, "Invalid schema: 'schema' must be a string")
    return text


def _full(version: Version) -> dict[str, object]:
    return {
        "subject": version.subject,
        "version": version.number,
        "id": version.schema_id,
        "schemaType": "AVRO",
        "schema": version.text,
    }


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type=_CONTENT_TYPE)
