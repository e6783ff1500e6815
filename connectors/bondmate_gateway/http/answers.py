"""What the gateway answers with success, as models for the OpenAPI document and for whoever writes a client."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from bondmate_schemas.enums import AlertKind, AlertStatus, Level, Mode, Priority
from pydantic import BaseModel, Field

from bondmate_gateway.mailbox.room_statements import Word


class Accepted(BaseModel):
    """The event is durable in the hub; nothing is said about anybody having it yet."""

    message_id: Annotated[str, Field(description="The hub's id of the message; equal for a repeat.")]
    event_id: Annotated[str, Field(description="The hub's id of the alert, report or conversation.")]
    incident_id: str | None = None
    flags: Annotated[tuple[str, ...], Field(description="What was left out or looked wrong.")] = ()


class LocationsAccepted(BaseModel):
    """Every fix is durable in the hub."""

    accepted: Annotated[int, Field(description="How many fixes.")]


class AttachmentAnswer(BaseModel):
    """A reference to a file."""

    sha256: str
    size_bytes: int
    media_type: str
    url: str
    description: str | None = None


class MessageAnswer(BaseModel):
    """A message to the officer of this device."""

    message_id: str
    event_id: str
    incident_id: str | None = None
    alert_id: Annotated[str | None, Field(description="The alert it is about, by the hub's `event_id`.")] = None
    in_reply_to: str | None = None
    sender: str
    text: str
    language: str | None = None
    priority: Priority
    mode: Annotated[Mode, Field(description="Anything but ACTUAL must be shown as such.")]
    requires_acknowledgement: bool
    occurred_at: datetime
    expires_at: datetime | None = None
    expired: Annotated[bool, Field(description="True: too late to be shown as new.")] = False
    silent: Annotated[bool, Field(description="True: show it without a sound, a light or a question.")] = False
    attachments: tuple[AttachmentAnswer, ...] = ()


class RoomAnswer(BaseModel):
    """What a person at one control room said last."""

    says: Annotated[
        Word,
        Field(
            description="SEEN is no help. ASSIGNED, EN_ROUTE, ON_SCENE: help is coming, or there. DECLINED, WITHDRAWN: "
            "help is NOT coming from there. CLOSED: that room has closed its part."
        ),
    ]
    unit: str | None = None
    eta_at: datetime | None = None


class AlertAnswer(BaseModel):
    """Where an alert of this device stands: the level that is true, never a higher one."""

    event_id: str
    alert_id: Annotated[
        str | None,
        Field(
            description="The device's own id of it (`alert_id`, else `message_id`). A press that became part of an "
            "open alert keeps its own id here, beside the `event_id` of that alert."
        ),
    ] = None
    incident_id: str | None = None
    kind: AlertKind
    silent: Annotated[bool, Field(description="True: show and sound nothing, whatever the level.")]
    status: Annotated[
        AlertStatus,
        Field(
            description="DELIVERED: a system has it. ACCEPTED: it took it into work, or a person has seen it. "
            "ACKNOWLEDGED: a unit is assigned. RESPONDING: on its way or there. Only the last two may be shown as "
            "help coming. It may go down: a room can take back what it said."
        ),
    ]
    cancel_requested: bool = False
    destinations: Annotated[dict[str, Level], Field(description="How far each control room has come.")]
    changed_at: Annotated[
        datetime,
        Field(
            description="Never goes back from one state to the next, whatever the clocks: of two the later is newer."
        ),
    ]
    answers: Annotated[
        dict[str, RoomAnswer], Field(description="What a person at each control room said last, where one did.")
    ] = {}
    ended_by: Annotated[str, Field(description="Who ended it: a room or agency, `device`, or `time`.")] = ""
    ended_why: Annotated[
        str, Field(description="`resolved`, `cancelled`, `false_alarm`, `expired`; empty while it is open.")
    ] = ""
    ended_words: Annotated[str, Field(description="What whoever ended it said.")] = ""
    reopens: Annotated[str, Field(description="The ended alert it goes on from, by the hub's `event_id`.")] = ""


class CheckInAnswer(BaseModel):
    """A check-in that the hub waits for."""

    check_in_id: str
    kind: Annotated[AlertKind, Field(description="What it becomes where none comes.")]
    due_at: Annotated[datetime, Field(description="By the hub's clock.")]


class News(BaseModel):
    """What is new for a device: the answer of a long poll and each frame of the stream."""

    cursor: Annotated[str, Field(description="Give it as `after` with the next poll.")]
    messages: tuple[MessageAnswer, ...] = ()
    alerts: tuple[AlertAnswer, ...] = ()
    under_duress: Annotated[
        bool,
        Field(
            description="True: nothing on the device sounds, lights or asks, until a person of its agency ends it. Left"
            " out where a spare has taken the device's place: it stays as silent as it was."
        ),
    ] = False
    check_ins: Annotated[
        tuple[CheckInAnswer, ...],
        Field(
            description="What this device owes as far as this gateway knows, also for a device whose place it took. "
            "Under duress always empty."
        ),
    ] = ()


class FieldProblem(BaseModel):
    """One field that is wrong."""

    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901) of the field, as a fragment.")]
    detail: str


class ProblemAnswer(BaseModel):
    """Problem details, RFC 9457."""

    type: str
    title: str
    status: int
    number: Annotated[int, Field(description="Number of the error code, as the table of error codes has it.")]
    detail: str | None = None
    errors: tuple[FieldProblem, ...] = ()


class Health(BaseModel):
    """Whether the gateway takes requests."""

    status: str
