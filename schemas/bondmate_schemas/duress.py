"""Duress as a state of a device: it begins with the alert that says so, and a named person of the owner ends it.

The hub writes the one mark, a person the other, so that neither overwrites what the other said.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import AlertAction, AlertKind
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.models import DeviceAlert, DeviceMark, Payload

BEGUN: Final = "duress"
ENDED: Final = "duress_end"
SHOWN_SILENTLY: Final = "shown_silently"
"""Code of what tells the sender of a message that the device shows it without a sound or a question."""
SAID_UNDER_DURESS: Final = "said_under_duress"
"""Code of what an officer under duress confirms."""
SECOND_PERSON: Final = "emergency_second_person"
"""Code of what tells who asks for a silent emergency that a second person must ask for it."""
OPEN_ROOM: Final = "open_room"
"""Code of what is refused since everybody would read it."""


def mark_id(mark: str, device_id: str) -> str:
    """Return the id of a mark on a device."""
    return f"{mark}/{device_id}"


def begins(alert: DeviceAlert, begun: DeviceMark | None = None) -> bool:
    """Return whether an alert says that its officer is under duress, on a device whose profile keeps that silent.

    An update of the alert by which it began, where the officer is now for example, does not begin it anew.
    """
    is_news = alert.action is AlertAction.UPDATE and begun is not None and begun.event_id == alert.header.event_id
    return alert.kind is AlertKind.DURESS and alert.silent and alert.action is not AlertAction.CANCEL and not is_news


def is_under_duress(event: Payload) -> bool:
    """Return whether an event was said under duress, or is an alert of it."""
    is_alert = isinstance(event, DeviceAlert) and event.kind is AlertKind.DURESS and event.silent
    return is_alert or UNDER_DURESS in event.header.flags


def begun_by(alert: DeviceAlert) -> DeviceMark:
    """Return the mark that an alert for which `begins` holds sets on its device."""
    header = alert.header
    return DeviceMark(
        mark_id=mark_id(BEGUN, alert.device_id),
        device_id=alert.device_id,
        mark=BEGUN,
        since=header.received_at,
        event_id=header.event_id,
        agency_id=header.agency_id,
    )


def ended_by(begun: DeviceMark, operator: str, reason: str, now: datetime) -> DeviceMark:
    """Return the mark by which a person ends what began until now."""
    update = {"mark_id": mark_id(ENDED, begun.device_id), "mark": ENDED, "since": now, "operator": operator}
    return begun.model_copy(update={**update, "justification": reason})


def is_under(begun: DeviceMark | None, ended: DeviceMark | None) -> bool:
    """Return whether a device with these marks is under duress."""
    return begun is not None and (ended is None or ended.since < begun.since)
