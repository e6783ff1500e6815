"""The records of the hub as frozen models, one for each `avro/*.avsc`, where every field is documented.

Times are aware and in UTC; units are in the names. A model that cannot be built raises `pydantic.ValidationError`,
which names the field and never its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    AlertStatus,
    AuditAction,
    Classification,
    DeliveryKind,
    DeliveryReason,
    EmergencyWord,
    IncidentAction,
    IncidentCategory,
    Level,
    MessageDirection,
    Mode,
    Ownership,
    PositionOrigin,
    Priority,
    Response,
    StatementNature,
    Validity,
)
from bondmate_schemas.unvalidated import unvalidated


def to_utc(time: datetime) -> datetime:
    """Return the same instant in UTC, cut to the milliseconds the wire carries.

    Raises:
        ValueError: in UTC it lies outside of the years 1 to 9999; pydantic makes a `ValidationError` of it.
    """
    try:
        return time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999, in UTC") from None


UtcTime = Annotated[AwareDatetime, AfterValidator(to_utc)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Course = Annotated[float, Field(ge=0, le=360, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Signed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Days = Annotated[int, Field(ge=0, lt=2**31)]
Number = Annotated[int, Field(ge=0, lt=2**31)]
PositiveCount = Annotated[int, Field(ge=1, lt=2**31)]


class Record(BaseModel):
    """Base of all records: frozen, closed, and silent about values in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return the record with some fields changed, to values as the model itself would hold them.

        As pydantic's, at less than half of its cost: a frozen record has nothing beside its fields.

        Raises:
            TypeError: `update` names what is no field.
        """
        if deep:
            return super().model_copy(update=update, deep=True)
        values = {**self.__dict__, **(update or {})}
        if len(values) != len(self.__dict__):
            raise TypeError(f"{type(self).__name__} has no field of this name")
        return unvalidated(type(self), values)


class ExternalRef(Record):
    """A number that another system gave the same thing."""

    system: str
    id: str


class Handling(Record):
    """Why the data may be processed and how it must be kept (Directive (EU) 2016/680, articles 4, 8, 24, 25)."""

    purpose: str = ""
    legal_basis: str = ""
    classification: Classification = Classification.RESTRICTED
    retention_days: Days | None = None


class EventHeader(Record):
    """What every event carries: four ids, owner, mode, times, way, handling."""

    message_id: str
    event_id: str
    incident_id: str | None = None
    external_refs: tuple[ExternalRef, ...] = ()
    origin_message_id: str | None = None
    content_digest: str | None = None
    agency_id: str
    mode: Mode = Mode.UNKNOWN
    language: str | None = None
    occurred_at: UtcTime
    received_at: UtcTime
    published_at: UtcTime | None = None
    source: str
    hops: tuple[str, ...] = ()
    expires_at: UtcTime | None = None
    handling: Handling = Handling()
    flags: tuple[str, ...] = ()


class Position(Record):
    """A position fix, WGS 84."""

    latitude: Latitude
    longitude: Longitude
    altitude_hae_m: float | None = None
    accuracy_m: NonNegative | None = None
    vertical_accuracy_m: float | None = None
    speed_mps: NonNegative | None = None
    course_deg: Course | None = None
    fixed_at: UtcTime
    method: str | None = None


class Attachment(Record):
    """A reference to a file held elsewhere."""

    sha256: str
    size_bytes: Count
    media_type: str
    url: str
    description: str | None = None


class Code(Record):
    """A value of a list somebody else owns."""

    system: str
    value: str


class Area(Record):
    """An area an event is about; any of description, polygons, circles, geocodes may stand alone."""

    description: str | None = None
    polygons: tuple[str, ...] = ()
    circles: tuple[str, ...] = ()
    geocodes: tuple[Code, ...] = ()


class Address(Record):
    """Whom a message to officers is for, as its sender says it; each of the lists adds devices."""

    names: tuple[str, ...] = ()
    agencies: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()


class Statement(Record):
    """One statement of a report."""

    nature: StatementNature = StatementNature.UNSPECIFIED
    text: str
    author_ref: str | None = None
    stated_at: UtcTime | None = None


class UnitStatus(Record):
    """A unit and what it does."""

    unit: str
    status: Code
    changed_at: UtcTime | None = None


class DestinationState(Record):
    """How far one destination has come with an event."""

    level: Level = Level.UNKNOWN
    changed_at: UtcTime
    delivery_id: str | None = None
    platform_id: str | None = None
    code: str | None = None
    sent_at: UtcTime | None = None
    later_delivery_ids: tuple[str, ...] | None = None
    id_key: str = ""
    response: Response = Response.UNSTATED
    unit: str | None = None
    eta_at: UtcTime | None = None
    validity: Validity = Validity.UNSTATED
    stated_at: UtcTime | None = None
    statement_ids: tuple[str, ...] = ()
    round: Number = 0
    had_taken_up: bool = False
    heard_at: UtcTime | None = None
    owned_at: UtcTime | None = None
    closed_as: Level = Level.UNKNOWN
    clock_behind_ms: Count = 0

    @property
    def level_said(self) -> Level:
        """The level, or as what that room has closed its part."""
        return self.level if self.closed_as is Level.UNKNOWN else self.closed_as


class AlertWhole(Record):
    """What the hub says of an alert as a whole, beside what its device says."""

    owner_agency_id: str = ""
    offered_to: str = ""
    reopens: str = ""
    ended_by: str = ""
    ended_why: str = ""
    ended_words: str = ""
    raised_at: UtcTime | None = None
    group_id: str = ""
    linked_to: str = ""
    linked_by: str = ""
    renew_by: UtcTime | None = None
    offered_words: str = ""


class DeviceAlert(Record):
    """An alert of an officer's device: raised, updated or cancelled."""

    header: EventHeader
    device_id: str
    officer_ref: str | None = None
    unit: str | None = None
    callsign: str | None = None
    action: AlertAction = AlertAction.UNKNOWN
    kind: AlertKind = AlertKind.OTHER
    priority: Priority = Priority.IMMEDIATE
    silent: bool = False
    position: Position | None = None
    position_origin: PositionOrigin = PositionOrigin.NONE
    position_age_seconds: float | None = None
    text: str | None = None
    press_count: PositiveCount = 1
    battery_percent: Percent | None = None
    attachments: tuple[Attachment, ...] = ()
    whole: AlertWhole | None = None
    clock_ahead_ms: Signed | None = None
    drill: str = ""


class DeviceLocation(Record):
    """One position fix of a device."""

    header: EventHeader
    device_id: str
    officer_ref: str | None = None
    unit: str | None = None
    callsign: str | None = None
    sequence: Count = 0
    position: Position
    on_duty: bool | None = None
    battery_percent: Percent | None = None
    district: str | None = None


class IncidentEvent(Record):
    """Something that happened to an incident, told by a device or a control room."""

    header: EventHeader
    action: IncidentAction = IncidentAction.UNKNOWN
    category: IncidentCategory = IncidentCategory.INCIDENT
    incident_type: Code | None = None
    status: Code | None = None
    priority: Priority = Priority.UNKNOWN
    urgency: str | None = None
    severity: str | None = None
    certainty: str | None = None
    title: str | None = None
    description: str | None = None
    instruction: str | None = None
    statements: tuple[Statement, ...] = ()
    units: tuple[UnitStatus, ...] = ()
    position: Position | None = None
    areas: tuple[Area, ...] = ()
    device_id: str | None = None
    officer_ref: str | None = None
    unit: str | None = None
    callsign: str | None = None
    alert_id: str | None = None
    references: tuple[str, ...] = ()
    note: str | None = None
    attachments: tuple[Attachment, ...] = ()
    effective_at: UtcTime | None = None
    onset_at: UtcTime | None = None
    attributes: tuple[Code, ...] = ()
    refers_to: tuple[str, ...] = ()
    reply_level: Level = Level.UNKNOWN
    is_reply: bool = False


class EmergencyStart(Record):
    """That a control room starts an emergency of an officer who has not pressed."""

    names: tuple[str, ...] = ()
    kind: AlertKind = AlertKind.OTHER
    silent: bool = False


class DeviceMessage(Record):
    """A text between a control room and an officer's device."""

    header: EventHeader
    device_id: str
    direction: MessageDirection = MessageDirection.TO_DEVICE
    sender: str
    sender_ref: str | None = None
    text: str = ""
    priority: Priority = Priority.ROUTINE
    in_reply_to: str | None = None
    alert_id: str | None = None
    requires_acknowledgement: bool = False
    callsign: str | None = None
    attachments: tuple[Attachment, ...] = ()
    to: Address | None = None
    aloud: bool = False
    emergency: EmergencyStart | None = None


class DeliveryReceipt(Record):
    """A change of level: how far a destination has come with an event."""

    header: EventHeader
    destination: str
    level: Level = Level.UNKNOWN
    device_id: str | None = None
    delivery_id: str | None = None
    platform_id: str | None = None
    code: str | None = None
    note: str | None = None
    by_ref: str | None = None
    attempt: PositiveCount = 1
    sender: str | None = None
    sender_message_id: str | None = None
    said_in: str | None = None
    referred_agency_id: str | None = None
    response: Response = Response.UNSTATED
    unit: str | None = None
    eta_at: UtcTime | None = None
    validity: Validity = Validity.UNSTATED
    ownership: Ownership = Ownership.UNSTATED
    offered_to: str | None = None
    emergency: EmergencyWord = EmergencyWord.UNSTATED
    link_to: str | None = None


Payload = DeviceAlert | IncidentEvent | DeviceMessage | DeviceLocation | DeliveryReceipt


class OtherRoom(Record):
    """What people at another room of an alert said last, as far as a destination may know it."""

    agency: str
    level: Level = Level.UNKNOWN
    response: Response = Response.UNSTATED
    validity: Validity = Validity.UNSTATED
    said_at: UtcTime | None = None
    unit: str | None = None
    eta_at: UtcTime | None = None
    words: str = ""
    by_ref: str | None = None


class Others(Record):
    """What the other rooms of an alert said last, and by which statement it is told."""

    rooms: tuple[OtherRoom, ...] = ()
    only_news: bool = False
    cause: str | None = None
    hops: Number = 0


class Delivery(Record):
    """An event as one destination may see it."""

    header: EventHeader
    destination: str
    kind: DeliveryKind = DeliveryKind.OTHER
    reason: DeliveryReason = DeliveryReason.NEW
    route: str = ""
    alert: DeviceAlert | None = None
    incident: IncidentEvent | None = None
    message: DeviceMessage | None = None
    location: DeviceLocation | None = None
    receipt: DeliveryReceipt | None = None
    sent_at: UtcTime | None = None
    first_sent_at: UtcTime | None = None
    first_id: str | None = None
    newest_only: bool = False
    position_only: bool = False
    others: Others | None = None

    @model_validator(mode="after")
    def _one_payload(self) -> Self:
        payloads = {
            DeliveryKind.ALERT: self.alert,
            DeliveryKind.INCIDENT: self.incident,
            DeliveryKind.MESSAGE: self.message,
            DeliveryKind.LOCATION: self.location,
            DeliveryKind.RECEIPT: self.receipt,
        }
        if [kind for kind, payload in payloads.items() if payload is not None] != [self.kind]:
            raise ValueError("exactly the payload that `kind` names must be set")
        return self

    @property
    def event(self) -> Payload:
        """The payload, whichever it is."""
        payload = self.alert or self.incident or self.message or self.location or self.receipt
        if payload is None:  # the validator has seen to it
            raise AssertionError(self.kind)
        return payload

    @property
    def is_drill(self) -> bool:
        """Whether it is an alert that is a drill of the hub."""
        return self.alert is not None and bool(self.alert.drill)

    @property
    def id(self) -> str:
        """The idempotency key: the same id sent twice makes one remote record."""
        return self.header.message_id

    @property
    def is_of_others_only(self) -> bool:
        """Whether it says nothing new but what people at other rooms said: no alarm need sound."""
        return self.others is not None and self.others.only_news

    @property
    def key(self) -> str:
        """What order is kept by: the device for positions, the incident for everything else."""
        if self.location is not None:
            return self.location.device_id
        return self.header.incident_id or self.header.event_id


class DeviceStatus(Record):
    """A device's report about itself."""

    header: EventHeader
    device_id: str
    battery_percent: Percent | None = None
    on_shift: bool | None = None
    app_version: str | None = None
    firmware_version: str | None = None
    connectivity: str | None = None


class AuditRecord(Record):
    """One logged operation on personal data; the records of one writer form a hash chain."""

    writer: str
    sequence: Count
    recorded_at: UtcTime
    action: AuditAction = AuditAction.OTHER
    event_id: str | None = None
    subjects: tuple[str, ...] = ()
    recipient: str | None = None
    fields: tuple[str, ...] = ()
    event_count: PositiveCount = 1
    purpose: str = ""
    legal_basis: str = ""
    previous_hash: str
    hash: str
    signature: str | None = None


class Handoff(Record):
    """An offer to another agency to own an alert."""

    agency_id: str
    offered_by: str
    message_id: str
    expires_at: UtcTime
    words: str = ""


class OthersTold(Record):
    """What the rooms of an alert hear of each other: what is still to be told, and how it was told before."""

    pending: tuple[str, ...] = ()
    due_at: UtcTime | None = None
    told_at: UtcTime | None = None
    cause: str = ""
    number: Number = 0
    hops: str = ""
    words: Mapping[str, str] = Field(default_factory=dict)
    by_refs: Mapping[str, str] = Field(default_factory=dict)
    unlisted: tuple[str, ...] = ()
    routes_version: Number = 0
    held: tuple[str, ...] = ()
    crossed: tuple[str, ...] = ()
    crossing_paged: bool = False


class AlertState(Record):
    """Where an alert stands, as a whole and at each destination."""

    header: EventHeader
    device_id: str
    status: AlertStatus = AlertStatus.UNKNOWN
    alert: DeviceAlert
    destinations: Mapping[str, DestinationState] = Field(default_factory=dict)
    cancel_requested: bool = False
    changed_at: UtcTime
    escalated_seconds: NonNegative = 0.0
    owner_agency_id: str = ""
    handoff: Handoff | None = None
    round: Number = 0
    round_began_at: UtcTime | None = None
    round_causes: Mapping[str, UtcTime] = Field(default_factory=dict)
    seen_at: UtcTime | None = None
    answered_rounds: Number = 0
    unassigned_rounds: Number = 0
    ended_at: UtcTime | None = None
    pressed_at: UtcTime | None = None
    pressed_by_device_clock_at: UtcTime | None = None
    rules: Number = 0
    others: OthersTold | None = None


class OperationsPage(Record):
    """What a person in operations must see now, because nothing else will bring it to a person."""

    page_id: str
    reason: str
    subject: str
    incident_id: str | None = None
    agency_id: str | None = None
    mode: Mode = Mode.UNKNOWN
    waited_seconds: NonNegative = 0.0
    raised_at: UtcTime


class RoutesVersion(Record):
    """The routes and agreements that every role works by, as a person last applied them."""

    name: str
    number: Number
    applied_at: UtcTime
    applied_by: str = ""
    text: str
    retired: str = ""


class ConnectorStatus(Record):
    """How a connector is, as its runner last said; silence says that the runner is dead or frozen."""

    connector: str
    reported_by: str = ""
    reported_at: UtcTime
    interval_seconds: NonNegative = 10.0
    status: str
    reason: str = ""
    since: UtcTime
    breaker: str = "closed"
    last_sent_at: UtcTime | None = None
    last_received_at: UtcTime | None = None
    backlog_events: Count | None = None
    oldest_seconds: NonNegative = 0.0
    parked_keys: Count = 0
    refused_since: UtcTime | None = None
    paused_until: UtcTime | None = None
    paused_alerts: Count = 0
    paused_real_alerts: Count = 0

    @property
    def connector_in_process(self) -> str:
        """The record's key: the same connector may run in several processes, and each says how it is there."""
        return f"{self.connector} {self.reported_by}" if self.reported_by else self.connector

    def is_silent(self, now: datetime) -> bool:
        """Whether it has gone quiet: no status for three intervals, and the last one was no goodbye."""
        quiet_seconds = (now - self.reported_at).total_seconds()
        return self.status != "STOPPED" and quiet_seconds > 3 * self.interval_seconds


class RoleStatus(Record):
    """How one process of the hub is, as it says again and again; silence says that it is dead, frozen or cut off."""

    role: str
    instance: str
    host: str = ""
    endpoint: str = ""
    version: str = ""
    reported_at: UtcTime
    interval_seconds: NonNegative = 2.0
    since: UtcTime
    ready: bool
    waits_for: tuple[str, ...] = ()
    ended: bool = False

    @property
    def process(self) -> str:
        """The name of the process: its instance and role, as its consumers are called too."""
        return f"{self.instance}-{self.role}"


class DeadLetterDecision(Record):
    """What a person has done about a dead letter; the newest of a letter holds."""

    letter_id: str
    decision: str
    at: UtcTime
    count: Count = 0
    justification: str = ""
    operator: str = ""


class PageMark(Record):
    """What became of a page; the newest of a `mark_id` holds."""

    mark_id: str
    page_id: str = ""
    mark: str
    at: UtcTime
    step: str = ""
    count: Count = 0
    operator: str = ""
    justification: str = ""


class DeviceMark(Record):
    """What holds of a device until a person says otherwise; the newest under a `mark_id` holds."""

    mark_id: str
    device_id: str
    mark: str
    since: UtcTime
    event_id: str | None = None
    agency_id: str = ""
    operator: str = ""
    justification: str = ""
    other_device_id: str = ""


class CheckIn(Record):
    """A check-in that a device owes: the alert that it becomes where none comes in time."""

    header: EventHeader
    device_id: str
    due_at: UtcTime
    done: bool = False
    alert: DeviceAlert


class IncidentState(Record):
    """Where an incident stands."""

    header: EventHeader
    event: IncidentEvent
    alert_ids: tuple[str, ...] = ()
    destinations: Mapping[str, DestinationState] = Field(default_factory=dict)
    closed: bool = False
    event_count: PositiveCount = 1
    changed_at: UtcTime


class SeenMessage(Record):
    """A message of a device that was taken, by which a repeat is recognised."""

    message_id: str
    event_id: str
    origin_message_id: str | None = None
    content_digest: str | None = None


class OpenAlert(Record):
    """An alert of a device that nobody has closed yet."""

    event_id: str
    incident_id: str | None = None
    kind: AlertKind = AlertKind.OTHER
    mode: Mode = Mode.UNKNOWN
    press_count: PositiveCount = 1
    merged_event_ids: tuple[str, ...] = ()
    news_event_ids: tuple[str, ...] = ()
    group_id: str = ""
    fix: Position | None = None
    fix_received_at: UtcTime | None = None
    from_replaced: bool = False
    lent: bool = False


class DeviceMemory(Record):
    """What the streams remember of a device: the value of the table `devices`."""

    device_id: str
    seen: tuple[SeenMessage, ...] = ()
    open_alerts: tuple[OpenAlert, ...] = ()


class EndedEvent(Record):
    """An event that a message ended by reference."""

    event_id: str
    ended_at: UtcTime
    source: str = ""


class FirstSent(Record):
    """When a destination was first told of an event."""

    event_id: str
    destination: str
    sent_at: UtcTime


class EventOwner(Record):
    """Whose an event of an incident is: who began it."""

    event_id: str
    source: str
    agency_id: str = ""
    begun: bool = False


class IncidentMemory(Record):
    """What the streams remember of an incident: the value of the table `incidents`."""

    state: IncidentState
    seen: tuple[str, ...] = ()
    told: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    ended: tuple[EndedEvent, ...] = ()
    first_sent: tuple[FirstSent, ...] = ()
    owners: tuple[EventOwner, ...] = ()


class LinkTarget(Record):
    """What a message belongs to: an event of theirs, or an alert of ours that `destination` answered."""

    event_id: str
    incident_id: str | None = None
    destination: str | None = None
    delivery_id: str | None = None


class IncidentLink(Record):
    """Which events a control room's message belongs to: the value of the table `links`, and what agents hand on."""

    message_id: str
    targets: tuple[LinkTarget, ...] = ()
    events: tuple[IncidentEvent, ...] = ()
    hops: Annotated[int, Field(ge=0, lt=2**31)] = 0
    expires_at: UtcTime | None = None
