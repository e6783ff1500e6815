"""Server-side request forgery: what may be connected to, and what never."""

from __future__ import annotations

import asyncio
import socket

import pytest
from bondmate_connectors.errors import AuthFailed, Misconfigured
from bondmate_connectors.transports.addresses import (
    AddressPolicy,
    AddressRefused,
    check_literal,
    is_plain_beyond_loopback,
)
from bondmate_connectors.transports.checked_resolver import CheckedResolver
from bondmate_connectors.transports.http_client import HttpClient
from tcp_server import listening
from yarl import URL

NEVER = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "fe80::1%eth0", "::", "ff02::1", "240.0.0.1",
         "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "not an address"]  # fmt: skip
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"]
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]
ALL = AddressPolicy(private_networks=True, loopback=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_allowed(address):
    assert not ALL.allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_always_allowed(address):
    assert AddressPolicy().allows(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_the_setting(address):
    assert not AddressPolicy(loopback=True).allows(address)
    assert AddressPolicy(private_networks=True).allows(address)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_needs_its_own(address):
    assert not AddressPolicy(private_networks=True).allows(address)
    assert AddressPolicy(private_networks=True, loopback=True).allows(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
async def test_a_name_that_means_loopback_is_refused(host):
    with pytest.raises(AddressRefused):
        await CheckedResolver(AddressPolicy()).resolve(host, 80)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/"])
def test_a_literal_address_is_checked_too(url):
    with pytest.raises(AddressRefused):
        check_literal(URL(url), AddressPolicy())


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/",
                                 "http://0x7f.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/"])  # fmt: skip
async def test_nothing_is_connected_to_when_it_is_refused(url):
    reached = []
    server = await asyncio.start_server(lambda *_: reached.append(1), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(AddressPolicy(), lambda: None)
    await client.open()
    with pytest.raises((AuthFailed, Misconfigured), match=r"address|^url: "):
        await client.ask("GET", URL(url.format(port=port)), headers={})
    await client.close()
    server.close()
    await server.wait_closed()

    assert [] == reached


async def test_a_name_that_leads_astray_for_a_while_is_refused_for_a_while(monkeypatch):
    """What a name resolves to may change without us: it waits for no person. An address in the settings does."""
    answers = ["10.0.0.1", "127.0.0.1"]

    async def resolve(*_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    client = HttpClient(AddressPolicy(loopback=True), lambda: None)
    await client.open()
    async with listening(_no_content) as port:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            with pytest.raises(AuthFailed, match="address_refused"):
                await client.ask("GET", URL(f"http://room.example:{port}/"), headers={})
            answer = await client.ask("GET", URL(f"http://room.example:{port}/"), headers={})
        with pytest.raises(Misconfigured, match="url"):
            await client.ask("GET", URL(f"http://10.0.0.1:{port}/"), headers={})
    await client.close()

    assert 204 == answer.status


async def _no_content(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await writer.drain()


async def test_only_the_address_that_was_checked_is_connected_to(monkeypatch):
    """A name that resolves to another address the second time is not asked a second time."""
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))],
               [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]]  # fmt: skip

    async def resolve(*_, **__):
        return answers.pop(0)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    found = await CheckedResolver(AddressPolicy()).resolve("rebinding.example", 80)

    assert ["93.184.216.34"] == [each["host"] for each in found]
    assert socket.AI_NUMERICHOST == found[0]["flags"]
    with pytest.raises(AddressRefused):
        await CheckedResolver(AddressPolicy()).resolve("rebinding.example", 80)


@pytest.mark.parametrize(
    ("url", "plain"),
    [("https://a.example", False), ("http://127.0.0.1:8", False), ("http://[::1]", False), ("http://localhost", False),
     ("http://a.example", True), ("http://localhost.a.example", True), ("http://127.0.0.2", True), ("ftp://localhost", True)],
)  # fmt: skip
def test_plain_http_is_for_loopback_only(url, plain):
    assert plain is is_plain_beyond_loopback(URL(url))
