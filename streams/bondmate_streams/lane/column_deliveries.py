"""Deliveries of many fixes to one destination: `logic.deliveries.Agreements.delivery`, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bondmate_schemas.columns import Columns

from bondmate_streams.lane.batch import DestinationRecords, Disclosed
from bondmate_streams.lane.column_ids import Blocks, outside_of
from bondmate_streams.lane.column_views import ColumnView, constant, parts_of, struct_of
from bondmate_streams.lane.people import ColumnPeople
from bondmate_streams.lane.tracks import Tracks
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.outside import UNANSWERED_FIELDS

__all__ = ["LAST_FIELD", "Deliveries"]

_KIND: Final = "location"
LAST_FIELD: Final = "newest_only"
"""Of a Delivery; what comes after it says nothing of a position."""
_TIME: Final = pa.timestamp("ms")


class Deliveries:
    """What one destination is told of positions."""

    def __init__(self, destination: str, agreements: Agreements, columns: Columns) -> None:
        """Create what writes for one destination by its agreement; `columns` encodes Deliveries."""
        self._destination = destination
        self._columns = columns
        self._view = ColumnView(agreements.view(destination))
        self._ids = agreements.unanswered(destination)
        self._most, self._nulls = 0, list[pa.Array]()
        """Fields that are never set, for as many fixes as came together so far."""
        self._flag = agreements.late_flag(destination, _KIND)
        self._newest_only = pa.array(sorted(agreements.newest_only), pa.string())
        age_seconds = agreements.max_age_seconds(destination, _KIND)
        # A datetime counts microseconds, the wire whole milliseconds.
        self._age_ms = None if age_seconds is None else round(age_seconds * 1e6) // 1000

    def told(self, people: ColumnPeople, tracks: Tracks, routes: Any, now_ms: int) -> DestinationRecords:
        """Write the Delivery of each fix of `people`; `routes` has the rule of each."""
        fixes = people.fixes
        seen = self._with_ids(self._view.of(fixes, people.slots, tracks), people.blocks)
        schema, rows = self._columns.schema, fixes.num_rows
        columns = {
            "header": struct_of(schema.field("header").type, self._header(fixes, seen, now_ms)),
            "destination": constant(self._destination, pa.string(), rows),
            "kind": constant(_KIND.upper(), pa.string(), rows),
            "reason": constant("NEW", pa.string(), rows),
            "route": routes,
            "newest_only": pc.is_in(routes, self._newest_only),
            _KIND: struct_of(schema.field(_KIND).type, seen),
        }
        if rows > self._most:
            self._most, self._nulls = rows, [pa.nulls(rows, f.type) for f in schema]
        nulls = zip(schema, self._nulls, strict=True)
        arrays = [columns[f.name] if f.name in columns else null.slice(0, rows) for f, null in nulls]
        values = self._columns.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
        keys = seen["device_id"].cast(pa.binary()).to_pylist()
        return DestinationRecords(self._destination, list(zip(keys, values, strict=True)))

    def _with_ids(self, seen: dict[str, Any], blocks: Blocks) -> dict[str, Any]:
        """Return fixes under the ids that the destination may know."""
        header = seen["header"]
        parts, changed = parts_of(header), blocks.outside(self._ids)
        changed |= {name: outside_of(parts[name], self._ids) for name in UNANSWERED_FIELDS if name not in changed}
        return seen | {"header": struct_of(header.type, parts | changed)}

    def _header(self, fixes: pa.RecordBatch, seen: dict[str, Any], now_ms: int) -> dict[str, Any]:
        header = parts_of(seen["header"])
        header["published_at"] = constant(now_ms, pa.int64(), fixes.num_rows).cast(_TIME)
        header["expires_at"] = self._expiry(fixes.column("header"))
        if self._flag:
            header["flags"] = _with_one_more(header["flags"], self._flag)
        return header

    def _expiry(self, header: Any) -> Any:
        if self._age_ms is None:
            return header.field("expires_at")
        old = pc.add(header.field("received_at").cast(pa.int64()), self._age_ms)
        return pc.min_element_wise(old, header.field("expires_at").cast(pa.int64())).cast(_TIME)

    def disclosed(self, people: ColumnPeople) -> Iterator[Disclosed]:
        """Yield what the destination gets to see of the fixes of `people`, by purpose."""
        fixes = people.fixes
        handling = fixes.column("header").field("handling")
        purposes, bases = (handling.field(name).dictionary_encode() for name in ("purpose", "legal_basis"))
        pairs = purposes.indices.to_numpy().astype(np.int64) * len(bases.dictionary) + bases.indices.to_numpy()
        for pair in np.unique(pairs).tolist():
            purpose, basis = divmod(pair, len(bases.dictionary))
            part = people.of(np.flatnonzero(pairs == pair))
            place = purposes.dictionary[purpose].as_py(), bases.dictionary[basis].as_py()
            yield Disclosed(self._destination, *place, len(part.slots), part, self._view.disclosed(part.fixes))


def _with_one_more(lists: Any, text: str) -> Any:
    """Return lists of texts, each with `text` at its end."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    offsets = offsets - offsets[0]
    items, rows = lists.flatten(), len(lists)
    which = np.full(len(items) + rows, len(items), np.int64)
    here = np.ones(len(which), np.bool_)
    here[offsets[1:] + np.arange(rows)] = False
    which[here] = np.arange(len(items))
    values = pa.concat_arrays([items, pa.array([text], items.type)]).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array((offsets + np.arange(rows + 1)).astype(np.int32)), values, lists.type)
