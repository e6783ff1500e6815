"""Ids and schemas as every role asks the registry for them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from bondmate_hub.registry.server import RegistryConfig, serving_in_thread
from bondmate_kafka.registry import RegistrySchemaIds, record_subject
from bondmate_schemas.codec import CodecError, SchemaUnavailableError, schema_text
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient


def test_the_id_is_the_one_that_the_clients_of_others_find_and_the_schema_comes_back(registry):
    with SchemaRegistryClient({"url": registry}) as client:
        given = client.register_schema(record_subject("DeviceAlert"), Schema(schema_text("DeviceAlert"), "AVRO"))
        elsewhere = client.register_schema("elsewhere", Schema('{"type": "record", "name": "E", "fields": []}', "AVRO"))
    ids = RegistrySchemaIds(f"{registry}/")

    assert given == ids.id_of("DeviceAlert")
    assert "E" == json.loads(ids.schema_of(elsewhere))["name"]


def test_an_id_nobody_knows_is_bad_bytes_and_a_record_nobody_registered_is_waited_for(tmp_path):
    with serving_in_thread(RegistryConfig(data_dir=tmp_path, port=_free_port())) as url:
        ids = RegistrySchemaIds(url)

        with pytest.raises(CodecError, match="unknown_schema"):
            ids.schema_of(987_654)
        with pytest.raises(SchemaUnavailableError, match="answered 404"):
            ids.id_of("AuditRecord")


def test_a_registry_that_goes_is_waited_for_and_answers_again_when_it_is_back(tmp_path):
    port = _free_port()
    config = RegistryConfig(data_dir=tmp_path, port=port)
    ids = RegistrySchemaIds(f"http://127.0.0.1:{port}")
    with pytest.raises(SchemaUnavailableError, match="does not answer"):
        ids.schema_of(1)
    with serving_in_thread(config) as url, SchemaRegistryClient({"url": url}) as client:
        given = client.register_schema(record_subject("DeviceAlert"), Schema(schema_text("DeviceAlert"), "AVRO"))
        found = ids.id_of("DeviceAlert")

    assert given == found
    with pytest.raises(SchemaUnavailableError, match="does not answer"):
        ids.id_of("DeviceAlert")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"[1]"), (200, b"{}"), (500, b""), (302, b"")])
def test_an_answer_that_is_none_is_never_taken_for_bad_bytes(status, body):
    with _answering(status, body) as url:
        ids = RegistrySchemaIds(url)
        with pytest.raises(SchemaUnavailableError):
            ids.id_of("DeviceAlert")
        with pytest.raises(SchemaUnavailableError):
            ids.schema_of(1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """Serve the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815  # the server's names

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
