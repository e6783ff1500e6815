"""Every record survives the wire; bytes that are none are refused by code, in bounded time and memory."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from bondmate_connectors.testing.strategies import records
from bondmate_schemas.codec import RECORDS, Codec, CodecError, LocalSchemaIds, SchemaUnavailableError, schema_text
from bondmate_schemas.models import AuditRecord, DeviceAlert, DeviceLocation, IncidentEvent, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

CODEC = Codec(LocalSchemaIds())
ID_OF = {name: number for number, name in enumerate(RECORDS, start=1)}


CODES = {"no_frame", "unknown_schema", "not_avro", "invalid_record"}


class OneSchema:
    """A registry that holds one schema, under every id."""

    def __init__(self, text: str) -> None:
        self.text = text

    def id_of(self, record: str) -> int:
        return 7

    def schema_of(self, schema_id: int) -> str:
        return self.text


class Away:
    """A registry that does not answer."""

    def id_of(self, record: str) -> int:
        raise SchemaUnavailableError

    def schema_of(self, schema_id: int) -> str:
        raise SchemaUnavailableError


def varint(value: int) -> bytes:
    """Write an Avro number of any size."""
    left = (value << 1) ^ (value >> 63)
    left &= (1 << 64) - 1
    written = bytearray()
    while left > 0x7F:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*written, left])


def frame(body: bytes, record: str = "AuditRecord") -> bytes:
    return struct.pack(">bI", 0, ID_OF[record]) + body


def outcome(data: bytes, kind: type[Record]) -> str:
    try:
        CODEC.decode(data, kind)
    except CodecError as error:
        return error.code
    return "a record"


def one_field(avro_type: Any, body: bytes) -> Callable[[], Record]:
    """Decode `body` as a record of one field, which the writer's registry gives."""
    text = json.dumps({"type": "record", "name": "AuditRecord", "fields": [{"name": "hash", "type": avro_type}]})
    codec = Codec(OneSchema(text))
    return lambda: codec.decode(struct.pack(">bI", 0, 7) + body, AuditRecord)


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_record_comes_back_as_it_went(name: str, data: st.DataObject) -> None:
    record = data.draw(records[name])

    assert record == CODEC.decode(CODEC.encode(record), type(record))


@given(record=records["IncidentEvent"], data=st.data())
@settings(max_examples=examples(200), deadline=None)
def test_damaged_bytes_give_a_record_or_a_code_and_nothing_else(record: Record, data: st.DataObject) -> None:
    sound = bytearray(CODEC.encode(record))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(sound)))

    for damaged in (bytes(sound), bytes(sound[:cut]), bytes(sound) + b"\0"):
        assert outcome(damaged, IncidentEvent) in {"a record", *CODES}


@pytest.mark.parametrize("name", RECORDS)
@given(body=st.binary(max_size=300))
@settings(max_examples=examples(60), deadline=None)
def test_any_bytes_behind_a_frame_give_a_record_or_a_code(name: str, body: bytes) -> None:
    assert outcome(frame(body, name), RECORDS[name]) in {"a record", *CODES}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "no_value"),
        (b"", "no_frame"),
        (b"\0\0\0\0", "no_frame"),
        (b"{}{}{}{}", "no_frame"),
        (b"\0\0\0\x03\xe7body", "unknown_schema"),
        (frame(b"\x02a"), "not_avro"),
    ],
)
def test_what_is_no_frame_of_ours_is_refused_by_code(data: bytes | None, code: str) -> None:
    with pytest.raises(CodecError) as caught:
        CODEC.decode(data, AuditRecord)
    assert code == caught.value.code


HOSTILE = {
    "length of 2^62": ("string", varint(1 << 62) + b"abc"),
    "length of -1": ("string", varint(-1) + b"abc"),
    "length of -2^63": ("bytes", varint(-(1 << 63)) + b"abc"),
    "number without end": ("long", b"\xff" * 1000),
    "number of 70 bits": ("long", b"\xff" * 9 + b"\x7f"),
    "int of 33 bits": ("int", varint(1 << 32)),
    "boolean of 2": ("boolean", b"\x02"),
    "half a double": ("double", b"\0\0\0"),
    "enum beyond its symbols": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, varint(2)),
    "enum before its symbols": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, varint(-1)),
    "union beyond its branches": (["null", "string"], varint(2)),
    "union before its branches": (["null", "string"], varint(-1) + varint(1) + b"a"),
    "array of 2^62 nulls": ({"type": "array", "items": "null"}, varint(1 << 62) + b"\0"),
    "array of -2^63 items": ({"type": "array", "items": "null"}, varint(-(1 << 63)) + b"\0\0"),
    "array of 2^62 strings": ({"type": "array", "items": "string"}, varint(1 << 62) + b"\0" * 100),
    "array of a million empty strings": ({"type": "array", "items": "string"}, varint(10**6) + b"\0" * 1_000_001),
    "many blocks": ({"type": "array", "items": "string"}, (varint(1000) + b"\0" * 1000) * 11 + b"\0"),
    "block of a lying size": ({"type": "array", "items": "string"}, varint(-1) + varint(9) + b"\0\0"),
    "map of 2^62 entries": ({"type": "map", "values": "null"}, varint(1 << 62) + b"\0" * 100),
    "text that is not UTF-8": ("string", varint(2) + b"\xff\xfe"),
    "time beyond the calendar": ({"type": "long", "logicalType": "timestamp-millis"}, varint(1 << 62)),
    "more behind the end": ("string", varint(1) + b"ab"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bytes_are_refused_in_bounded_time_and_memory(case: str) -> None:
    avro_type, body = HOSTILE[case]
    decode = one_field(avro_type, body)
    begun = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(CodecError) as caught:
            decode()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert "not_avro" == caught.value.code
    assert peak <= 4 * len(body) + (1 << 20)
    assert time.process_time() - begun <= 1


def test_blocks_that_say_their_size_are_read() -> None:
    counted = varint(-2) + varint(4) + varint(1) + b"a" + varint(1) + b"b" + varint(0)
    text = json.dumps(
        {
            "type": "record",
            "name": "Location",
            "aliases": ["x"],
            "fields": [{"name": "hops", "type": {"type": "array", "items": "string"}}],
        }
    )
    with pytest.raises(CodecError) as caught:  # it is Avro, and no DeviceLocation
        Codec(OneSchema(text)).decode(struct.pack(">bI", 0, 7) + counted, DeviceLocation)

    assert "not_avro" == caught.value.code
    with pytest.raises(CodecError) as caught:
        one_field({"type": "array", "items": "string"}, counted)()
    assert "not_avro" == caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}',
        '{"type":"record","name":"R","fields":[{"name":"a","type":"Unheard"}]}',
        '{"type": "object"}',
        "null",
        "not JSON",
        "[" * 5000,
    ],
)
def test_a_schema_the_hub_never_writes_is_refused_by_code(text: str) -> None:
    with pytest.raises(CodecError) as caught:
        Codec(OneSchema(text)).decode(struct.pack(">bI", 0, 7) + b"\x02" * 100_000, DeviceAlert)

    assert "unusable_schema" == caught.value.code


def test_a_registry_that_does_not_answer_is_no_fault_of_the_bytes() -> None:
    with pytest.raises(SchemaUnavailableError):
        Codec(Away()).decode(frame(b"x"), AuditRecord)
    assert "AuditRecord" in schema_text("AuditRecord")


def test_an_error_names_the_field_and_never_its_value() -> None:
    text = json.dumps({"type": "record", "name": "AuditRecord", "fields": [{"name": "writer", "type": "string"}]})
    with pytest.raises(CodecError) as caught:
        Codec(OneSchema(text)).decode(struct.pack(">bI", 0, 7) + varint(6) + b"Muller", AuditRecord)

    assert "Muller" not in str(caught.value)
    assert caught.value.__cause__ is None
