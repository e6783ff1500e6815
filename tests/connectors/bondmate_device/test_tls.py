"""Over https: the gateway must prove itself, and until it does nothing is said to it and nothing is lost."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from bondmate_device import Level
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytestmark = pytest.mark.timeout(60)


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """Give the files of a certificate for this machine and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))  # fmt: skip
    return files


async def test_only_a_gateway_that_proves_itself_gets_the_alert(place, tmp_path):
    (ours, key), (stranger, _) = self_signed(tmp_path, "ours"), self_signed(tmp_path, "stranger")
    tls = {"certificate_file": ours, "key_file": key}
    url = f"https://127.0.0.1:{place.port}"
    async with place.up(tls=tls):
        async with place.client(url=url, tls=ssl.create_default_context(cafile=stranger)) as device:
            alert_id = await device.raise_alert("SOS")
            await device.until(lambda: device._engine.core.outbox._alerts.attempts > 1)
            doubted = device.status(alert_id).level, len(place.events)
        async with place.client(url=url, tls=ssl.create_default_context(cafile=ours)) as device:
            await device.until(lambda: not device.link.waiting and device.link.listening == "stream")
            proved = device.status(alert_id).level

    assert (Level.QUEUED, 0) == doubted
    assert (Level.RECEIVED, 1) == (proved, len(place.events))
