"""One drill: raised by the device of a destination at the gateway, and followed there until it has come far enough."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bondmate_device.client import Client
from bondmate_device.listener import Patience
from bondmate_device.settings import Settings as DeviceSettings
from bondmate_schemas.validation_messages import did_you_mean

from bondmate_hub.connectors.instances import instance_of
from bondmate_hub.drills.course import Course, DrillHop, HopName
from bondmate_hub.settings import Settings, SettingsError

__all__ = ["DrillResult", "drill", "looked_at"]

_TEXT: Final = "Drill of the hub: nothing has happened, nothing need be done. It ends by itself within a minute."
_ASK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class DrillResult:
    """How a drill went: `stopped_at` names the hop that it did not come to, empty where it came as far as asked."""

    destination: str
    hops: tuple[DrillHop, ...]
    stopped_at: str = ""
    hint: str = ""
    event_id: str | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether it came as far as was asked."""
        return not self.stopped_at

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "destination": self.destination,
            "ok": self.ok,
            "stopped_at": self.stopped_at or None,
            "hint": self.hint or None,
            "event_id": self.event_id,
            "hops": [hop.as_json() for hop in self.hops],
        }


def looked_at(settings: Settings, destination: str) -> None:
    """Look whether drills of a destination can be sent by these settings.

    Raises:
        SettingsError: none is set up, or its connector has no way to mark a test; no option overrides that.
    """
    rooms = settings.drills.rooms
    if destination not in rooms:
        likely = did_you_mean(destination, rooms)
        told = (
            f"drills.rooms.{destination}: not there{likely}; enrol a device of the hub's own (`hub devices enrol NAME"
            f" --drill {destination} …`), put its token there, and say `drill: true` at that destination in the routes"
        )
        raise SettingsError([told])
    # A destination without a connector reads the record itself, which says `mode: TEST`.
    if destination in settings.connectors and not instance_of(settings, destination).spec.marks_test:
        told = (
            f"drills.rooms.{destination}: its connector has no way to mark a test, so that people there would take a"
            " drill for real: no drill is sent; take this away"
        )
        raise SettingsError([told])


async def drill(
    settings: Settings, destination: str, *, until: HopName, seconds: float, seen: Callable[[DrillHop], None]
) -> DrillResult:
    """Send one drill and return how far it came within so many seconds; `seen` is called at each hop.

    Raises:
        SettingsError: as `looked_at`, or the gateway's address or authority cannot be used.
    """
    looked_at(settings, destination)
    with tempfile.TemporaryDirectory(prefix="bondmate-drill-") as folder:
        try:
            device = Client(_device(settings, destination, Path(folder)))
        except ValueError as error:
            raise SettingsError([f"drills.{error}"]) from None
        async with device:
            return await _followed(device, Course(destination), until, seconds, seen)


def _device(settings: Settings, destination: str, folder: Path) -> DeviceSettings:
    section = settings.drills
    token = section.rooms[destination].token.get_secret_value().strip()
    try:
        tls = ssl.create_default_context(cafile=section.ca_file) if section.ca_file else None
    except (OSError, ssl.SSLError):
        raise ValueError("ca_file: must be a readable PEM file of the authority that signed the gateway") from None
    return DeviceSettings(section.url, token, folder / "queue.db", tls=tls, patience=Patience(ask_seconds=_ASK_SECONDS))


async def _followed(
    device: Client, course: Course, until: HopName, seconds: float, seen: Callable[[DrillHop], None]
) -> DrillResult:
    began, hops = time.monotonic(), list[DrillHop]()
    alert_id = await device.raise_alert("OTHER", text=_TEXT)

    def is_done() -> bool:
        new = course.see(device.status(alert_id), time.monotonic() - began)
        hops.extend(new)
        for hop in new:
            seen(hop)
        return until in course.hops or course.is_over or not device.link.enrolled or bool(device.refusals)

    try:
        async with asyncio.timeout(seconds):
            await device.until(is_done)
    except TimeoutError:
        is_done()
    stopped_at, hint = course.stopped_at(enrolled=device.link.enrolled, refusals=device.refusals)
    if not stopped_at and until not in course.hops:
        stopped_at, hint = until.value, f"`{course.destination}` has it; it was not {until.value} within that time"
    return DrillResult(course.destination, tuple(hops), stopped_at, hint, device.status(alert_id).event_id)
