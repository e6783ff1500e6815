"""Starting, stopping, TLS, and what a device hears when the hub cannot keep its events."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from bondmate_connectors.contract import Context, Source
from bondmate_connectors.errors import Misconfigured, NotConnected, Rejected, Transient
from bondmate_connectors.replay import Replay
from bondmate_gateway import CONNECTOR, GatewayConfig
from bondmate_gateway.gateway import DeviceGateway
from bondmate_monitoring import metrics
from bondmate_schemas.catalogue import topics
from bondmate_schemas.codec import RECORDS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

ALERT = {"message_id": "m", "kind": "SOS"}


def build(**settings) -> DeviceGateway:
    context = Context("devices", None, lambda status, why: None, lambda: datetime.now(UTC))  # type: ignore[arg-type]
    return CONNECTOR.build(GatewayConfig(**settings), context)


def test_the_connector_is_a_source_and_a_view_of_topics_that_exist(device_file):
    gateway = build(device_file=device_file)

    assert isinstance(gateway, Replay)
    assert callable(Source.receive)
    assert set(CONNECTOR.emits) <= set(RECORDS)
    assert set(CONNECTOR.replays) <= {topic.name for topic in topics()}
    assert CONNECTOR.is_source
    assert not CONNECTOR.is_sink


def test_every_setting_is_described_and_unknown_ones_are_refused(device_file):
    described = [field.description for field in GatewayConfig.model_fields.values()]

    assert all(described)
    with pytest.raises(ValidationError, match="colour"):
        GatewayConfig(device_file=device_file, colour="red")
    with pytest.raises(ValidationError, match="device_file"):
        GatewayConfig()


# Answers


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Transient("broker"), 503, "2"),
        (Transient("broker", 7.4), 503, "7"),
        (NotConnected(), 503, "2"),
        (Rejected("x"), 422, None),
    ],
)
async def test_what_is_not_durable_is_not_accepted_and_the_same_again_is(bench, error, status, retry):
    device = bench.device()
    bench.hub.error = error
    async with bench.session.post("/v1/alerts", json=ALERT, headers=device.headers) as refused:
        await refused.read()
    bench.hub.error = None
    again, _ = await device.post("/v1/alerts", ALERT)
    first, second = (incoming.event.header.message_id for incoming in bench.hub.incoming)

    assert (status, retry) == (refused.status, refused.headers.get("Retry-After"))
    assert refused.content_type == "application/problem+json"
    assert again == 202
    assert first == second


def handover(bench):
    return bench.gateway._listening.queue


async def test_no_answer_comes_before_the_last_event_is_settled_and_one_failure_fails_the_batch(bench, until, at):
    fixes = [{"sequence": n, "position": {"latitude": 1, "longitude": 1, "fixed_at": at()}} for n in range(3)]
    await bench.hub.stop()
    posting = asyncio.create_task(bench.device().post("/v1/locations", {"fixes": fixes}))
    taken = [await bench.gateway.receive() for _ in fixes]
    await taken[0].settle(None)
    await taken[1].settle(Transient("broker"))
    async with bench.session.get("/healthz") as healthy:  # a whole exchange later there is still no answer
        assert healthy.status == 200
    assert not posting.done()
    await taken[2].settle(None)
    status, _ = await posting
    bench.hub.start()
    again, _ = await bench.device().post("/v1/locations", {"fixes": fixes})

    assert (503, 202) == (status, again)
    assert [one.event.header.message_id for one in taken] == [event.header.message_id for event in bench.hub.events]


async def test_a_hub_that_does_not_settle_is_given_up_and_tried_again(run_gateway, until):
    async with run_gateway(settle_timeout_seconds=0.1) as bench:
        await bench.hub.stop()
        timed_out, problem = await bench.device().post("/v1/alerts", ALERT)
        bench.hub.start()
        await until(lambda: not handover(bench)._queues[True])
        after, _ = await bench.device().post("/v1/alerts", ALERT)

    assert (503, "urn:bondmate:problem:not_durable") == (timed_out, problem["type"])
    assert after == 202


async def test_a_device_that_hangs_up_does_not_take_its_alert_back(bench, until):
    await bench.hub.stop()
    posting = asyncio.create_task(bench.device().post("/v1/alerts", ALERT))
    await until(lambda: handover(bench)._queues[True])
    posting.cancel()
    await asyncio.wait([posting])
    bench.hub.start()

    await until(lambda: bench.hub.events)

    assert posting.cancelled()
    assert ["m"] == [event.header.origin_message_id for event in bench.hub.events]


async def test_a_trace_of_the_device_goes_on_and_a_malformed_one_does_not(bench):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for told in (trace, "00-x", ""):
        await bench.device().post_bytes("/v1/alerts", b'{"message_id":"m"}', traceparent=told)

    assert [trace, None, None] == [incoming.traceparent for incoming in bench.hub.incoming]


async def test_what_was_accepted_and_refused_is_counted(bench, at):
    def accepted(record: str) -> float:
        return metrics.ACCEPTED.labels(record)._value.get()

    def refused(problem: str) -> float:
        return metrics.REFUSED.labels(problem)._value.get()

    before = accepted("DeviceAlert"), accepted("DeviceLocation"), refused("not_json"), refused("unauthorized")
    fixes = [{"sequence": n, "position": {"latitude": 1, "longitude": 1, "fixed_at": at()}} for n in range(3)]
    await bench.device().post("/v1/alerts", ALERT)
    await bench.device().post("/v1/locations", {"fixes": fixes})
    await bench.device().post_bytes("/v1/alerts", b"{")
    await bench.device("nobody").post("/v1/alerts", ALERT)
    after = accepted("DeviceAlert"), accepted("DeviceLocation"), refused("not_json"), refused("unauthorized")

    assert (1, 3, 1, 1) == tuple(now - then for now, then in zip(after, before, strict=True))


# Life


async def test_connect_close_and_connect_again(bench):
    await bench.gateway.connect()
    await bench.gateway.close()
    await bench.gateway.close()
    with pytest.raises(NotConnected):
        await bench.gateway.receive()
    with pytest.raises(NotConnected):
        _ = bench.gateway.port

    await bench.gateway.connect()
    port = bench.gateway.port
    receiving = asyncio.create_task(bench.gateway.receive())
    headers = bench.device().headers
    async with aiohttp.ClientSession() as session:
        posting = asyncio.create_task(session.post(f"http://127.0.0.1:{port}/v1/alerts", json=ALERT, headers=headers))
        incoming = await receiving
        await incoming.settle(None)
        answer = await posting
        answer.release()

    assert answer.status == 202


async def test_close_without_connect_is_safe(device_file):
    gateway = build(device_file=device_file)

    await gateway.close()
    await gateway.close()
    await gateway.check()


async def test_receive_is_cancelled_promptly_and_loses_nothing(bench):
    await bench.hub.stop()
    for _ in range(20):
        receiving = asyncio.create_task(bench.gateway.receive())
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait([receiving], timeout=1)
        assert receiving.cancelled()
    bench.hub.start()
    status, _ = await bench.device().post("/v1/alerts", ALERT)

    assert status == 202


async def test_nothing_is_left_behind_after_close(device_file):
    before = asyncio.all_tasks()
    gateway = build(device_file=device_file, port=0)
    await gateway.connect()
    port = gateway.port
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as answer:
        assert answer.status == 200
    await gateway.close()

    assert before == asyncio.all_tasks()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_closing_answers_what_is_being_settled_and_refuses_what_is_not(bench, until):
    await bench.hub.stop()
    received = asyncio.create_task(bench.device().post("/v1/alerts", {**ALERT, "message_id": "1"}))
    taken = await bench.gateway.receive()
    waiting = asyncio.create_task(bench.device().post("/v1/alerts", {**ALERT, "message_id": "2"}))
    await until(lambda: handover(bench)._queues[True])
    closing = asyncio.create_task(bench.gateway.close())
    refused, _ = await waiting
    await taken.settle(None)
    accepted, _ = await received
    await closing

    assert (202, 503) == (accepted, refused)


@pytest.mark.parametrize("drain_seconds", [0, 0.1])
@pytest.mark.parametrize("last_words", [b"", b"POST /v1/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"])
async def test_a_device_that_no_longer_answers_does_not_hold_up_the_end(run_gateway, until, last_words, drain_seconds):
    handshake = (
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-smith\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with run_gateway(drain_seconds=drain_seconds) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.gateway.port)
        writer.write(last_words + b"Authorization: Bearer token-smith\r\n\r\n" if last_words else handshake.encode())
        if not last_words:
            assert b"101" in await reader.readuntil(b"\r\n")
            await until(lambda: bench.gateway._mailboxes.box("dev-smith").waiters)
        async with asyncio.timeout(2):
            await bench.gateway.close()
        writer.close()


async def test_a_port_that_is_taken_is_not_connected_and_comes_once_it_is_free(device_file):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        gateway = build(device_file=device_file, port=port)
        with pytest.raises(NotConnected, match=f"127.0.0.1:{port} cannot be listened on"):
            await gateway.connect()
    await gateway.connect()
    await gateway.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", "", "127.0.0.1.example.org"])
async def test_plain_http_beyond_loopback_is_refused_by_name_of_the_setting(device_file, host):
    gateway = build(device_file=device_file, host=host, port=0)

    with pytest.raises(Misconfigured, match="tls"):
        await gateway.connect()
    with pytest.raises(Misconfigured, match="tls"):
        await gateway.check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
async def test_plain_http_on_loopback_is_taken(device_file, host):
    await build(device_file=device_file, host=host).check()


async def test_a_gateway_waits_for_its_devices_names_their_file_and_then_listens(tmp_path, device_file):
    broken = tmp_path / "broken.yaml"
    broken.write_text("devices: {d: {mode: CANARY}}")
    for path, told in ((tmp_path / "none.yaml", "cannot be read"), (broken, "devices")):
        gateway = build(device_file=path, port=0)
        with pytest.raises(NotConnected, match=rf"^device_file {path}: .*{told}") as refused:
            await gateway.connect()
        with pytest.raises(Misconfigured, match=rf"^device_file {path}: "):
            await gateway.check()
        path.write_text(device_file.read_text())
        await gateway.connect()
        await gateway.close()

        assert "CANARY" not in str(refused.value)


# TLS


def certificate(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issued = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
    return issued, key


@pytest.fixture
def authority(tmp_path):
    issuer = certificate(tmp_path, "authority")
    certificate(tmp_path, "gateway", issuer)
    certificate(tmp_path, "device", issuer)
    certificate(tmp_path, "stranger")
    return tmp_path


def trusting(folder: Path, own: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    if own:
        context.load_cert_chain(folder / f"{own}.pem", folder / f"{own}.key")
    return context


async def test_devices_are_served_over_tls_with_a_checked_certificate(run_gateway, authority):
    tls = {"certificate_file": authority / "gateway.pem", "key_file": authority / "gateway.key"}
    async with run_gateway(tls=tls) as bench:
        status, _ = await bench.device().post("/v1/alerts", ALERT, ssl=trusting(authority))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await bench.device().post("/v1/alerts", ALERT)

    assert status == 202
    assert len(bench.hub.events) == 1


async def test_mutual_tls_serves_only_devices_with_a_certificate_and_a_token(run_gateway, authority):
    tls = {
        "certificate_file": authority / "gateway.pem",
        "key_file": authority / "gateway.key",
        "client_ca_file": authority / "authority.pem",
    }
    async with run_gateway(tls=tls) as bench:
        good, _ = await bench.device().post("/v1/alerts", ALERT, ssl=trusting(authority, "device"))
        no_token, _ = await bench.device("nobody").post("/v1/alerts", ALERT, ssl=trusting(authority, "device"))
        for own in ("", "stranger"):
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await bench.device().post("/v1/alerts", ALERT, ssl=trusting(authority, own))

    assert (202, 401, 1) == (good, no_token, len(bench.hub.events))


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"certificate_file": "none.pem"}, "tls.certificate_file"),
        ({"key_file": "stranger.key"}, "tls.certificate_file and tls.key_file"),
        ({"client_ca_file": "gateway.key"}, "tls.client_ca_file"),
        ({"client_ca_file": "none.pem"}, "tls.client_ca_file"),
    ],
)
async def test_tls_files_that_cannot_be_used_are_named(device_file, authority, files, named):
    good = {"certificate_file": "gateway.pem", "key_file": "gateway.key"}
    tls = {setting: authority / name for setting, name in {**good, **files}.items()}
    gateway = build(device_file=device_file, host="0.0.0.0", port=0, tls=tls)

    with pytest.raises(Misconfigured, match=named):
        await gateway.connect()
    with pytest.raises(Misconfigured, match=named):
        await gateway.check()
