"""OpenTAKServer, unpatched: its web application, its parser and its two listeners, as its own installer starts them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bondmate_hub.broker.child import free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tak_servers.authority import Enrolled, pem_of
from tak_servers.backing import Postgres, RabbitMq
from tak_servers.environments import OPENTAKSERVER
from tak_servers.programs import Program, answers, environment

_START_SECONDS: Final = 120.0
_PASSWORD: Final = "not-a-secret"  # pragma: allowlist secret
_CONSUMERS: Final = """
import pika, sys
channel = pika.BlockingConnection(pika.ConnectionParameters(sys.argv[1])).channel()
sys.exit(channel.queue_declare("cot_parser", passive=True).method.consumer_count < 1)
"""


class OpenTakServer:
    """One server. `port` is its plain listener, `tls_port` the one that wants a client certificate."""

    name = "OpenTAKServer"
    tls_name: str | None = "opentakserver"

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port, self.tls_port, self._web_port = free_port(), free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tak-ots-"))
        # The unprivileged servers must get through to their own folders.
        self.folder.chmod(0o711)
        self._postgres = Postgres(self.folder / "postgres", "ots")
        self._rabbitmq = RabbitMq(self.folder / "rabbitmq")
        self._web = Program("opentakserver", self.folder)
        self._parser = Program("cot_parser", self.folder)
        self._plain = Program("eud_handler", self.folder)
        self._tls = Program("eud_handler_ssl", self.folder)

    def start(self) -> None:
        """Start all of it; the web application first, which makes tables, exchanges, groups and the authority."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: each.start(), (self._postgres, self._rabbitmq)))
        settings = self._settings()
        self._web.start([_program("opentakserver")], settings, ready=self._healthy, seconds=_START_SECONDS)
        starts = (
            (self._parser, ["cot_parser"], self._parses),
            (self._plain, ["eud_handler"], lambda: answers(self.host, self.port)),
            (self._tls, ["eud_handler", "--ssl"], lambda: answers(self.host, self.tls_port)),
        )
        with ThreadPoolExecutor() as pool:
            for begun in [
                pool.submit(
                    program.start, [_program(command[0]), *command[1:]], settings, ready=ready, seconds=_START_SECONDS
                )
                for program, command, ready in starts
            ]:
                begun.result()

    def stop(self) -> None:
        """End all of it and take its folder away; safe twice."""
        for program in (self._tls, self._plain, self._parser, self._web, self._rabbitmq, self._postgres):
            program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_listener(self) -> None:
        """End the plain listener and with it every connection."""
        self._plain.stop()

    def start_listener(self) -> None:
        """Start the plain listener again."""
        self._plain.start(
            [_program("eud_handler")],
            self._settings(),
            ready=lambda: answers(self.host, self.port),
            seconds=_START_SECONDS,
        )

    def log(self) -> str:
        """Return what its processes have logged."""
        return "\n".join(file.read_text(errors="replace") for file in sorted((self.folder / "data/logs").glob("*.log")))

    def enrol(self, name: str) -> Enrolled:
        """Make a user and have a certificate signed for it, as a TAK client does when it enrols."""
        token = self._login()
        user = {"username": name, "password": _PASSWORD, "confirm_password": _PASSWORD}
        self._post("/api/user/add", user, {"Authentication-Token": token})
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        credentials = base64.b64encode(f"{name}:{_PASSWORD}".encode()).decode()
        # It puts the first and the last line of PEM around what clients send without them.
        body = (
            request.public_bytes(serialization.Encoding.PEM).decode().replace("-----END CERTIFICATE REQUEST-----\n", "")
        )
        answer = self._post(
            f"/Marti/api/tls/signClient/v2?clientUid={name}", body,
            {"Authorization": f"Basic {credentials}", "Accept": "application/json"},
        )  # fmt: skip
        return self._kept(name, key, answer)

    def _kept(self, name: str, key: ec.EllipticCurvePrivateKey, answer: dict[str, Any]) -> Enrolled:
        found = Enrolled(*(self.folder / f"{name}{suffix}" for suffix in ("-ca.pem", ".pem", ".key")))
        found.ca.write_text(_pem(answer["ca0"]))
        found.certificate.write_text(_pem(answer["signedCert"]))
        found.key.write_bytes(pem_of(key))
        return found

    def _login(self) -> str:
        first = {"username": "administrator", "password": "password"}  # pragma: allowlist secret
        return str(self._post("/api/login?include_auth_token", first, {})["response"]["user"]["authentication_token"])

    def _post(self, path: str, body: object, headers: dict[str, str]) -> dict[str, Any]:
        is_text = isinstance(body, str)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._web_port}{path}",
            data=str(body).encode() if is_text else json.dumps(body).encode(),
            headers={"Content-Type": "text/plain" if is_text else "application/json", "Accept": "application/json"}
            | headers,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found = json.load(answer)
        assert isinstance(found, dict)
        return found

    def _healthy(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}/api/health", timeout=1).close()
        except OSError:
            return False
        return True

    def _parses(self) -> bool:
        command = [OPENTAKSERVER.program("python"), "-c", _CONSUMERS, self._rabbitmq.host]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _settings(self) -> dict[str, str]:
        """Only what must differ here: folders, ports, addresses; no video server; its icons cannot be downloaded."""
        return environment(
            self.folder,
            OTS_DATA_FOLDER=str(self.folder / "data"), OTS_LISTENER_PORT=str(self._web_port),
            OTS_TCP_STREAMING_PORT=str(self.port), OTS_SSL_STREAMING_PORT=str(self.tls_port),
            OTS_STREAMING_INTERFACE=self.host, OTS_RABBITMQ_SERVER_ADDRESS=self._rabbitmq.host,
            OTS_MEDIAMTX_ENABLE="false", SQLALCHEMY_DATABASE_URI=self._postgres.url, DEBUG="true",
        )  # fmt: skip


def _program(name: str) -> str:
    return OPENTAKSERVER.program(name)


def _pem(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body.strip()}\n-----END CERTIFICATE-----\n"
