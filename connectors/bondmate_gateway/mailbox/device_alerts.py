"""The alerts of all devices: where each stands, and by which of its names a device may ask for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from bondmate_schemas.device_alert_ids import alert_event_id, is_hidden, own_ids, real_event_id
from bondmate_schemas.models import AlertState, DeviceAlert

from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.box import Box, Boxes
from bondmate_gateway.mailbox.replacements import Handing

_ALERTS_PER_DEVICE: Final = 5


class DeviceAlerts:
    """Keeps where alerts stand in the boxes of their devices, of each a few; open ones stay longest."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    def take_state(self, state: AlertState) -> None:
        """Take where an alert stands; of one that is hidden from its device nothing."""
        if not is_hidden(state.alert):
            self._keep(state.alert, AlertProgress.of(state))

    def take_raised(self, alert: DeviceAlert) -> None:
        """Take an alert that was just accepted, until the streams tell more of it."""
        box = self._boxes.box(alert.device_id)
        if box.event_of(alert.header.event_id) not in box.alerts:
            self._keep(alert, AlertProgress.raised(alert))

    def forget(self, event_id: str) -> None:
        """Take that the streams have forgotten an alert."""
        if owner := self._boxes.owners.get(event_id):
            self._drop(self._boxes.box(owner), event_id)

    def own_event(self, device_id: str, alert_id: str) -> str | None:
        """Return the alert that a spare means by an id of the device whose place it took; None for any other."""
        if not self._boxes.replacements.is_spare(device_id):
            return None
        alerts = self._boxes.box(device_id).alerts.values()
        return next((one.event_id for one in alerts if alert_id in {one.event_id, *one.alert_ids}), None)

    def move(self, handing: Handing, since: datetime) -> None:
        """Move what is open, or ended after a takeover `since` a time, from one box to another."""
        old, box = self._boxes.box(handing.from_id), self._boxes.box(handing.to_id)
        for alert in [alert for alert in old.alerts.values() if alert.device_id in handing.of]:
            del old.alerts[alert.event_id]
            # Read anew at a start, an end may come before the mark: the spare, which was away, has yet to hear of it.
            if not alert.closed or alert.changed_at >= since:
                box.alerts[alert.event_id] = replace(alert, version=box.next_version())
                self._boxes.owners[alert.event_id] = handing.to_id

    def _keep(self, alert: DeviceAlert, progress: AlertProgress) -> None:
        header = alert.header
        current = self._boxes.replacements.current
        device_id = current(progress.device_id) if progress.device_id else alert.device_id
        box = self._boxes.box(device_id)
        if box.event_of(header.event_id) in box.alerts.keys() - {header.event_id}:
            if not _is_again(box, header.event_id):
                return  # an exercise that its device goes on from as real: by its ids it asks for that
            del box.names[header.event_id]
        before = box.alerts.get(header.event_id)
        box.alerts[header.event_id] = replace(progress, version=box.next_version())
        self._boxes.owners[header.event_id] = device_id
        if before is None or before.alert_ids != progress.alert_ids:
            self._name(box, alert, device_id, {alert.device_id, progress.device_id or alert.device_id})
        self._drop_oldest(box)
        box.wake()

    def _name(self, box: Box, alert: DeviceAlert, device_id: str, pressed_at: Collection[str]) -> None:
        """Let an alert be found by every press that became part of it, which until now was kept as one of its own."""
        event_id = alert.header.event_id
        told = {alert_event_id(device, own_id) for device in pressed_at for own_id in own_ids(alert)} - {event_id}
        if box.alerts[event_id].closed:
            # What was pressed under one of its ids since it ended is an emergency of its own.
            told -= {name for name in told if (press := box.alerts.get(name)) and not press.closed}
        self._unname(box, event_id, but=told)
        for name in told:
            box.names[name] = event_id
            self._boxes.owners[name] = device_id
            if (press := box.alerts.get(name)) and not press.closed:
                del box.alerts[name]

    def _unname(self, box: Box, event_id: str, but: Collection[str] = ()) -> None:
        """Forget by what other names an alert goes."""
        for name in [name for name, alert in box.names.items() if alert == event_id and name not in but]:
            del box.names[name]
            if name not in box.alerts:
                self._boxes.owners.pop(name, None)

    def _drop_oldest(self, box: Box) -> None:
        if len(box.alerts) > _ALERTS_PER_DEVICE:
            closed = next((event_id for event_id, alert in box.alerts.items() if alert.closed), None)
            self._drop(box, closed or next(iter(box.alerts)))

    def _drop(self, box: Box, event_id: str) -> None:
        """Forget an alert and its names; of one that another goes by too, who it belongs to stays known."""
        box.alerts.pop(event_id, None)
        self._unname(box, event_id)
        if event_id not in box.names:
            self._boxes.owners.pop(event_id, None)


def _is_again(box: Box, event_id: str) -> bool:
    """Whether what was part of an alert that has ended is an alert again, under its own id."""
    other = box.event_of(event_id)
    return other != real_event_id(event_id) and box.alerts[other].closed
