"""Error codes: number, meaning and what to do, for people; on the wire stands the code.

Here stand those of the hub itself; a connector brings its own (`ConnectorSpec.error_codes`). Numbers are for the
telephone and never change; a code that is gone leaves its number unused. Thousands tell where: 1 records of the hub,
2 delivery to a destination, 3 XML and CAP, 4 CoT, 5 GeoJSON, 6 calls of control rooms, 7 requests of devices, 9 what a
destination answered over HTTP (9000 + its status). From 10,000 on they are of connectors that others make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

NOT_AUTHENTICATED: Final = "not_authenticated"
MODE_DIFFERS: Final = "mode_differs"
NOT_ITS_OWN: Final = "not_its_own"
NO_OFFER: Final = "no_offer"

OUTSIDE_NUMBERS: Final = 10_000
"""The first number of a code that somebody else's connector brings."""
_HTTP: Final = re.compile(r"http_([1-9]\d\d)")
_HTTP_BASE: Final = 9000
_LONGEST_NUMBER: Final = 9


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code as it stands on the wire, its number, what it means, and what a person should do."""

    code: str
    number: int
    meaning: str
    hint: str


def codes(*rows: tuple[str, int, str, str]) -> tuple[ErrorCode, ...]:
    """Return rows of a table, each given as code, number, meaning and hint."""
    return tuple(ErrorCode(*row) for row in rows)


UNLISTED: Final = ErrorCode("", 0, "A code that this version of the hub does not know.", "Call the developers.")

ASK_SENDER: Final = "Show the sender the code and the place; it must send a corrected message under a new id."
FIND_WRITER: Final = (
    "Find who wrote it by `bondmate.error.topic`; mend that writer, then have it send again; discard this."
)
TAKEN_ANYHOW: Final = "Nothing: the message was taken. Tell its sender, so that nothing has to be guessed."
MEND_AND_REPLAY: Final = "Mend the cause, then replay."
NOT_OURS: Final = "Nothing, unless it was meant for the hub: then ask the sender to mend it."
MEND_APP: Final = "The device's app must be mended; the answer names the field."
SEND_AGAIN_LATER: Final = "Send the same again after `Retry-After`."

HUB_CODES: Final = codes(
    ("no_value", 1001, "A record without content.", FIND_WRITER),
    ("no_frame", 1002, "The content does not begin with a schema id.", FIND_WRITER),
    ("unknown_schema", 1003, "The registry has no schema of this id.",
     "Is it the right registry, with all its data? Then replay. Else the writer must register its schema."),
    ("unusable_schema", 1004, "The schema of this id is not Avro that can be read.", FIND_WRITER),
    ("not_avro", 1005, "The bytes are not what their schema says.", FIND_WRITER),
    ("invalid_record", 1006, "A field breaks a rule of the record.", FIND_WRITER),
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
    ("test_not_marked", 2010, "A drill for a connector whose dialect cannot mark a test.",
     "Take `drill: true` from that destination (`hub lint`); discard this."),
    ("page_for_people", 2008, "A page for people where the service should have answered: a login, a portal.",
     "Open the address in a browser: who answers there? Mend it there, or `url`, `login`; then replay."),
    ("not_json", 5002, "The bytes are not JSON in UTF-8.", ASK_SENDER),
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
    ("kind_not_emitted", 6010, "A connector gave a record of a kind that it does not name under `emits`.",
     "A bug of that connector: call its makers. Tell the room by telephone: only its sender can send it again."),
    (NOT_ITS_OWN, 6008, "An answer that refers to what was never sent there, or to another agency's alert.",
     "Find out who wrote it: the control room mends its references, or somebody pretends. Discard it."),
    ("timeout", 7007, "The body did not arrive in time.", "Send it again."),
    ("not_durable", 7013, "The hub cannot keep the event now.", SEND_AGAIN_LATER),
)  # fmt: skip


class ErrorTable:
    """Codes by name and by number; what contradicts a row that is there already is left out, and kept apart."""

    def __init__(self, rows: Iterable[ErrorCode], outside: Iterable[ErrorCode] = ()) -> None:
        """Take `rows`, and then those of connectors that others make.

        Of `outside` a number below `OUTSIDE_NUMBERS` is left out. A number that another of them has is left out too,
        but the code is known by its name, without a number.
        """
        self._by_code: dict[str, ErrorCode] = {}
        self._by_number: dict[int, ErrorCode] = {}
        self.left_out: list[ErrorCode] = []
        for row in rows:
            self._add(row)
        for row in outside:
            self._add_outside(row)

    @property
    def rows(self) -> tuple[ErrorCode, ...]:
        """All codes, by number."""
        return tuple(row for _, row in sorted(self._by_number.items()))

    def find(self, code: str) -> ErrorCode:
        """Return what is known of `code`: a row of the table, an answer over HTTP, or `UNLISTED`."""
        if answer := _HTTP.fullmatch(code):
            status = int(answer[1])
            return ErrorCode(
                code,
                _HTTP_BASE + status,
                f"Answered over HTTP with status {status}.",
                "Ask the staff of who answered why; mend it there, in the route or in the settings, then replay.",
            )
        return self._by_code.get(code, UNLISTED)

    def code_of(self, text: str) -> str:
        """Return the code that a person means by a code or its number; what is no number is taken as it is."""
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
        if _HTTP_BASE < number < OUTSIDE_NUMBERS:
            return f"http_{number - _HTTP_BASE}"
        return self._by_number[number].code if number in self._by_number else text

    def _add(self, row: ErrorCode) -> None:
        there = {self._by_code.get(row.code, row), self._by_number.get(row.number, row)}
        if there != {row}:
            self.left_out.append(row)
            return
        self._by_code[row.code] = self._by_number[row.number] = row

    def _add_outside(self, row: ErrorCode) -> None:
        unnumbered = replace(row, number=0)
        if self._by_code.get(row.code) in {row, unnumbered}:
            return
        if row.number < OUTSIDE_NUMBERS:
            self.left_out.append(row)
            return
        if row.code not in self._by_code and row.number in self._by_number:
            self._by_code[row.code] = unnumbered
        self._add(row)


HUB_TABLE: Final = ErrorTable(HUB_CODES)
