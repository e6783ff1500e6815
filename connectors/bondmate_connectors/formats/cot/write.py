"""From a Delivery to Cursor on Target: which event stands for what, and what it cannot carry.

- An alert is an emergency after ATAK's rules, but with a uid of its own (`types.alert_uid`), so that a person's answer
  leads back to it without state. Without a position it is written at 0,0 with unknown errors, never dropped. `time` is
  now, `start` when it occurred; it must be written again before `stale`.
- Its cancel has the same uid. A device's mere request to cancel (action CANCEL, delivered as UPDATE or REFRESH) leaves
  the emergency standing and says so in the remarks.
- A position is a position report, a message a GeoChat line, an incident a marker, or a GeoChat line when it has no
  geometry; closing or cancelling it deletes the marker.
- What became of a GeoChat line to an officer is a chat receipt, or a line to its writer (`receipts_out`).
- What is not ACTUAL says so in every name and text, in `opex` and in the hub's own `bondmate` element, since servers
  are known to drop `opex`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Classification
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Refusal, Writing
from bondmate_connectors.formats.cot import kinds_out, receipts_out
from bondmate_connectors.formats.cot.kinds_out import DEFAULT_LIFETIMES, Lifetimes
from bondmate_connectors.formats.cot.lost import lost_fields

NOT_EXPRESSIBLE: Final = frozenset({Classification.CONFIDENTIAL, Classification.SECRET})


def compose(event: Delivery, now: datetime, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> bytes | Refusal:
    """Write the CoT document of `event`, or say why it cannot be expressed.

    Refused is what carries a marking above RESTRICTED: CoT on a TAK network has no place for it that anybody honours.
    """
    if event.event.header.handling.classification in NOT_EXPRESSIBLE:
        return Refusal("classification_not_expressible", "header.handling.classification")
    if event.alert is not None:
        return kinds_out.alert(event.alert, event, now, lifetimes)
    if event.location is not None:
        return kinds_out.location(event.location, event, now, lifetimes)
    if event.message is not None:
        return kinds_out.message(event.message, event, now, lifetimes)
    if event.receipt is not None:
        written = receipts_out.receipt(event.receipt, event, now, lifetimes)
        return written or Refusal("not_a_chat_line", "header.external_refs")
    assert event.incident is not None
    return kinds_out.incident(event.incident, event, now, lifetimes)


def write(event: Delivery, now: datetime) -> Writing | Refusal:
    """Write one event with the default lifetimes, and name every field that is set and does not arrive."""
    message = compose(event, now)
    return message if isinstance(message, Refusal) else Writing(message, lost_fields(event))
