"""What a device may speak of: its own alerts and messages, by any of their names, and nothing of another device."""

from __future__ import annotations

from bondmate_schemas.device_alert_ids import alert_event_id
from bondmate_schemas.flags import FROM_EXERCISE
from bondmate_schemas.models import DeviceAlert

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http.problems import ProblemKind, Refused
from bondmate_gateway.mailbox.mail import Mail
from bondmate_gateway.mailbox.mailboxes import Mailboxes


class Ownership:
    """Finds what a device means by an id; each raises Refused where that belongs to another."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def refuse_replaced(self, device: EnrolledDevice) -> None:
        """Raise Refused where another device has taken the place of this one."""
        if self._mailboxes.is_replaced(device.device_id):
            raise Refused(ProblemKind.forbidden)

    def alert(self, device: EnrolledDevice, alert_id: str) -> str:
        """Return the hub's id of a device's own alert, by any of its names."""
        if event_id := self._mailboxes.alerts.own_event(device.device_id, alert_id):
            return event_id
        owner = self._mailboxes.boxes.owners.get(alert_id)
        if owner not in {None, device.device_id}:
            raise Refused(ProblemKind.forbidden)
        event_id = alert_id if owner else alert_event_id(device.device_id, alert_id)
        return self._mailboxes.box(device.device_id).event_of(event_id)

    def named_alert(self, device: EnrolledDevice, alert_id: str | None) -> str | None:
        """Return the hub's id of the alert that a request names, if it names one."""
        return self.alert(device, alert_id) if alert_id else None

    def message(self, device: EnrolledDevice, message_id: str | None, pointer: str) -> Mail | None:
        """Return the message to this device that a request names, or None when it is no longer known."""
        if message_id is None:
            return None
        if self._mailboxes.boxes.owners.get(message_id) not in {None, device.device_id}:
            raise Refused(ProblemKind.forbidden, fields=[(pointer, "belongs to another device")])
        return self._mailboxes.box(device.device_id).mails.get(message_id)

    def incident(self, device: EnrolledDevice, incident_id: str | None) -> None:
        """Raise Refused where a request names an incident that no message or alert of its device has named."""
        if incident_id and not self._mailboxes.knows_incident(device.device_id, incident_id):
            raise Refused(
                ProblemKind.forbidden, fields=[("#/incident_id", "no message or alert of this device names it")]
            )

    def of_spare(self, alert: DeviceAlert, alert_id: str | None) -> DeviceAlert:
        """Return an alert under the id of the one that a spare means, which the device before it raised."""
        event_id = self._mailboxes.alerts.own_event(alert.device_id, alert_id) if alert_id else None
        if event_id is None or FROM_EXERCISE in alert.header.flags:
            return alert
        header = alert.header.model_copy(update={"event_id": event_id})
        return alert.model_copy(update={"header": header})
