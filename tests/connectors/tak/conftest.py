"""The far ends of the TAK tests: the public server `taky` as a child process, and an operator's client on a raw socket."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.testing import eventually
from bondmate_demo.taky import TakyServer, TakyTls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree

from tests.connectors.tak.clients import Said, atak

_END = b"</event>"


@pytest.fixture(scope="module")
def taky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TakyServer]:
    server = TakyServer(tmp_path_factory.mktemp("taky"))
    server.start()
    yield server
    server.kill()


@dataclass
class Operator:
    """A TAK client: keeps what the server sends it, says what it is told to. Shares no code with the hub."""

    host: str
    port: int
    tls: Identity | None = None
    events: list[etree._Element] = field(default_factory=list)
    _pongs: int = 0
    _said: int = 0

    async def connect(self) -> None:
        secure = self.tls.context() if self.tls else None
        self._reader, self._writer = await asyncio.open_connection(self.host, self.port, ssl=secure)
        self._reading = asyncio.create_task(self._read())
        pongs, before = self._pongs, len(self.events)
        self._write("t-x-c-t", "op-ping", "")
        await eventually(lambda: self._pongs > pongs, "the server answers the operator")
        # taky gives whoever connects the markers and positions that it keeps: those of earlier tests.
        del self.events[before:]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def reconnect(self) -> None:
        await self.close()
        await self.connect()

    def of_type(self, *kinds: str) -> list[etree._Element]:
        return [event for event in self.events if event.get("type") in kinds]

    async def seen(self, *kinds: str, count: int = 1) -> list[etree._Element]:
        await eventually(lambda: len(self.of_type(*kinds)) >= count, f"{count} of {kinds}")
        return self.of_type(*kinds)

    def records(self) -> list[str]:
        """Give the hub's message ids in order of arrival, each once: a client takes the same uid or message for a repeat."""
        own = [event.find("detail/bondmate") for event in self.events]
        return list(dict.fromkeys(element.get("message") for element in own if element is not None))

    def announce(self, uid: str = "op-1", callsign: str = "OPS") -> None:
        """Say who this client is, so that the server finds it when somebody writes to it alone."""
        detail = (
            f'<contact callsign="{callsign}" endpoint="*:-1:stcp"/><__group name="Cyan" role="Team Member"/>'
            '<takv device="d" platform="p" os="1" version="1"/>'
        )
        self._write("a-f-G-U-C", uid, detail)

    def answer(self, uid: str, text: str = "copy") -> str:
        """Write into the thread of `uid`; give the uid of the line."""
        self._said += 1
        line = f"GeoChat.op-1.{uid}.{id(self)}-{self._said}"
        self._write(
            "b-t-f",
            line,
            f'<__chat parent="RootContactGroup" groupOwner="false" chatroom="All Chat Rooms" id="{uid}" senderCallsign="OPS">'
            f'<chatgrp uid0="op-1" uid1="{uid}" id="{uid}"/></__chat><link uid="op-1" type="a-f-G-U-C" relation="p-p"/>'
            f'<remarks source="BAO.F.ATAK.op-1" to="{uid}" time="{_time()}">{text}</remarks>',
        )
        return line

    def say(self, said: Said, form: Callable[[Said], str] = atak) -> None:
        """Send a chat line as a real client sends it."""
        self._writer.write(form(said).encode())

    def _write(self, kind: str, uid: str, detail: str) -> None:
        self._writer.write(
            f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{_time()}" start="{_time()}"'
            f' stale="{_time(3600)}"><point lat="0" lon="0" hae="0" ce="0" le="0"/><detail>{detail}</detail></event>'.encode()
        )

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                event = etree.fromstring((await self._reader.readuntil(_END)).strip())
                if event.get("type") == "t-x-c-t-r":
                    self._pongs += 1
                else:
                    self.events.append(event)


def _time(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
async def operator(taky: TakyServer) -> AsyncIterator[Operator]:
    if not taky.pid:
        await asyncio.to_thread(taky.start)
    operator = Operator(taky.host, taky.port)
    await operator.connect()
    yield operator
    await operator.close()


@pytest.fixture
def outage(taky: TakyServer, operator: Operator) -> Callable[[], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def down() -> AsyncIterator[None]:
        await asyncio.to_thread(taky.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(taky.start)
            await operator.reconnect()

    return down


# Certificates.


@dataclass(frozen=True)
class Identity:
    """PEM files of somebody: whose authority, certificate, key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """How a client who is this one trusts the server and shows its own certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context

    def settings(self) -> dict[str, Any]:
        return {"ca_file": str(self.ca), "certificate_file": str(self.certificate), "key_file": str(self.key)}


@dataclass(frozen=True)
class Pki:
    """Two authorities that do not know each other; one of them has signed the server's certificate."""

    server: Identity
    client: Identity
    stranger: Identity


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ours, theirs = _Authority(folder, "ours"), _Authority(folder, "theirs")
    return Pki(ours.issue("server"), ours.issue("client"), theirs.issue("stranger"))


@pytest.fixture(scope="module")
def tls_taky(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[TakyServer]:
    tls = TakyTls(pki.server.ca, pki.server.certificate, pki.server.key)
    server = TakyServer(tmp_path_factory.mktemp("tls"), tls=tls)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def secret_operator(tls_taky: TakyServer, pki: Pki) -> AsyncIterator[Operator]:
    """An operator at the server that knows its clients by their certificates."""
    operator = Operator(tls_taky.host, tls_taky.port, tls=pki.client)
    await operator.connect()
    yield operator
    await operator.close()


class _Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._file = folder / f"{name}-ca.pem"
        certificate = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(True, None), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = certificate.add_extension(usage, critical=True)
        self._file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName(
            [x509.DNSName("tak.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        certificate = self._builder(subject, key).add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Identity(self._file, *paths)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
