"""From a Delivery to Cursor on Target: which event stands for what, and what it cannot carry.

- An alert is an emergency after ATAK's rules, but with a uid of its own (`types.alert_uid`), so that a person's answer
  leads back to it without state. Without a position it is written at 0,0 with unknown errors, never dropped. `time` is
  now, `start` when it occurred; it must be written again before `stale`. It is never larger than 2,048 bytes: what of
  its text does not fit is named as lost, and stands in the chat lines of `companions`.
- In an exercise or test an alert is a marker, and its end a deletion: nobody's emergency alarm sounds.
- A cancel has the same uid. A device's mere request to cancel (action CANCEL, delivered as UPDATE or REFRESH) leaves
  the emergency standing and says so in the remarks.
- A position is a position report, a message a GeoChat line, an incident a marker, or a GeoChat line when it has no
  geometry; closing or cancelling it deletes the marker.
- What became of a GeoChat line to an officer is a chat receipt, or a line to its writer (`receipts_out`).
- What is not ACTUAL says so in every name and text and in the hub's own `bondmate` element; in `opex` (and the priority
  in `qos`) only where `Options.marks` asks for it, since FreeTAKServer drops an event that has either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Classification, DeliveryReason
from bondmate_schemas.models import Delivery, DeviceLocation

from bondmate_connectors.contract import Lost, Refusal, Writing
from bondmate_connectors.formats.cot import alerts_out, kinds_out, receipts_out
from bondmate_connectors.formats.cot.chat_out import write_lines
from bondmate_connectors.formats.cot.geometry import point_of
from bondmate_connectors.formats.cot.lost import lost_fields
from bondmate_connectors.formats.cot.options import DEFAULT, Options

NOT_EXPRESSIBLE: Final = frozenset({Classification.CONFIDENTIAL, Classification.SECRET})
_CUT: Final = "cut: the event would be larger than its servers take"


@dataclass(frozen=True, slots=True)
class Composed:
    """The events that say one thing, in order: several only for a long chat line. `is_cut`: not all of its text."""

    documents: tuple[bytes, ...]
    is_cut: bool = False


def compose(event: Delivery, now: datetime, options: Options = DEFAULT) -> Composed | Refusal:
    """Write the CoT of `event`, or say why it cannot be expressed.

    Refused is what carries a marking above RESTRICTED: CoT on a TAK network has no place for it that anybody honours.
    """
    if event.event.header.handling.classification in NOT_EXPRESSIBLE:
        return Refusal("classification_not_expressible", "header.handling.classification")
    if event.receipt is not None:
        written = receipts_out.receipt(event.receipt, event, now, options)
        return Composed((written,)) if written else Refusal("not_a_chat_line", "header.external_refs")
    return _compose(event, now, options)


def _compose(event: Delivery, now: datetime, options: Options) -> Composed:
    if event.alert is not None:
        document, is_cut = alerts_out.write_alert(event.alert, event, now, options)
        return Composed((document,), is_cut)
    if event.location is not None:
        return Composed((kinds_out.location(event.location, event, now, options),))
    if event.message is not None:
        return Composed(write_lines(kinds_out.message_line(event.message, event, options), now, options))
    assert event.incident is not None
    if point_of(event.incident) is None:
        return Composed(write_lines(kinds_out.incident_line(event.incident, event, options), now, options))
    document, is_cut = kinds_out.marker(event.incident, event, now, options)
    return Composed((document,), is_cut)


def compose_leanest(event: Delivery, now: datetime, options: Options) -> bytes | Refusal:
    """Write an alert with the least that still calls for help; anything else as it is."""
    composed = compose(event, now, options)
    if isinstance(composed, Refusal) or event.alert is None:
        return composed if isinstance(composed, Refusal) else composed.documents[0]
    return alerts_out.write_lean_alert(event.alert, event, now, options)


def companions(event: Delivery, composed: Composed, now: datetime, options: Options) -> tuple[bytes, ...]:
    """Write what goes with an event beside itself.

    News of an alert: its chat line, but for a mere position update, and where it is as a position report. TAK Server
    repeats the first version of an emergency for ever, so that whoever looks at the emergency alone would see an old
    place flash up again and again. Of an incident: the whole of a text that was cut, and the deletion of its marker
    when its end has no geometry.
    """
    if event.alert is not None:
        return tuple(_with_alert(event, now, options))
    if event.incident is None:
        return ()
    documents: list[bytes] = []
    if kinds_out.is_end(event) and point_of(event.incident) is None:
        documents.append(kinds_out.deletion(event.incident, event, now, options))
    if composed.is_cut:
        documents += write_lines(kinds_out.incident_line(event.incident, event, options), now, options)
    return tuple(documents)


def _with_alert(event: Delivery, now: datetime, options: Options) -> Iterator[bytes]:
    assert event.alert is not None
    if event.reason is DeliveryReason.REFRESH:
        return
    is_news = event.reason is DeliveryReason.UPDATE and not event.is_of_others_only
    if is_news and event.alert.position is not None:
        told = event.alert
        place = DeviceLocation(
            header=told.header, device_id=told.device_id, callsign=told.callsign, position=event.alert.position
        )
        yield kinds_out.location(place, event, now, options)
    if event.position_only:
        return
    yield from write_lines(alerts_out.chat_line(event.alert, event, options), now, options)


def write(event: Delivery, now: datetime) -> Writing | Refusal:
    """Write one event with the default options, and name every field that is set and does not arrive."""
    composed = compose(event, now)
    if isinstance(composed, Refusal):
        return composed
    (document,) = composed.documents
    return Writing(document, lost_fields(event) + ((Lost("text", _CUT),) if composed.is_cut else ()))
