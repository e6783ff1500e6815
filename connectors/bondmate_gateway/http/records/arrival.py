"""By whom, when and how a request came, the header that its records get from that, and other parts they share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Attachment, EventHeader, ExternalRef, Position

from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http.requests import AttachmentRequest, PositionRequest

TOLERATED_SKEW = timedelta(minutes=5)
SENT_SKEW = timedelta(minutes=1)
"""Between sending and our receiving there is only the network: what takes longer is a clock that is wrong."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """By whom, when, through what and with which content a request came."""

    device: EnrolledDevice
    received_at: datetime
    source: str
    digest: str
    under_duress: bool = False
    sent_at: datetime | None = None
    """When its sender says that the request was sent (`Date`, RFC 9110, 6.6.1); a body that says it too counts more."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the hub remarks on the words of a device: that they are said under duress."""
        return (UNDER_DURESS,) if self.under_duress else ()


def event_header(
    arrival: Arrival,
    *,
    event_id: str,
    occurred_at: datetime,
    message_id: str | None = None,
    hub_message_id: str | None = None,
    content_digest: str | None = None,
    incident_id: str | None = None,
    language: str | None = None,
    flags: tuple[str, ...] = (),
    external_refs: tuple[ExternalRef, ...] = (),
) -> EventHeader:
    """Return the header of a record that comes from a request: whose it is says the enrolment."""
    device = arrival.device
    content_digest = content_digest or arrival.digest
    return EventHeader(
        message_id=hub_message_id or derived_id("device", device.device_id, message_id or "", content_digest),
        event_id=event_id,
        incident_id=incident_id,
        external_refs=external_refs,
        origin_message_id=message_id,
        content_digest=content_digest,
        agency_id=device.agency,
        mode=device.mode,
        language=language or device.language,
        occurred_at=occurred_at,
        received_at=arrival.received_at,
        source=arrival.source,
        handling=device.profile.handling,
        flags=flags,
    )


def clock_ahead_ms(sent_at: datetime | None, arrival: Arrival) -> int | None:
    """Return by how much a sender's clock was ahead as it sent, at least: below 0 it was behind, or sent slowly."""
    sent_at = sent_at or arrival.sent_at
    return None if sent_at is None else (sent_at - arrival.received_at) // timedelta(milliseconds=1)


def clock_flags(
    occurred_at: datetime, sent_at: datetime | None, arrival: Arrival, tolerated: timedelta = SENT_SKEW
) -> tuple[str, ...]:
    """Flag a clock that is off (seen at sending, or an event from the future) and an event that waited."""
    sent_at, received_at = sent_at or arrival.sent_at, arrival.received_at
    wrong = occurred_at - received_at > TOLERATED_SKEW
    wrong = wrong or (sent_at is not None and abs(received_at - sent_at) > tolerated)
    late = received_at - occurred_at > TOLERATED_SKEW
    return ("clock_skew",) * wrong + ("late",) * late


def position_of(position: PositionRequest, occurred_at: datetime) -> Position:
    """Return a position as the hub keeps it; without a time of its own it was taken when the event occurred."""
    return Position(**{**dict(position), "fixed_at": position.fixed_at or occurred_at})


def is_nowhere(position: PositionRequest) -> bool:
    """Whether it is 0,0, which receivers without a fix report."""
    return position.latitude == 0 and position.longitude == 0


def attachments_of(given: tuple[AttachmentRequest, ...]) -> tuple[Attachment, ...]:
    """Return the attachments as the hub keeps them."""
    return tuple(Attachment(**{**dict(one), "sha256": one.sha256.lower()}) for one in given)


def own_reference(own_id: str | None) -> tuple[ExternalRef, ...]:
    """Return the reference by which a device knows its own alert or report; none where it gave no id."""
    return (ExternalRef(system=DEVICE_ALERT_SYSTEM, id=own_id),) if own_id else ()
