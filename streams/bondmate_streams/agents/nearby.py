"""Alerts that were raised lately, whichever worker has them: of one event, and named again; no alert waits for this."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from bondmate_kafka.records import Headers, utc_now
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import DEVICE_ALERTS
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, Mode, PositionOrigin
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert, DeviceMark

from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.context import decoded
from bondmate_streams.errors import NotNowError
from bondmate_streams.logic.grouping import AlertLink, Neighbours, linked
from bondmate_streams.logic.headers import with_header
from bondmate_streams.logic.real import is_for_owner_alone
from bondmate_streams.logic.takeover import as_counted

_LOOK_SECONDS: Final = 1.0
_AGAIN_AFTER: Final = timedelta(seconds=3)
"""When an alert is looked at once more: one that was pressed just before may come here just after."""
_MOST_LOOKED_AT: Final = 10_000
_MOST_NAMED: Final = 40_000
_NAMED_SECONDS: Final = 3_600.0
"""How far back a worker that starts knows alerts by their ids."""
HandOn = Callable[[DeviceAlert, Headers], Awaitable[None]]


class Nearby:
    """Reads what devices raise, of every partition, as far back as anything asks."""

    def __init__(self, config: StreamsConfig, codec: Codec, replaced: Callable[[str], DeviceMark | None]) -> None:
        """AlertLink as the routes say; `replaced` returns the mark by which another device took the place of one."""
        seconds = config.routes.link_within_seconds
        self._neighbours = Neighbours(seconds, config.routes.link_within_metres)
        since_ms = int((time.time() - max(seconds, _NAMED_SECONDS)) * 1_000)
        name = f"bondmate-nearby-{config.instance}"
        self._view = TopicView(config.kafka, name, (DEVICE_ALERTS,), self._see, since_ms=since_ms)
        self._codec = codec
        self._replaced = replaced
        self._again: deque[tuple[datetime, DeviceAlert, Headers]] = deque(maxlen=_MOST_LOOKED_AT)
        self._named: dict[str, tuple[str, Mode]] = {}
        self._lock = threading.Lock()
        """The thread of the view notes alerts, too."""

    def link_of(self, alert: DeviceAlert) -> AlertLink | None:
        """Return the link of a new alert, as far as is known by now."""
        self._note(alert)
        return self._of(alert)

    def alert_named(self, own_id: str) -> tuple[str, Mode] | None:
        """Return event id and mode of an alert that was raised lately, by its event id or incident id."""
        return self._named.get(own_id)

    def _note(self, alert: DeviceAlert) -> None:
        header = alert.header
        with self._lock:
            if not is_for_owner_alone(alert):
                self._neighbours.note(alert)
            for own_id in (header.event_id, header.incident_id or derived_id("incident", header.event_id)):
                self._named.setdefault(own_id, (header.event_id, header.mode))
            while len(self._named) > _MOST_NAMED:
                del self._named[next(iter(self._named))]

    def _of(self, alert: DeviceAlert) -> AlertLink | None:
        with self._lock:
            return None if is_for_owner_alone(alert) else self._neighbours.of(alert)

    def look_again(self, alert: DeviceAlert, cause: Headers) -> None:
        """Look once more, soon, at a new alert that nothing was linked to."""
        if self._neighbours.is_on and (alert.whole is None or not alert.whole.linked_by):
            self._again.append((utc_now() + _AGAIN_AFTER, alert, cause))

    async def watch(self, hand_on: HandOn) -> None:
        """AlertLink what could not be linked at first, until cancelled; `hand_on` takes the change of the alert."""
        self._view.start()
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                with suppress(NotNowError):
                    await self._look(utc_now(), hand_on)
                with self._lock:
                    self._neighbours.forget(utc_now())
        finally:
            await asyncio.to_thread(self._view.stop)

    async def _look(self, now: datetime, hand_on: HandOn) -> None:
        while self._again and self._again[0][0] <= now:
            _, alert, cause = self._again[0]
            if link := self._of(alert):
                await hand_on(_change(alert, link, now), cause)
            self._again.popleft()

    def _see(self, seen: Seen) -> None:
        if seen.value is None or (alert := decoded(self._codec, seen.value, DeviceAlert)) is None:
            return
        if counted := as_counted(alert, self._replaced(alert.device_id)):
            self._note(counted)


def _change(alert: DeviceAlert, link: AlertLink, now: datetime) -> DeviceAlert:
    """Return the change of an alert that says no more than its link."""
    message_id = derived_id("link", alert.header.event_id, link.group_id)
    bare = with_header(alert, message_id=message_id, received_at=now, external_refs=()).model_copy(
        update={
            "action": AlertAction.UPDATE, "text": None, "attachments": (),
            "position": None, "position_origin": PositionOrigin.NONE, "position_age_seconds": None,
        }
    )  # fmt: skip
    return linked(bare, link)
