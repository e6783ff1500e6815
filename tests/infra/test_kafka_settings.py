"""How clients are let in is said once, checked before anything starts, and in every library's words."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from bondmate_hub.settings import SettingsError, load
from bondmate_hub.settings.reread import reread
from bondmate_kafka.security import Credentials, Security, Tls
from cryptography.hazmat.primitives import serialization
from tak_servers.authority import Authority

SECURED = """\
kafka:
  bootstrap: broker:9093
  client:
    tls: {ca_file: tls/tests-ca.pem, certificate_file: tls/hub.pem, key_file: tls/hub.key}
    login: {username: hub, password: !file password}
  registry_url: https://registry:8081
  registry_login: {username: reader, password: !file password}
  registry_tls: {ca_file: tls/tests-ca.pem}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    Authority(tmp_path / "tls").issue("hub")
    (tmp_path / "password").write_text("told-to-nobody\n", encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    (folder / "hub.yaml").write_text(text, encoding="utf-8")
    return folder / "hub.yaml"


def problems(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(written(folder, text))
    return "\n".join(refused.value.problems)


def test_files_are_meant_from_the_settings_and_one_block_serves_every_client(folder, monkeypatch):
    monkeypatch.chdir("/")

    kafka = load(written(folder, SECURED)).kafka.config()

    ours = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "hub",
            "sasl.password": "told-to-nobody", "ssl.ca.location": str(folder / "tls/tests-ca.pem"),
            "ssl.certificate.location": str(folder / "tls/hub.pem"), "ssl.key.location": str(folder / "tls/hub.key")}  # fmt: skip
    for settings in (kafka.client(), kafka.producer("p"), kafka.consumer("group", "instance")):
        assert ours == {name: settings[name] for name in ours}
    assert "Basic cmVhZGVyOnRvbGQtdG8tbm9ib2R5" == kafka.registry_access.headers()["Authorization"]
    assert ssl.CERT_REQUIRED is kafka.registry_access.context().verify_mode
    assert "told-to-nobody" not in repr(kafka)


def test_a_connector_is_read_again_while_a_file_of_kafkas_tls_cannot_be(folder):
    (folder / "secret").write_text(f"whsec_{'b2xk' * 10}\n", encoding="utf-8")
    deliver = "{url: 'http://127.0.0.1:9', secrets: [!file secret]}"
    rooms = f"connectors:\n  room: {{connector: cap_webhook, settings: {{deliver: {deliver}}}}}\n"
    settings = load(written(folder, SECURED + rooms))
    new = f"whsec_{'bmV3' * 10}"
    (folder / "secret").write_text(new, encoding="utf-8")
    (folder / "tls/tests-ca.pem").unlink()

    assert new == reread(settings, "room").deliver.secrets[0].get_secret_value()
    with pytest.raises(SettingsError, match=r"kafka\.client\.tls"):
        load(settings.file)


def test_a_key_may_have_a_password_and_a_wrong_one_is_an_error_with_its_place(folder):
    key = serialization.load_pem_private_key((folder / "tls/hub.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"told-to-nobody")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (folder / "tls/hub.key").write_bytes(pem)
    wrong = problems(folder, SECURED)
    right = SECURED.replace("tls/hub.key}", "tls/hub.key, key_password: !file password}")

    assert "hub.yaml:4:5: kafka.client.tls: a file cannot be read or used" in wrong
    assert "told-to-nobody" == load(written(folder, right)).kafka.client.security().librdkafka()["ssl.key.password"]


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("{tls: {ca_fiel: x}}", "kafka.client.tls.ca_fiel"),
        ("{login: {username: a, password: b, mechanism: GSSAPI}}", "kafka.client.login.mechanism"),
        ("{lgin: {username: a}}", "lgin: no such setting; there are tls, login, librdkafka"),
        ("{socket.keepalive.on: true}", "socket.keepalive.on: the client library knows no such setting"),
        ("{librdkafka: {socket.timeout.ms: soon}}", "socket.timeout.ms: the client library knows no such setting"),
        ("{librdkafka: {sasl.usernmae: hub}}", "sasl.usernmae is no setting here"),
        ("{security.protocol: SASL_TLS}", "security.protocol is one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("{ssl.ca.location: ca.pem}", "ssl.ca.location has no effect, since security.protocol is PLAINTEXT"),
        ("{tls: {ca_file: not-there.pem}}", "kafka.client.tls: a file cannot be read or used"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(folder, client, told):
    said = problems(folder, f"kafka:\n  client: {client}\n")

    assert "hub.yaml:2:" in said
    assert told in said


def test_names_of_the_client_library_hold_for_one_release_and_are_named(folder):
    old = """\
kafka:
  client:
    security.protocol: sasl_ssl
    ssl.ca.location: tls/tests-ca.pem
    sasl.mechanisms: PLAIN
    sasl.username: hub
    sasl.password: told-to-nobody
    socket.keepalive.enable: true
"""

    client = load(written(folder, old)).kafka.client
    new = load(written(folder, SECURED)).kafka.client

    assert (
        Security(Tls(folder / "tls/tests-ca.pem"), Credentials("hub", "told-to-nobody", "PLAIN")) == client.security()
    )
    assert {"socket.keepalive.enable": True} == client.librdkafka
    assert "kafka.client.ssl.ca.location is now kafka.client.tls.ca_file" in client.old_names
    assert (
        "kafka.client.socket.keepalive.enable is now kafka.client.librdkafka.socket.keepalive.enable"
        in client.old_names
    )
    assert 6 == len(client.old_names)
    assert () == new.old_names


def test_what_destinations_read_has_a_codec_that_every_client_has(folder):
    usual = load(written(folder, "kafka: {}")).kafka.config()
    chosen = load(written(folder, "kafka: {destination_compression: gzip}")).kafka.config()

    assert ("none", "gzip") == tuple(kafka.producer("p")["compression.type"] for kafka in (usual, chosen))
    assert "kafka.destination_compression" in problems(folder, "kafka: {destination_compression: brotli}")
