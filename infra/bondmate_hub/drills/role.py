"""The role `drills`: sends each destination its drill again and again, and shows whether the last one arrived."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import structlog
from bondmate_monitoring import announce
from bondmate_monitoring.health import RoleHealth
from bondmate_monitoring.metrics import DRILL_FAILED, DRILL_HOP_SECONDS, DRILLS

from bondmate_hub.drills.course import HopName
from bondmate_hub.drills.sending import DrillResult, drill, looked_at
from bondmate_hub.settings import Settings

__all__ = ["run_drills", "shown"]

_log = structlog.get_logger(__name__)
_FIRST_SECONDS: Final = 30.0
"""After a start the other roles are given so long; the drills of further destinations follow one by one."""
_APART_SECONDS: Final = 5.0
_WAIT_SECONDS: Final = 55.0
"""Less than the hub lets a drill last."""


async def run_drills(settings: Settings, stop: asyncio.Event, health: RoleHealth) -> None:
    """Send drills until `stop`.

    Raises:
        SettingsError: drills of a destination cannot be sent by these settings.
    """
    repeated = settings.drills.repeated
    for destination in repeated:
        looked_at(settings, destination)
    announce.drills(repeated)
    health.started()
    async with asyncio.TaskGroup() as group:
        repeating = [
            group.create_task(_repeat(settings, destination, _FIRST_SECONDS + number * _APART_SECONDS, seconds))
            for number, (destination, seconds) in enumerate(repeated.items())
        ]
        await stop.wait()
        for task in repeating:
            task.cancel()


async def _repeat(settings: Settings, destination: str, first_seconds: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time() + first_seconds
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += seconds
        shown(await drill(settings, destination, until=HopName.DELIVERED, seconds=_WAIT_SECONDS, seen=lambda _: None))


def shown(result: DrillResult) -> None:
    """Show how a drill went, in metrics; one that did not arrive is logged with the hop that it did not come to."""
    destination = result.destination
    DRILLS.labels(destination, result.stopped_at).inc()
    DRILL_FAILED.labels(destination).set(0 if result.ok else 1)
    reached = {hop.name: hop.seconds for hop in reversed(result.hops)}
    for name in HopName:
        DRILL_HOP_SECONDS.labels(destination, name.value).set(reached.get(name, math.nan))
    if not result.ok:
        _log.error("drill failed", destination=destination, stopped_at=result.stopped_at, event_id=result.event_id)
