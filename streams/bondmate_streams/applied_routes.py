"""The routes that all roles work by: a numbered version that a person applied, or a file's where nobody ever did.

`hub routes apply` writes a version; every role follows the topic and takes the newest one that it can read. One that it
cannot read leaves the version before it in use, and is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
import yaml
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_monitoring.metrics import ROUTES_VERSION
from bondmate_schemas.catalogue import STATE_ROUTES
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.models import RoutesVersion

from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes, read_routes
from bondmate_streams.logic.routing import Destination, Routes

_log = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 0.5
_WAIT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """Routes, and which version they are; number 0 is the file."""

    routes: Routes
    number: int = 0
    applied_at: datetime | None = None


Work = Callable[[Applied, asyncio.Event], Awaitable[None]]
"""What is done by routes until the event is set."""


def applied_of(version: RoutesVersion) -> Applied:
    """Return the routes of a version, with the destinations that still hear the end of what they were told.

    Raises:
        RoutesError: this hub cannot use it.
    """
    routes = parse_routes(version.text, f"version {version.number}")
    kept = read_routes(version.retired, "retired").destinations if version.retired else {}
    destinations = {**{name: at for name, at in kept.items() if name not in routes.destinations}, **routes.destinations}
    whole = routes.model_copy(update={"destinations": destinations})
    return Applied(whole, version.number, version.applied_at)


def retired_text(before: Routes, after: Routes, still: set[str]) -> str:
    """Return those destinations of `before` that `after` lacks, as text of a version.

    One that was retired before goes where it is not among `still`, which have alerts. One that is retired only now may
    be told of an alert until the version is taken everywhere.
    """
    gone = {name: at for name, at in before.destinations.items() if name not in after.destinations}
    kept = {name: _as_retired(at) for name, at in gone.items() if not at.retired or name in still}
    if not kept:
        return ""
    return yaml.safe_dump({"destinations": kept}, sort_keys=True, allow_unicode=True)


def _as_retired(at: Destination) -> dict[str, object]:
    return {**at.model_dump(mode="json", exclude_defaults=True), "retired": True}


def _is_of(file: Routes, applied: Routes) -> bool:
    """Whether a version says what a file does, but for destinations that hear their last."""
    destinations = {
        name: at for name, at in applied.destinations.items() if name in file.destinations or not at.retired
    }
    return file == applied.model_copy(update={"destinations": destinations})


class RoutesWatch:
    """Follows the versions that are applied; `file` is what holds where there is none."""

    def __init__(self, kafka: KafkaConfig, name: str, codec: Codec, file: Routes) -> None:
        self._codec = codec
        self._view = TopicView(kafka, name, (STATE_ROUTES,), self._see, may_come=True)
        self._seen: bytes | None = None
        self._looked_at: bytes | None = None
        self._file = file
        self.current = Applied(file)

    def _see(self, seen: Seen) -> None:
        self._seen = seen.value

    async def run(self, work: Work, stop: asyncio.Event) -> None:
        """Do `work` by the newest routes, and begin it anew by each newer version, until `stop` is set."""
        self._view.start()
        try:
            while not stop.is_set() and not await asyncio.to_thread(self._view.wait_caught_up, _WAIT_SECONDS):
                pass
            if await self._is_newer() and not _is_of(self._file, self.current.routes):
                _log.warning("the file of routes is not the version in use", number=self.current.number)
            while not stop.is_set():
                ROUTES_VERSION.set(self.current.number)
                await self._until_newer(work, stop)
        finally:
            await asyncio.to_thread(self._view.stop)

    async def _until_newer(
        self, work: Callable[[Applied, asyncio.Event], Awaitable[None]], stop: asyncio.Event
    ) -> None:
        end = asyncio.Event()
        working, stopping = asyncio.ensure_future(work(self.current, end)), asyncio.ensure_future(stop.wait())
        try:
            while not (working.done() or stopping.done() or await self._is_newer()):
                await asyncio.wait({working, stopping}, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.set()
            stopping.cancel()
        await working

    async def _is_newer(self) -> bool:
        """Take the newest version; return whether it is another."""
        value = self._seen
        if value is None or value == self._looked_at:
            return False
        try:
            version = await asyncio.to_thread(self._codec.decode, value, RoutesVersion)
            found = applied_of(version)
        except SchemaUnavailableError:
            return False
        except (CodecError, RoutesError) as error:
            self._looked_at = value
            _log.error("version of the routes not taken", error=type(error).__name__, in_use=self.current.number)
            return False
        self._looked_at = value
        is_newer = found.number > self.current.number
        if is_newer:
            self.current = found
            _log.info("version of the routes taken", number=found.number)
        return is_newer
