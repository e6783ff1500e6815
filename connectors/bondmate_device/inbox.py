"""The messages to this device: in the hub's order, each shown once, however often it comes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from bondmate_device.model import Message

REMEMBERED: Final = 1000
"""More than a gateway keeps for a device, so that none it gives again is taken for a new one."""


class DeviceInbox:
    """What has come for one device and what of it was not shown yet."""

    __slots__ = ("_seen", "_waiting")

    def __init__(self, seen: Iterable[str] = (), waiting: Iterable[Message] = ()) -> None:
        self._seen = dict.fromkeys(seen)
        self._waiting = {message.message_id: message for message in waiting}
        self._seen.update(dict.fromkeys(self._waiting))

    def take(self, told: Iterable[Any]) -> list[Message]:
        """Take messages as the hub tells them; return the new ones."""
        new = [message for one in told if (message := read(one)) and message.message_id not in self._seen]
        for message in new:
            self._seen[message.message_id] = None
            self._waiting[message.message_id] = message
        return list({message.message_id: message for message in new}.values())

    def knows(self, message_id: str) -> bool:
        """Whether a message has come to this device."""
        return message_id in self._seen

    def first(self, now: datetime) -> Message | None:
        """Return the first that was not shown, marked when it has expired by now; it stays until `shown`."""
        message = next(iter(self._waiting.values()), None)
        return replace(message, expired=True) if message and is_past(message.expires_at, now) else message

    def shown(self, message_id: str) -> list[str]:
        """Note that a message was shown; return the ids of those so long ago that they are forgotten."""
        self._waiting.pop(message_id, None)
        excess = len(self._seen) - REMEMBERED
        gone = [known for known in list(self._seen)[: max(0, excess)] if known not in self._waiting]
        for known in gone:
            del self._seen[known]
        return gone


def read(told: Any) -> Message | None:
    """Return the message in an answer of the hub, or None where there is none.

    What is missing or new does no harm.
    """
    if not isinstance(told, Mapping) or not isinstance(told.get("message_id"), str):
        return None
    attachments = told.get("attachments")
    return Message(
        message_id=told["message_id"],
        sender=_text(told, "sender") or "",
        text=_text(told, "text") or "",
        occurred_at=_text(told, "occurred_at") or "",
        mode=_text(told, "mode") or "UNKNOWN",
        priority=_text(told, "priority") or "UNKNOWN",
        language=_text(told, "language"),
        requires_acknowledgement=told.get("requires_acknowledgement") is True,
        expires_at=_text(told, "expires_at"),
        expired=told.get("expired") is True,
        event_id=_text(told, "event_id"),
        alert_id=_text(told, "alert_id"),
        incident_id=_text(told, "incident_id"),
        in_reply_to=_text(told, "in_reply_to"),
        silent=told.get("silent") is True,
        attachments=tuple(one for one in attachments if isinstance(one, dict)) if isinstance(attachments, list) else (),
    )


def is_past(time: str | None, now: datetime) -> bool:
    """Whether a time as the hub writes it lies before now; one that cannot be read does not."""
    try:
        told = datetime.fromisoformat(time) if time else now
    except ValueError:
        return False
    return time is not None and told.tzinfo is not None and told <= now


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None
