"""Codes of what is refused in CoT and the TAK protocol: numbers from 4000."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.error_codes import ASK_SENDER, codes

COT_CODES: Final = codes(
    ("not_cot", 4001, "The bytes are not a CoT event.", ASK_SENDER),
    ("frame_too_large", 4002, "A CoT event larger than the hub takes.", ASK_SENDER),
    ("uid_missing", 4003, "The event has no uid.", ASK_SENDER),
    ("uid_too_long", 4004, "The event's uid is longer than any sound one.", ASK_SENDER),
    ("type_missing", 4005, "The event has no type.", ASK_SENDER),
    ("time_invalid", 4006, "The event's time is missing or not a time.", ASK_SENDER),
    ("position_invalid", 4007, "The event's point is not a position.", ASK_SENDER),
    ("type_ignored", 4008, "A type of event that the hub does not take.", "Nothing."),
    ("no_position", 4009, "A position report without a position.", "Nothing."),
    ("chat_empty", 4010, "A chat message without text.", "Nothing."),
    ("not_a_chat_line", 4011, "A receipt of a message that did not come as a chat line: there is none to answer.",
     "Nothing; discard it."),
    ("protobuf_malformed", 4012, "The bytes are not a message of TAK protocol 1.", ASK_SENDER),
    ("no_event", 4013, "A message of TAK protocol 1 without an event in it.", "Nothing."),
)  # fmt: skip
