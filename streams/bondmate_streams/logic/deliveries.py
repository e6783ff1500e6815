"""Deliveries: an event as one destination may see it, under ids that are the same whenever it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, EventHeader, Payload

from bondmate_streams.logic.policy import View
from bondmate_streams.logic.routing import RECORD_OF, Routes, kind_of


@dataclass(frozen=True, slots=True)
class Telling:
    """A destination is to be told of an event: what was decided, before the agreement is applied."""

    destination: str
    route: str
    reason: DeliveryReason
    delivery_id: str
    event: Payload


def new_id(event_id: str, destination: str) -> str:
    """Give the id of the first Delivery of an alert or incident event to a destination."""
    return derived_id("delivery", event_id, destination)


def later_id(event_id: str, destination: str, cause_message_id: str) -> str:
    """Give the id of the Delivery that the message `cause_message_id` leads to."""
    return derived_id("delivery", event_id, destination, cause_message_id)


def refresh_id(event_id: str, destination: str, number: int) -> str:
    """Give the id of the `number`th refresh of an open alert."""
    return derived_id("delivery", event_id, destination, "refresh", str(number))


class Agreements:
    """What every destination may see, and for how long an event is new to it."""

    def __init__(self, routes: Routes, secret: bytes) -> None:
        """Prepare the agreements in `routes`; `secret` is the key of the pseudonyms."""
        self._views = {
            name: View(name, {RECORD_OF[kind]: listed for kind, listed in destination.fields.items()}, secret)
            for name, destination in routes.destinations.items()
        }
        self._ages: Mapping[str, Mapping[str, float]] = {
            name: {str(kind): age for kind, age in destination.max_age_seconds.items()}
            for name, destination in routes.destinations.items()
        }

    def delivery(self, telling: Telling, now: datetime) -> Delivery:
        """Make the Delivery of `telling`: the event as the agreement lets the destination see it."""
        seen = self._views[telling.destination].of(telling.event)
        kind = kind_of(telling.event)
        header = seen.header.model_copy(
            update={
                "message_id": telling.delivery_id,
                "published_at": now,
                "expires_at": self._expiry(telling.destination, kind, telling.event.header),
            }
        )
        return Delivery(
            header=header,
            destination=telling.destination,
            kind=DeliveryKind(kind.upper()),
            reason=telling.reason,
            route=telling.route,
            **{kind: seen},
        )

    def disclosed(self, telling: Telling) -> tuple[str, ...]:
        """Name the fields beyond the envelope that the destination sees."""
        return self._views[telling.destination].disclosed(telling.event)

    def name_of(self, destination: str, device_id: str) -> str | None:
        """Give the pseudonym by which `destination` knows a device; None where there is no such destination."""
        view = self._views.get(destination)
        return view.name_of(device_id) if view else None

    def _expiry(self, destination: str, kind: str, header: EventHeader) -> datetime | None:
        age = self._ages[destination].get(kind)
        if age is None:
            return header.expires_at
        old = header.received_at + timedelta(seconds=age)
        return min(old, header.expires_at) if header.expires_at else old
