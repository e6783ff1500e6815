"""What a control room says again of an alert of ours under a number of its own: no second emergency.

Where it refers to our message its format knows that. Here it is known by our ids in `incidents` or in the identifier,
which leave under a key of each destination, so that nobody else can quote them: of an alert that was raised lately, in
the same mode. It becomes an answer that says no more than that, by which what is said later of that number finds our
alert; its words are ours and none for the officer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bondmate_schemas.enums import IncidentAction, Level, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_schemas.sayings import said_by

_INCIDENTS: Final = "cap:incidents"
AlertNamed = Callable[[str], tuple[str, Mode] | None]
"""Event id and mode of an alert that was raised lately, by its event id or incident id."""


def answer_of(event: IncidentEvent, outside: OutsideIds, named: AlertNamed) -> DeliveryReceipt | None:
    """Return the answer that an event is which says an alert of ours again; None: it is an event of its own."""
    header = event.header
    if event.action is not IncidentAction.OPENED or header.event_id != header.message_id:
        return None
    found = (named(inside) for inside in _quoted(event, outside))
    event_id = next((one[0] for one in found if one is not None and one[1] is header.mode), None)
    return None if event_id is None else _answer(event, event_id)


def _quoted(event: IncidentEvent, outside: OutsideIds) -> Iterator[str]:
    """Return the ids of ours, given to who says this, that it names its incident or itself by."""
    header = event.header
    texts = [ref.id for ref in header.external_refs if ref.system == _INCIDENTS]
    inside: list[str] = []
    for text in (*texts, header.origin_message_id or ""):
        outside.replaced(header.source, text, lambda one: inside.append(one) or one)  # type: ignore[func-returns-value]
    yield from inside


def _answer(event: IncidentEvent, event_id: str) -> DeliveryReceipt:
    header, message_id = event.header, derived_id("echo", event.header.message_id, event_id)
    update = {"message_id": message_id, "event_id": event_id, "incident_id": None, "expires_at": None}
    return DeliveryReceipt(
        header=header.model_copy(update=update),
        destination=header.source,
        level=Level.UNKNOWN,
        said_in=header.message_id,
        **said_by(event.attributes),
    )
