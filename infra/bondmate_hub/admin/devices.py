"""What operations say of devices through a gateway's admin endpoint: as `hub devices takeover` and `duress-end` do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bondmate_hub.admin.orders import RefusedError, SteeringOrder
from bondmate_hub.settings import Settings

if TYPE_CHECKING:
    from bondmate_schemas.models import DeviceMark


class DeviceOrders:
    """Sets marks on devices, each in the audit trail first; keeps nothing, and loads nothing before somebody acts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def take_over(self, device_id: str, order: SteeringOrder, spare: str = "") -> dict[str, Any]:
        """Let a spare take the place of a device, or without one the device its own; return the mark that says so.

        Raises:
            RefusedError: nothing was done.
        """
        from bondmate_hub.operations.takeovers import take_over  # noqa: PLC0415

        return await _done(lambda: take_over(self._settings, device_id, spare, order.operator, order.reason))

    async def end_duress(self, device_id: str, order: SteeringOrder) -> dict[str, Any]:
        """End the duress of an officer; return the mark that says so.

        Raises:
            RefusedError: nothing was done.
        """
        from bondmate_hub.operations.marks import end_duress  # noqa: PLC0415

        return await _done(lambda: end_duress(self._settings, device_id, order.operator, order.reason))


async def _done(do: Callable[[], DeviceMark]) -> dict[str, Any]:
    from bondmate_hub.operations.marks import MarksError, MarksUnavailableError  # noqa: PLC0415

    try:
        mark = await asyncio.to_thread(do)
    except MarksUnavailableError as error:
        title = "Broker or registry do not answer: mend that and ask again"
        raise RefusedError(503, "audit_unavailable", title, str(error)) from error
    except MarksError as error:
        raise RefusedError(409, "not_of_this_device", "It cannot be said of this device", str(error)) from error
    return mark.model_dump(mode="json")
