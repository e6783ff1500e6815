"""Far ends of pages: Exim and Alertmanager of Debian, each in a private configuration on loopback, and a webhook."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from bondmate_hub.broker.child import free_port

_EXIM = Path("/usr/sbin/exim4")
_EXIM_CONFIG = """\
primary_hostname = mail.ops.example
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/exim.pid
exim_user = {user}
exim_group = {group}
deliver_drop_privilege = true
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = {folder}/mail.pem
tls_privatekey = {folder}/mail.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = rcpt
host_lookup =
hosts_require_helo =
rfc1413_hosts =
begin acl
rcpt:
  deny message = login first
       !authenticated = *
  accept domains = ops.example
  deny message = no relay
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{bondmate}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
begin routers
all:
  driver = accept
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
"""


class MailServer:
    """Exim that takes mail to `ops.example` by STARTTLS and login only, and keeps it in a folder."""

    password = "an-account-of-tests"  # pragma: allowlist secret

    def __init__(self) -> None:
        if not _EXIM.exists():
            pytest.skip("Exim is not installed; Debian's package exim4-daemon-light has it (.ci/need exim)")
        # Not pytest's folder: Exim never delivers as root, and nobody else may look in there.
        self.folder = Path(tempfile.mkdtemp(prefix="exim-"))
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             "mail.key", "-out", "mail.pem", "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip
        user = group = "Debian-exim" if os.geteuid() == 0 else getpass.getuser()
        (self.folder / "mail").mkdir()
        config = _EXIM_CONFIG.format(
            exim=_EXIM, folder=self.folder, user=user, group=group, port=self.port, password=self.password
        )
        (self.folder / "exim.conf").write_text(config)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, user, group)
            # A configuration that others than root may write is refused.
            shutil.chown(self.folder / "exim.conf", "root", "root")

    def start(self) -> None:
        self._child = subprocess.Popen([_EXIM, "-bdf", "-q1m", "-C", self.folder / "exim.conf"])

    def stop(self) -> None:
        if self._child:
            self._child.terminate()
            self._child.wait(10)

    def mails(self) -> list[Message]:
        files = sorted((self.folder / "mail").glob("new/*"), key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(path.read_bytes()) for path in files]

    def log(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*log"))


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Give a mail server that is not started yet."""
    server = MailServer()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@dataclass
class Inbox:
    """What came by POST, and what is answered."""

    port: int
    status: int = 200
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: int = 0

    def documents(self) -> list[Any]:
        return [json.loads(body) for _, body in self.posts]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Listen for POSTs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.status < 300:
                found.posts.append((dict(self.headers.items()), body))
            else:
                found.refused += 1
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Inbox(server.server_address[1])
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Alertmanager:
    """One Alertmanager."""

    url: str

    def active(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true") as answer:
            return json.load(answer)


@contextmanager
def alertmanager(folder: Path, receiver: Inbox) -> Iterator[Alertmanager]:
    """Run an Alertmanager that posts what it has to `receiver`, ends too."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip(
            "Alertmanager is not installed; Debian's package prometheus-alertmanager has it (.ci/need alertmanager)"
        )
    folder.mkdir()
    (folder / "alertmanager.yml").write_text(f"""
route: {{receiver: test, group_by: [page_id], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: test
    webhook_configs: [{{url: "http://127.0.0.1:{receiver.port}/", send_resolved: true}}]
""")
    port = free_port()
    log = (folder / "log").open("w")
    child = subprocess.Popen(
        [program, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        yield Alertmanager(f"http://127.0.0.1:{port}")
    finally:
        child.terminate()
        child.wait(10)
        log.close()
