"""What a device is told, as JSON: messages, where its alerts stand, and the check-ins it owes."""

from __future__ import annotations

from typing import Any

from bondmate_schemas.models import AlertWhole, CheckIn

from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.box import Box
from bondmate_gateway.mailbox.due_check_ins import names_of
from bondmate_gateway.mailbox.mail import Mail


def message_answer(mail: Mail, box: Box, *, expired: bool) -> dict[str, Any]:
    """Return a message as its device is told it."""
    silent = box.is_silent(mail)
    return {
        "message_id": mail.message_id,
        "event_id": mail.event_id,
        "incident_id": mail.incident_id,
        # A device that does not know `silent` is silent about what it is told of its silent alert.
        "alert_id": box.duress.event_id if silent and box.is_under_duress and box.duress else mail.alert_id,
        "in_reply_to": mail.in_reply_to,
        "sender": mail.sender,
        "text": mail.text,
        "language": mail.language,
        "priority": mail.priority,
        "mode": mail.mode,
        "silent": silent,
        "requires_acknowledgement": mail.requires_acknowledgement and not silent,
        "occurred_at": mail.occurred_at,
        "expires_at": mail.expires_at,
        "expired": expired,
        "attachments": [one.model_dump(mode="json") for one in mail.attachments],
    }


def alert_answer(alert: AlertProgress, alert_id: str | None, box: Box) -> dict[str, Any]:
    """Return where an alert stands as its device is told it, under one of the ids that the device gave it."""
    whole = alert.whole or AlertWhole()
    return {
        "event_id": alert.event_id,
        "alert_id": alert_id,
        "incident_id": alert.incident_id,
        "kind": alert.kind,
        "silent": alert.silent or box.is_under_duress,
        "status": alert.status,
        "cancel_requested": alert.cancel_requested,
        "destinations": dict(alert.destinations),
        "changed_at": alert.changed_at,
        "answers": {
            said.destination: {"says": said.word, "unit": said.unit, "eta_at": said.eta_at} for said in alert.said
        },
        "ended_by": whole.ended_by,
        "ended_why": whole.ended_why,
        "ended_words": whole.ended_words,
        "reopens": whole.reopens,
    }


def check_in_answer(due: CheckIn) -> dict[str, Any]:
    """Return a check-in that is due as its device is told it."""
    return {"check_in_id": names_of(due)[0], "kind": due.alert.kind, "due_at": due.due_at}
