"""Deliveries: an event as one destination may see it, under ids that are the same whenever it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Final

from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.flags import DROP_WHEN_LATE, MARK_WHEN_LATE
from bondmate_schemas.ids import derived_id, number_of, numbered_id
from bondmate_schemas.models import Delivery, EventHeader, OtherRoom, Others, Payload
from bondmate_schemas.outside_ids import OutsideIds, Unanswered
from bondmate_schemas.unvalidated import unvalidated

from bondmate_streams.logic.outside import Form, with_unanswered
from bondmate_streams.logic.policy import DisclosurePolicy
from bondmate_streams.logic.routing import RECORD_OF, Destination, Routes, kind_of

LEAST_SECONDS: Final = 0.5
"""Two position updates of an alert to a destination are never nearer to each other."""
_NO_PAYLOAD = dict.fromkeys(kind.value.lower() for kind in DeliveryKind if kind is not DeliveryKind.OTHER)


@dataclass(frozen=True, slots=True)
class First:
    """The first Delivery of an event to a destination: its id, and when the hub made it."""

    delivery_id: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """A destination is to be told of an event: what was decided, before the agreement is applied."""

    destination: str
    route: str
    reason: DeliveryReason
    delivery_id: str
    event: Payload
    first: First | None = None
    """What later Deliveries refer to; None: this is the first, made now."""
    position_only: bool = False
    """It says where the device of an open alert is now, and nothing else."""
    others: Others | None = None
    """What people at the other rooms said, as the destination may know it."""


def new_id(event_id: str, destination: str) -> str:
    """Return the id of the first Delivery of an alert or incident event to a destination."""
    return derived_id("delivery", event_id, destination)


def later_id(event_id: str, destination: str, cause_message_id: str) -> str:
    """Return the id of the Delivery that the message `cause_message_id` leads to."""
    return derived_id("delivery", event_id, destination, cause_message_id)


def refresh_id(event_id: str, destination: str, number: int) -> str:
    """Return the id of the `number`th refresh of an open alert."""
    return numbered_id(number, "delivery", event_id, destination, "refresh")


def position_id(event_id: str, destination: str, number: int) -> str:
    """Return the id of a position update of an open alert, made `number` half seconds after the hub had the alert."""
    return numbered_id(number, "delivery", event_id, destination, "position")


def refresh_and_position_of(delivery_id: str, event_id: str, destination: str) -> tuple[int | None, int | None]:
    """Return the number of the refresh, and that of the position update, of which this is the id."""
    about = "delivery", event_id, destination
    return number_of(delivery_id, *about, "refresh"), number_of(delivery_id, *about, "position")


def escalation_id(event_id: str, destination: str, after_seconds: float, number: int = 0) -> str:
    """Return the id of the Delivery by which a destination hears again of an alert that nobody answered for so long.

    `number` is that of the round of escalation.
    """
    return derived_id(
        "delivery", event_id, destination, "escalation", f"{after_seconds:g}", *of_round(number)
    )  # fmt: skip


def round_id(event_id: str, destination: str, number: int, what: str) -> str:
    """Return the id of the Delivery by which a destination hears once in a round of escalation that `what`."""
    return derived_id("delivery", event_id, destination, what, *of_round(number))


def of_round(number: int) -> tuple[str, ...]:
    """Return what stands in each id of a round of escalation: in round 0 nothing, as before there were rounds."""
    return (f"round-{number}",) if number else ()


class Agreements:
    """What every destination may see, and for how long an event is new to it."""

    def __init__(self, routes: Routes, secret: bytes, outside: OutsideIds | None = None) -> None:
        """Prepare the agreements in `routes`; `secret` is the key of the pseudonyms, `outside` the keys of ids."""
        self.outside = outside or OutsideIds.of(secret)
        """Ids as destinations know them."""
        self._unanswered = {name: self.outside.unanswered(name) for name in routes.destinations}
        self._shares = {
            name: {kind for kind, fields in destination.fields.items() if fields.get("header.incident_id") == "plain"}
            for name, destination in routes.destinations.items()
        }
        self._views = {
            name: DisclosurePolicy(name, _listed(destination), secret)
            for name, destination in routes.destinations.items()
        }
        self._sees = {
            path: {name for name, destination in routes.destinations.items() if _sees(destination, path)}
            for path in ("device_id", "callsign")
        }
        self._ages: Mapping[str, Mapping[str, float]] = {
            name: {str(kind): age for kind, age in destination.max_age_seconds.items()}
            for name, destination in routes.destinations.items()
        }
        self._when_late: Mapping[tuple[str, str], str] = {
            (name, kind): MARK_WHEN_LATE if what == "mark" else DROP_WHEN_LATE
            for name, destination in routes.destinations.items()
            for kind, what in destination.late.items()
        }
        self.newest_only = frozenset(rule.name for rule in routes.routes if rule.newest_only)
        """The routes that want no more than the newest of a device's fixes that wait together."""
        self._form = cache(partial(Form.of, self.outside))

    def delivery(self, notification: Notification, now: datetime, key: str | None = None) -> Delivery | None:
        """Return the Delivery of `notification`, as its agreement lets the destination see the event; None: nothing.

        Ids in it have the form that belongs to `key`, or to the newest; those of positions one that nobody reads back.
        """
        made = self._made(notification, now)
        if made is None:
            return None
        if made.location is not None:
            return with_unanswered(made, self._unanswered[notification.destination])
        shares = kind_of(notification.event) in self._shares[notification.destination]
        form = self._form(notification.destination, key, shares_incidents=shares)
        return form.delivery(made) if form else made

    def unanswered(self, destination: str) -> Unanswered:
        """Return the ids of positions for a destination."""
        return self._unanswered[destination]

    def _made(self, notification: Notification, now: datetime) -> Delivery | None:
        seen = self._views[notification.destination].of(notification.event)
        if seen is None:
            return None
        kind = kind_of(notification.event)
        when_late = self.late_flag(notification.destination, kind)
        header = seen.header.model_copy(
            update={
                "message_id": notification.delivery_id,
                "published_at": now,
                "expires_at": self._expiry(notification.destination, kind, notification.event.header),
                "flags": seen.header.flags if when_late is None else (*seen.header.flags, when_late),
            }
        )
        return unvalidated(
            Delivery,
            {
                "header": header,
                "destination": notification.destination,
                "kind": DeliveryKind(kind.upper()),
                "reason": notification.reason,
                "route": notification.route,
                **_NO_PAYLOAD,
                kind: seen,
                **_sent(notification, kind, now),
                "newest_only": notification.route in self.newest_only,
                "position_only": notification.position_only,
                "others": notification.others,
            },
        )

    def disclosed(self, notification: Notification) -> tuple[str, ...]:
        """Name the fields beyond the envelope that the destination sees."""
        found = self._views[notification.destination].disclosed(notification.event)
        rooms = notification.others.rooms if notification.others else ()
        beside = (name for name in OtherRoom.model_fields if any(getattr(room, name) for room in rooms))
        return (*found, *(f"others.{name}" for name in beside)) if rooms else found

    def view(self, destination: str) -> DisclosurePolicy:
        """Return what a destination may see."""
        return self._views[destination]

    def late_flag(self, destination: str, kind: str) -> str | None:
        """Return the flag for what the destination wants of an event of this kind once it is late."""
        return self._when_late.get((destination, kind))

    def max_age_seconds(self, destination: str, kind: str) -> float | None:
        """Return for how long an event of this kind is new to a destination; None: as the event itself says."""
        return self._ages[destination].get(kind)

    def name_of(self, destination: str, device_id: str) -> str | None:
        """Return the pseudonym by which `destination` knows a device; None where there is no such destination."""
        view = self._views.get(destination)
        return view.name_of(device_id) if view else None

    def sees_ids(self, destination: str) -> bool:
        """Whether the agreement shows `destination` the true id of a device in events of any kind."""
        return destination in self._sees["device_id"]

    def sees_callsigns(self, destination: str) -> bool:
        """Whether the agreement shows `destination` callsigns in events of any kind."""
        return destination in self._sees["callsign"]

    def _expiry(self, destination: str, kind: str, header: EventHeader) -> datetime | None:
        age = self._ages[destination].get(kind)
        if age is None:
            return header.expires_at
        old = header.received_at + timedelta(seconds=age)
        return min(old, header.expires_at) if header.expires_at else old


def _sent(notification: Notification, kind: str, now: datetime) -> dict[str, object]:
    """Return when the Delivery is made and which was the first; positions say neither, since nothing refers to them."""
    if kind == DeliveryKind.LOCATION.value.lower():
        return {"sent_at": None, "first_sent_at": None, "first_id": None}
    first = notification.first or First(notification.delivery_id, now)
    sent_at = first.sent_at if first.delivery_id == notification.delivery_id else now
    return {"sent_at": sent_at, "first_sent_at": first.sent_at, "first_id": first.delivery_id}


def _sees(destination: Destination, path: str) -> bool:
    return any(fields.get(path) == "plain" for fields in destination.fields.values())


def _listed(destination: Destination) -> dict[str, Mapping[str, str]]:
    """Return what an agreement lists, by record.

    A receipt of a message names its device as the destination knows it, and the message as the destination did.
    """
    listed = {RECORD_OF[kind]: fields for kind, fields in destination.fields.items()}
    device = {"device_id": "plain"} if _sees(destination, "device_id") else {}
    return {**listed, "DeliveryReceipt": {"header.external_refs": "plain", **device}}
