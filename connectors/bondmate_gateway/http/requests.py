"""What a device may send: the request models, from which the OpenAPI document is made."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from bondmate_schemas.enums import AlertKind, Priority, StatementNature
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

MAX_FIXES = 1000
MAX_ATTACHMENTS = 20
MAX_TEXT = 4000
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class AlertVerb(StrEnum):
    """What the device asks for."""

    RAISE = "raise"
    UPDATE = "update"
    CANCEL = "cancel"


class CheckInVerb(StrEnum):
    """What becomes of a check-in."""

    DUE = "due"
    DONE = "done"


class ReportVerb(StrEnum):
    """What the report does."""

    OPEN = "open"
    UPDATE = "update"
    NOTE = "note"
    CANCEL = "cancel"


class ReportCategory(StrEnum):
    """What sort of thing is reported."""

    INCIDENT = "incident"
    OBSERVATION = "observation"
    COMMUNITY_CONCERN = "community_concern"


class ReceiptLevel(StrEnum):
    """How far a message has come on the device: it has it, it was shown and opened, its officer confirmed it."""

    DELIVERED = "delivered"
    READ = "read"
    ACKNOWLEDGED = "acknowledged"


def _only_text(value: Any) -> Any:
    # pydantic would also take a number, or digits, as seconds since 1970.
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError("must be a date and time with a zone, as in RFC 3339")  # pydantic wants it
    return value


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:  # the first and last hours of the calendar, in another zone
        return _EARLIEST if time.year == 1 else _LATEST


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Instant = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(_to_utc)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Short = Annotated[str, Field(min_length=1, max_length=200)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]

MessageId = Annotated[
    Identifier,
    Field(description="The device's own id of this message. Send it again with the same content until it is answered."),
]
OccurredAt = Annotated[Instant, Field(description="When it happened, by the device's clock (RFC 3339 with a zone).")]
SentAt = Annotated[
    Instant | None,
    Field(
        description="The device's clock at sending; may differ when the same message is sent again. With it the hub "
        "tells a wrong clock from a message that waited for the network. A device that sends the same bytes again says "
        "it in the header `Date` instead (RFC 9110, 6.6.1)."
    ),
]


class Request(BaseModel):
    """Base of what a device sends: closed, and silent about values in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PositionRequest(Request):
    """A position fix, WGS 84."""

    latitude: Annotated[Number, Field(ge=-90, le=90, description="Degrees north.")]
    longitude: Annotated[Number, Field(ge=-180, le=180, description="Degrees east.")]
    altitude_hae_m: Annotated[Number | None, Field(description="Height above the ellipsoid, metres.")] = None
    accuracy_m: Annotated[
        Annotated[Number, Field(ge=0)] | None, Field(description="Radius in metres that holds the position (95 %).")
    ] = None
    vertical_accuracy_m: Annotated[
        Annotated[Number, Field(ge=0)] | None, Field(description="Half height in metres (95 %).")
    ] = None
    speed_mps: Annotated[Annotated[Number, Field(ge=0)] | None, Field(description="Metres a second.")] = None
    course_deg: Annotated[Annotated[Number, Field(ge=0, le=360)] | None, Field(description="Degrees true.")] = None
    fixed_at: Annotated[Instant | None, Field(description="When the fix was taken; when absent, `occurred_at`.")] = None
    method: Annotated[Short | None, Field(description="How it was taken: gps, network, manual, …")] = None


class FixPosition(PositionRequest):
    """A position fix that says when it was taken."""

    fixed_at: Annotated[Instant, Field(description="When the fix was taken.")]


class AttachmentRequest(Request):
    """A reference to a file held elsewhere."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the bytes, hex.")]
    size_bytes: Annotated[Whole, Field(ge=0, lt=2**63)]
    media_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=127)]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
    description: Text | None = None


class CodeRequest(Request):
    """A value of a list somebody else owns."""

    system: Short
    value: Short


class StatementRequest(Request):
    """One statement; fact and personal assessment are told apart (Directive (EU) 2016/680, article 7)."""

    nature: Annotated[StatementNature, BeforeValidator(_upper)]
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    stated_at: Instant | None = None


Attachments = Annotated[tuple[AttachmentRequest, ...], Field(max_length=MAX_ATTACHMENTS)]


class AlertRequest(Request):
    """An alert. Read leniently: only one without `message_id` is refused; what is wrong is left out and flagged."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    message_id: MessageId
    alert_id: Annotated[
        Identifier | None,
        Field(description="The device's own id of the alert, the same in its updates; when absent, `message_id`."),
    ] = None
    action: Annotated[AlertVerb, BeforeValidator(_lower)] = AlertVerb.RAISE
    kind: Annotated[AlertKind, BeforeValidator(_upper)] = AlertKind.OTHER
    occurred_at: Annotated[Instant | None, Field(description="When, by the device's clock.")] = None
    sent_at: SentAt = None
    position: PositionRequest | None = None
    text: Text | None = None
    language: Annotated[Language | None, Field(description="Language of the text, BCP 47.")] = None
    silent: Annotated[
        StrictBool | None, Field(description="True: the device shows and sounds nothing. DURESS: see its profile.")
    ] = None
    real: Annotated[
        StrictBool | None,
        Field(
            description="True, from a device of an exercise: this is no exercise. Where its profile allows that, the "
            "alert is ACTUAL, one of its own, told to its own agency alone, and operations are paged; what is said of "
            "the same `alert_id` from then on is said of that."
        ),
    ] = None
    press_count: Annotated[Whole, Field(ge=1, lt=2**31)] = 1
    battery_percent: Percent | None = None
    attachments: Attachments = ()


class CheckInRequest(Request):
    """A check-in that the device owes from now on, as at the begin of a countdown before an alert; or that it came."""

    message_id: MessageId
    check_in_id: Annotated[
        Identifier,
        Field(description="The device's own id of it. Where it is missed this is the `alert_id` of the alert."),
    ]
    action: Annotated[CheckInVerb, BeforeValidator(_lower)] = CheckInVerb.DUE
    due_in_seconds: Annotated[
        Number, Field(gt=0, le=86_400, description="From when the hub has it; said again under a new message it moves.")
    ] = 60
    kind: Annotated[AlertKind, BeforeValidator(_upper)] = AlertKind.OFFICER_DOWN
    occurred_at: OccurredAt
    sent_at: SentAt = None
    position: PositionRequest | None = None
    text: Text | None = None
    language: Language | None = None


class Fix(Request):
    """One position of a batch."""

    sequence: Annotated[Whole, Field(ge=0, lt=2**63, description="Counts up on the device with each fix.")] = 0
    position: FixPosition
    on_duty: StrictBool | None = None
    battery_percent: Percent | None = None


class LocationsRequest(Request):
    """A batch of positions, in any order, as late as they come."""

    message_id: Annotated[Identifier | None, Field(description="The device's own id of the batch.")] = None
    sent_at: SentAt = None
    fixes: Annotated[tuple[Fix, ...], Field(min_length=1, max_length=MAX_FIXES)]


class ReportRequest(Request):
    """An observation, a community concern, or the documentation of an incident."""

    message_id: MessageId
    report_id: Annotated[
        Identifier | None,
        Field(description="The device's own id of the report, the same in its updates; when absent, `message_id`."),
    ] = None
    action: ReportVerb = ReportVerb.OPEN
    category: ReportCategory = ReportCategory.OBSERVATION
    occurred_at: OccurredAt
    sent_at: SentAt = None
    alert_id: Annotated[
        Identifier | None, Field(description="The device's own alert it belongs to: its `alert_id` or `event_id`.")
    ] = None
    incident_id: Annotated[
        Identifier | None,
        Field(description="The incident it belongs to, as a message or alert to this device named it."),
    ] = None
    incident_type: CodeRequest | None = None
    priority: Annotated[Priority, BeforeValidator(_upper)] = Priority.UNKNOWN
    title: Annotated[str, Field(max_length=500)] | None = None
    description: Annotated[str, Field(max_length=20_000)] | None = None
    note: Text | None = None
    statements: Annotated[tuple[StatementRequest, ...], Field(max_length=100)] = ()
    position: PositionRequest | None = None
    language: Language | None = None
    attachments: Attachments = ()


class MessageRequest(Request):
    """A text from the officer."""

    message_id: MessageId
    occurred_at: OccurredAt
    sent_at: SentAt = None
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    language: Language | None = None
    priority: Annotated[Priority, BeforeValidator(_upper)] = Priority.ROUTINE
    in_reply_to: Annotated[Identifier | None, Field(description="The message to this device that it answers.")] = None
    alert_id: Annotated[
        Identifier | None, Field(description="The device's own alert it is about: its `alert_id` or `event_id`.")
    ] = None
    attachments: Attachments = ()


class StatusRequest(Request):
    """What the device says about itself."""

    message_id: MessageId
    occurred_at: OccurredAt
    sent_at: SentAt = None
    battery_percent: Percent | None = None
    on_shift: Annotated[StrictBool | None, Field(description="Whether its officer is on shift.")] = None
    app_version: Short | None = None
    firmware_version: Short | None = None
    connectivity: Annotated[Short | None, Field(description="Bearer: lte, wifi, tetra, …")] = None


class ReceiptRequest(Request):
    """How far a message to this device has come."""

    message_id: Annotated[Identifier, Field(description="The hub's `message_id` of the message.")]
    level: ReceiptLevel
    occurred_at: OccurredAt
    sent_at: SentAt = None
