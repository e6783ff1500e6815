from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bondmate_hub.registry.errors import StoreDamagedError
from bondmate_hub.registry.server import RegistryConfig, serving, serving_in_thread
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

FIRST = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})
SECOND = json.dumps(
    {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": ["null", "int"], "default": None}],
    }
)
INCOMPATIBLE = json.dumps({"type": "record", "name": "R", "fields": [{"name": "z", "type": "string"}]})
OTHER_PROCESS = """
import sys
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

read = AvroDeserializer(SchemaRegistryClient({"url": sys.argv[1]}))
print(read(bytes.fromhex(sys.argv[2]), SerializationContext(sys.argv[3], MessageField.VALUE)))
"""


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


def value_of(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def test_a_plain_deserializer_in_its_own_process_reads_what_a_serializer_wrote(client, registry):
    write = AvroSerializer(client, FIRST)
    message = write({"a": "word"}, value_of("plain"))

    command = [sys.executable, "-c", OTHER_PROCESS, registry, message.hex(), "plain"]
    read = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ("{'a': 'word'}\n", 0) == (read.stdout, read.returncode), read.stderr


def test_the_default_subject_strategy_falls_back_to_topic_value(client):

    AvroSerializer(client, FIRST)({"a": ""}, value_of("fallback"))

    assert "fallback-value" in client.get_subjects()


def test_a_reader_with_the_newer_schema_reads_the_older_record(client):
    old = AvroSerializer(client, FIRST)({"a": "x"}, value_of("evolved"))
    client.register_schema("evolved-value", Schema(SECOND, "AVRO"))

    read = AvroDeserializer(client, SECOND)(old, value_of("evolved"))

    assert {"a": "x", "b": None} == read


def test_everything_the_client_asks_is_answered(client):
    subject = "every/thing ü-value"
    first = client.register_schema(subject, Schema(FIRST, "AVRO"), normalize_schemas=True)
    second = client.register_schema(subject, Schema(SECOND, "AVRO"))

    assert client.lookup_schema(subject, Schema(FIRST, "AVRO")).version == 1
    assert [1, 2] == client.get_versions(subject)
    assert (2, second, subject) == _named(client.get_latest_version(subject))
    assert (1, first, subject) == _named(client.get_version(subject, 1))
    assert (2, second, subject) == _named(client.get_latest_with_metadata(subject, {}))
    assert client.get_schema(first).schema_str == FIRST
    assert client.get_schema(second, subject_name=subject).schema_str == SECOND
    assert subject in client.get_subjects_by_schema_id(first)
    assert (subject, 2) in [(use.subject, use.version) for use in client.get_schema_versions(second)]
    assert ["AVRO"] == client.get_schema_types()
    assert client.test_compatibility(subject, Schema(SECOND, "AVRO"))
    assert not client.test_compatibility_all_versions(subject, Schema(INCOMPATIBLE, "AVRO"))
    assert [] == client.get_referenced_by(subject, 1)
    assert "READWRITE" == client.get_mode(subject) == client.get_global_mode()
    assert ["."] == client.get_contexts()
    assert "FULL_TRANSITIVE" == client.get_compatibility()
    assert "NONE" == client.set_compatibility(subject, "NONE")["compatibility"]
    assert "NONE" == client.get_config(subject).compatibility_level
    client.delete_config(subject)
    assert 1 == client.delete_version(subject, 1)
    assert [2] == client.delete_subject(subject)
    assert [1, 2] == client.delete_subject(subject, permanent=True)
    assert subject not in client.get_subjects(deleted=True)


def _named(found):
    return found.version, found.schema_id, found.subject


def test_an_incompatible_schema_is_409_and_names_the_field(client):
    client.register_schema("strict-value", Schema(FIRST, "AVRO"))

    with pytest.raises(SchemaRegistryError, match="z: is in the reader only") as refused:
        client.register_schema("strict-value", Schema(INCOMPATIBLE, "AVRO"))

    assert (409, 409) == (refused.value.http_status_code, refused.value.error_code)


def test_a_restart_keeps_ids_and_a_damaged_directory_is_said(tmp_path: Path):
    ids = []
    for _ in range(2):
        with serving_in_thread(RegistryConfig(tmp_path)) as url, SchemaRegistryClient({"url": url}) as client:
            ids.append([client.register_schema(s, Schema(t, "AVRO")) for s, t in [("a", SECOND), ("b", FIRST)]])

    assert [[1, 2], [1, 2]] == ids
    (tmp_path / "schemas.jsonl").write_text("?\n")
    with pytest.raises(StoreDamagedError), serving_in_thread(RegistryConfig(tmp_path)):
        pass


async def test_serving_ends_with_its_block(tmp_path: Path):
    async with serving(RegistryConfig(tmp_path)) as url:
        assert (200, {"status": "ok", "subjects": 0}) == await asyncio.to_thread(ask, url, "GET", "/healthz")

    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(ask, url, "GET", "/healthz")


DEEP = "[" * 100_000
BAD = [
    ("GET", "/nowhere", None, 404, 404),
    ("GET", "/associations/resources/x/y", None, 404, 404),
    ("POST", "/associations", b"{}", 404, 404),
    ("GET", "/subjects/absent/versions", None, 404, 40401),
    ("GET", "/subjects/absent/versions/latest", None, 404, 40401),
    ("GET", "/subjects/kept/versions/7", None, 404, 40402),
    ("GET", "/subjects/kept/versions/seven", None, 422, 42202),
    ("GET", "/schemas/ids/99999", None, 404, 40403),
    ("GET", "/schemas/ids/" + "9" * 400, None, 404, 40403),
    ("GET", "/schemas/ids/one", None, 404, 404),
    ("GET", "/schemas/guids/00000000-0000-0000-0000-000000000000", None, 404, 404),
    ("GET", "/config/kept", None, 404, 40408),
    ("PUT", "/config/kept", b'{"compatibility":"SOMETIMES"}', 422, 42203),
    ("PUT", "/config/kept", b"{}", 422, 42203),
    ("PUT", "/mode", b'{"mode":"IMPORT"}', 405, 405),
    ("POST", "/subjects/kept/versions", b"", 400, 400),
    ("POST", "/subjects/kept/versions", b"\xff\xfe", 400, 400),
    ("POST", "/subjects/kept/versions", b"[]", 400, 400),
    ("POST", "/subjects/kept/versions", DEEP.encode(), 400, 400),
    ("POST", "/subjects/kept/versions", b"{}", 422, 42201),
    ("POST", "/subjects/kept/versions", b'{"schema":5}', 422, 42201),
    ("POST", "/subjects/kept/versions", b'{"schema":"nonsense"}', 422, 42201),
    ("POST", "/subjects/kept/versions", json.dumps({"schema": DEEP}).encode(), 422, 42201),
    ("POST", "/subjects/kept/versions", b'{"schema":"\\"int\\"","schemaType":"JSON"}', 422, 42201),
    ("POST", "/subjects/kept/versions", b'{"schema":"\\"int\\"","references":[{"name":"x"}]}', 422, 42201),
    ("POST", "/subjects/kept/versions", b" " * ((1 << 20) + 1), 413, 413),
    ("POST", "/subjects/kept", b'{"schema":"\\"long\\""}', 404, 40403),
    ("POST", "/compatibility/subjects/kept/versions/7", b'{"schema":"\\"int\\""}', 404, 40402),
    ("DELETE", "/subjects/absent", None, 404, 40401),
    ("DELETE", "/subjects/kept?permanent=true", None, 404, 40407),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD, ids=[f"{b[0]} {b[1]}"[:60] for b in BAD])
def test_what_is_wrong_is_a_4xx_with_a_confluent_body(client, registry, method, path, body, status, code):  # noqa: PLR0917
    client.register_schema("kept", Schema('"int"', "AVRO"))

    answered, error = ask(registry, method, path, body)

    assert (status, code) == (answered, error["error_code"])
    assert error["message"]


def ask(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, object]]:
    server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        server.request(method, path, body)
        answer = server.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        server.close()
