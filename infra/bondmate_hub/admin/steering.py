"""What the admin endpoint of a role does with the connectors of that role; each act is in the audit trail before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.control import Control, Pause
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.instance import Instance

from bondmate_hub.admin.orders import PauseOrder, RefusedError, SteeringOrder
from bondmate_hub.admin.pauses import PausedConnectors
from bondmate_hub.settings import Settings, SettingsError
from bondmate_hub.settings.reread import reread

if TYPE_CHECKING:
    from bondmate_hub.admin.trail import Trail

STATES: Final[Mapping[Status, str]] = {
    Status.CREATED: "UNASSIGNED",
    Status.STARTING: "RESTARTING",
    Status.OK: "RUNNING",
    Status.RECOVERABLE_ERROR: "RUNNING",
    Status.PERMANENT_ERROR: "FAILED",
    Status.FATAL_ERROR: "FAILED",
    Status.PAUSED: "PAUSED",
    Status.STOPPING: "STOPPED",
    Status.STOPPED: "STOPPED",
}
"""Kafka Connect's word for each status."""
_DEVICES: Final = "DeviceAlert"


@dataclass(eq=False)
class Steering:
    """The connectors of one process, as an operator may see and steer them."""

    instances: InitVar[Sequence[Instance]]
    controls: Mapping[str, Control]
    board: ConnectorHealth
    settings: Settings
    worker_id: str
    _trail: Trail | None = field(default=None, init=False)

    def __post_init__(self, instances: Sequence[Instance]) -> None:
        self._instances = {instance.name: instance for instance in instances}
        self._pauses = PausedConnectors(self.settings.data_dir)

    def names(self) -> list[str]:
        """Name the connectors of this process."""
        return list(self._instances)

    def status(self, name: str) -> dict[str, Any]:
        """Return how a connector is, as Kafka Connect words it, and in the hub's own words beside it.

        Raises:
            RefusedError: there is none of this name.
        """
        instance, state = self._instance(name), self.board.of(name)
        word = {"state": STATES[state.status], "worker_id": self.worker_id}
        trace = {"trace": state.reason} if word["state"] == "FAILED" else {}
        pause = self._pause(name)
        return {
            "name": name,
            "connector": word,
            "tasks": [{"id": 0, **word, **trace}],
            "type": "sink" if instance.spec.is_sink else "source",
            "status": state.status.value,
            "reason": state.reason,
            "paused": None if pause is None else _shown(pause),
        }

    async def restart(self, name: str, order: SteeringOrder) -> None:
        """Build a connector anew, with the settings as they are now; it asks its platform at once.

        Raises:
            RefusedError: nothing was done.
        """
        control = self._control(name)
        if self._pause(name) is not None:
            raise RefusedError(409, "paused", "The connector is paused: resume it instead")
        try:
            config = await asyncio.to_thread(reread, self.settings, name)
        except SettingsError as error:
            raise RefusedError(422, "settings_unusable", "Its settings cannot be used: mend them", str(error)) from None
        await self._audit(order, "connector.restart", name)
        control.config = config
        # At once, so that who asks how it is does not hear of the life before.
        self.board.report(name, "connector", Status.STARTING, "a restart is asked for")
        control.restart()

    async def pause(self, name: str, order: PauseOrder) -> None:
        """Pause a connector for a time, also over a restart of this process.

        Raises:
            RefusedError: nothing was done.
        """
        control, seconds = self._control(name), self._seconds(order)
        if _DEVICES in self._instance(name).spec.emits:
            raise RefusedError(409, "devices_need_it", "Officers raise their alerts here: it is never paused")
        await self._audit(order, f"connector.pause.{seconds:g}s", name)
        now = datetime.now(UTC)
        pause = Pause(now + timedelta(seconds=seconds), now, order.operator, order.reason)
        try:
            await asyncio.to_thread(self._pauses.save, name, pause)
        except OSError as error:
            raise RefusedError(500, "not_kept", f"The pause is not on disk ({type(error).__name__})") from error
        control.rest(pause)

    async def resume(self, name: str, order: SteeringOrder) -> None:
        """End a pause; harmless where there is none.

        Raises:
            RefusedError: nothing was done.
        """
        control = self._control(name)
        if self._pause(name) is None:
            return
        await self._audit(order, "connector.resume", name)
        await asyncio.to_thread(self._pauses.remove, name)
        self.board.report(name, "connector", Status.STARTING, "resumed")
        control.resume()

    def _seconds(self, order: PauseOrder) -> float:
        admin = self.settings.admin
        seconds = admin.pause_minutes * 60 if order.seconds is None else order.seconds
        if seconds > admin.longest_pause_minutes * 60:
            longest = f"{admin.longest_pause_minutes:g} minutes"
            raise RefusedError(
                422, "pause_too_long", f"A pause lasts {longest} at most (`admin.longest_pause_minutes`)"
            )
        return seconds

    async def _audit(self, order: SteeringOrder, what: str, name: str) -> None:
        # Nothing of it is loaded before somebody acts.
        from bondmate_hub.admin.trail import Trail, TrailError  # noqa: PLC0415

        self._trail = self._trail or Trail(self.settings.kafka.config(), f"admin-{self.worker_id}")
        try:
            await self._trail.write(order.operator, what, name, order.reason)
        except TrailError as error:
            title = "The audit trail cannot be written now, and nothing was done: are broker and registry up?"
            raise RefusedError(503, "audit_unavailable", title, str(error)) from error

    def _pause(self, name: str) -> Pause | None:
        control = self.controls.get(name)
        return control.paused(datetime.now(UTC)) if control else None

    def _instance(self, name: str) -> Instance:
        if name not in self._instances:
            raise RefusedError(404, "not_found", "No connector of this name runs in this role")
        return self._instances[name]

    def _control(self, name: str) -> Control:
        self._instance(name)
        if name not in self.controls:
            raise RefusedError(503, "starting", "The role is starting: ask again")
        return self.controls[name]


def _shown(pause: Pause) -> dict[str, str]:
    times = {name: getattr(pause, name).isoformat(timespec="seconds") for name in ("until", "since")}
    return {**times, "operator": pause.operator, "reason": pause.reason}
