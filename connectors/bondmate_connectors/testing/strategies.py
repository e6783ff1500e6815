"""Hypothesis strategies for every canonical record: anything the schemas allow, also what no sane device would send.

Needs `hypothesis`, which only development installs; nothing outside tests may import this module.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from bondmate_schemas import enums, models
from hypothesis import strategies as st

T = TypeVar("T")

_INT32 = 2**31 - 1
_INT64 = 2**63 - 1

times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # `timezones` adds it
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
texts = st.text(max_size=40)
words = st.text(min_size=1, max_size=12)
ids = st.one_of(st.uuids().map(str), words)
languages = st.sampled_from(["en-GB", "de", "fr-FR", "sv-SE", "el"])
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
metres = st.floats(0, 1e6)


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """Return what `strategy` gives, or None."""
    return st.none() | strategy


def some(strategy: st.SearchStrategy[T], max_size: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    """Return a tuple of none to `max_size` of what `strategy` gives."""
    return st.lists(strategy, max_size=max_size).map(tuple)


codes = st.builds(models.Code, system=words, value=texts)
external_refs = st.builds(models.ExternalRef, system=words, id=words)
handlings = st.builds(
    models.Handling,
    purpose=texts,
    legal_basis=texts,
    classification=st.sampled_from(enums.Classification),
    retention_days=maybe(st.integers(0, 36500)),
)
headers = st.builds(
    models.EventHeader,
    message_id=ids,
    event_id=ids,
    incident_id=maybe(ids),
    external_refs=some(external_refs),
    origin_message_id=maybe(words),
    content_digest=st.none(),
    agency_id=words,
    mode=st.sampled_from(enums.Mode),
    language=maybe(languages),
    occurred_at=times,
    received_at=times,
    published_at=maybe(times),
    source=words,
    hops=some(words),
    expires_at=maybe(times),
    handling=handlings,
    flags=some(words),
)
positions = st.builds(
    models.Position,
    latitude=latitudes,
    longitude=longitudes,
    altitude_hae_m=maybe(st.floats(-500, 20_000)),
    accuracy_m=maybe(metres),
    vertical_accuracy_m=maybe(metres),
    speed_mps=maybe(st.floats(0, 300)),
    course_deg=maybe(st.floats(0, 360)),
    fixed_at=times,
    method=maybe(st.sampled_from(["gps", "network", "manual"])),
)
attachments = st.builds(
    models.Attachment,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size_bytes=st.integers(0, _INT64),
    media_type=st.sampled_from(["image/jpeg", "application/pdf", ""]),
    url=texts,
    description=maybe(texts),
)


@st.composite
def _rings(draw: st.DrawFn) -> str:
    """Return a closed ring of `latitude,longitude` pairs."""
    points = draw(st.lists(st.tuples(st.floats(-80, 80), st.floats(-170, 170)), min_size=3, max_size=6))
    return " ".join(f"{latitude:.6f},{longitude:.6f}" for latitude, longitude in [*points, points[0]])


circles = st.builds("{:.6f},{:.6f} {:.3f}".format, latitudes, longitudes, st.floats(0, 500))
areas = st.builds(
    models.Area, description=maybe(texts), polygons=some(_rings()), circles=some(circles), geocodes=some(codes)
)
statements = st.builds(
    models.Statement,
    nature=st.sampled_from(enums.StatementNature),
    text=texts,
    author_ref=maybe(words),
    stated_at=maybe(times),
)
unit_statuses = st.builds(models.UnitStatus, unit=words, status=codes, changed_at=maybe(times))

wholes = st.builds(
    models.AlertWhole,
    owner_agency_id=texts,
    offered_to=texts,
    reopens=texts,
    ended_by=texts,
    ended_why=texts,
    ended_words=texts,
    renew_by=maybe(times),
    offered_words=texts,
)
device_alerts = st.builds(
    models.DeviceAlert,
    header=headers,
    device_id=ids,
    officer_ref=maybe(words),
    unit=maybe(texts),
    callsign=maybe(texts),
    action=st.sampled_from(enums.AlertAction),
    kind=st.sampled_from(enums.AlertKind),
    priority=st.sampled_from(enums.Priority),
    silent=st.booleans(),
    position=maybe(positions),
    position_origin=st.sampled_from(enums.PositionOrigin),
    position_age_seconds=maybe(st.floats(0, 1e7)),
    text=maybe(texts),
    press_count=st.integers(1, _INT32),
    battery_percent=maybe(st.integers(0, 100)),
    attachments=some(attachments, 2),
    whole=maybe(wholes),
    clock_ahead_ms=maybe(st.integers(-_INT32, _INT32)),
)
device_locations = st.builds(
    models.DeviceLocation,
    header=headers,
    device_id=ids,
    officer_ref=maybe(words),
    unit=maybe(texts),
    callsign=maybe(texts),
    sequence=st.integers(0, _INT64),
    position=positions,
    on_duty=maybe(st.booleans()),
    battery_percent=maybe(st.integers(0, 100)),
    district=maybe(words),
)
incident_events = st.builds(
    models.IncidentEvent,
    header=headers,
    action=st.sampled_from(enums.IncidentAction),
    category=st.sampled_from(enums.IncidentCategory),
    incident_type=maybe(codes),
    status=maybe(codes),
    priority=st.sampled_from(enums.Priority),
    urgency=maybe(st.sampled_from(["Immediate", "Expected", "Future", "Past", "Unknown", "soon"])),
    severity=maybe(st.sampled_from(["Extreme", "Severe", "Moderate", "Minor", "Unknown", ""])),
    certainty=maybe(st.sampled_from(["Observed", "Likely", "Possible", "Unlikely", "Unknown", "?"])),
    title=maybe(texts),
    description=maybe(texts),
    instruction=maybe(texts),
    statements=some(statements),
    units=some(unit_statuses),
    position=maybe(positions),
    areas=some(areas, 2),
    device_id=maybe(ids),
    officer_ref=maybe(words),
    unit=maybe(texts),
    callsign=maybe(texts),
    alert_id=maybe(ids),
    references=some(texts),
    note=maybe(texts),
    attachments=some(attachments, 2),
    effective_at=maybe(times),
    onset_at=maybe(times),
    attributes=some(codes),
    refers_to=some(ids),
    reply_level=st.sampled_from(enums.Level),
    is_reply=st.booleans(),
)
device_messages = st.builds(
    models.DeviceMessage,
    header=headers,
    device_id=ids,
    direction=st.sampled_from(enums.MessageDirection),
    sender=words,
    sender_ref=maybe(words),
    text=texts,
    priority=st.sampled_from(enums.Priority),
    in_reply_to=maybe(ids),
    alert_id=maybe(ids),
    requires_acknowledgement=st.booleans(),
    callsign=maybe(texts),
    attachments=some(attachments, 2),
)
addresses = st.builds(models.Address, names=some(words), agencies=some(words), areas=some(areas, 2))


def _to(message: models.DeviceMessage, address: models.Address | None) -> models.DeviceMessage:
    return message.model_copy(update={"to": address})


delivery_receipts = st.builds(
    models.DeliveryReceipt,
    header=headers,
    destination=words,
    level=st.sampled_from(enums.Level),
    device_id=maybe(ids),
    delivery_id=maybe(ids),
    platform_id=maybe(words),
    code=maybe(words),
    note=maybe(texts),
    by_ref=maybe(words),
    attempt=st.integers(1, _INT32),
    sender=maybe(words),
    sender_message_id=maybe(ids),
    said_in=maybe(ids),
    response=st.sampled_from(enums.Response),
    unit=maybe(words),
    eta_at=maybe(times),
    validity=st.sampled_from(enums.Validity),
    ownership=st.sampled_from(enums.Ownership),
    offered_to=maybe(words),
    emergency=st.sampled_from(enums.EmergencyWord),
    link_to=maybe(ids),
)
device_statuses = st.builds(
    models.DeviceStatus,
    header=headers,
    device_id=ids,
    battery_percent=maybe(st.integers(0, 100)),
    on_shift=maybe(st.booleans()),
    app_version=maybe(words),
    firmware_version=maybe(words),
    connectivity=maybe(words),
)
audit_records = st.builds(
    models.AuditRecord,
    writer=words,
    sequence=st.integers(0, _INT64),
    recorded_at=times,
    action=st.sampled_from(enums.AuditAction),
    event_id=maybe(ids),
    subjects=some(words),
    recipient=maybe(words),
    fields=some(words),
    event_count=st.integers(1, _INT32),
    purpose=texts,
    legal_basis=texts,
    previous_hash=texts,
    hash=texts,
    signature=maybe(texts),
)
destination_states = st.builds(
    models.DestinationState,
    level=st.sampled_from(enums.Level),
    changed_at=times,
    delivery_id=maybe(ids),
    platform_id=maybe(words),
    code=maybe(words),
    sent_at=maybe(times),
    response=st.sampled_from(enums.Response),
    unit=maybe(words),
    eta_at=maybe(times),
    validity=st.sampled_from(enums.Validity),
    stated_at=maybe(times),
    statement_ids=some(words),
    round=st.integers(0, _INT32),
    had_taken_up=st.booleans(),
    heard_at=maybe(times),
    owned_at=maybe(times),
    closed_as=st.sampled_from(enums.Level),
    clock_behind_ms=st.integers(0, _INT32),
)
handoffs = st.builds(models.Handoff, agency_id=words, offered_by=words, message_id=ids, expires_at=times, words=texts)
others_told = st.builds(
    models.OthersTold,
    pending=some(words),
    due_at=maybe(times),
    told_at=maybe(times),
    cause=ids,
    number=st.integers(0, _INT32),
    hops=words,
    words=st.dictionaries(words, texts, max_size=2),
    by_refs=st.dictionaries(words, words, max_size=2),
    unlisted=some(words),
    routes_version=st.integers(0, _INT32),
    held=some(words),
    crossed=some(words),
    crossing_paged=st.booleans(),
)
alert_states = st.builds(
    models.AlertState,
    header=headers,
    device_id=ids,
    status=st.sampled_from(enums.AlertStatus),
    alert=device_alerts,
    destinations=st.dictionaries(words, destination_states, max_size=2),
    cancel_requested=st.booleans(),
    changed_at=times,
    owner_agency_id=texts,
    handoff=maybe(handoffs),
    round=st.integers(0, _INT32),
    round_began_at=maybe(times),
    round_causes=st.dictionaries(words, times, max_size=2),
    seen_at=maybe(times),
    answered_rounds=st.integers(0, _INT32),
    unassigned_rounds=st.integers(0, _INT32),
    ended_at=maybe(times),
    pressed_at=maybe(times),
    pressed_by_device_clock_at=maybe(times),
    rules=st.integers(0, _INT32),
    others=maybe(others_told),
)
incident_states = st.builds(
    models.IncidentState,
    header=headers,
    event=incident_events,
    alert_ids=some(ids),
    destinations=st.dictionaries(words, destination_states, max_size=2),
    closed=st.booleans(),
    event_count=st.integers(1, _INT32),
    changed_at=times,
)

seen_messages = st.builds(
    models.SeenMessage,
    message_id=ids,
    event_id=ids,
    origin_message_id=maybe(words),
    content_digest=maybe(words),
)
open_alerts = st.builds(
    models.OpenAlert,
    event_id=ids,
    incident_id=maybe(ids),
    kind=st.sampled_from(enums.AlertKind),
    mode=st.sampled_from(enums.Mode),
    press_count=st.integers(1, _INT32),
    merged_event_ids=some(ids),
)
device_memories = st.builds(models.DeviceMemory, device_id=ids, seen=some(seen_messages), open_alerts=some(open_alerts))
incident_memories = st.builds(
    models.IncidentMemory,
    state=incident_states,
    seen=some(ids),
    told=st.dictionaries(words, some(ids), max_size=2),
    ended=some(st.builds(models.EndedEvent, event_id=ids, ended_at=times, source=words)),
    first_sent=some(st.builds(models.FirstSent, event_id=ids, destination=words, sent_at=times)),
    owners=some(st.builds(models.EventOwner, event_id=ids, source=words, agency_id=words, begun=st.booleans())),
)
link_targets = st.builds(
    models.LinkTarget, event_id=ids, incident_id=maybe(ids), destination=maybe(words), delivery_id=maybe(ids)
)
incident_links = st.builds(
    models.IncidentLink,
    message_id=ids,
    targets=some(link_targets),
    events=some(incident_events, 1),
    hops=st.integers(0, _INT32),
    expires_at=maybe(times),
)


other_rooms = st.builds(
    models.OtherRoom,
    agency=texts,
    level=st.sampled_from(enums.Level),
    response=st.sampled_from(enums.Response),
    validity=st.sampled_from(enums.Validity),
    said_at=maybe(times),
    unit=maybe(texts),
    eta_at=maybe(times),
    words=texts,
    by_ref=maybe(words),
)
others = st.builds(
    models.Others,
    rooms=some(other_rooms, 1),
    only_news=st.booleans(),
    cause=maybe(ids),
    hops=st.integers(0, _INT32),
)


def deliveries(
    kinds: tuple[enums.DeliveryKind, ...] = (
        enums.DeliveryKind.ALERT,
        enums.DeliveryKind.INCIDENT,
        enums.DeliveryKind.MESSAGE,
        enums.DeliveryKind.LOCATION,
    ),
) -> st.SearchStrategy[models.Delivery]:
    """Return Deliveries of `kinds`; the header of each is that of its event, but for the message id."""
    return st.sampled_from(kinds).flatmap(_delivery_of)


_PAYLOADS: dict[enums.DeliveryKind, tuple[str, st.SearchStrategy[models.Payload]]] = {
    enums.DeliveryKind.ALERT: ("alert", device_alerts),
    enums.DeliveryKind.INCIDENT: ("incident", incident_events),
    enums.DeliveryKind.MESSAGE: ("message", device_messages),
    enums.DeliveryKind.LOCATION: ("location", device_locations),
    enums.DeliveryKind.RECEIPT: ("receipt", delivery_receipts),
}


@st.composite
def _delivery_of(draw: st.DrawFn, kind: enums.DeliveryKind) -> models.Delivery:
    field, strategy = _PAYLOADS[kind]
    event = draw(strategy)
    values = {
        "header": event.header.model_copy(update={"message_id": draw(ids)}),
        "destination": draw(words),
        "kind": kind,
        "reason": draw(st.sampled_from(enums.DeliveryReason)),
        "route": draw(words),
        field: event,
        "sent_at": draw(maybe(times)),
        "first_sent_at": draw(maybe(times)),
        "first_id": draw(maybe(ids)),
        "newest_only": draw(st.booleans()),
        "others": draw(maybe(others)) if kind is enums.DeliveryKind.ALERT else None,
    }
    return models.Delivery(**values)


operations_pages = st.builds(
    models.OperationsPage,
    page_id=ids,
    reason=words,
    subject=ids,
    incident_id=st.none() | ids,
    agency_id=st.none() | words,
    mode=st.sampled_from(enums.Mode),
    waited_seconds=st.floats(min_value=0, max_value=1e6),
    raised_at=times,
)

page_marks = st.builds(
    models.PageMark,
    mark_id=ids,
    page_id=ids,
    mark=words,
    at=times,
    step=words,
    count=st.integers(min_value=0, max_value=2**63 - 1),
    operator=words,
    justification=words,
)

connector_statuses = st.builds(
    models.ConnectorStatus,
    connector=ids,
    reported_by=words,
    reported_at=times,
    interval_seconds=st.floats(min_value=0, max_value=1e6),
    status=words,
    reason=words,
    since=times,
    breaker=words,
    last_sent_at=st.none() | times,
    last_received_at=st.none() | times,
    backlog_events=st.none() | st.integers(0, 2**63 - 1),
    oldest_seconds=st.floats(min_value=0, max_value=1e6),
    parked_keys=st.integers(0, 2**63 - 1),
    refused_since=st.none() | times,
    paused_until=st.none() | times,
    paused_alerts=st.integers(0, 2**63 - 1),
    paused_real_alerts=st.integers(0, 2**63 - 1),
)

routes_versions = st.builds(
    models.RoutesVersion,
    name=words,
    number=st.integers(0, _INT32),
    applied_at=times,
    applied_by=words,
    text=texts,
    retired=texts,
)

dead_letter_decisions = st.builds(
    models.DeadLetterDecision,
    letter_id=ids,
    decision=words,
    at=times,
    count=st.integers(min_value=0, max_value=2**63 - 1),
    justification=words,
    operator=words,
)

device_marks = st.builds(
    models.DeviceMark,
    mark_id=ids,
    device_id=ids,
    mark=words,
    since=times,
    event_id=st.none() | ids,
    agency_id=words,
    operator=words,
    justification=words,
    other_device_id=words,
)

check_ins = st.builds(
    models.CheckIn, header=headers, device_id=ids, due_at=times, done=st.booleans(), alert=device_alerts
)

records: dict[str, st.SearchStrategy[models.Record]] = {
    "DeviceAlert": device_alerts,
    "DeviceLocation": device_locations,
    "IncidentEvent": incident_events,
    "DeviceMessage": st.builds(_to, device_messages, maybe(addresses)),
    "DeliveryReceipt": delivery_receipts,
    "Delivery": deliveries(tuple(_PAYLOADS)),
    "DeviceStatus": device_statuses,
    "AuditRecord": audit_records,
    "AlertState": alert_states,
    "IncidentState": incident_states,
    "DeviceMemory": device_memories,
    "IncidentMemory": incident_memories,
    "IncidentLink": incident_links,
    "OperationsPage": operations_pages,
    "PageMark": page_marks,
    "ConnectorStatus": connector_statuses,
    "DeadLetterDecision": dead_letter_decisions,
    "DeviceMark": device_marks,
    "CheckIn": check_ins,
    "RoutesVersion": routes_versions,
}
"""A strategy for each record that stands on a topic, by its name."""
