"""The compiled codec is held to fastavro: equal bytes, equal values, and the same bytes refused."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from bondmate_connectors.testing.strategies import records
from bondmate_schemas.codec import RECORDS, schema
from bondmate_schemas.compiled import reader, writer
from bondmate_schemas.strict import MOST_ITEMS, MalformedError, walker
from hypothesis import given
from hypothesis import strategies as st

NAMES = sorted(RECORDS)


def fastavro_bytes(name: str, record: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema(name), record.model_dump())
    return body.getvalue()


def compiled_bytes(name: str, record: Any) -> bytes:
    out = bytearray()
    writer(schema(name))(out, record)
    return bytes(out)


def reference(name: str, data: bytes) -> Any:
    """Read with fastavro what the strict walk lets through; None for what is refused."""
    try:
        if walker(schema(name))(data, 0, [MOST_ITEMS]) != len(data):
            return None
        return fastavro.schemaless_reader(io.BytesIO(data), schema(name), None)
    except (MalformedError, IndexError, ValueError, OverflowError):
        return None


def compiled(name: str, data: bytes) -> Any:
    try:
        values, end = reader(schema(name))(data, 0, [MOST_ITEMS])
    except (MalformedError, IndexError, UnicodeDecodeError):
        return None
    return values if end == len(data) else None


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_written_is_what_fastavro_writes(name: str, data: st.DataObject):
    record = data.draw(records[name])

    assert fastavro_bytes(name, record) == compiled_bytes(name, record)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_read_is_what_fastavro_reads(name: str, data: st.DataObject):
    record = data.draw(records[name])

    values = compiled(name, fastavro_bytes(name, record))

    assert record == RECORDS[name].model_validate(values)
    assert RECORDS[name].model_validate(reference(name, fastavro_bytes(name, record))) == record


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_broken_bytes_are_refused_by_both_or_read_alike(name: str, data: st.DataObject):
    whole = bytearray(fastavro_bytes(name, data.draw(records[name])))
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = (
        bytes(whole[:place]) + data.draw(st.binary(max_size=4)) + bytes(whole[place + data.draw(st.integers(0, 4)) :])
    )

    expected, got = reference(name, broken), compiled(name, broken)

    assert (expected is None) == (got is None)
    if expected is not None:
        # Times, enums and tuples differ in type, not in meaning: a record made of them is the same, or not valid alike.
        assert validated(name, expected) == validated(name, got)


def validated(name: str, values: Any) -> Any:
    try:
        return RECORDS[name].model_validate(values).model_dump_json()
    except ValueError as error:
        return [item["loc"] for item in error.errors(include_input=False)]  # type: ignore[attr-defined]
