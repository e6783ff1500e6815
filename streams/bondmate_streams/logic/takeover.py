"""What a device that was replaced may still do: whoever has it can press, and its owner alone hears of that."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_REVOKED, FROM_REPLACED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert, DeviceMark, DeviceMemory

from bondmate_streams.logic.alerts import with_flags, with_header
from bondmate_streams.logic.officer import SOURCE

_THE_HUBS: Final = frozenset({CHECK_IN_MISSED, DEVICE_REVOKED})


def is_pressed_there(alert: DeviceAlert) -> bool:
    """Return whether somebody did it at the device, and not the hub, or a gateway, on behalf of its officer."""
    return alert.header.source != SOURCE and _THE_HUBS.isdisjoint(alert.header.flags)


def own_alert(alert: DeviceAlert, mark: DeviceMark) -> DeviceAlert | None:
    """Return a press there as an alert of its own, one for all of them; None for a cancel, which counts for nothing."""
    if alert.action is AlertAction.CANCEL:
        return None
    event_id = own_event_id(mark)
    own = with_header(alert, event_id=event_id, incident_id=derived_id("incident", event_id), external_refs=())
    return with_flags(own.model_copy(update={"action": AlertAction.RAISE}), FROM_REPLACED)


def own_event_id(mark: DeviceMark) -> str:
    """Return the id of the one alert that all presses at a replaced device make."""
    return derived_id("alert", "replaced", mark.device_id, mark.since.isoformat())


def only(memory: DeviceMemory | None, event_id: str) -> DeviceMemory | None:
    """Return what is remembered of a device, with no other open alert."""
    if memory is None:
        return None
    return memory.model_copy(update={"open_alerts": tuple(k for k in memory.open_alerts if k.event_id == event_id)})


def beside(memory: DeviceMemory, before: DeviceMemory | None, event_id: str) -> DeviceMemory:
    """Return what is remembered, with the open alerts that were left out."""
    others = tuple(known for known in before.open_alerts if known.event_id != event_id) if before else ()
    return memory.model_copy(update={"open_alerts": (*others, *memory.open_alerts)})


def officers(memory: DeviceMemory | None, mark: DeviceMark | None) -> DeviceMemory | None:
    """Return what is remembered of a replaced device, without what was pressed there since: nobody knows by whom."""
    if memory is None or mark is None:
        return memory
    theirs = own_event_id(mark)
    return memory.model_copy(update={"open_alerts": tuple(k for k in memory.open_alerts if k.event_id != theirs)})


def lent(memory: DeviceMemory | None, device_id: str, old: DeviceMemory | None) -> DeviceMemory | None:
    """Return what is remembered of a spare, with the open alerts of the device whose place it took."""
    if old is None or not old.open_alerts:
        return memory
    memory = memory or DeviceMemory(device_id=device_id)
    known = {alert.event_id for alert in memory.open_alerts}
    theirs = tuple(alert for alert in old.open_alerts if alert.event_id not in known)
    return memory.model_copy(update={"open_alerts": (*theirs, *memory.open_alerts)})


def returned(memory: DeviceMemory, old: DeviceMemory | None) -> DeviceMemory:
    """Return what is to be remembered of the spare: what was lent stays with the other, which hears of its end."""
    theirs = {alert.event_id for alert in old.open_alerts} if old else set()
    kept = tuple(alert for alert in memory.open_alerts if alert.event_id not in theirs)
    return memory.model_copy(update={"open_alerts": kept})
