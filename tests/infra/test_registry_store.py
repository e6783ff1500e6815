from __future__ import annotations

import json
from pathlib import Path

import pytest
from bondmate_hub.registry.errors import (
    IncompatibleError,
    NotFoundError,
    RegistryError,
    StoreDamagedError,
    UnprocessableError,
)
from bondmate_hub.registry.store import SchemaStore


def record(*fields: dict[str, object], name: str = "R") -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


A = {"name": "a", "type": "string"}
B = {"name": "b", "type": ["null", "string"], "default": None}
B_WITHOUT_DEFAULT = {"name": "b", "type": "string"}


@pytest.fixture
def store(tmp_path: Path):
    with_file = SchemaStore(tmp_path)
    yield with_file
    with_file.close()


def test_versions_count_up_and_ids_belong_to_the_content(store):
    first = store.register("s", record(A))
    second = store.register("s", record(A, B))
    elsewhere = store.register("t", record(A))

    assert (1, 1) == (first.number, first.schema_id)
    assert (2, 2) == (second.number, second.schema_id)
    assert (1, 1) == (elsewhere.number, elsewhere.schema_id)
    assert [("s", 1), ("t", 1)] == [(use.subject, use.number) for use in store.uses(1)]


def test_the_same_schema_written_otherwise_is_the_same_version(store):
    first = store.register("s", record(A))
    again = store.register("s", '{ "fields": [{"type": {"type": "string"}, "name": "a"}], "name":"R","type":"record" }')

    assert first == again


def test_restart_gives_the_same_ids_levels_and_deletions(tmp_path):
    store = SchemaStore(tmp_path)
    store.register("s", record(A))
    store.register("s", record(A, B))
    store.register("t", record(A, name="T"))
    store.set_level("t", "NONE")
    store.set_level(None, "BACKWARD")
    store.delete("s", 1)
    store.close()

    again = SchemaStore(tmp_path)

    assert [2] == [version.number for version in again.versions("s")]
    assert [1, 2] == [version.number for version in again.versions("s", deleted=True)]
    assert 2 == again.register("s", record(A, B)).schema_id
    assert 3 == again.register("t", record(A, name="T")).schema_id
    assert 4 == again.register("u", record(A, name="U")).schema_id
    assert ("NONE", "BACKWARD") == (again.level("t"), again.level())
    again.close()


def test_a_line_torn_by_a_crash_is_dropped_and_the_store_goes_on(tmp_path):
    store = SchemaStore(tmp_path)
    store.register("s", record(A))
    store.close()
    file = tmp_path / "schemas.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])

    again = SchemaStore(tmp_path)
    again.register("s", record(A, B))
    again.close()
    third = SchemaStore(tmp_path)

    assert [1, 2] == [version.number for version in third.versions("s")]
    third.close()


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"op":"fly"}', b'{"op":"register","subject":"s"}', b'{"op":"delete"}'])
def test_a_damaged_line_stops_the_start_and_is_not_skipped(tmp_path, line):
    (tmp_path / "schemas.jsonl").write_bytes(line + b"\n")

    with pytest.raises(StoreDamagedError, match=r"schemas\.jsonl"):
        SchemaStore(tmp_path)


def test_a_second_process_on_the_same_directory_is_refused_until_the_first_ends(tmp_path):
    first = SchemaStore(tmp_path)

    with pytest.raises(StoreDamagedError, match="in use"):
        SchemaStore(tmp_path)

    first.close()
    SchemaStore(tmp_path).close()


def test_an_incompatible_schema_is_refused_with_the_field_and_leaves_no_trace(store):
    store.register("s", record(A))

    with pytest.raises(IncompatibleError, match="version 1, backward: b") as refused:
        store.register("s", record(A, B_WITHOUT_DEFAULT))

    assert 409 == refused.value.status
    assert [1] == [version.number for version in store.versions("s")]


def test_full_transitive_is_the_default_and_looks_at_every_version(store):
    store.register("s", record(A, {"name": "c", "type": "int", "default": 1}))
    store.register("s", record(A))
    back_as_text = record(A, {"name": "c", "type": "string", "default": ""})

    with pytest.raises(IncompatibleError, match="version 1"):
        store.register("s", back_as_text)

    store.set_level("s", "FULL")
    assert 3 == store.register("s", back_as_text).number


def test_deleting_hides_then_forgets_and_the_id_stays(store):
    store.register("s", record(A))

    with pytest.raises(NotFoundError, match="not deleted first"):
        store.delete("s", permanent=True)
    assert [1] == store.delete("s")
    with pytest.raises(NotFoundError):
        store.versions("s")
    assert (["s"], []) == (store.subjects(deleted=True), store.subjects())
    assert [1] == store.delete("s", permanent=True)
    assert [] == store.subjects(deleted=True)
    assert record(A) == store.text(1)
    assert (2, 1) == (store.register("s", record(A)).number, store.register("s", record(A)).schema_id)


def test_registering_a_deleted_schema_again_gives_a_new_version_of_the_old_id(store):
    store.register("s", record(A))
    store.delete("s", 1)

    again = store.register("s", record(A))

    assert (2, 1) == (again.number, again.schema_id)


@pytest.mark.parametrize("number", ["0", "-2", "one", "", "1.0", "99999999999999999999", "\u0661"])
def test_a_version_that_is_none_is_unprocessable(store, number):
    store.register("s", record(A))

    with pytest.raises(UnprocessableError) as refused:
        store.version("s", number)

    assert 42202 == refused.value.code


def test_what_is_absent_has_its_own_code(store):
    store.register("s", record(A))
    asked = {
        40401: lambda: store.versions("x"),
        40402: lambda: store.version("s", 2),
        40403: lambda: store.text(9),
        40408: lambda: store.level("s"),
        42201: lambda: store.register("s", '{"type":"record"}'),
        42203: lambda: store.set_level("s", "SOMETIMES"),
    }

    codes = []
    for question in asked.values():
        with pytest.raises(RegistryError) as refused:
            question()
        codes.append(refused.value.code)

    assert list(asked) == codes


def test_a_subject_loses_its_own_level_and_takes_the_general_one(store):
    store.set_level("s", "NONE")

    assert "NONE" == store.clear_level("s")
    assert "FULL_TRANSITIVE" == store.level("s", inherit=True)
