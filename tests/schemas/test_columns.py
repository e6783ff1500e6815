"""Columns against fastavro and against the codec, on every feature of our schemas; nothing unusual gets through."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from bondmate_connectors.testing.strategies import device_locations, records
from bondmate_schemas.codec import RECORDS, Codec, CodecError, LocalSchemaIds, schema
from bondmate_schemas.columns import FRAME, Columns
from bondmate_schemas.models import Delivery, DeviceLocation, EventHeader, Position
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

IDS = LocalSchemaIds()
CODEC = Codec(IDS)
NOW = datetime(2026, 11, 27, tzinfo=UTC)


def columns_of(record: str) -> Columns:
    return Columns(record, struct.pack(">bI", 0, IDS.id_of(record)))


def _without_maps() -> list[str]:
    found = []
    for name in RECORDS:
        try:
            columns_of(name)
        except TypeError:
            continue
        found.append(name)
    return found


PLAIN = _without_maps()
COLUMNS = {name: columns_of(name) for name in PLAIN}
LOCATIONS = COLUMNS["DeviceLocation"]


def by_fastavro(record: str, value: bytes) -> Any:
    return aware(fastavro.schemaless_reader(io.BytesIO(value[FRAME:]), schema(record), None))


def aware(value: Any) -> Any:
    """Arrow's times say no zone; all of ours are UTC."""
    if isinstance(value, dict):
        return {name: aware(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [aware(inner) for inner in value]
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return value


def fix(**changes: Any) -> DeviceLocation:
    header = EventHeader(message_id="m", event_id="e", agency_id="a", occurred_at=NOW, received_at=NOW, source="s")
    position = Position(latitude=48.0, longitude=11.0, fixed_at=NOW)
    return DeviceLocation(**{"header": header, "device_id": "d", "position": position, **changes})


def delivery() -> Delivery:
    return Delivery(header=fix().header, destination="tak", kind="LOCATION", route="r", location=fix())


def read_back(values: list[bytes]) -> list[bytes]:
    """What columns make of a batch: what they take is written anew, what they leave is as it was."""
    read = LOCATIONS.read(values)
    assert sorted([*read.rows, *read.left]) == list(range(len(values)))
    written = dict(zip(read.rows, LOCATIONS.write(read.columns), strict=True))
    return [written.get(row, values[row]) for row in range(len(values))]


def test_every_record_without_maps_has_columns() -> None:
    assert {"DeviceAlert", "DeviceLocation", "IncidentEvent", "Delivery", "DeviceMemory"} <= set(PLAIN)
    assert {"AlertState", "IncidentState", "IncidentMemory"} == set(RECORDS) - set(PLAIN)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.one_of(*(records[name] for name in PLAIN)), min_size=1, max_size=5))
def test_what_is_written_is_what_fastavro_reads_and_what_the_codec_writes(found: list[Any]) -> None:
    for record in found:
        name = type(record).__name__
        value = CODEC.encode(record)
        columns = COLUMNS[name]
        batch = pa.RecordBatch.from_pylist([_naive(by_fastavro(name, value))], schema=columns.schema)
        assert [value] == columns.write(batch)


def _naive(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _naive(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_naive(inner) for inner in value]
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(device_locations, min_size=1, max_size=8))
def test_what_is_read_is_what_fastavro_reads(found: list[DeviceLocation]) -> None:
    values = [CODEC.encode(location) for location in found]
    read = LOCATIONS.read(values)

    assert (list(range(len(values))), []) == (read.rows, read.left)
    assert [by_fastavro("DeviceLocation", value) for value in values] == [
        aware(row) for row in read.columns.to_pylist()
    ]
    assert values == LOCATIONS.write(read.columns)


def test_a_record_that_is_checked_as_a_whole_is_not_read_by_columns() -> None:
    with pytest.raises(TypeError, match="checked as a whole"):
        COLUMNS["Delivery"].read([CODEC.encode(delivery())])


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    value = bytearray(CODEC.encode(draw(device_locations)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(value) - 1))
        value[at] = draw(st.integers(0, 255))
    cut = draw(st.integers(-4, 4))
    return bytes(value[:cut]) if cut < 0 else bytes(value) + draw(st.binary(min_size=cut, max_size=cut))


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(spoilt(), min_size=1, max_size=6))
def test_nothing_the_codec_refuses_is_taken_and_what_is_taken_is_what_the_codec_reads(values: list[bytes]) -> None:
    read = LOCATIONS.read(values)
    taken = dict(zip(read.rows, LOCATIONS.write(read.columns), strict=True))

    for row, value in enumerate(values):
        if row in taken:
            assert taken[row] == CODEC.encode(CODEC.decode(value, DeviceLocation))
        else:
            assert row in read.left


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("trailing bytes", CODEC.encode(fix()) + b"\x00"),
        ("cut short", CODEC.encode(fix())[:-3]),
        ("another frame", b"\x01" + CODEC.encode(fix())[1:]),
        ("another schema", b"\x00\x00\x00\x00\x01" + CODEC.encode(fix())[5:]),
        ("nothing", b""),
        ("no value", None),
        ("text that is no UTF-8", CODEC.encode(fix(device_id="dddd")).replace(b"dddd", b"d\xff\xfed")),
        ("not a number", CODEC.encode(fix()).replace(struct.pack("<d", 48.0), struct.pack("<d", float("nan")))),
        ("endless", CODEC.encode(fix()).replace(struct.pack("<d", 48.0), struct.pack("<d", float("inf")))),
        ("beyond the pole", CODEC.encode(fix()).replace(struct.pack("<d", 48.0), struct.pack("<d", 90.1))),
        ("beyond the years", CODEC.encode(fix(sequence=2**62 - 1))),
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_and_costs_only_itself(what: str, bad: bytes | None) -> None:
    values = [CODEC.encode(fix(sequence=number)) for number in range(7)]
    expected_left = [] if what == "beyond the years" else [3]  # a number that is only large is fine

    read = LOCATIONS.read([*values[:3], bad, *values[3:]])

    assert expected_left == read.left
    assert values == [value for row, value in zip(read.rows, LOCATIONS.write(read.columns), strict=True)
                      if row != 3]  # fmt: skip


def test_a_time_that_no_calendar_holds_is_left() -> None:
    value = CODEC.encode(fix())
    six = value[value.index(struct.pack("<d", 11.0)) + 8 :].lstrip(b"\x00")[:6]
    assert read_back([value]) == [value]
    far = value.replace(six, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f")

    assert [0] == LOCATIONS.read([far]).left
    with pytest.raises(CodecError):
        CODEC.decode(far, DeviceLocation)


def test_a_batch_of_nothing_is_read_and_written() -> None:
    read = LOCATIONS.read([])
    assert ([], [], 0) == (read.rows, read.left, read.columns.num_rows)
    assert [] == LOCATIONS.write(read.columns)


def test_columns_of_another_schema_are_not_written() -> None:
    with pytest.raises(ValueError, match="another schema"):
        LOCATIONS.write(LOCATIONS.read([CODEC.encode(fix())]).columns.select(["device_id"]))


def test_fields_behind_the_last_that_is_written_have_their_defaults() -> None:
    prefix = struct.pack(">bI", 0, IDS.id_of("Delivery"))
    cut = Columns("Delivery", prefix, "newest_only")
    whole = COLUMNS["Delivery"].read([CODEC.encode(delivery())], believed=True).columns

    assert "position_only" not in cut.schema.names
    assert [CODEC.encode(delivery())] == cut.write(whole.select(cut.schema.names))
    with pytest.raises(TypeError):
        Columns("Delivery", prefix, "header")
