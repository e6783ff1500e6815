"""What a destination may see of positions, as columns; `DisclosurePolicy` is the reference, `Shown` the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bondmate_schemas import models
from bondmate_schemas.models import Record
from numpy.typing import NDArray

from bondmate_streams.lane.tracks import Ints, Tracks
from bondmate_streams.logic.blur import Blur, blurred
from bondmate_streams.logic.policy import BY_FLAG, PSEUDONYM, DisclosurePolicy, Shown

__all__ = ["ColumnView", "constant", "parts_of", "struct_of"]

RECORD: Final = "DeviceLocation"
_NAME_BYTES: Final = 32
Columns = Mapping[str, Any]
"""Arrow arrays by field, all of one length."""


class ColumnView:
    """What one destination may see."""

    def __init__(self, view: DisclosurePolicy) -> None:
        """Take over an agreement."""
        self._view = view
        self._shown = view.shown(RECORD)
        self._shows_flag = view.flags_of(RECORD)
        self._paths = [path.split(".") for path in view.paths(RECORD)]
        self._names = _Names(view.new_name_of)

    def of(self, fixes: pa.RecordBatch, slots: Ints, tracks: Tracks) -> dict[str, Any]:
        """Return the columns of `fixes` as the destination may see them; `slots` are those of their devices."""
        columns = dict(zip(fixes.schema.names, fixes.columns, strict=True))
        device = self._shown["device_id"]
        seen = self._record(RECORD, list(fixes.schema), columns, {**self._shown, "device_id": Shown("plain")})
        if device.mode == PSEUDONYM:
            seen["device_id"] = self._names.of(columns["device_id"], slots, tracks)
        return seen

    def disclosed(self, fixes: pa.RecordBatch) -> list[str]:
        """Name the paths beyond the envelope that the destination sees of some of `fixes`."""
        return [".".join(parts) for parts in self._paths if _is_given(fixes, parts)]

    def _record(
        self, record: str, fields: Sequence[pa.Field], columns: Columns, shown: Mapping[str, Shown]
    ) -> dict[str, Any]:
        rows = len(next(iter(columns.values())))
        return {
            field.name: self._field(field, columns[field.name], shown[field.name])
            if field.name in shown
            else constant(_default(record, field.name), field.type, rows)
            for field in fields
        }

    def _field(self, field: pa.Field, column: Any, shown: Shown) -> Any:
        if shown.is_whole:
            return column
        if shown.mode == PSEUDONYM:
            return _each(column, self._view.name_of)
        if shown.mode == BY_FLAG:
            return _those(column, self._shows_flag)
        if shown.record is None:
            return column
        if shown.is_list:
            return self._list(column, shown)
        parts = self._record(shown.record, list(field.type), parts_of(column), shown.parts)
        if blur := blurred(shown.mode):
            parts |= _moved(parts, blur)
        return struct_of(field.type, parts, column)

    def _list(self, column: Any, shown: Shown) -> Any:
        items = column.values
        parts = self._record(str(shown.record), list(items.type), parts_of(items), shown.parts)
        mask = column.is_null() if column.null_count else None
        return pa.ListArray.from_arrays(column.offsets, struct_of(items.type, parts, items), column.type, mask=mask)


class _Names:
    """Pseudonyms of the devices of one destination, by slot: each costs a hash, once."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of
        self._generation = 0
        self._names: NDArray[np.bytes_] = np.zeros(0, f"S{_NAME_BYTES}")

    def of(self, devices: pa.StringArray, slots: Ints, tracks: Tracks) -> Any:
        if self._generation != tracks.generation:
            self._generation, self._names = tracks.generation, self._names[:0]
        if len(self._names) < len(tracks.rows):
            room = np.zeros(len(tracks.rows) - len(self._names), self._names.dtype)
            self._names = np.concatenate([self._names, room])
        new = np.flatnonzero(self._names[slots] == b"")
        if len(new):
            named, first = np.unique(slots[new], return_index=True)
            self._names[named] = [*map(self._name_of, devices.take(pa.array(new[first])).to_pylist())]
        offsets = np.arange(len(slots) + 1, dtype=np.int32) * _NAME_BYTES
        names = self._names[slots].tobytes()
        return pa.StringArray.from_buffers(len(slots), pa.py_buffer(offsets), pa.py_buffer(names))


def constant(value: Any, kind: pa.DataType, rows: int) -> Any:
    """Create a column of one value."""
    if value is None:
        return pa.nulls(rows, kind)
    return pa.array([value], kind).take(pa.array(np.zeros(rows, np.int32)))


def struct_of(kind: pa.StructType, parts: Columns, like: Any = None) -> Any:
    """Create a column of records from columns; null where `like` is."""
    fields = list(kind)
    mask = like.is_null() if like is not None and like.null_count else None
    # Inside a record that may be missing all may be: types that are told apart only by that.
    columns = [part if (part := parts[field.name]).type == field.type else part.cast(field.type) for field in fields]
    return pa.StructArray.from_arrays(columns, fields=fields, mask=mask)


def parts_of(column: Any) -> dict[str, Any]:
    """Return the columns of the fields of a column of records."""
    return dict(zip((field.name for field in column.type), column.flatten(), strict=True))


def _default(record: str, name: str) -> Any:
    model: type[Record] = getattr(models, record)
    return _plain(model.model_fields[name].get_default(call_default_factory=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


def _each(column: Any, change: Callable[[str], str]) -> Any:
    """Return a column of texts changed by a function, which is called once for each different text."""
    found = column.dictionary_encode()
    changed = pa.array([change(value) for value in found.dictionary.to_pylist()], column.type)
    return changed.take(found.indices)


def _those(lists: Any, wanted: Callable[[str], bool]) -> Any:
    """Return lists of texts with those that are wanted."""
    if all(map(wanted, pc.unique(lists.flatten()).to_pylist())):
        return lists
    return pa.array([[text for text in texts if wanted(text)] for texts in lists.to_pylist()], lists.type)


def _moved(parts: Columns, blur: Blur) -> dict[str, Any]:
    latitude, longitude = (parts[name].to_numpy(zero_copy_only=False) for name in ("latitude", "longitude"))
    if blur.name == "round":
        latitude, longitude = (np.floor(each * blur.scale + 0.5) / blur.scale for each in (latitude, longitude))
    else:
        latitude = _middle(latitude, np.float64(blur.step_deg), 90.0)
        # The cosine of one library is not that of another to the last bit, and there are few rows of squares.
        rows, which = np.unique(latitude, return_inverse=True)
        across = np.array([blur.across_deg(row) for row in rows.tolist()], np.float64)[which]
        longitude = _middle(longitude, across, 180.0)
    accuracy = pc.add(pc.fill_null(parts["accuracy_m"], 0.0), blur.error_m)
    return {"latitude": pa.array(latitude), "longitude": pa.array(longitude), "accuracy_m": accuracy}


def _middle(values: Any, step: Any, limit: float) -> Any:
    return np.maximum(-limit, np.minimum(limit, (np.floor(values / step) + 0.5) * step))


def _is_given(fixes: pa.RecordBatch, parts: Sequence[str]) -> bool:
    column = fixes.column(parts[0])
    for name in parts[1:]:
        while pa.types.is_list(column.type):
            column = column.flatten()
        column = parts_of(column)[name]
    if pa.types.is_list(column.type):
        return bool(len(column.flatten()))
    return bool(column.null_count < len(column))
