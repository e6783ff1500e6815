"""Silence is an event: a device on duty that is no longer heard of raises an alert of its own, until it is heard again.

While an alert of the device is open, it becomes news of that instead (`news.py`). Any press is life.

Made again, from the same last sign of life, it is the same alert under the same ids.
"""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, PositionOrigin, Priority
from bondmate_schemas.flags import DEVICE_SILENT
from bondmate_schemas.ids import derived_id
from bondmate_schemas.labels import HEARD_AGAIN, NOTHING_HEARD
from bondmate_schemas.models import AlertState, DeviceAlert, DeviceLocation, DeviceStatus

from bondmate_streams.logic.headers import SOURCE, own_header, with_header
from bondmate_streams.logic.life_cycle import CLOSED


def is_on_duty(sign: DeviceLocation | DeviceStatus) -> bool:
    """Whether a device that gave this sign of life is expected to give further ones."""
    said = sign.on_duty if isinstance(sign, DeviceLocation) else sign.on_shift
    return said is not False


def alert_of(sign: DeviceLocation | DeviceStatus, heard_at: datetime, now: datetime) -> DeviceAlert:
    """Raise the alert of a device whose last sign of life is `sign`, heard at `heard_at`."""
    event_id = derived_id("alert", "silence", sign.device_id, heard_at.isoformat())
    header = own_header(
        sign.header, now, message_id=derived_id("message", event_id, "raise"), event_id=event_id,
        incident_id=derived_id("incident", event_id), flags=(DEVICE_SILENT,),
    )  # fmt: skip
    position = sign.position if isinstance(sign, DeviceLocation) else None
    return DeviceAlert(
        header=header,
        device_id=sign.device_id,
        officer_ref=getattr(sign, "officer_ref", None),
        unit=getattr(sign, "unit", None),
        callsign=getattr(sign, "callsign", None),
        action=AlertAction.RAISE,
        kind=AlertKind.OTHER,
        priority=Priority.ROUTINE,
        text=NOTHING_HEARD.format(time=f"{heard_at:%H:%M:%S}"),
        position=position,
        position_origin=PositionOrigin.JOINED if position else PositionOrigin.NONE,
    )


def over(alert: DeviceAlert, now: datetime) -> DeviceAlert:
    """Call off the alert of a device that was heard again."""
    message_id = derived_id("message", alert.header.message_id, "over")
    said = with_header(alert, message_id=message_id, occurred_at=now, received_at=now, published_at=now)
    return said.model_copy(update={"action": AlertAction.CANCEL, "text": HEARD_AGAIN})


def not_over(state: AlertState) -> DeviceAlert | None:
    """Return the alert that is to be called off once the device is heard: a silence, told by itself or as news."""
    said = state.alert
    if DEVICE_SILENT in state.header.flags and state.status not in {AlertStatus.CANCELLED, AlertStatus.RESOLVED}:
        return said
    if DEVICE_SILENT not in said.header.flags or state.status in CLOSED:
        return None
    # Whose news it was is found by the incident: under its own id it would call off the emergency.
    ids = {"event_id": derived_id("alert", "silence", state.header.event_id), "incident_id": state.header.incident_id}
    none = {"external_refs": (), "origin_message_id": None, "content_digest": None}
    header = said.header.model_copy(update={**ids, **none, "source": SOURCE, "flags": (DEVICE_SILENT,)})
    return DeviceAlert(header=header, device_id=said.device_id, action=AlertAction.RAISE, kind=AlertKind.OTHER,
                       priority=Priority.ROUTINE)  # fmt: skip
