"""What the hub tells a sender of CAP about its message: Ack, or Error with a note."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bondmate_schemas.enums import Mode
from bondmate_schemas.ids import derived_id

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.document import serialised
from bondmate_connectors.formats.cap.references import Reference
from bondmate_connectors.formats.cap.values import our_sender, word, write_time


def write_answer(
    kind: Literal["Ack", "Error"], reference: Reference, *, agency_id: str, mode: Mode, now: datetime, note: str = ""
) -> bytes:
    """Return the answer to the message that `reference` names, Private to its sender.

    The identifier is derived from kind and reference: the same answer twice is one. An Error should say why in `note`
    (CAP 1.2, 3.2.1 `msgType`).
    """
    text = str(reference)
    values = {
        "identifier": derived_id("cap-answer", kind, text),
        "sender": our_sender(agency_id),
        "sent": write_time(now),
        "status": codes.STATUS_OF[mode],
        "msgType": kind,
        "scope": "Private",
        "addresses": word(reference.sender),
        "note": note or None,
        "references": text,
    }
    return serialised(values)
