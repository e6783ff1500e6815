"""Codes of what is refused or remarked in XML (numbers from 3000) and in CAP (from 3100).

They stand beside the formats, so that who asks for them loads no reader of XML.
"""

from __future__ import annotations

from typing import Final

from bondmate_schemas.error_codes import ASK_SENDER, NOT_OURS, TAKEN_ANYHOW, codes

XML_CODES: Final = codes(
    ("xml_too_large", 3001, "The XML is larger than the hub takes.", ASK_SENDER),
    ("xml_encoding", 3002, "The XML is in an encoding other than it says, or that the hub does not take.",
     ASK_SENDER),
    ("xml_doctype", 3003, "The XML has a document type, which can attack who reads it.", ASK_SENDER),
    ("xml_too_deep", 3004, "The XML is nested deeper than any sound message.", ASK_SENDER),
    ("xml_xinclude", 3005, "The XML includes other documents, which can attack who reads it.", ASK_SENDER),
    ("xml_malformed", 3006, "The XML is not well-formed.", ASK_SENDER),
)  # fmt: skip

CAP_CODES: Final = codes(
    ("not_cap", 3101, "The document is not CAP.", ASK_SENDER),
    ("cap_namespace", 3102, "An alert in a namespace that is not of CAP 1.0, 1.1 or 1.2.", ASK_SENDER),
    ("cap_missing", 3103, "An element that CAP requires is missing.", ASK_SENDER),
    ("cap_sent", 3104, "`sent` is not a time.", ASK_SENDER),
    ("cap_msg_type", 3105, "`msgType` is none that CAP knows.", ASK_SENDER),
    ("cap_has_no_positions", 3106, "CAP cannot carry positions.",
     "Take positions out of the route to this destination (`hub lint`); discard it."),
    ("cap_too_large", 3107, "The alert is larger than a record in Kafka may be.", ASK_SENDER),
    ("cap_alert_left_out", 3108, "One alert of several in a document could not be read; the others were taken.",
     ASK_SENDER),
    ("cap_no_alert", 3109, "A sound document without an alert in it.", "Nothing."),
    ("cap_answer_to_unknown", 3110, "An answer to an alert that the hub did not send.", NOT_OURS),
    ("own_message", 3111, "A message of the hub that came back.", "Nothing."),
    ("not_of_a_cap_message", 3112, "A receipt of a message that did not come as CAP: there is none to answer.",
     "Nothing; discard it."),
    ("cap_references", 3113, "References that cannot be read, or none where there must be some.",
     "Show the sender the code and the place. What it meant to end may still be open: see to it."),
    ("emergency_not_taken", 3114, "A room starts an emergency, and may not write to officers by this connector.",
     "Set `listen.messages_to_officers` where it may; nothing was started."),
    ("cap_word_unknown", 3115, "A `bondmate:` parameter says what nobody here knows; the rest was taken.",
     "Show the sender the parameter; what it meant, nobody was told. It must send that again under a new id."),
    ("cap_order", 3120, "Warning: an element stands after what it must stand before.", TAKEN_ANYHOW),
    ("cap_unexpected", 3121, "Warning: an element that the schema does not know here.", TAKEN_ANYHOW),
    ("cap_repeated", 3122, "Warning: an element stands again that may not. Refused in an answer.", TAKEN_ANYHOW),
    ("cap_absent", 3123, "Warning: an element that must be there is not.", TAKEN_ANYHOW),
    ("cap_value", 3124, "Warning: a text is not of those that the schema allows.", TAKEN_ANYHOW),
    ("cap_content", 3125, "Warning: elements, text or attributes where none may be.", TAKEN_ANYHOW),
    ("cap_geometry", 3126, "Warning: a polygon or circle that is none, or has altitudes.", TAKEN_ANYHOW),
    ("cap_time_without_offset", 3127, "Warning: a time does not say its offset; it is taken as UTC.", TAKEN_ANYHOW),
    ("cap_more_remarks", 3128, "Warning: there were more of these than are shown.", TAKEN_ANYHOW),
    ("cap_ring_open", 3129, "Warning: a polygon did not end where it began; it was closed.", TAKEN_ANYHOW),
    ("cap_ring_crosses", 3130, "Warning: the sides of a polygon cross; what lies inside is not clear.",
     TAKEN_ANYHOW),
    ("cap_circle_too_large", 3131, "Warning: a circle larger than the Earth; its radius may be metres.",
     TAKEN_ANYHOW),
    ("cap_blocks_differ", 3132, "Warning: blocks of a message say different things; the gravest was taken.",
     "Look at `lost` (`hub translate`): the milder ones reach nobody. An alert for each would."),
)  # fmt: skip
