"""What is news of an open alert and no alert of its own: that its device is silent, or low in battery."""

from __future__ import annotations

from bondmate_schemas.enums import AlertAction, AlertKind, Mode
from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_HEARD, DEVICE_SILENT
from bondmate_schemas.models import DeviceAlert, DeviceMemory, OpenAlert

from bondmate_streams.logic.headers import with_header
from bondmate_streams.logic.life_cycle import GRAVITY

_KEPT = 16
_MILD = frozenset({AlertKind.OTHER, AlertKind.LOW_BATTERY})


def subject_of(alert: DeviceAlert, memory: DeviceMemory) -> OpenAlert | None:
    """Return the open alert of the device that this is news of: the one it was news of before, else the gravest."""
    event_id = alert.header.event_id
    for known in memory.open_alerts:
        # The device may have raised itself, at the end of its countdown, what the hub raises for it.
        is_raised = CHECK_IN_MISSED in alert.header.flags and event_id in {known.event_id, *known.merged_event_ids}
        if is_raised or event_id in known.news_event_ids:
            return known
    if alert.action is AlertAction.CANCEL and DEVICE_SILENT in alert.header.flags:
        others = (k for k in memory.open_alerts if k.event_id != event_id)
        return next((k for k in others if k.incident_id == alert.header.incident_id), None)
    is_mild = alert.kind is AlertKind.LOW_BATTERY or DEVICE_SILENT in alert.header.flags
    is_own = any(event_id == k.event_id for k in memory.open_alerts)
    if not is_mild or alert.action is AlertAction.CANCEL or is_own:
        return None
    grave = [k for k in memory.open_alerts if k.kind not in _MILD and k.mode in {alert.header.mode, Mode.ACTUAL}]
    return max(grave, key=lambda known: GRAVITY.index(known.kind), default=None)


def as_news(alert: DeviceAlert, subject: OpenAlert) -> DeviceAlert:
    """Return the update of `subject` that it becomes: of that gravity, nobody's press, without words of its own."""
    flags = tuple(flag for flag in alert.header.flags if flag != DEVICE_SILENT)
    if DEVICE_SILENT in alert.header.flags:
        flags += (DEVICE_HEARD if alert.action is AlertAction.CANCEL else DEVICE_SILENT,)
    # Where it was last is joined, with the age of that; what the hub says of a silent device is no officer's word.
    update = {"kind": subject.kind, "press_count": 1, "position": None, "text": None}
    return with_header(alert, flags=flags).model_copy(update={"action": AlertAction.UPDATE, **update})


def noted(subject: OpenAlert, alert: DeviceAlert) -> OpenAlert:
    """Return the open alert that remembers what was news of it."""
    known = dict.fromkeys((*subject.news_event_ids, alert.header.event_id))
    return subject.model_copy(update={"news_event_ids": tuple(known)[-_KEPT:]})
