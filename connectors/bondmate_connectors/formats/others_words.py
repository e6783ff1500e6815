"""What people read of what was said at the other rooms of an alert; the same in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bondmate_schemas.enums import Level, Response, Validity
from bondmate_schemas.models import Delivery, OtherRoom

from bondmate_connectors.formats.labels import ENGLISH, Labels

NEWS: Final = "NEWS OF OTHER ROOMS"
_LEVELS: Final = {
    Level.ACKNOWLEDGED: "seen",
    Level.RESPONDING: "on its way",
    Level.DECLINED: "not coming",
    Level.CANCELLED: "closed its part, called off",
    Level.RESOLVED: "closed its part, resolved",
}
_RESPONSES: Final = {
    Response.ASSIGNED: "assigned",
    Response.EN_ROUTE: "on its way",
    Response.ON_SCENE: "on scene",
    Response.WITHDRAWN: "took its help back, NOT coming",
}


def others_words(delivery: Delivery, labels: Labels = ENGLISH) -> Iterator[str]:
    """Return what people at the other rooms said last, a sentence each: `county: assigned, unit 7, ETA 12:05 UTC`."""
    for room in delivery.others.rooms if delivery.others else ():
        said = _RESPONSES.get(room.response) or _LEVELS.get(room.level, room.level.value.lower())
        words = f': "{room.words}"' if room.words else ""
        yield ", ".join((f"{room.agency}: {labels(said)}", *_details(room, labels))) + words


def _details(room: OtherRoom, labels: Labels) -> Iterator[str]:
    if room.unit:
        yield labels("unit {unit}", unit=room.unit)
    if room.eta_at:
        yield labels("ETA {time} UTC", time=f"{room.eta_at:%H:%M}")
    if room.validity is Validity.FALSE:
        yield labels("false alarm")
    if room.by_ref:
        yield labels("by {who}", who=room.by_ref)
