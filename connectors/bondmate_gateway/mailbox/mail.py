"""A message to a device, and how it may end before its device has said all it is asked to say."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from bondmate_schemas.catalogue import STREAMS_SOURCE
from bondmate_schemas.enums import Level, Mode, Priority
from bondmate_schemas.models import Attachment, DeviceMessage, ExternalRef

RANK: Final[Mapping[Level | None, int]] = {None: 0, Level.DELIVERED: 1, Level.ACCEPTED: 2, Level.ACKNOWLEDGED: 3}
"""How far a message has come on its device."""
UNDELIVERED: Final = "undelivered"
"""Code of what is told of a message that its device has not had for long."""

T = TypeVar("T", str, str | None)


def shared(text: T) -> T:
    """Return the one copy of a text that many mails share: a thousand devices make a hundred thousand mails."""
    return text if text is None else sys.intern(text)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to a device, cut to what the device is told."""

    version: int
    device_id: str
    """The device that it was written to; another may have its place."""
    message_id: str
    event_id: str
    incident_id: str | None
    alert_id: str | None
    in_reply_to: str | None
    sender: str
    text: str
    language: str | None
    priority: Priority
    mode: Mode
    requires_acknowledgement: bool
    occurred_at: datetime
    expires_at: datetime | None
    attachments: tuple[Attachment, ...]
    refs: tuple[ExternalRef, ...] = ()
    level: Level | None = None
    ended: bool = False
    """Whether its sender was told that its time ran out."""
    waits_since: datetime | None = None
    """When it came, while its sender is to be told that its device has not had it for long."""
    silent: bool = False
    aloud: bool = False
    """Whether its sender wants it to sound although the officer is under duress."""

    @classmethod
    def of(cls, message: DeviceMessage, version: int, *, level: Level | None, ended: bool, told: bool) -> Mail:
        """Return what a device is told of `message`.

        Args:
            message: what was written to the device.
            version: counts up with each change of the box that the mail lies in.
            level: how far it has come on the device already.
            ended: whether its sender was told that it ended.
            told: whether its sender was told that it waits for long.
        """
        header = message.header
        return cls(
            version=version,
            device_id=shared(message.device_id),
            message_id=header.message_id,
            event_id=shared(header.event_id),
            incident_id=shared(header.incident_id),
            alert_id=shared(message.alert_id),
            in_reply_to=shared(message.in_reply_to),
            sender=shared(message.sender),
            text=shared(message.text),
            language=header.language,
            priority=message.priority,
            mode=header.mode,
            requires_acknowledgement=message.requires_acknowledgement,
            occurred_at=header.occurred_at,
            expires_at=header.expires_at,
            attachments=message.attachments,
            refs=() if header.source == STREAMS_SOURCE else header.external_refs,  # of an answer nobody is told
            level=level,
            ended=ended,
            waits_since=None if told else _waits_since(message),
            silent="silent" in header.flags,
            aloud=message.aloud,
        )

    @property
    def settled(self) -> bool:
        """Whether the device has said all it is asked to say of it."""
        wanted = Level.ACKNOWLEDGED if self.requires_acknowledgement else Level.DELIVERED
        return RANK[self.level] >= RANK[wanted]

    @property
    def refs_of_sender(self) -> tuple[ExternalRef, ...]:
        """The references that its sender gave it."""
        return tuple(ref for ref in self.refs if ref.system != STREAMS_SOURCE)

    @property
    def told_to(self) -> dict[str, Any]:
        """The fields of a receipt that name its sender, who is told, and its message.

        Empty for an answer that the streams made from a receipt: a receipt of a person's Ack would be an Ack of an Ack.
        """
        theirs = next((ref.id for ref in self.refs if ref.system == STREAMS_SOURCE), None)
        return {} if theirs is None else {"sender": self.sender, "sender_message_id": theirs}

    def is_expired(self, now: datetime) -> bool:
        """Whether it must not be shown as new any more."""
        return self.expires_at is not None and self.expires_at <= now

    def is_wanted(self, now: datetime) -> bool:
        """Whether the device must still say that its officer confirmed it."""
        return self.requires_acknowledgement and not self.settled and not self.is_expired(now)


@dataclass(frozen=True, slots=True)
class Ending:
    """A message that ended before its device had said all it is asked to say, or waits for long."""

    device_id: str
    mail: Mail
    level: Level
    code: str


def _waits_since(message: DeviceMessage) -> datetime | None:
    """Return when a message came whose sender is to be told of it; none of the hub's own has one."""
    theirs = any(ref.system == STREAMS_SOURCE for ref in message.header.external_refs)
    return message.header.received_at if theirs else None
