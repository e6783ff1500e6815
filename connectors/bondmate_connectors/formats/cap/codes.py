"""The words of CAP and of this translator: namespaces, value lists, codes of refusals and remarks, in one place."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.enums import AlertKind, Mode, Priority
from bondmate_schemas.labels import msgid

MEDIA_TYPE: Final = "application/cap+xml"

CAP_10: Final = "http://www.incident.com/cap/1.0"
CAP_11: Final = "urn:oasis:names:tc:emergency:cap:1.1"
CAP_12: Final = "urn:oasis:names:tc:emergency:cap:1.2"
NAMESPACES: Final = frozenset({CAP_10, CAP_11, CAP_12})
XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"

WRAPPERS: Final = frozenset({"feed", "entry", "rss", "RDF", "EDXLDistribution", "alerts", "Envelope"})
"""Roots that may hold no alert at all and are sound nevertheless, by local name."""

# Refusals

NOT_CAP: Final = "not_cap"
NAMESPACE: Final = "cap_namespace"
MISSING: Final = "cap_missing"
SENT: Final = "cap_sent"
MSG_TYPE: Final = "cap_msg_type"
LOCATION: Final = "cap_has_no_positions"
TOO_LARGE: Final = "cap_too_large"
REFERENCES: Final = "cap_references"
"""Also a remark, where some of the references can be read, or the message says enough without."""
EMERGENCY: Final = "emergency_not_taken"
REPEATED: Final = "cap_repeated"
"""Also a remark, where the message is no answer or Cancel that thereby contradicts itself."""
REFUSALS: Final = frozenset(
    {TOO_LARGE, NOT_CAP, NAMESPACE, MISSING, SENT, MSG_TYPE, LOCATION, REFERENCES, EMERGENCY, REPEATED}
)

# Reasons to ignore

NO_ALERT: Final = "cap_no_alert"
ANSWER_TO_UNKNOWN: Final = "cap_answer_to_unknown"

# Remarks

ORDER: Final = "cap_order"
UNEXPECTED: Final = "cap_unexpected"
ABSENT: Final = "cap_absent"
VALUE: Final = "cap_value"
CONTENT: Final = "cap_content"
GEOMETRY: Final = "cap_geometry"
RING_OPEN: Final = "cap_ring_open"
RING_CROSSES: Final = "cap_ring_crosses"
CIRCLE_TOO_LARGE: Final = "cap_circle_too_large"
BLOCKS_DIFFER: Final = "cap_blocks_differ"
OFFSET: Final = "cap_time_without_offset"
LEFT_OUT: Final = "cap_alert_left_out"
WORD: Final = "cap_word_unknown"
TOO_MANY: Final = "cap_more_remarks"

# Value lists, in the order of the standard

STATUSES: Final = ("Actual", "Exercise", "System", "Test", "Draft")
MSG_TYPES: Final = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPES: Final = ("Public", "Restricted", "Private")
CATEGORIES: Final = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
RESPONSE_TYPES: Final = (
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None",
)  # fmt: skip
URGENCIES: Final = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES: Final = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTIES: Final = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")

MODE_OF: Final = {
    "Actual": Mode.ACTUAL,
    "Exercise": Mode.EXERCISE,
    "System": Mode.SYSTEM,
    "Test": Mode.TEST,
    # A draft "is not actionable in its current form" (CAP 1.2, 3.2.1): nobody may act on it.
    "Draft": Mode.TEST,
}
STATUS_OF: Final = {
    Mode.ACTUAL: "Actual",
    Mode.EXERCISE: "Exercise",
    Mode.TEST: "Test",
    Mode.SYSTEM: "System",
    # Never Actual; of what CAP has, nobody acts on a Test.
    Mode.UNKNOWN: "Test",
}
PRIORITY_OF: Final = {
    "Immediate": Priority.IMMEDIATE,
    "Expected": Priority.URGENT,
    "Future": Priority.ROUTINE,
    "Past": Priority.ROUTINE,
}
URGENCY_OF: Final = {
    Priority.IMMEDIATE: "Immediate",
    Priority.URGENT: "Expected",
    Priority.ROUTINE: "Future",
    Priority.UNKNOWN: "Unknown",
}
WORDS_OF: Final = {
    AlertKind.SOS: ("Security", msgid("Officer emergency"), "Extreme"),
    AlertKind.DURESS: ("Security", msgid("Officer under duress"), "Extreme"),
    AlertKind.OFFICER_DOWN: ("Rescue", msgid("Officer down"), "Extreme"),
    AlertKind.ASSISTANCE: ("Security", msgid("Officer requests assistance"), "Severe"),
    AlertKind.GEOFENCE: ("Security", msgid("Officer crossed a boundary"), "Moderate"),
    AlertKind.TAMPER: ("Security", msgid("Officer's device tampered with"), "Moderate"),
    AlertKind.LOW_BATTERY: ("Infra", msgid("Battery of an officer's device low"), "Minor"),
    AlertKind.OTHER: ("Safety", msgid("Alert of an officer's device"), "Severe"),
}
"""Category, event and severity of each kind of alert."""

UNDETERMINED: Final = "und"
"""The language of what nobody has stated one of (ISO 639-2, RFC 3066)."""

# Our own parameters

PARAMETER: Final = "bondmate:"
"""What the names of our parameters begin with."""
OUR_SENDER: Final = "bondmate:"
"""What the sender of every message we write begins with; the agency follows."""
EVENT_CODES: Final = "cap.event"
"""Code system of `info/event`, the sender's own words for the type."""
ATTRIBUTE: Final = "cap."
"""What the names of the attributes begin with that stand for an element of CAP; its name follows."""
