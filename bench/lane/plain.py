"""The lane's work as it is written for a framework that gives one message at a time: plain dicts, fastavro, a state.

Quix Streams and faust both run it. It does what decides where a position goes and who sees what of it; the audit
trail, the register and the checks of unusual input, which the lane has beside, it leaves out.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import fastavro
from bondmate_schemas.codec import Codec, LocalSchemaIds, schema
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic.blur import Blur, blurred
from bondmate_streams.logic.locations import FASTEST_MPS, SEEN_KEPT, metres_between
from bondmate_streams.logic.outside import UNANSWERED_FIELDS
from bondmate_streams.logic.policy import BY_FLAG, PSEUDONYM, Shown, shown_of

from bench.lane.world import World

SECRET: Final = b"of the bench only"
Fix = dict[str, Any]
State = dict[str, Any]
Name = Callable[[str], str]
FRAME = 5


class Avro:
    """Reads and writes one record in the wire format."""

    def __init__(self, record: str) -> None:
        """Learn the schema of a record and its id."""
        codec = Codec(LocalSchemaIds())
        codec.learn(record)
        self._prefix = codec.prefix_of(record)
        self._schema = fastavro.parse_schema(dict(schema(record)))

    def read(self, value: bytes) -> Fix:
        """Give a record."""
        return fastavro.schemaless_reader(io.BytesIO(value[FRAME:]), self._schema, None)  # type: ignore[return-value]

    def write(self, record: Fix) -> bytes:
        """Give its bytes."""
        out = io.BytesIO(self._prefix)
        out.seek(FRAME)
        fastavro.schemaless_writer(out, self._schema, record)
        return out.getvalue()


class Work:
    """The work for one world."""

    def __init__(self, world: World) -> None:
        """Prepare the map, and what each destination may see."""
        self._districts = world.districts_of()
        self._names: dict[tuple[str, str], str] = {}
        routes = world.routes()
        self._shown = {
            name: shown_of("DeviceLocation", destination.fields["location"])
            for name, destination in routes.destinations.items()
        }
        self._route = routes.routes[0].name
        self._outside = {name: OutsideIds.of(SECRET).unanswered(name) for name in routes.destinations}

    def judge(self, fix: Fix, known: State | None) -> tuple[Fix | None, State]:
        """Give a fix to go on with, or None for a repeat, and what is now known of its device."""
        state = known or {"at": None, "seen": []}
        position, number = fix["position"], fix["sequence"]
        at = [_ms(position["fixed_at"]), number]
        if at in state["seen"]:
            return None, state
        state["seen"] = [*state["seen"], at][-SEEN_KEPT:]
        flags = []
        if state["at"] and at < state["at"]:
            flags.append("late")
        else:
            if state["at"] and _jumped(position, at, state):
                flags.append("implausible_jump")
            state |= {"at": at, "place": [position["latitude"], position["longitude"]],
                      "accuracy_m": position["accuracy_m"] or 0.0}  # fmt: skip
        fix["header"]["flags"] = [*fix["header"]["flags"], *flags]
        fix["district"] = self._districts.of(position["latitude"], position["longitude"])
        return fix, state

    def deliveries(self, fix: Fix) -> Iterator[tuple[str, str, Fix]]:
        """Give destination, key and Delivery for each that sees a fix."""
        for destination, shown in self._shown.items():
            seen = _projected(fix, shown, lambda device, name=destination: self._name_of(name, device))  # type: ignore[misc]
            header = {**seen["header"], "published_at": datetime.fromtimestamp(time.time(), UTC)}
            outside = self._outside[destination]
            for told in (header, seen["header"]):
                told |= {name: outside.of(told[name]) for name in UNANSWERED_FIELDS if told.get(name) is not None}
            yield destination, seen["device_id"], {
                "header": header, "destination": destination, "kind": "LOCATION", "reason": "NEW",
                "route": self._route, "location": seen,
            }  # fmt: skip

    def _name_of(self, destination: str, device: str) -> str:
        found = self._names.get((destination, device))
        if found is None:
            found = self._names[destination, device] = pseudonym(SECRET, destination, device)
        return found


def _ms(time_: datetime) -> int:
    return round(time_.timestamp() * 1000)


def _jumped(position: Fix, at: list[int], state: State) -> bool:
    latitude, longitude = state["place"]
    metres = metres_between(latitude, longitude, position["latitude"], position["longitude"])
    error_m = state["accuracy_m"] + (position["accuracy_m"] or 0.0)
    return bool(metres - error_m > FASTEST_MPS * max(at[0] - state["at"][0], 1000) / 1000)


def _projected(value: Fix, shown: Mapping[str, Shown], name_of: Name) -> Fix:
    return {name: _part(value[name], part, name_of) for name, part in shown.items()}


def _part(value: Any, shown: Shown, name_of: Name) -> Any:
    if value is None or shown.is_whole:
        return value
    if shown.mode == PSEUDONYM:
        return name_of(value)
    if shown.mode == BY_FLAG:
        # The lane's own remarks are all there are here; which of them show follows from the agreement.
        return [flag for flag in value if flag != "implausible_jump"]
    if shown.record is None:
        return value
    if shown.is_list:
        return [_projected(item, shown.parts, name_of) for item in value]
    part = _projected(value, shown.parts, name_of)
    return _moved(value, part, blur) if (blur := blurred(shown.mode)) else part


def _moved(position: Fix, part: Fix, blur: Blur) -> Fix:
    latitude, longitude = position["latitude"], position["longitude"]
    if blur.name == "round":
        latitude, longitude = (math.floor(each * blur.scale + 0.5) / blur.scale for each in (latitude, longitude))
    else:
        latitude = (math.floor(latitude / blur.step_deg) + 0.5) * blur.step_deg
        across = blur.across_deg(latitude)
        longitude = (math.floor(longitude / across) + 0.5) * across
    return part | {"latitude": latitude, "longitude": longitude, "accuracy_m": _error_m(position, part) + blur.error_m}


def _error_m(position: Fix, part: Fix) -> float:
    return (position["accuracy_m"] or 0.0) if "accuracy_m" in part else 0.0
