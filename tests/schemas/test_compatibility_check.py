"""The gate says what really happens when an old reader meets a new writer, and a new reader an old one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from bondmate_schemas import compatibility_check
from bondmate_schemas.codec import RECORDS, schema_text
from bondmate_schemas.compatibility import Compatibility, incompatibilities
from fastavro.read import SchemaResolutionError


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


ID = {"name": "id", "type": "string"}
COUNT = {"name": "count", "type": "int"}
KIND = {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A"]}}
KIND_WITH_DEFAULT = {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A"], "default": "A"}}


def with_symbol(field: dict[str, Any]) -> dict[str, Any]:
    return {**field, "type": {**field["type"], "symbols": ["A", "B"]}}


# What changes: the old schema with its values, the new one with its values, read backward, read forward (FAULTS).
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], bool, bool]] = {
    "optional field with default added": (
        record(ID),
        {"id": "x"},
        record(ID, {"name": "note", "type": ["null", "string"], "default": None}),
        {"id": "x", "note": "n"},
        True,
        True,
    ),
    "required field added": (record(ID), {"id": "x"}, record(ID, COUNT), {"id": "x", "count": 1}, False, True),
    "field removed": (record(ID, COUNT), {"id": "x", "count": 1}, record(ID), {"id": "x"}, True, False),
    "enum symbol added": (record(KIND), {"kind": "A"}, record(with_symbol(KIND)), {"kind": "B"}, True, False),
    "enum symbol added where there is a default": (
        record(KIND_WITH_DEFAULT),
        {"kind": "A"},
        record(with_symbol(KIND_WITH_DEFAULT)),
        {"kind": "B"},
        True,
        True,
    ),
    "int becomes long": (
        record(COUNT),
        {"count": 1},
        record({"name": "count", "type": "long"}),
        {"count": 1 << 40},
        True,
        False,
    ),
    "field renamed": (
        record(COUNT),
        {"count": 1},
        record({"name": "number", "type": "int"}),
        {"number": 1},
        False,
        False,
    ),
    "field renamed with the old name as alias": (
        record(COUNT),
        {"count": 1},
        record({"name": "number", "aliases": ["count"], "type": "int"}),
        {"number": 1},
        True,
        False,
    ),
}


def really_reads(writer: dict[str, Any], values: dict[str, Any], reader: dict[str, Any]) -> bool:
    """Write with one schema and read with another, as two processes of two versions would."""
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(writer), values)
    written.seek(0)
    try:
        fastavro.schemaless_reader(written, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    except (SchemaResolutionError, ValueError):
        return False
    return True


@pytest.mark.parametrize("change", CHANGES)
def test_the_verdict_is_what_decoding_shows(change: str) -> None:
    old, old_values, new, new_values, backward, forward = CHANGES[change]
    texts = json.dumps(new), [json.dumps(old)]

    assert backward == really_reads(old, old_values, new)
    assert forward == really_reads(new, new_values, old)
    assert backward == (incompatibilities(*texts, Compatibility.BACKWARD) == [])
    assert forward == (incompatibilities(*texts, Compatibility.FORWARD) == [])
    assert (backward and forward) == (incompatibilities(*texts, Compatibility.FULL_TRANSITIVE) == [])


def test_todays_schemas_pass_and_every_one_has_been_released() -> None:
    assert [] == compatibility_check.check()
    assert {*RECORDS} == {path.name for path in compatibility_check.RELEASED.iterdir()}


@pytest.mark.parametrize("name", RECORDS)
def test_a_released_version_is_complete_in_itself(name: str) -> None:
    for text in compatibility_check.released(name).values():
        fastavro.parse_schema(json.loads(text))


def test_a_change_is_held_against_every_released_version_not_only_the_last(tmp_path: Path) -> None:
    released = json.loads(schema_text("AuditRecord"))
    first = {**released, "fields": [*released["fields"], COUNT]}
    write(tmp_path, "AuditRecord", 1, first)
    write(tmp_path, "AuditRecord", 2, released)

    assert ["version 1, forward: count: is in the reader only, without a default"] == [
        finding.what for finding in compatibility_check.check(tmp_path)
    ]


def test_what_breaks_a_released_version_cannot_be_released_and_what_breaks_none_can(tmp_path: Path) -> None:
    today = json.loads(schema_text("AuditRecord"))
    write(tmp_path, "AuditRecord", 1, {**today, "fields": [*today["fields"], COUNT]})

    with pytest.raises(compatibility_check.ReleaseError, match="count"):
        compatibility_check.release("AuditRecord", tmp_path)
    write(tmp_path, "AuditRecord", 1, {**today, "fields": [*today["fields"], {**COUNT, "default": 0}]})
    assert tmp_path / "AuditRecord/2.avsc" == compatibility_check.release("AuditRecord", tmp_path)
    assert compatibility_check.release("AuditRecord", tmp_path) is None
    assert today == json.loads(compatibility_check.released("AuditRecord", tmp_path)[2])


def test_a_version_on_nobodys_disk_yet_can_be_written_anew(tmp_path: Path) -> None:
    write(tmp_path, "AuditRecord", 1, record(COUNT))

    assert tmp_path / "AuditRecord/1.avsc" == compatibility_check.release("AuditRecord", tmp_path, anew=True)
    assert [1] == list(compatibility_check.released("AuditRecord", tmp_path))


def test_a_record_that_was_released_cannot_vanish(tmp_path: Path) -> None:
    write(tmp_path, "Forgotten", 1, record(ID))

    assert ["Forgotten: was released and is gone: its records are still in topics"] == [
        str(finding) for finding in compatibility_check.check(tmp_path)
    ]


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "type without words": ({"type": "enum", "symbols": ["A"], "default": "A"}, "is not documented"),
    "enum without default": ({"type": "enum", "doc": "d", "symbols": ["A"]}, "has no default symbol"),
    "field without words": ({"type": "record", "doc": "d", "fields": [ID]}, "is not documented"),
    "unknown tag": (
        {"type": "record", "doc": "d", "fields": [{**ID, "doc": "d", "confluent:tags": ["SECRET"]}]},
        "has a tag that is none of",
    ),
    "unknown disclosure": (
        {"type": "record", "doc": "d", "fields": [{**ID, "doc": "d", "bondmate:disclosure": "sometimes"}]},
        "has a disclosure that is none of",
    ),
    "logical type beside": (
        {"type": "record", "doc": "d", "fields": [{"name": "at", "type": "long", "logicalType": "date", "doc": "d"}]},
        "has its logicalType beside the type",
    ),
    "null last": (
        {
            "type": "record",
            "doc": "d",
            "fields": [{"name": "a", "type": ["string", "null"], "default": "", "doc": "d"}],
        },
        "null comes first",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_breach_of_the_house_rules_is_found(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, expected = BROKEN[case]
    path = tmp_path / "eu.bondmate.Broken.avsc"
    path.write_text(json.dumps({"name": "Broken", "namespace": "eu.bondmate", **node}))
    monkeypatch.setattr(compatibility_check, "AVRO_FOLDER", tmp_path)

    faults = [finding.what for finding in compatibility_check.lint()]

    assert 2 == len(faults)
    assert "is used by no record" in faults
    assert any(expected in what for what in faults)


def write(folder: Path, name: str, version: int, schema: dict[str, Any]) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / f"{version}.avsc").write_text(json.dumps(schema))
