"""The one table of error codes: number, meaning and what to do, for people; on the wire stands the code.

Numbers are for the telephone and never change; a code that is gone leaves its number unused. Thousands tell where:
1 records of the hub, 2 delivery to a destination, 3 XML and CAP, 4 CoT, 5 GeoJSON, 6 calls of control rooms,
7 requests of devices, 9 what a destination answered over HTTP (9000 + its status).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = [
    "ERROR_CODES",
    "MODE_DIFFERS",
    "NOT_AUTHENTICATED",
    "NOT_ITS_OWN",
    "NO_OFFER",
    "UNLISTED",
    "ErrorCode",
    "code_of",
    "error_code",
]

NOT_AUTHENTICATED: Final = "not_authenticated"
MODE_DIFFERS: Final = "mode_differs"
NOT_ITS_OWN: Final = "not_its_own"
NO_OFFER: Final = "no_offer"

_HTTP: Final = re.compile(r"http_([1-9]\d\d)")
_HTTP_BASE: Final = 9000


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code as it stands on the wire, its number, what it means, and what a person should do."""

    code: str
    number: int
    meaning: str
    hint: str


_SENDER: Final = "Show the sender the code and the place; it must send a corrected message under a new id."
_WRITER: Final = "Find who wrote it by `bondmate.error.topic`; mend that writer, then have it send again; discard this."
_WARNED: Final = "Nothing: the message was taken. Tell its sender, so that nothing has to be guessed."
_REPLAY: Final = "Mend the cause, then replay."
_FOREIGN: Final = "Nothing, unless it was meant for the hub: then ask the sender to mend it."
_DEVICE: Final = "The device's app must be mended; the answer names the field."
_RETRY: Final = "Send the same again after `Retry-After`."

ERROR_CODES: Final = tuple(
    ErrorCode(*row)
    for row in (
        ("no_value", 1001, "A record without content.", _WRITER),
        ("no_frame", 1002, "The content does not begin with a schema id.", _WRITER),
        ("unknown_schema", 1003, "The registry has no schema of this id.",
         "Is it the right registry, with all its data? Then replay. Else the writer must register its schema."),
        ("unusable_schema", 1004, "The schema of this id is not Avro that can be read.", _WRITER),
        ("not_avro", 1005, "The bytes are not what their schema says.", _WRITER),
        ("invalid_record", 1006, "A field breaks a rule of the record.", _WRITER),
        ("agent_failed", 1101, "The hub's own code failed on this event: a bug.",
         "Look for `agent failed` in the log of the streams, call the developers; replay after the mend."),
        ("lane_failed", 1102, "The hub's own code failed on this position: a bug.",
         "Look for `agent failed` in the log of the lane, call the developers."),
        ("misplaced", 1103, "A record written again so often that workers cannot agree on its partition.",
         "Topics have another number of partitions than when workers began: restart streams and lanes, then replay."),
        ("shown_silently", 1120, "A message to an officer under duress: shown without a sound, and nothing is asked.",
         "Nothing. Who knows that it may be heard sends it again as `aloud`; `hub devices duress-end` ends it."),
        ("said_under_duress", 1121, "Confirmed on a device whose officer is under duress.",
         "Do not take it for the officer's own word."),
        ("address_unknown", 1105, "A message to nobody of this name, or nobody its sender may know of.",
         "Enrol the device, or correct the name at the control room; then replay."),
        ("address_nobody", 1106, "A message to an agency or area that has nobody on shift now.",
         "The sender was told; reach the officers another way."),
        ("address_not_allowed", 1107, "A message to agencies or areas that its sender may not write to.",
         "If it should, allow it under `may_message` in the routes; then let it send again."),
        ("address_mode", 1108, "An exercise or test for a device in real use.",
         "Nothing: it must not arrive. The sender was told."),
        ("address_mode_unknown", 1109, "A message to several that does not say whether it is real.",
         "The control room must set its mode; then let it send again."),
        ("address_area_unreadable", 1110, "A message to a polygon or circle that is none.",
         "Show the sender the code; it must correct the area."),
        ("address_too_many", 1111, "A message to more devices than its sender may reach at once.",
         "Raise `may_message.most_devices` in the routes, or let the sender write to fewer."),
        ("address_empty", 1112, "A message that is for nobody.", "Show the sender the code."),
        ("emergency_second_person", 1122, "A silent emergency that one person of a room asked for: nothing is started.",
         "A second person must ask for the same within 10 minutes, named in `bondmate:by`."),
        ("emergency_not_owner", 1123, "A room started an emergency of an officer of another agency.",
         "Call the agency of the officer: only its own rooms may."),
        ("emergency_mode", 1124, "A room started an emergency in another mode than its own or the device's.",
         "Nothing where it was an exercise. Else correct the mode of the message, or of the device."),
        ("emergency_off_shift", 1125, "A room started an emergency of a device that is not on shift.",
         "Nothing is known of where it is: reach the officer another way."),
        ("emergency_kind", 1126, "A room started an emergency that is none of SOS, OFFICER_DOWN, ASSISTANCE.",
         "Show the sender the code."),
        ("emergency_reason", 1127, "A room started an emergency without a reason, or without the name of who does.",
         "Show the sender the code: the text says why, and `bondmate:by` who."),
        ("emergency_one_device", 1128, "A room started an emergency of none, or of several devices.",
         "Show the sender the code: one message a device."),
        ("emergency_open", 1129, "A room started an emergency of a device that has one open.",
         "Nothing: the room has it, and answers that."),
        ("no_fix", 1104, "A position without coordinates or time.", "Nothing: newer positions follow."),
        ("expired", 2001, "Its time was over before it could be delivered.",
         "Tell the control room by telephone if it still matters. A replay ends the same way; discard it."),
        ("kind_not_accepted", 2002, "The destination's connector takes no events of this kind.",
         "Correct the route (`hub lint`); discard it, since a replay ends the same way."),
        ("classification_not_expressible", 2003, "The format has no place for so high a protective marking.",
         "Take the destination out of the route, or tell it by telephone; discard it."),
        ("refused_by_platform", 2004, "The destination took the call and refused the message inside its answer.",
         "Ask the destination why; mend there or in the route, then replay."),
        ("not_for_destinations", 2005, "This record never goes to a destination.", "Choose another record."),
        ("address_refused", 2006, "A link, or a name, leads to an address that the settings do not allow.",
         "Is it theirs? Then allow it (`allow_private_networks`, `link_hosts`) and replay; else discard it."),
        ("kills_the_link", 2007, "The link to the destination broke whenever this event alone was on it.",
         "Tell the destination now, by telephone: nobody there has it. Its log says what it fell over; then replay."),
        ("open_room", 2009, "What a device under duress says never goes where everybody reads it.",
         "Name under `duress_contacts` who alone may read it there, then replay."),
        ("page_for_people", 2008, "A page for people where the service should have answered: a login, a portal.",
         "Open the address in a browser: who answers there? Mend it there, or `url`, `login`; then replay."),
        ("xml_too_large", 3001, "The XML is larger than the hub takes.", _SENDER),
        ("xml_encoding", 3002, "The XML is in an encoding other than it says, or that the hub does not take.", _SENDER),
        ("xml_doctype", 3003, "The XML has a document type, which can attack who reads it.", _SENDER),
        ("xml_too_deep", 3004, "The XML is nested deeper than any sound message.", _SENDER),
        ("xml_xinclude", 3005, "The XML includes other documents, which can attack who reads it.", _SENDER),
        ("xml_malformed", 3006, "The XML is not well-formed.", _SENDER),
        ("not_cap", 3101, "The document is not CAP.", _SENDER),
        ("cap_namespace", 3102, "An alert in a namespace that is not of CAP 1.0, 1.1 or 1.2.", _SENDER),
        ("cap_missing", 3103, "An element that CAP requires is missing.", _SENDER),
        ("cap_sent", 3104, "`sent` is not a time.", _SENDER),
        ("cap_msg_type", 3105, "`msgType` is none that CAP knows.", _SENDER),
        ("cap_has_no_positions", 3106, "CAP cannot carry positions.",
         "Take positions out of the route to this destination (`hub lint`); discard it."),
        ("cap_too_large", 3107, "The alert is larger than a record in Kafka may be.", _SENDER),
        ("cap_alert_left_out", 3108, "One alert of several in a document could not be read; the others were taken.",
         _SENDER),
        ("cap_no_alert", 3109, "A sound document without an alert in it.", "Nothing."),
        ("cap_answer_to_unknown", 3110, "An answer to an alert that the hub did not send.", _FOREIGN),
        ("own_message", 3111, "A message of the hub that came back.", "Nothing."),
        ("not_of_a_cap_message", 3112, "A receipt of a message that did not come as CAP: there is none to answer.",
         "Nothing; discard it."),
        ("cap_references", 3113, "References that cannot be read, or none where there must be some.",
         "Show the sender the code and the place. What it meant to end may still be open: see to it."),
        ("emergency_not_taken", 3114, "A room starts an emergency, and may not write to officers by this connector.",
         "Set `listen.messages_to_officers` where it may; nothing was started."),
        ("cap_word_unknown", 3115, "A `bondmate:` parameter says what nobody here knows; the rest was taken.",
         "Show the sender the parameter; what it meant, nobody was told. It must send that again under a new id."),
        ("cap_order", 3120, "Warning: an element stands after what it must stand before.", _WARNED),
        ("cap_unexpected", 3121, "Warning: an element that the schema does not know here.", _WARNED),
        ("cap_repeated", 3122, "Warning: an element stands again that may not. Refused in an answer.", _WARNED),
        ("cap_absent", 3123, "Warning: an element that must be there is not.", _WARNED),
        ("cap_value", 3124, "Warning: a text is not of those that the schema allows.", _WARNED),
        ("cap_content", 3125, "Warning: elements, text or attributes where none may be.", _WARNED),
        ("cap_geometry", 3126, "Warning: a polygon or circle that is none, or has altitudes.", _WARNED),
        ("cap_time_without_offset", 3127, "Warning: a time does not say its offset; it is taken as UTC.", _WARNED),
        ("cap_more_remarks", 3128, "Warning: there were more of these than are shown.", _WARNED),
        ("cap_ring_open", 3129, "Warning: a polygon did not end where it began; it was closed.", _WARNED),
        ("cap_ring_crosses", 3130, "Warning: the sides of a polygon cross; what lies inside is not clear.", _WARNED),
        ("cap_circle_too_large", 3131, "Warning: a circle larger than the Earth; its radius may be metres.", _WARNED),
        ("cap_blocks_differ", 3132, "Warning: blocks of a message say different things; the gravest was taken.",
         "Look at `lost` (`hub translate`): the milder ones reach nobody. An alert for each would."),
        ("not_cot", 4001, "The bytes are not a CoT event.", _SENDER),
        ("frame_too_large", 4002, "A CoT event larger than the hub takes.", _SENDER),
        ("uid_missing", 4003, "The event has no uid.", _SENDER),
        ("uid_too_long", 4004, "The event's uid is longer than any sound one.", _SENDER),
        ("type_missing", 4005, "The event has no type.", _SENDER),
        ("time_invalid", 4006, "The event's time is missing or not a time.", _SENDER),
        ("position_invalid", 4007, "The event's point is not a position.", _SENDER),
        ("type_ignored", 4008, "A type of event that the hub does not take.", "Nothing."),
        ("no_position", 4009, "A position report without a position.", "Nothing."),
        ("chat_empty", 4010, "A chat message without text.", "Nothing."),
        ("not_a_chat_line", 4011, "A receipt of a message that did not come as a chat line: there is none to answer.",
         "Nothing; discard it."),
        ("protobuf_malformed", 4012, "The bytes are not a message of TAK protocol 1.", _SENDER),
        ("no_event", 4013, "A message of TAK protocol 1 without an event in it.", "Nothing."),
        ("too_large", 5001, "The document is larger than the hub takes.", _SENDER),
        ("not_json", 5002, "The bytes are not JSON in UTF-8.", _SENDER),
        ("not_geojson", 5003, "The JSON is not GeoJSON.", _SENDER),
        ("type_invalid", 5004, "A geometry's type is none that RFC 7946 knows.", _SENDER),
        ("feature_invalid", 5005, "A feature is not as RFC 7946 asks.", _SENDER),
        ("geometry_invalid", 5006, "A geometry is not as RFC 7946 asks.", _SENDER),
        ("coordinates_invalid", 5007, "Coordinates are missing or out of range.", _SENDER),
        ("bbox_invalid", 5008, "A bounding box is not as RFC 7946 asks.", _SENDER),
        ("event_invalid", 5009, "The canonical event in the properties breaks a rule of its record.", _SENDER),
        ("text_invalid", 5010, "A text holds characters that no JSON can carry.", _REPLAY),
        ("no_feature", 5011, "A sound document without a feature.", "Nothing."),
        ("too_deep", 5012, "The members of a feature nest deeper than can be kept.", _SENDER),
        ("content_encoding", 6001, "The body is compressed: its bytes are signed.", "Send it uncompressed."),
        ("id_reused", 6002, "The id of this message was used for another body.", "Send it under a new id."),
        ("signature_missing", 6003, "The message carries no signature.", "Set the shared secret at the sender."),
        ("signature_wrong", 6004, "The signature does not fit the body and the secret.",
         "Compare the secrets at both ends; a body changed on the way breaks it too."),
        ("signature_old", 6005, "The signature's time is too far from now.", "Compare the clocks at both ends."),
        (NOT_AUTHENTICATED, 6006, "An answer, or a message to officers, of who has not proved to be this destination.",
         "Give the connector a shared secret, mutual TLS or a login; plain loopback counts in no ACTUAL. Discard it."),
        (MODE_DIFFERS, 6007, "An answer in another mode than its alert's: an exercise's answer to a real alert.",
         "Nothing where it was an exercise. Else correct the mode at the control room, or `mode` in the settings."),
        (NO_OFFER, 6009, "An alert offered by who does not own it, or to nobody who was told; or taken unoffered.",
         "The sender was told, and what it said beside that counts. See at `alert-life-cycle` who owns the alert."),
        (NOT_ITS_OWN, 6008, "An answer that refers to what was never sent there, or to another agency's alert.",
         "Find out who wrote it: the control room mends its references, or somebody pretends. Discard it."),
        ("invalid_parameter", 7001, "A parameter of the query is not valid.", _DEVICE),
        ("bad_request", 7002, "The request cannot be understood.", _DEVICE),
        ("unauthorized", 7003, "The token is missing, unknown or revoked.", "Enrol the device (`hub devices enrol`)."),
        ("forbidden", 7004, "This belongs to another device.", _DEVICE),
        ("not_found", 7005, "There is no such thing.", _DEVICE),
        ("method_not_allowed", 7006, "This path does not take this method.", _DEVICE),
        ("timeout", 7007, "The body did not arrive in time.", "Send it again."),
        ("body_too_large", 7008, "The body is larger than the gateway takes.", _DEVICE),
        ("unsupported_media_type", 7009, "The body must be application/json.", _DEVICE),
        ("invalid_field", 7010, "A field is missing, unknown or not valid.", _DEVICE),
        ("rejected", 7011, "The hub cannot take this event.", "See its dead letter: `hub dlq list`."),
        ("rate_limited", 7012, "Too many requests of this device.", _RETRY),
        ("not_durable", 7013, "The hub cannot keep the event now.", _RETRY),
    )
)  # fmt: skip

UNLISTED: Final = ErrorCode("", 0, "A code that this version of the hub does not know.", "Call the developers.")
_BY_CODE: Final = {entry.code: entry for entry in ERROR_CODES}


def error_code(code: str) -> ErrorCode:
    """Return what is known of `code`: a row of the table, an answer over HTTP, or `UNLISTED`."""
    if answer := _HTTP.fullmatch(code):
        status = int(answer[1])
        return ErrorCode(
            code,
            _HTTP_BASE + status,
            f"Answered over HTTP with status {status}.",
            "Ask the staff of who answered why; mend it there, in the route or in the settings, then replay.",
        )
    return _BY_CODE.get(code, UNLISTED)


def code_of(text: str) -> str:
    """Return the code that a person means by a code or its number; what is no number is taken as it is."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) == len(str(_HTTP_BASE)) else 0
    if number > _HTTP_BASE:
        return f"http_{number - _HTTP_BASE}"
    return next((entry.code for entry in ERROR_CODES if entry.number == number), text)
