"""HTTP out: each thing a platform can do, and what the runner is told of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime

import pytest
from aiohttp import web
from bondmate_connectors.errors import (
    AuthFailed,
    Misconfigured,
    NotConnected,
    Rejected,
    Throttled,
    Transient,
)
from bondmate_connectors.transports.addresses import AddressPolicy
from bondmate_connectors.transports.http_client import HttpClient
from bondmate_connectors.transports.tcp import TcpAddress, TcpStream
from bondmate_connectors.transports.tls import TlsConfig
from tcp_server import listening
from yarl import URL

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def serving(handler, timeout_seconds=10):
    app = web.Application()
    app.router.add_route("*", "/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = HttpClient(
        AddressPolicy(loopback=True), lambda: NOW, timeout_seconds=timeout_seconds, max_answer_bytes=1000
    )
    await client.open()
    try:
        yield client, URL(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await client.close()
        await runner.cleanup()


async def asked(status, **headers):
    async def handler(_):
        return web.Response(status=status, headers=headers)

    async with serving(handler) as (client, url):
        return await client.request("POST", url, headers={}, body=b"x")


@pytest.mark.parametrize("status", [200, 201, 204, 304])
async def test_success_is_given(status):
    assert status == (await asked(status)).status


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Rejected), (401, AuthFailed), (402, AuthFailed), (403, AuthFailed), (404, AuthFailed), (405, AuthFailed),
     (406, AuthFailed), (407, AuthFailed), (408, Transient), (409, Transient), (410, AuthFailed), (413, Rejected),
     (415, AuthFailed), (421, AuthFailed), (422, Rejected), (426, AuthFailed), (429, Throttled), (451, AuthFailed),
     (500, Transient), (503, Transient), (511, AuthFailed), (300, AuthFailed), (301, AuthFailed), (302, AuthFailed),
     (303, AuthFailed), (307, AuthFailed), (308, AuthFailed),
     # Of none of these is it said that it is the event: what everybody gets must not end an alert.
     *((status, AuthFailed) for status in (411, 412, 414, 417, 418, 419, 423, 424, 428, 431, 440, 444, 498, 499, 600, 999)),
     *((status, Transient) for status in (425, 501, 502, 504, 505, 507, 508, 520, 530, 599))],
)  # fmt: skip
async def test_each_status_says_what_to_do(status, error):
    with pytest.raises(error) as told:
        await asked(status, Location="http://127.0.0.1:9/")

    assert error is type(told.value)


PAGES = [
    b"<!DOCTYPE html><html><body><form action=/login></form></body></html>",
    b"\xef\xbb\xbf\n<!-- portal -->\n<HTML><head></head></HTML>",
    b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html/>',
    b"<meta http-equiv=refresh content='0;url=/login'>",
    b"<form method=post>",
]


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_that_answers_with_success_has_taken_nothing_and_the_service_behind_it_does(page):
    bodies = [page, b"ok"]

    async def handler(_):
        return web.Response(body=bodies.pop(0), content_type="text/html")

    async with serving(handler) as (client, url):
        with pytest.raises(AuthFailed) as told:
            await client.request("POST", url, headers={}, body=b"x")

        assert "page_for_people" == told.value.code
        assert b"ok" == (await client.request("POST", url, headers={}, body=b"x")).body


async def test_where_a_service_itself_answers_pages_that_is_its_answer():
    async def handler(_):
        return web.Response(body=PAGES[0], content_type="text/html")

    async with serving(handler) as (client, url):
        assert PAGES[0] == (await client.request("POST", url, headers={}, body=b"x", pages=True)).body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"taken",
        b'{"id": "<html>"}',
        b"<feed/>",
        b"<htmlish/>",
        b"<rss><title/></rss>",
        b"<!-- words -->" * 32 + b"<feed><!-- a note --></feed>",
    ],
)
async def test_what_a_service_says_is_no_page(body):
    async def handler(_):
        return web.Response(body=body, content_type="text/html")

    async with serving(handler) as (client, url):
        assert body == (await client.request("POST", url, headers={}, body=b"x")).body


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0), ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0), ("soon", None),
     ("999999999999", 3600.0), ("-5", None), ("", None)],
)  # fmt: skip
async def test_both_forms_of_retry_after_are_understood(header, seconds):
    for status in (429, 503):
        with pytest.raises(Transient) as told:
            await asked(status, **{"Retry-After": header})

        assert seconds == told.value.retry_after


async def test_an_answer_is_cut_at_the_bound():
    async def handler(_):
        return web.Response(body=b"x" * 100_000)

    async with serving(handler) as (client, url):
        answer = await client.request("GET", url, headers={})

    assert (1000, False) == (len(answer.body), answer.whole)


async def test_a_compressed_answer_is_not_unpacked():
    async def handler(request):
        assert "identity" == request.headers["Accept-Encoding"]
        return web.Response(body=b"\x1f\x8b rubbish", headers={"Content-Encoding": "gzip"})

    async with serving(handler) as (client, url):
        assert b"\x1f\x8b rubbish" == (await client.request("GET", url, headers={})).body


async def test_silence_is_transient_and_then_it_answers():
    quiet = asyncio.Event()

    async def handler(_):
        if not quiet.is_set():
            quiet.set()
            await asyncio.sleep(30)
        return web.Response()

    async with serving(handler, timeout_seconds=1) as (client, url):
        with pytest.raises(Transient, match="timeout"):
            await client.request("GET", url, headers={})
        assert 200 == (await client.request("GET", url, headers={})).status


async def test_nobody_there_is_transient_and_not_open_is_not_connected():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    server.close()
    await server.wait_closed()
    client = HttpClient(AddressPolicy(loopback=True), lambda: NOW)
    with pytest.raises(NotConnected):
        await client.request("GET", url, headers={})
    await client.open()
    with pytest.raises(Transient, match="unreachable"):
        await client.request("GET", url, headers={})
    await client.close()


async def test_a_connection_cut_in_the_middle_is_a_lost_link():
    async def cut(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
        await writer.drain()

    client = HttpClient(AddressPolicy(loopback=True), lambda: NOW)
    await client.open()
    async with listening(cut) as port:
        with pytest.raises(NotConnected, match="cut"):
            await client.request("GET", URL(f"http://127.0.0.1:{port}/"), headers={})
    await client.close()


@pytest.mark.parametrize(
    "body",
    [
        b"<center>The SSL certificate error</center>",
        b"<center>No required SSL certificate was sent</center>",
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
    ],
)
async def test_a_certificate_of_ours_that_nginx_refuses_with_400_is_a_refusal_and_passes(body):
    answers = [web.Response(status=400, body=body), web.Response(status=400, body=b"no CAP"), web.Response()]

    async def answer(_):
        return answers.pop(0)

    async with serving(answer) as (client, url):
        with pytest.raises(AuthFailed, match="tls_own_certificate"):
            await client.request("POST", url, headers={}, body=b"x")
        with pytest.raises(Rejected, match="http_400"):
            await client.request("POST", url, headers={}, body=b"x")
        await client.request("POST", url, headers={}, body=b"x")


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example"])
async def test_a_host_that_no_name_server_can_be_asked_for_is_a_setting(host):
    client = HttpClient(AddressPolicy(), lambda: NOW)
    await client.open()
    with pytest.raises(Misconfigured):
        await client.request("POST", URL(f"https://{host}/"), headers={})
    await client.close()
    with pytest.raises(Misconfigured):
        await TcpStream.connect(TcpAddress(host, 8089), 2)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name, of in (("room", "IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.example"), ("ours", "DNS:hub")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", f"subjectAltName={of}"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return folder


def serves(certificates, name="room", *, asks_for=None, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    context.maximum_version = version
    if asks_for:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / f"{asks_for}.pem")
    return context


def sends(alert, certificates):
    context = serves(certificates)
    context.sni_callback = lambda *_: alert
    return context


def _one_call(connection, context):
    """Serve one call as a plain program does: the alert of a handshake that failed is sent, which asyncio's is not.

    What the caller had sent by then is read before the close: a close with bytes unread resets the connection, and a
    reset may overtake the alert.
    """
    with suppress(OSError), context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as talk:
        try:
            talk.do_handshake()
        except ssl.SSLError:
            talk.shutdown(socket.SHUT_WR)
            while talk.recv(65536):
                pass
            return
        talk.recv(65536)
        talk.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        talk.unwrap()


@contextmanager
def room_behind(contexts):
    """Give the port of a room that serves each call by the next of `contexts`; where that is bytes, with those."""

    def run():
        for context in contexts:
            connection, _ = listener.accept()
            if isinstance(context, bytes):
                with suppress(OSError), connection:
                    connection.sendall(context)
                    connection.recv(65536)
            else:
                _one_call(connection, context)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls_refused"), (lambda _: b"SSH-2.0-x\r\n", "tls_refused"),
     (lambda c: serves(c, "elsewhere"), "tls_certificate"),
     (lambda c: serves(c, asks_for="ours", version=ssl.TLSVersion.TLSv1_2), "tls_own_certificate"),
     (lambda c: serves(c, asks_for="ours"), "tls_own_certificate"),
     (lambda c: sends(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, c), "tls_refused"),
     (lambda c: sends(ssl.ALERT_DESCRIPTION_INSUFFICIENT_SECURITY, c), "tls_refused"),
     (lambda c: sends(ssl.ALERT_DESCRIPTION_ACCESS_DENIED, c), "tls_own_certificate")],
    ids=["plain HTTP", "no HTTP", "of another name", "wants ours, TLS 1.2", "wants ours, TLS 1.3", "unknown name",
         "too weak", "denied"],
)  # fmt: skip
async def test_a_handshake_that_is_refused_is_a_refusal_and_passes(certificates, trouble, code):
    tls = TlsConfig(ca_file=str(certificates / "room.pem"))
    with room_behind([trouble(certificates), serves(certificates)]) as port:
        client = HttpClient(AddressPolicy(loopback=True), lambda: NOW, tls=tls)
        await client.open()
        try:
            with pytest.raises(AuthFailed) as told:
                await client.request("POST", URL(f"https://127.0.0.1:{port}/"), headers={}, body=b"x")

            assert code == told.value.code
            assert (
                200 == (await client.request("POST", URL(f"https://127.0.0.1:{port}/"), headers={}, body=b"x")).status
            )
        finally:
            await client.close()


@pytest.mark.parametrize("text", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "soon", "-1", ""])
async def test_a_retry_after_that_is_none_raises_nothing_of_its_own(text):
    async def busy(_):
        return web.Response(status=503, headers={"Retry-After": text})

    async with serving(busy) as (client, url):
        with pytest.raises(Transient) as told:
            await client.request("GET", url, headers={})

    assert told.value.retry_after is None
