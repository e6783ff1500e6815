"""The compiled codec is held to fastavro and pydantic: equal bytes, equal records, the same refused by the same code."""

from __future__ import annotations

import copy
import io
import math
import pickle
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import fastavro
import pytest
from bondmate_connectors.testing.events import sos
from bondmate_connectors.testing.strategies import records
from bondmate_schemas.codec import RECORDS, Codec, CodecError, LocalSchemaIds, schema
from bondmate_schemas.compiled import UNUSUAL, constraints, reader, writer
from bondmate_schemas.models import Delivery, Record, UtcTime
from bondmate_schemas.strict import MOST_ITEMS, MalformedError, walker
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, StringConstraints, field_validator, model_validator

NAMES = sorted(RECORDS)
IDS = LocalSchemaIds()
CODEC = Codec(IDS)
READERS = {name: reader(schema(name)) for name in NAMES}
WRITERS = {name: writer(schema(name)) for name in NAMES}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NUMBERS = [-(2**31), -1, 0, 1, 63, 64, 100, 101, 2**31 - 1]
DOUBLES = [-180.1, -90.1, -0.1, -0.0, 0.0, 90.1, 180.1, 360.1, 1e308, math.inf, -math.inf, math.nan]


def word_bytes(word: str) -> bytes:
    return length_bytes(len(word.encode())) + word.encode()


def length_bytes(length: int) -> bytes:
    return bytes([length << 1]) if length < 64 else bytes([length << 1 & 127 | 128, length >> 6])


def fastavro_bytes(name: str, values: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema(name), values, disable_tuple_notation=True)
    return body.getvalue()


def direct(name: str, data: bytes) -> Record | None:
    """Read with the compiled reader alone; None for what it leaves to the general codec."""
    try:
        record, end = READERS[name](data, 0, [MOST_ITEMS])
    except UNUSUAL:
        return None
    return record if end == len(data) else None


def reference(name: str, data: bytes) -> Any:
    """Read with fastavro and pydantic what the strict walk lets through; a code and a place for what is refused."""
    try:
        if walker(schema(name))(data, 0, [MOST_ITEMS]) != len(data):
            return "not_avro", "trailing bytes"
        values = fastavro.schemaless_reader(io.BytesIO(data), schema(name), None)
    except (MalformedError, IndexError, ValueError, OverflowError):
        return "not_avro", ""
    return validated(name, values)


def validated(name: str, values: Any) -> Any:
    try:
        return RECORDS[name].model_validate(values)
    except ValueError as error:
        first = error.errors(include_input=False)[0]  # type: ignore[attr-defined]
        return "invalid_record", ".".join(map(str, first["loc"]))


def decoded(name: str, data: bytes) -> Any:
    try:
        return CODEC.decode(struct.pack(">bI", 0, IDS.id_of(name)) + data, RECORDS[name])
    except CodecError as error:
        return error.code, error.path


def shape(value: Any) -> Any:
    """Give a record's values with their exact types, and which of them count as set."""
    if isinstance(value, Record):
        fields = [(name, shape(getattr(value, name))) for name in vars(value)]
        return type(value), fields, value.model_fields_set, value.model_extra, value.__pydantic_private__
    if isinstance(value, tuple):
        return tuple(map(shape, value))
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    return type(value), value


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_written_is_what_fastavro_writes(name: str, data: st.DataObject):
    record = data.draw(records[name])

    assert fastavro_bytes(name, record.model_dump()) == WRITERS[name](record)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_read_is_what_fastavro_reads_and_pydantic_makes_of_it(name: str, data: st.DataObject):
    body = fastavro_bytes(name, data.draw(records[name]).model_dump())

    record = direct(name, body)

    assert shape(reference(name, body)) == shape(record)
    assert body == WRITERS[name](record)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_broken_bytes_are_refused_by_both_or_read_alike(name: str, data: st.DataObject):
    whole = fastavro_bytes(name, data.draw(records[name]).model_dump())
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + data.draw(st.integers(0, 4)) :]

    expected, got = reference(name, broken), direct(name, broken)

    assert expected == decoded(name, broken)
    assert got is None or shape(expected) == shape(got)


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path to each number in a record's values."""
    if isinstance(values, dict | tuple | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            yield from places(value, (*path, key))
    elif isinstance(values, int | float) and not isinstance(values, bool):
        yield path


def changed(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(values, dict):
        return {**values, path[0]: changed(values[path[0]], path[1:], value)}
    return [*values[: path[0]], changed(values[path[0]], path[1:], value), *values[path[0] + 1 :]]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_number_out_of_its_bounds_is_refused_as_pydantic_refuses_it(name: str, data: st.DataObject):
    values = data.draw(records[name]).model_dump()
    for path in data.draw(st.lists(st.sampled_from([*places(values)] or [None]), max_size=2)):
        if path is not None:
            number = values
            for key in path:
                number = number[key]
            values = changed(
                values, path, data.draw(st.sampled_from(DOUBLES if isinstance(number, float) else NUMBERS))
            )
    body = fastavro_bytes(name, values)

    expected, got = validated(name, values), direct(name, body)

    assert expected == decoded(name, body)
    assert isinstance(expected, Record) == (got is not None)


@given(delivery=records["Delivery"], other=records["Delivery"], data=st.data())
def test_a_delivery_of_none_two_or_another_payload_is_refused_as_pydantic_refuses_it(
    delivery: Delivery, other: Delivery, data: st.DataObject
):
    fields = st.fixed_dictionaries(
        {},
        optional={
            name: st.sampled_from([None, getattr(other, name)]) for name in ("alert", "incident", "message", "location")
        },
    )
    update = {**data.draw(fields), "kind": data.draw(st.sampled_from([delivery.kind, other.kind]))}
    values = delivery.model_copy(update=update).model_dump()

    expected = validated("Delivery", values)

    assert expected == decoded("Delivery", fastavro_bytes("Delivery", values))
    assert expected == delivery.model_copy(update=update) or expected == ("invalid_record", "")


@given(millis=st.integers(-62_135_596_800_000, 253_402_300_799_999) | st.integers(0, 2**41 + 2**20))
def test_a_time_is_exact_to_its_millisecond_whether_or_not_it_was_read_before(millis: int):
    time = EPOCH + timedelta(milliseconds=millis)
    made = sos().model_copy(update={"header": sos().header.model_copy(update={"expires_at": time})})
    body = fastavro_bytes("Delivery", made.model_dump())

    once, again = direct("Delivery", body), direct("Delivery", body)

    assert isinstance(once, Delivery)
    assert time == once.header.expires_at
    assert once == again
    assert [body] * 3 == [WRITERS["Delivery"](record) for record in (made, once, again)]


SOON = (EPOCH + timedelta(milliseconds=2**33), b"\x80\x80\x80\x80\x40")
"""A time of five bytes, which a sixth of nought makes as long as today's are."""


@pytest.mark.parametrize(
    ("plain", "longer"),
    [
        (SOON[1], b"\x80\x80\x80\x80\xc0\x00"),
        (b"\x02\x12need help", b"\x82\x00\x12need help"),
        (b"\x12need help", b"\x92\x00need help"),
    ],
    ids=["time", "branch", "length"],
)
def test_a_number_longer_than_it_need_be_is_read_and_written_short(plain: bytes, longer: bytes):
    delivery = sos()
    made = delivery.model_copy(update={"header": delivery.header.model_copy(update={"expires_at": SOON[0]})})
    body = WRITERS["Delivery"](made)

    for _ in range(2):
        got = decoded("Delivery", body.replace(plain, longer))

        assert 1 == body.count(plain)
        assert made == got
        assert body == WRITERS["Delivery"](got)


@pytest.mark.parametrize("name", ["IncidentMemory", "AuditRecord"])
@given(data=st.data())
def test_blocks_that_say_their_size_are_read_as_fastavro_reads_them(name: str, data: st.DataObject):
    words = data.draw(st.lists(st.text(max_size=70), min_size=1, max_size=3))
    field = {"IncidentMemory": "seen", "AuditRecord": "subjects"}[name]
    made = data.draw(records[name]).model_copy(update={field: ("mark", *words)})
    plain = b"".join([bytes([len(words) + 1 << 1]), *(word_bytes(word) for word in ("mark", *words)), b"\0"])
    items = [word_bytes(word) for word in ("mark", *words)]
    blocks = b"\x01" + length_bytes(len(items[0])) + items[0] + bytes([len(words) << 1]) + b"".join(items[1:]) + b"\0"

    assert plain in WRITERS[name](made)
    assert made == decoded(name, WRITERS[name](made).replace(plain, blocks))


def test_a_record_that_was_read_is_copied_pickled_and_frozen_like_any_other():
    made = sos()
    read = direct("Delivery", WRITERS["Delivery"](made))
    assert isinstance(read, Delivery)
    fields = set(Delivery.model_fields)

    copied = read.model_copy(update={"destination": "elsewhere"})

    assert "elsewhere" == copied.destination
    assert fields == copied.model_fields_set == read.model_fields_set
    assert made == read == pickle.loads(pickle.dumps(read)) == copy.deepcopy(read)
    assert made.model_dump_json() == read.model_dump_json()
    with pytest.raises(ValueError, match="frozen"):
        read.destination = "elsewhere"  # type: ignore[misc]


def with_field(avro_type: Any) -> dict[str, Any]:
    return {"type": "record", "name": "eu.bondmate.Code", "fields": [{"name": "system", "type": avro_type}]}


@pytest.mark.parametrize(
    "avro_type",
    [
        "bytes",
        "float",
        "null",
        "Unheard",
        "eu.bondmate.Code",
        ["string", "null"],
        ["null", "string", "long"],
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "string", "logicalType": "uuid"},
        {"type": "array", "items": ["null", "bytes"]},
        {"type": "enum", "name": "eu.bondmate.Mode", "symbols": [f"S{number}" for number in range(65)]},
    ],
)
def test_a_type_that_no_record_has_is_refused_when_it_is_compiled(avro_type: Any):
    for compile_ in (reader, writer):
        with pytest.raises(TypeError):
            compile_(with_field(avro_type))


def test_a_model_that_asks_what_is_not_known_is_refused_when_it_is_compiled():
    class Validated(Record):
        text: str

        @field_validator("text")
        @classmethod
        def _any(cls, text: str) -> str:
            return text

    class Before(Record):
        @model_validator(mode="before")
        @classmethod
        def _any(cls, values: Any) -> Any:
            return values

    class Coerced(Record, str_strip_whitespace=True):
        text: str

    for model in (Validated, Coerced):
        with pytest.raises(TypeError):
            constraints.fields_of(model)
    with pytest.raises(TypeError):
        constraints.checks(Before)


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("string", Annotated[str, StringConstraints(min_length=1)]),
        ("string", bytes),
        ("double", Annotated[float, Field(multiple_of=2)]),
        ("double", Annotated[float, Field(lt=2)]),
        ("long", Annotated[int, Field(strict=True)]),
        ("time", datetime),
        ("time", Annotated[UtcTime, Field(ge=EPOCH)]),
        ("boolean", Annotated[bool, Field(strict=True)]),
    ],
)
def test_a_field_that_asks_what_is_not_known_is_refused_when_it_is_compiled(kind: str, hint: Any):
    with pytest.raises(TypeError):
        constraints.condition(kind, hint, "value")
