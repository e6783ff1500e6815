from __future__ import annotations

import json
import warnings

import pytest
from bondmate_schemas.compatibility import Compatibility, InvalidSchemaError, incompatibilities, validate


def record(*fields: dict[str, object], name: str = "R") -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


def nested(*fields: dict[str, object]) -> dict[str, object]:
    inner = {"type": "record", "name": "Inner", "fields": list(fields)}
    return {"name": "outer", "type": ["null", {"type": "array", "items": inner}], "default": None}


def enum(*symbols: str, **more: str) -> dict[str, object]:
    return {"name": "e", "type": {"type": "enum", "name": "E", "symbols": list(symbols), **more}}


A = {"name": "a", "type": "string"}
OPTIONAL = {"name": "b", "type": ["null", "string"], "default": None}
REQUIRED = {"name": "b", "type": "string"}
INT = {"name": "x", "type": "int"}
LONG = {"name": "x", "type": "long"}
RENAMED = {"name": "z", "type": "string", "aliases": ["a"]}
NAMED_Z = {"name": "z", "type": "string"}

# new, old, may the new read the old, may the old read the new
CHANGES = {
    "none": (record(A), record(A), True, True),
    "field with default added": (record(A, OPTIONAL), record(A), True, True),
    "field without default added": (record(A, REQUIRED), record(A), False, True),
    "field with default removed": (record(A), record(A, OPTIONAL), True, True),
    "field without default removed": (record(A), record(A, REQUIRED), True, False),
    "type widened": (record(LONG), record(INT), True, False),
    "type narrowed": (record(INT), record(LONG), False, True),
    "type changed": (record({**INT, "type": "string"}), record(INT), False, False),
    "made optional": (record({**A, "type": ["null", "string"], "default": None}), record(A), True, False),
    "renamed": (record(NAMED_Z), record(A), False, False),
    "renamed with alias": (record(RENAMED), record(A), True, False),
    "enum symbol added": (record(enum("A", "B")), record(enum("A")), True, False),
    "enum symbol added, default": (record(enum("A", "B", default="A")), record(enum("A", default="A")), True, True),
    "enum symbol removed, default": (record(enum("A", default="A")), record(enum("A", "B", default="A")), True, True),
    "in a nested record": (record(nested(A, REQUIRED)), record(nested(A)), False, True),
    "union branch added": (record({**A, "type": ["string", "int"]}), record({**A, "type": ["string"]}), True, False),
    "record renamed": (record(A, name="S"), record(A), False, False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_level_allows_exactly_what_its_readers_can_read(change):
    new, old, backward, forward = CHANGES[change]

    verdicts = {level: not incompatibilities(new, [old], level) for level in Compatibility}

    assert {
        Compatibility.NONE: True,
        Compatibility.BACKWARD: backward,
        Compatibility.BACKWARD_TRANSITIVE: backward,
        Compatibility.FORWARD: forward,
        Compatibility.FORWARD_TRANSITIVE: forward,
        Compatibility.FULL: backward and forward,
        Compatibility.FULL_TRANSITIVE: backward and forward,
    } == verdicts


def test_only_transitive_levels_look_behind_the_last_version():
    as_int, as_text = {"name": "c", "type": "int", "default": 1}, {"name": "c", "type": "string", "default": ""}
    history = [record(A, as_int), record(A)]

    assert [] == incompatibilities(record(A, as_text), history, "FULL")
    faults = incompatibilities(record(A, as_text), history, "FULL_TRANSITIVE")
    assert ["version 1, backward: c", "version 1, forward: c"] == [fault.rsplit(":", 1)[0] for fault in faults]


def test_the_first_version_is_always_allowed():
    assert [] == incompatibilities(record(A), [], "FULL_TRANSITIVE")


def test_the_fault_names_the_path_inside_unions_arrays_and_records():
    faults = incompatibilities(record(nested(A, enum("A", "B"))), [record(nested(A, enum("A")))], "FULL")

    assert ["version 1, forward: outer.[].e: the reader lacks enum symbols and has no default for them"] == faults


def test_every_fault_is_named_not_only_the_first():
    faults = incompatibilities(record(LONG, REQUIRED), [record(INT, A)], "FULL")

    assert ["b", "x", "a"] == [fault.split(": ")[1] for fault in faults]


def test_a_schema_that_contains_itself_is_compared_to_its_end():
    def tree(value: str) -> str:
        fields = [{"name": "v", "type": value}, {"name": "next", "type": ["null", "Tree"], "default": None}]
        return json.dumps({"type": "record", "name": "Tree", "fields": fields})

    assert [] == incompatibilities(tree("int"), [tree("int")], "FULL")
    assert "version 1, forward: v" in incompatibilities(tree("long"), [tree("int")], "FULL")[0]


def test_an_unknown_logical_type_is_no_warning_and_no_fault():
    text = record({"name": "t", "type": {"type": "long", "logicalType": "stardate"}})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [] == incompatibilities(text, [record({"name": "t", "type": "long"})], "FULL")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "7",
        '"strin"',
        '{"type":"record"}',
        '{"type":"record","name":"R","fields":[1]}',
        '{"type":"record","name":"R","fields":{}}',
        '{"type":"enum","name":"E","symbols":null}',
        '{"type":"fixed","name":"F","size":"x"}',
        '{"type":"map","values":[{}]}',
        '{"type":{"type":{}}}',
        "[" * 100_000,
        '{"type":"array","items":' * 3000 + '"int"' + "}" * 3000,
    ],
)
def test_what_is_not_avro_is_refused_with_one_error(text):
    with pytest.raises(InvalidSchemaError):
        validate(text)


def test_a_default_that_does_not_fit_is_refused_and_not_quoted():
    with pytest.raises(InvalidSchemaError) as refused:
        validate(record({"name": "a", "type": "int", "default": "Mustermann"}))

    assert "Mustermann" not in str(refused.value)


def test_an_unknown_level_is_an_error():
    with pytest.raises(ValueError, match="SOMETIMES"):
        incompatibilities(record(A), [], "SOMETIMES")
