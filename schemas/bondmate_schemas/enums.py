"""The enumerations of the schemas; each has the Avro default that an unknown symbol becomes."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What the event is for."""

    UNKNOWN = "UNKNOWN"
    ACTUAL = "ACTUAL"
    EXERCISE = "EXERCISE"
    TEST = "TEST"
    SYSTEM = "SYSTEM"


class Classification(StrEnum):
    """Protective marking; a platform that cannot express it does not get the event."""

    RESTRICTED = "RESTRICTED"
    UNMARKED = "UNMARKED"
    CONFIDENTIAL = "CONFIDENTIAL"
    SECRET = "SECRET"  # pragma: allowlist secret


class Priority(StrEnum):
    """How soon somebody must act."""

    UNKNOWN = "UNKNOWN"
    IMMEDIATE = "IMMEDIATE"
    URGENT = "URGENT"
    ROUTINE = "ROUTINE"


class AlertAction(StrEnum):
    """What the device asks for."""

    UNKNOWN = "UNKNOWN"
    RAISE = "RAISE"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"


class AlertKind(StrEnum):
    """Why the device raised the alert."""

    OTHER = "OTHER"
    SOS = "SOS"
    DURESS = "DURESS"
    OFFICER_DOWN = "OFFICER_DOWN"
    ASSISTANCE = "ASSISTANCE"
    GEOFENCE = "GEOFENCE"
    TAMPER = "TAMPER"
    LOW_BATTERY = "LOW_BATTERY"


class PositionOrigin(StrEnum):
    """Where the position of an alert comes from: the alert's own fix, the last known fix joined by the hub, or none."""

    NONE = "NONE"
    OWN = "OWN"
    JOINED = "JOINED"


class IncidentAction(StrEnum):
    """What happened to the incident."""

    UNKNOWN = "UNKNOWN"
    OPENED = "OPENED"
    UPDATED = "UPDATED"
    NOTE = "NOTE"
    UNIT_CHANGED = "UNIT_CHANGED"
    STATUS_CHANGED = "STATUS_CHANGED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class IncidentCategory(StrEnum):
    """What sort of thing is reported."""

    INCIDENT = "INCIDENT"
    COMMUNITY_CONCERN = "COMMUNITY_CONCERN"
    OBSERVATION = "OBSERVATION"
    PUBLIC_WARNING = "PUBLIC_WARNING"
    MARKER = "MARKER"


class StatementNature(StrEnum):
    """Whether a statement is fact or a personal assessment (Directive (EU) 2016/680, article 7)."""

    UNSPECIFIED = "UNSPECIFIED"
    FACT = "FACT"
    ASSESSMENT = "ASSESSMENT"


class MessageDirection(StrEnum):
    """Whether a message goes down to an officer's device or up from it."""

    TO_DEVICE = "TO_DEVICE"
    FROM_DEVICE = "FROM_DEVICE"


class Level(StrEnum):
    """How far a destination has come with an event."""

    UNKNOWN = "UNKNOWN"
    DELIVERED = "DELIVERED"
    ACCEPTED = "ACCEPTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESPONDING = "RESPONDING"
    RESOLVED = "RESOLVED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    DEAD_LETTERED = "DEAD_LETTERED"
    SUPERSEDED = "SUPERSEDED"
    WITHHELD = "WITHHELD"


class Response(StrEnum):
    """What a person at a destination says of help, finer than Level."""

    UNSTATED = "UNSTATED"
    ASSIGNED = "ASSIGNED"
    EN_ROUTE = "EN_ROUTE"
    ON_SCENE = "ON_SCENE"
    WITHDRAWN = "WITHDRAWN"


class Validity(StrEnum):
    """Whether whoever closed an alert says that there was cause for it."""

    UNSTATED = "UNSTATED"
    VALID = "VALID"
    FALSE = "FALSE"


class Ownership(StrEnum):
    """What a room says of who owns an alert."""

    UNSTATED = "UNSTATED"
    OFFERED = "OFFERED"
    TAKEN = "TAKEN"
    REFUSED = "REFUSED"


class EmergencyWord(StrEnum):
    """What a room of the owner says of an emergency that a room started."""

    UNSTATED = "UNSTATED"
    RENEWED = "RENEWED"
    CONFIRMED = "CONFIRMED"


class DeliveryKind(StrEnum):
    """Which of the payload fields of a Delivery is set."""

    OTHER = "OTHER"
    ALERT = "ALERT"
    INCIDENT = "INCIDENT"
    MESSAGE = "MESSAGE"
    LOCATION = "LOCATION"
    RECEIPT = "RECEIPT"


class DeliveryReason(StrEnum):
    """Why the destination gets this now."""

    NEW = "NEW"
    UPDATE = "UPDATE"
    CANCEL = "CANCEL"
    REFRESH = "REFRESH"


class AlertStatus(StrEnum):
    """Where an alert stands as a whole."""

    UNKNOWN = "UNKNOWN"
    RAISED = "RAISED"
    ROUTED = "ROUTED"
    DELIVERED = "DELIVERED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESPONDING = "RESPONDING"
    RESOLVED = "RESOLVED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class AuditAction(StrEnum):
    """The logged operation (Directive (EU) 2016/680, article 25); CHECKPOINT signs the chain so far."""

    OTHER = "OTHER"
    COLLECTION = "COLLECTION"
    ALTERATION = "ALTERATION"
    CONSULTATION = "CONSULTATION"
    DISCLOSURE = "DISCLOSURE"
    COMBINATION = "COMBINATION"
    ERASURE = "ERASURE"
    CHECKPOINT = "CHECKPOINT"
