"""What the admin endpoint of a role does with the connectors of that role; each act is in the audit trail before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.control import Control, Pause
from bondmate_connectors.runtime.health import ConnectorHealth
from bondmate_connectors.runtime.run import Instance

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


class Steering:
    """The connectors of one process, as an operator may see and steer them."""

    def __init__(
        self,
        instances: Sequence[Instance],
        controls: Mapping[str, Control],
        board: ConnectorHealth,
        settings: Settings,
        *,
        worker_id: str,
    ) -> None:
        self._instances = {instance.name: instance for instance in instances}
        self._controls = controls
        self._board = board
        self._settings = settings
        self._trail: Trail | None = None
        self._pauses = PausedConnectors(settings.data_dir)
        self._worker_id = worker_id

    def names(self) -> list[str]:
        """Name the connectors of this process."""
        return list(self._instances)

    def status(self, name: str) -> dict[str, Any]:
        """Return how a connector is, as Kafka Connect words it, and in the hub's own words beside it.

        Raises:
            RefusedError: there is none of this name.
        """
        instance, state = self._instance(name), self._board.of(name)
        word = {"state": STATES[state.status], "worker_id": self._worker_id}
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
            config = await asyncio.to_thread(reread, self._settings, name)
        except SettingsError as error:
            raise RefusedError(422, "settings_unusable", "Its settings cannot be used: mend them", str(error)) from None
        await self._audit(order, "connector.restart", name)
        control.config = config
        # At once, so that who asks how it is does not hear of the life before.
        self._board.report(name, "connector", Status.STARTING, "a restart is asked for")
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
        self._board.report(name, "connector", Status.STARTING, "resumed")
        control.resume()

    def _seconds(self, order: PauseOrder) -> float:
        admin = self._settings.admin
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

        self._trail = self._trail or Trail(self._settings.kafka.config(), f"admin-{self._worker_id}")
        try:
            await self._trail.write(order.operator, what, name, order.reason)
        except TrailError as error:
            title = "The audit trail cannot be written now, and nothing was done: are broker and registry up?"
            raise RefusedError(503, "audit_unavailable", title, str(error)) from error

    def _pause(self, name: str) -> Pause | None:
        control = self._controls.get(name)
        return control.paused(datetime.now(UTC)) if control else None

    def _instance(self, name: str) -> Instance:
        if name not in self._instances:
            raise RefusedError(404, "not_found", "No connector of this name runs in this role")
        return self._instances[name]

    def _control(self, name: str) -> Control:
        self._instance(name)
        if name not in self._controls:
            raise RefusedError(503, "starting", "The role is starting: ask again")
        return self._controls[name]


def _shown(pause: Pause) -> dict[str, str]:
    return {
        "until": pause.until.isoformat(timespec="seconds"),
        "since": pause.since.isoformat(timespec="seconds"),
        "operator": pause.operator,
        "reason": pause.reason,
    }
