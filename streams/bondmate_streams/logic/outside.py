"""Where ids change form: a Delivery goes out with the ids that its destination may know, an answer comes in with them.

Both happen here and nowhere else. Agents, tables and connectors' receipts know the ids inside; formats and platforms
write what they find in a Delivery and give back what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM
from bondmate_schemas.models import (
    AlertWhole,
    Delivery,
    DeliveryReceipt,
    DestinationState,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Others,
    Payload,
)
from bondmate_schemas.outside_ids import AS_INSIDE, SHARED, ForeignIdError, OutsideIds, Unanswered
from bondmate_schemas.sayings import LINKED, said_by
from bondmate_schemas.unvalidated import unvalidated

UNANSWERED_FIELDS: Final = ("message_id", "event_id", "incident_id", "origin_message_id", "content_digest")
"""Ids and digests in the header of a position."""
_Ids = Callable[[str], str]
_P = TypeVar("_P", DeliveryReceipt, IncidentEvent, DeviceMessage)
_OF_PAYLOAD: Final[Mapping[type[Any], tuple[str, ...]]] = {
    DeviceAlert: (),
    DeviceLocation: (),
    IncidentEvent: ("alert_id",),
    DeviceMessage: ("alert_id", "in_reply_to"),
    DeliveryReceipt: ("delivery_id", "link_to"),
}
"""Fields of a payload that hold an id of the hub's, beside those of its header."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of ids at one destination: how ids, incidents' ids and digests of content go there."""

    destination: str
    id: _Ids
    incident_id: _Ids
    digest: _Ids
    outside: OutsideIds

    @classmethod
    def of(cls, outside: OutsideIds, destination: str, key: str | None, *, shares_incidents: bool) -> Form | None:
        """Return the form under a key, or the newest; None where ids go out as they are inside."""
        key = outside.usable(key)
        if key == AS_INSIDE:
            return None
        own = outside.of_destination(destination, key)
        incident = outside.of_destination(SHARED, key) if shares_incidents else own
        return cls(destination, own, incident, outside.digest(destination, key), outside)

    def header(self, header: EventHeader) -> dict[str, Any]:
        """Return the fields of a header that change."""
        return {
            "message_id": self.id(header.message_id),
            "event_id": self.id(header.event_id),
            "incident_id": header.incident_id and self.incident_id(header.incident_id),
            "origin_message_id": header.origin_message_id and self.id(header.origin_message_id),
            "content_digest": header.content_digest and self.digest(header.content_digest),
            "external_refs": tuple(self._ref(ref, header.source) for ref in header.external_refs),
        }

    def _ref(self, ref: ExternalRef, source: str) -> ExternalRef:
        if ref.system == DEVICE_ALERT_SYSTEM:
            return ref.model_copy(update={"id": self.id(ref.id)})
        # Somebody else's number is theirs to compare; what it says in ids of ours is not.
        return ref.model_copy(update={"id": self._reworded(ref.id, source)})

    def _reworded(self, text: str, source: str) -> str:
        return self.outside.replaced(source, text, self.id)

    def delivery(self, delivery: Delivery) -> Delivery:
        """Return a Delivery with the ids that its destination may know; its header is the event's but for one id."""
        event = delivery.event
        changed = self.header(event.header)
        own = {"message_id": self.id(delivery.header.message_id)}
        return unvalidated(
            Delivery,
            {
                **delivery.__dict__,
                "header": delivery.header.model_copy(update={**changed, **own}),
                delivery.kind.value.lower(): self._payload(event, event.header.model_copy(update=changed)),
                "first_id": delivery.first_id and self.id(delivery.first_id),
                "others": delivery.others and self._others(delivery.others),
            },
        )

    def _others(self, others: Others) -> Others:
        return others.model_copy(update={"cause": self.id(others.cause)}) if others.cause else others

    def _of_whole(self, whole: AlertWhole) -> Iterator[tuple[str, str]]:
        for name, change in (("reopens", self.id), ("linked_to", self.id), ("group_id", self.incident_id)):
            if value := getattr(whole, name):
                yield name, change(value)

    def _payload(self, event: Payload, header: EventHeader) -> Payload:
        update: dict[str, Any] = {"header": header}
        for name in _OF_PAYLOAD[type(event)]:
            if value := getattr(event, name):
                update[name] = self.id(value)
        if isinstance(event, DeviceAlert) and event.whole:
            update["whole"] = event.whole.model_copy(update=dict(self._of_whole(event.whole)))
        if isinstance(event, IncidentEvent) and event.references:
            update["references"] = tuple(self._reworded(text, event.header.source) for text in event.references)
        return event.model_copy(update=update)


NOBODYS: Final = "nobodys"
"""The id of no alert: in place of one that was never given to who says it."""


def with_unanswered(delivery: Delivery, ids: Unanswered) -> Delivery:
    """Return the Delivery of a position with ids that nobody ever reads back, which are cheap."""
    fix = delivery.location
    assert fix is not None

    def changed(header: EventHeader) -> EventHeader:
        return header.model_copy(
            update={name: ids.of(value) for name in UNANSWERED_FIELDS if (value := getattr(header, name)) is not None}
        )

    return unvalidated(
        Delivery,
        {
            **delivery.__dict__,
            "header": changed(delivery.header),
            "location": fix.model_copy(update={"header": changed(fix.header)}),
        },
    )


def with_keys(
    before: Iterable[str], after: Mapping[str, DestinationState], outside: OutsideIds
) -> dict[str, DestinationState]:
    """Return what is known of destinations, each new one with the key of its ids: the others' where they have one.

    So the ids of an alert stay as they were when it was first told, whatever key is the newest by then.
    """
    old = set(before)
    known = (at.id_key for at in after.values() if at.id_key)
    key = outside.usable(next(known, None))
    return {
        name: at if name in old or at.id_key else at.model_copy(update={"id_key": key}) for name, at in after.items()
    }


def returned(record: _P, outside: OutsideIds) -> _P:
    """Return what somebody outside says of ours, with the ids inside.

    Raises:
        ForeignIdError: it speaks of what was given to another destination, or of what somebody has invented.
    """
    who = record.destination if isinstance(record, DeliveryReceipt) else record.header.source

    def back(text: str | None) -> str | None:
        return text and outside.back(who, text)

    # Their own numbers (external references, `references`) stay as they wrote them: by those they know their messages.
    header = record.header
    ids = {"event_id": back(header.event_id), "incident_id": back(header.incident_id)}
    named = [name for name in _OF_PAYLOAD[type(record)] if name != "link_to"]
    update: dict[str, Any] = {name: back(getattr(record, name)) for name in named}
    if isinstance(record, DeliveryReceipt):
        update["link_to"] = _linked_back(outside, who, record.link_to)
    if isinstance(record, IncidentEvent):
        # Of several that it names, some may be nobody's; the others still count.
        update["refers_to"] = tuple(_or_as_it_is(outside, who, text) for text in record.refers_to)
        # What an Update says beside its words, with the alert inside that it links to.
        update["attributes"] = tuple(
            one.model_copy(update={"value": _linked_back(outside, who, one.value)})
            if one.system == LINKED and said_by((one,)).get("link_to")
            else one
            for one in record.attributes
        )
    return record.model_copy(update={"header": header.model_copy(update=ids), **update})


def _linked_back(outside: OutsideIds, who: str, text: str | None) -> str | None:
    """Return the alert that somebody links to: what else is said beside it counts, whatever was invented there."""
    try:
        return text and outside.back(who, text)
    except ForeignIdError:
        return NOBODYS


def _or_as_it_is(outside: OutsideIds, who: str, text: str) -> str:
    try:
        return outside.back(who, text)
    except ForeignIdError:
        return text
