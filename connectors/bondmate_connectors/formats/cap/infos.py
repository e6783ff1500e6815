"""What the `info` of a message says of an alert, an incident, a message (CAP 1.2, 3.2.2 to 3.2.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bondmate_schemas.enums import DeliveryReason, IncidentAction, IncidentCategory, MessageDirection, Mode
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.labels import ENGLISH, Labels, isolated, msgid
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeviceAlert, DeviceMessage, IncidentEvent, Position

from bondmate_connectors.formats import alert_words
from bondmate_connectors.formats.cap import codes, geometry
from bondmate_connectors.formats.cap.document import pair, resource
from bondmate_connectors.formats.cap.given import given_of
from bondmate_connectors.formats.cap.values import FEET_PER_METRE, KILOMETRE_METRES, write_number, write_time

_EVENTS: Final = {
    IncidentCategory.INCIDENT: ("Security", msgid("Incident")),
    IncidentCategory.COMMUNITY_CONCERN: ("Safety", msgid("Community concern")),
    IncidentCategory.OBSERVATION: ("Security", msgid("Observation")),
    IncidentCategory.PUBLIC_WARNING: ("Other", msgid("Public warning")),
    IncidentCategory.MARKER: ("Other", msgid("Marker")),
}
_MESSAGES: Final = {
    MessageDirection.TO_DEVICE: (msgid("Message to an officer"), msgid("Message to {who}")),
    MessageDirection.FROM_DEVICE: (msgid("Message from an officer"), msgid("Message from {who}")),
}
"""What a message is, and that with the callsign."""
_NOT_PLAIN: Final = re.compile("[^A-Za-z0-9 ./-]")
_LONGEST_PLAIN: Final = 40
_DRILLS: Final = frozenset({Mode.EXERCISE, Mode.TEST})
Body = Mapping[str, object]


def alert_info(delivery: Delivery, alert: DeviceAlert, labels: Labels = ENGLISH) -> Body:
    """Return the children of the info of an alert."""
    category, event, severity = codes.WORDS_OF[alert.kind]
    over = delivery.reason is DeliveryReason.CANCEL
    return {
        "category": category,
        "event": labels(event),
        "responseType": "AllClear" if over else "Monitor" if delivery.is_of_others_only else "Assess",
        "urgency": "Past" if over else _urgency(delivery, codes.URGENCY_OF[alert.priority]),
        "severity": severity,
        "certainty": "Observed",
        "headline": _headline(delivery, alert, alert_words.name_of(alert.kind, event, labels), labels),
        "description": "\n".join(_description(delivery, alert, labels)) or None,
        "instruction": " ".join(_instruction(delivery, alert, labels)) or None,
        "resource": [resource(attachment, labels) for attachment in alert.attachments],
        "area": _alert_area(alert, labels),
    }


def _headline(delivery: Delivery, alert: DeviceAlert, event: str, labels: Labels) -> str:
    """Return what it is of whom, behind what must be seen first."""
    marks = (
        (msgid("LATE"), was_marked_late(delivery)),
        (msgid("POSITION UPDATE"), delivery.position_only),
        (alert_words.NEWS, delivery.is_of_others_only),
        (msgid("ENDED"), delivery.reason is DeliveryReason.CANCEL),
        (alert_words.SILENT_ALARM, alert.silent),
    )
    mode = alert.header.mode
    drill = f"{labels(mode.value)}{alert_words.nobody_goes(mode, labels)}" if mode in _DRILLS else ""
    who = alert.callsign or alert.unit
    words = (
        *(labels(mark) for mark, is_so in marks if is_so),
        *((drill,) if drill else ()),
        *alert_words.headline_marks(alert, delivery, labels),
        f"{event}: {isolated(who)}" if who else event,
    )
    asks = f" ({labels('the device asks to cancel')})" if alert_words.asks_to_cancel(alert, delivery) else ""
    return ". ".join(words) + asks


def _description(delivery: Delivery, alert: DeviceAlert, labels: Labels) -> Iterator[str]:
    """Return what was said, and what the headline does not say of how it stands."""
    # An Update stands for what it refers to (CAP 1.2, 3.2.1), so that it says all of that again.
    if delivery.position_only:
        yield labels(alert_words.NOTHING_NEW)
    if alert.text:
        yield alert_words.quoted_text(alert, labels)
    # The headline says it, and what is asked.
    said = {labels(alert_words.ASKS_TO_CANCEL), labels(alert_words.NOBODY_ANSWERS), labels(alert_words.SILENT)}
    yield from (f"{remark}." for remark in alert_words.remarks_on(alert, delivery, labels) if remark not in said)
    yield from (f"{words}." for words in alert_words.others_words(delivery, labels))
    if same := alert_words.incident_words(alert, labels):
        yield f"{same}."
    yield from (f"{detail}." for detail in alert_words.details_of(alert, delivery, labels))


def leanest(alert: DeviceAlert) -> DeviceAlert:
    """Return the alert without files, without words of people but a plain callsign."""
    who = _NOT_PLAIN.sub("?", alert.callsign or alert.unit or "")[:_LONGEST_PLAIN]
    position = alert.position and alert.position.model_copy(update={"altitude_hae_m": None})
    whole = alert.whole and alert.whole.model_copy(update={"ended_words": "", "offered_words": ""})
    update = {"callsign": who, "unit": None, "text": None, "attachments": (), "position": position, "whole": whole}
    return alert.model_copy(update=update)


def _alert_area(alert: DeviceAlert, labels: Labels) -> Body:
    """Return where the alert is, or the words that say why that is not there (an area needs no shape)."""
    words = alert_words.position_words(alert, labels, of_device=True)
    return _point(words, alert.position, labels) if alert.position else {"areaDesc": words}


def _late(delivery: Delivery, labels: Labels) -> str:
    return f"{labels('LATE')} " if was_marked_late(delivery) else ""


def _urgency(delivery: Delivery, urgency: str) -> str:
    """Return the urgency. What is delivered late never says "now": what held an hour ago may not hold."""
    return "Unknown" if was_marked_late(delivery) else urgency


def incident_info(delivery: Delivery, incident: IncidentEvent, labels: Labels = ENGLISH) -> Body:
    """Return the children of the info of an event of an incident."""
    category, event = _EVENTS[incident.category]
    kind, given = incident.incident_type, given_of(incident)
    own_words = kind is not None and kind.system == codes.EVENT_CODES
    code = [pair(kind.system, kind.value)] if kind and not own_words else []
    over = incident.action in {IncidentAction.CLOSED, IncidentAction.CANCELLED}
    return {
        **given.texts,
        "category": given.of_list("category") or category,
        "event": (kind.value if own_words and kind else incident.title) or labels(event),
        "responseType": "AllClear" if over else given.of_list("responseType"),
        "urgency": _urgency(
            delivery, _listed(incident.urgency, codes.URGENCIES) or codes.URGENCY_OF[incident.priority]
        ),
        "severity": _listed(incident.severity, codes.SEVERITIES) or "Unknown",
        "certainty": _listed(incident.certainty, codes.CERTAINTIES) or "Unknown",
        "eventCode": [*code, *given.pairs.get("eventCode", ())],
        "effective": write_time(incident.effective_at) if incident.effective_at else None,
        "onset": write_time(incident.onset_at) if incident.onset_at else None,
        "headline": (_late(delivery, labels) + (incident.title or "")).strip() or None,
        "description": incident.description,
        "instruction": incident.instruction,
        "resource": [*(resource(attachment, labels) for attachment in incident.attachments), *given.resources(labels)],
        "area": list(_areas(incident, labels)),
    }


def message_info(delivery: Delivery, message: DeviceMessage, labels: Labels = ENGLISH) -> Body:
    """Return the children of the info of a message to or from an officer."""
    event, of_whom = _MESSAGES[message.direction]
    headline = labels(of_whom, who=message.callsign) if message.callsign else labels(event)
    under_duress = UNDER_DURESS in message.header.flags
    return {
        "category": "Other",
        "event": labels(event),
        "urgency": _urgency(delivery, codes.URGENCY_OF[message.priority]),
        "severity": "Unknown",
        "certainty": "Unknown",
        "headline": _late(delivery, labels)
        + headline
        + (f" ({labels(alert_words.SAID_UNDER_DURESS)})" if under_duress else ""),
        "description": labels.text(message.text, message.header.language),
        "instruction": f"{labels(alert_words.SILENT)}." if under_duress else None,
        "resource": [resource(attachment, labels) for attachment in message.attachments],
    }


def _instruction(delivery: Delivery, alert: DeviceAlert, labels: Labels) -> Iterator[str]:
    if alert.silent:
        yield f"{labels(alert_words.SILENT)}."
    if asked := alert_words.asked_of(alert, delivery, labels):
        yield asked


def _listed(value: str | None, values: tuple[str, ...]) -> str | None:
    return value if value in values else None


def _areas(incident: IncidentEvent, labels: Labels) -> Iterator[Body]:
    """Yield the position, unless it only stands for the areas, then the areas."""
    shaped = any(area.polygons or area.circles for area in incident.areas)
    if incident.position and not (shaped and incident.position.method == "area"):
        yield _point(labels("Position"), incident.position, labels)
    for area in incident.areas:
        yield {
            "areaDesc": area.description or labels("Area"),
            "polygon": [geometry.write_ring(ring) for ring in map(geometry.read_ring, area.polygons) if ring],
            "circle": [geometry.write_circle(*circle) for circle in map(geometry.read_circle, area.circles) if circle],
            "geocode": [pair(code.system, code.value) for code in area.geocodes],
        }


def _point(description: str, position: Position, labels: Labels) -> Body:
    altitude = position.altitude_hae_m
    unknown = "" if position.accuracy_m else f", {alert_words.accuracy_words(position, labels)}"
    return {
        "areaDesc": description + unknown,
        "circle": geometry.write_circle(
            (position.latitude, position.longitude), (position.accuracy_m or 0) / KILOMETRE_METRES
        ),
        # The datum differs by the geoid's height, up to 100 m; `lost` says so.
        "altitude": None if altitude is None else write_number(altitude * FEET_PER_METRE, 1),
    }
