"""What a device that was replaced may still do: whoever has it can press, and its owner alone hears of that."""

from __future__ import annotations

from collections.abc import Sequence

from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import FROM_REPLACED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceAlert, DeviceMark, DeviceMemory

from bondmate_streams.logic.headers import is_pressed_there, with_flags, with_header


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


def as_counted(alert: DeviceAlert, mark: DeviceMark | None) -> DeviceAlert | None:
    """Return an alert as it counts: what was pressed since a takeover as the replaced device's; None for nothing."""
    if mark is None or not is_pressed_there(alert) or alert.header.received_at < mark.since:
        return alert
    return own_alert(alert, mark)


def is_theirs(alert: DeviceAlert, memory: DeviceMemory | None) -> bool:
    """Whether an alert belongs to what was pressed at a replaced device: nobody knows by whom."""
    known = memory.open_alerts if memory else ()
    return FROM_REPLACED in alert.header.flags or any(
        k.from_replaced and alert.header.event_id in {k.event_id, *k.merged_event_ids} for k in known
    )


def marked(memory: DeviceMemory | None, mark: DeviceMark | None) -> DeviceMemory | None:
    """Return what is remembered of a device, with what was pressed there since its takeover known as that.

    A hub of before remembered such an alert without the mark, under the same id.
    """
    if memory is None or mark is None:
        return memory
    event_id = own_event_id(mark)
    if not any(k.event_id == event_id and not k.from_replaced for k in memory.open_alerts):
        return memory
    known = (k.model_copy(update={"from_replaced": True}) if k.event_id == event_id else k for k in memory.open_alerts)
    return memory.model_copy(update={"open_alerts": tuple(known)})


def only(memory: DeviceMemory | None, *, theirs: bool) -> DeviceMemory | None:
    """Return what is remembered of a device, without the open alerts that are not theirs, or that are."""
    if memory is None or all(k.from_replaced is theirs for k in memory.open_alerts):
        return memory
    kept = tuple(k for k in memory.open_alerts if k.from_replaced is theirs)
    return memory.model_copy(update={"open_alerts": kept})


def beside(memory: DeviceMemory, before: DeviceMemory | None, *, theirs: bool) -> DeviceMemory:
    """Return what is remembered, with the open alerts that `only` left out."""
    others = tuple(k for k in before.open_alerts if k.from_replaced is not theirs) if before else ()
    return memory.model_copy(update={"open_alerts": (*others, *memory.open_alerts)}) if others else memory


def lent(memory: DeviceMemory | None, device_id: str, before: Sequence[DeviceMemory]) -> DeviceMemory | None:
    """Return what is remembered of a spare, with the open alerts of the devices `before` it, the last one first.

    As the presses of a spare left them, which its own memory has; where they ended says the memory of who raised them.
    """
    mine = memory.open_alerts if memory else ()
    if not before and not any(k.lent for k in mine):
        return memory
    told = tuple(k for old in reversed(before) for k in old.open_alerts)
    is_open = {k.event_id for k in told if not k.lent}
    theirs = {k.event_id: k.model_copy(update={"lent": True}) for k in (*told, *mine) if k.event_id in is_open}
    own = (k for k in mine if not k.lent and k.event_id not in theirs)
    memory = memory or DeviceMemory(device_id=device_id)
    return memory.model_copy(update={"open_alerts": (*theirs.values(), *own)})


def returned(memory: DeviceMemory, given: DeviceMemory | None) -> DeviceMemory:
    """Return what is to be remembered of a spare: of what was lent only what it has changed."""
    known = given.open_alerts if given else ()
    kept = tuple(k for k in memory.open_alerts if not k.lent or k not in known)
    return memory if len(kept) == len(memory.open_alerts) else memory.model_copy(update={"open_alerts": kept})
