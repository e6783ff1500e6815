"""Many records of one kind at once: Avro bodies to Arrow columns and back.

The work is done by `pyruhvro`, which is young, so that nothing is believed of it that can be checked at the price of a
column: what it reads is compared with what the model asks (numbers in their bounds, texts in UTF-8, nothing behind the
record's end), and a record that fails is left to `Codec`, which decides alone what is refused and by which code. So a
batch is read as if each record had gone through `Codec`, or it is not read here. Without the packages of the extra
`columns` this module cannot be imported; everything works without it, more slowly.

Rules: Avro 1.12 specification, "Binary Encoding".
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyruhvro

from bondmate_schemas import models
from bondmate_schemas.codec import RECORDS, schema
from bondmate_schemas.compiled import constraints
from bondmate_schemas.compiled.source import SourceText, short, unsupported
from bondmate_schemas.compiled.varints import varint

FRAME: Final = 5
"""Bytes before each body: the magic byte and the schema id."""
_LONGEST_LIST: Final = 100
"""Items of one list beyond which a record is left to `Codec`, which bounds them for a whole record."""
_SEAL: Final = "seal"
_TIMES: Final = (-62_135_596_800_000, 253_402_300_799_999)
"""Milliseconds since 1970 that a `datetime` can hold."""
Bounds = tuple[tuple[str, ...], tuple[float, float] | None]
"""The path of a column, and the least and greatest of its numbers; None: a list."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a batch: the columns of the records in `rows`, in their order, and the rows that are left."""

    columns: pa.RecordBatch
    rows: list[int]
    left: list[int] = field(default_factory=list)


class Columns:
    """Reads and writes the framed bytes of one record under today's schema."""

    def __init__(self, record: str, prefix: bytes, until: str | None = None) -> None:
        """Prepare for `record`, whose values begin with `prefix`: magic byte and id of today's schema.

        With `until` the record is only written, by columns up to that field; what comes after it has its default.

        Raises:
            TypeError: the record holds what has no columns here (maps, checks of a whole record when it is read).
        """
        plain = _plain(schema(record), set())
        self._tail = b""
        if until is not None:
            plain, self._tail = _cut(plain, schema(record)["fields"], until)
        # A record that is read ends before the seal, eight bytes that nobody outside this process knows: bytes behind
        # the record's end would be read for it.
        sealed = {**plain, "fields": [*plain["fields"], {"name": _SEAL, "type": "long"}]}
        self._read_by, self._write_by = json.dumps(sealed), json.dumps(plain)
        self._prefix = prefix
        self._seal, self._sealed_by = _seal()
        self._record = record
        self._bounds: list[Bounds] | None = None
        self.schema: pa.Schema = pyruhvro.avro_to_arrow_schema(self._write_by)
        """The columns as they are read, and as they must be to be written."""

    def read(self, values: Sequence[bytes | None], *, believed: bool = False) -> Read:
        """Read a batch of framed values; those that are unusual in any way are left, and belong to `Codec`.

        With `believed` they are what `Codec` wrote, and only what cannot be read is left.
        """
        prefix, seal = self._prefix, self._sealed_by
        rows = [row for row, value in enumerate(values) if value is not None and value.startswith(prefix)]
        bodies = [values[row][FRAME:] + seal for row in rows]  # type: ignore[index]  # None is not among them
        parts = list(self._parts(bodies, 0, believed=believed))
        if len(parts) == 1 and parts[0][0].num_rows == len(values):
            return Read(parts[0][0], rows)
        taken = [rows[start + row] for part, start in parts for row in range(part.num_rows)]
        known = set(taken)
        columns = pa.concat_batches([part for part, _ in parts]) if parts else self._none()
        return Read(columns, taken, [row for row in range(len(values)) if row not in known])

    def _none(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([], schema=self.schema)

    def _parts(self, bodies: list[bytes], start: int, *, believed: bool) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Return what can be read, in order; a batch that cannot is halved until the bad record stands alone."""
        if not bodies:
            return
        found = self._tried(bodies, believed=believed)
        if found is not None:
            yield found, start
        elif len(bodies) > 1:
            middle = len(bodies) // 2
            yield from self._parts(bodies[:middle], start, believed=believed)
            yield from self._parts(bodies[middle:], start + middle, believed=believed)

    def _tried(self, bodies: list[bytes], *, believed: bool) -> pa.RecordBatch | None:
        found = _guarded(lambda: pyruhvro.deserialize_array(bodies, self._read_by))
        if found is None or not (believed or self._is_usual(found)):
            return None
        return found.select(self.schema.names)

    def _is_usual(self, found: pa.RecordBatch) -> bool:
        try:
            found.validate(full=True)
        except pa.ArrowInvalid:
            return False  # a text that is no UTF-8
        if not pc.all(pc.equal(found.column(_SEAL), self._seal)).as_py():
            return False
        if self._bounds is None:
            self._bounds = list(_bounds(SourceText({}), schema(self._record), RECORDS[self._record]))
        return all(_is_within(found, path, limits) for path, limits in self._bounds)

    def write(self, columns: pa.RecordBatch) -> list[bytes]:
        """Return the framed bytes of each row of columns that have `schema`.

        Raises:
            ValueError: the columns have another schema, or a null where none may be.
        """
        if not columns.num_rows:
            return []
        if not columns.schema.equals(self.schema):
            raise ValueError("columns of another schema")
        found = _guarded(lambda: pyruhvro.serialize_record_batch(columns, self._write_by, 1))
        if found is None:
            raise ValueError("columns that cannot be written")
        # Joined as a column and made Python's once: half the time of doing it value by value.
        ends = (self._tail,) if self._tail else ()
        framed = (pc.binary_join_element_wise(self._prefix, part.cast(pa.binary()), *ends, b"") for part in found)
        return [value for part in framed for value in part.to_numpy(zero_copy_only=False).tolist()]


def _guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (ValueError, pa.ArrowException):
        return None
    except BaseException as error:
        # What Rust calls a panic is none of Python's errors.
        if type(error).__name__ == "PanicException":
            return None
        raise


def _seal() -> tuple[int, bytes]:
    """Make a number nobody else knows, and its Avro bytes."""
    number = secrets.randbits(62) | 1 << 62
    return number, varint(number)


def _plain(node: Any, known: set[str]) -> Any:
    """Return a schema without its documentation, every named type written out where it stands first."""
    if isinstance(node, list):
        return [_plain(branch, known) for branch in node]
    if isinstance(node, str) or node["type"] not in {"record", "enum", "array"}:
        if isinstance(node, dict) and node["type"] == "map":
            raise unsupported(node)
        return node
    if node["type"] == "array":
        return {"type": "array", "items": _plain(node["items"], known)}
    known.add(node["name"])
    if node["type"] == "enum":
        return {"type": "enum", "name": node["name"], "symbols": node["symbols"]}
    fields = [{"name": field["name"], "type": _plain(field["type"], known)} for field in node["fields"]]
    return {"type": "record", "name": node["name"], "fields": fields}


def _cut(plain: Any, fields: Sequence[Any], until: str) -> tuple[Any, bytes]:
    """Return a schema that ends after a field, and the bytes of the defaults of those that would follow."""
    names = [field["name"] for field in fields]
    kept = names.index(until) + 1
    tail = b"".join(map(_default, fields[kept:]))
    return {**plain, "fields": plain["fields"][:kept]}, tail


def _default(field: Any) -> bytes:
    """Return the bytes of a default that is nothing, or no."""
    default = field.get("default", field)
    if default is None or default is False:
        return b"\0"
    raise unsupported(field["type"])


def _bounds(types: SourceText, node: Any, hint: Any, path: tuple[str, ...] = ()) -> Iterator[Bounds]:
    """Return what a model asks of each column.

    Raises:
        TypeError: the model asks what is not known here, or what a column does not show.
    """
    kind, node = types.resolved(node)
    match kind:
        case "union":
            yield from _bounds(types, node[1], constraints.other(hint), path)
        case "array":
            yield path, None
            if any(_bounds(types, node["items"], constraints.item(hint, tuple))):
                raise unsupported(node)  # a number in a list: no record that is read here has one
        case "record":
            yield from _bounds_of_fields(types, node, hint, path)
        case "enum":
            types.known[node["name"]] = node
        case _:
            limits = constraints.limits(kind, hint) or (_TIMES if kind == "time" else None)
            if limits:
                yield path, limits


def _bounds_of_fields(types: SourceText, node: Any, hint: Any, path: tuple[str, ...]) -> Iterator[Bounds]:
    types.known[node["name"]] = node
    model = getattr(models, short(node["name"]))
    constraints.same(hint, model)
    if constraints.checks(model):
        raise TypeError(f"{model.__name__} is checked as a whole, which columns do not show")
    hints = constraints.fields_of(model)
    for inner in node["fields"]:
        yield from _bounds(types, inner["type"], hints[inner["name"]], (*path, inner["name"]))


def _is_within(found: pa.RecordBatch, path: tuple[str, ...], limits: tuple[float, float] | None) -> bool:
    column = found.column(path[0])
    for name in path[1:]:
        column = column.field(name)
    if limits is None:
        longest = pc.max(pc.list_value_length(column)).as_py()
        return longest is None or longest <= _LONGEST_LIST
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_floating(column.type) and pc.any(pc.invert(pc.is_finite(column))).as_py():
        return False
    ends = pc.min_max(column).as_py()
    return ends["min"] is None or (limits[0] <= ends["min"] and ends["max"] <= limits[1])
