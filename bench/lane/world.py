"""What every contestant works on: a country's officers who walk, its districts, and who may see what of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bondmate_schemas.codec import Codec
from bondmate_schemas.columns import Columns
from bondmate_streams.lane.column_views import constant, struct_of
from bondmate_streams.logic.districts import Districts, parse_districts
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes

WEST, EAST, SOUTH, NORTH = 5.0, 15.0, 47.0, 55.0
"""The country, degrees."""
_STEP_DEG: Final = 1.5e-5
"""How far an officer walks in a second."""
_CORNERS: Final = 200
_TIME: Final = pa.timestamp("ms")
_PLAIN: Final = (
    "device_id", "officer_ref", "unit", "callsign", "on_duty", "battery_percent", "district", "position",
    "position.accuracy_m", "position.speed_mps", "position.course_deg", "position.method",
)  # fmt: skip
_POLICIES: Final = (
    dict.fromkeys(_PLAIN, "plain"),
    {"position": "coarse:500", "position.accuracy_m": "plain", "district": "plain"},
    {"position": "round:2", "position.accuracy_m": "plain", "callsign": "plain"},
)


@dataclass(frozen=True, slots=True)
class World:
    """What is worked on, and by which rules."""

    devices: int = 200_000
    districts: int = 1_000
    destinations: int = 3

    def routes(self) -> Routes:
        """Give the routes: each destination gets every position, by one of three policies in turn."""
        names = [f"room-{number}" for number in range(self.destinations)]
        agreements = {
            name: {"modes": "ACTUAL", "fields": {"location": _POLICIES[number % len(_POLICIES)]}}
            for number, name in enumerate(names)
        }
        rules = [{"name": "positions", "when": {"record": "location"}, "to": names}]
        return parse_routes(json.dumps({"destinations": agreements, "routes": rules}))

    def map(self) -> str:
        """Give the districts as GeoJSON: a grid of areas of two hundred corners that cover most of the country."""
        across = max(1, math.ceil(math.sqrt(self.districts)))
        width, height = (EAST - WEST) / across, (NORTH - SOUTH) / across
        features = []
        for number in range(self.districts):
            row, column = divmod(number, across)
            x, y = WEST + (column + 0.5) * width, SOUTH + (row + 0.5) * height
            features.append({
                "type": "Feature",
                "properties": {"district": f"district-{number:05}"},
                "geometry": {"type": "Polygon", "coordinates": [_ring(x, y, width / 2, height / 2)]},
            })  # fmt: skip
        return json.dumps({"type": "FeatureCollection", "features": features})

    def districts_of(self) -> Districts:
        """Give them ready to be asked."""
        return parse_districts(self.map())

    def positions(self, count: int, codec: Codec, *, seed: int = 1, start_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Give so many positions, key and value of each: every device in turn, one a second."""
        chance = np.random.default_rng(seed)
        columns = Columns("DeviceLocation", codec.prefix_of("DeviceLocation"))
        latitude = chance.uniform(SOUTH, NORTH, self.devices)
        longitude = chance.uniform(WEST, EAST, self.devices)
        for first in range(0, count, self.devices):
            order = chance.permutation(self.devices)[: count - first]
            latitude += chance.normal(0, _STEP_DEG, self.devices)
            longitude += chance.normal(0, _STEP_DEG, self.devices)
            second = first // self.devices
            for part in np.array_split(order, max(1, len(order) // 20_000)):
                place = latitude[part], longitude[part]
                batch = _batch(part, second, start_ms + second * 1000, place, columns.schema)
                keys = batch.column("device_id").cast(pa.binary()).to_pylist()
                yield from zip(keys, columns.write(batch), strict=True)


def _ring(x: float, y: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    """Give a closed ring of many corners within a rectangle."""
    ring = []
    for number in range(_CORNERS):
        turn = 2 * math.pi * number / _CORNERS
        reach = 0.97 + 0.03 * math.cos(9 * turn)
        # The shape between a circle and a rectangle, so that districts nearly meet.
        edge = max(abs(math.cos(turn)), abs(math.sin(turn)))
        ring.append((
            round(x + half_width * reach * math.cos(turn) / edge, 7),
            round(y + half_height * reach * math.sin(turn) / edge, 7),
        ))  # fmt: skip
    return [*ring, ring[0]]


def _batch(devices: Any, second: int, at_ms: int, place: tuple[Any, Any], schema: pa.Schema) -> pa.RecordBatch:
    rows, (latitude, longitude) = len(devices), place
    numbers = pa.array([f"{number:06}" for number in devices.tolist()])
    ids = _joined("3f2a9c1e-7b54-5d0f-9c1b-", numbers, f"{second:06}")
    time = constant(_at(at_ms), _TIME, rows)
    header = {
        "message_id": ids, "event_id": ids, "agency_id": "agency-1", "mode": "ACTUAL", "occurred_at": time,
        "received_at": time, "source": "device_http", "external_refs": [], "hops": [], "flags": [],
        "content_digest": _joined("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d", numbers, ""),
        "handling": {"purpose": "officer_safety", "legal_basis": "art-8", "classification": "RESTRICTED",
                     "retention_days": 30},
    }  # fmt: skip
    position = {
        "latitude": pa.array(latitude), "longitude": pa.array(longitude), "fixed_at": time, "accuracy_m": 4.5,
        "speed_mps": 1.4, "course_deg": 90.0, "method": "gps",
    }  # fmt: skip
    columns = {
        "header": _struct(schema.field("header").type, header, rows),
        "device_id": _joined("device-", numbers, ""),
        "officer_ref": _joined("officer-", numbers, ""),
        "unit": "unit-7", "callsign": _joined("C", numbers, ""),
        "sequence": pa.array(np.full(rows, second, np.int64)),
        "position": _struct(schema.field("position").type, position, rows),
        "on_duty": True, "battery_percent": 80,
    }  # fmt: skip
    return pa.RecordBatch.from_arrays([_column(columns.get(f.name), f.type, rows) for f in schema], schema=schema)


def _struct(kind: pa.StructType, values: dict[str, Any], rows: int) -> Any:
    return struct_of(kind, {field.name: _column(values.get(field.name), field.type, rows) for field in kind})


def _column(value: Any, kind: pa.DataType, rows: int) -> Any:
    return value if isinstance(value, pa.Array) else constant(value, kind, rows)


def _joined(before: str, numbers: Any, after: str) -> Any:
    return pc.binary_join_element_wise(before, numbers, after, "")


def _at(ms: int) -> Any:
    return pa.scalar(ms, pa.int64()).cast(_TIME).as_py()
