"""`taky` and its successor `taky-ng`: one process a port, plain or TLS."""

from __future__ import annotations

import configparser
import shutil
import tempfile
from pathlib import Path
from typing import Final

from bondmate_hub.broker.child import free_port
from tak_servers.authority import Authority, Enrolled
from tak_servers.environments import Environment
from tak_servers.programs import Program, answers, environment

_START_SECONDS: Final = 30.0


class TakyLike:
    """One server with a plain port and a TLS port, as two processes: taky serves one of them at a time."""

    tls_name: str | None = None

    def __init__(self, own: Environment) -> None:
        self.host = "127.0.0.1"
        self.port, self.tls_port = free_port(), free_port()
        self.name = own.name
        self.folder = Path(tempfile.mkdtemp(prefix=f"tak-{own.name}-"))
        self._own = own
        self._authority = Authority(self.folder)
        self._plain = Program("plain", self.folder)
        self._tls = Program("tls", self.folder)

    def start(self) -> None:
        """Start both."""
        self.start_listener()
        self._start(self._tls, self.tls_port, self._authority.issue("server"))

    def stop(self) -> None:
        """End both and take the folder away; safe twice."""
        self._plain.stop()
        self._tls.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_listener(self) -> None:
        """End the plain one and with it every connection."""
        self._plain.stop()

    def start_listener(self) -> None:
        """Start the plain one again."""
        self._start(self._plain, self.port, None)

    def log(self) -> str:
        """Return what both have logged."""
        logs = (program.log for program in (self._plain, self._tls) if program.log.exists())
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def enrol(self, name: str) -> Enrolled:
        """Sign a certificate for a client."""
        return self._authority.issue(name)

    def _start(self, program: Program, port: int, tls: Enrolled | None) -> None:
        config = self.folder / f"{program.name}.conf"
        with config.open("w", encoding="utf-8") as file:
            self._settings(program.name, port, tls).write(file)
        command = [self._own.program("python"), "-m", "taky.cot", "-l", "debug", "-c", str(config)]
        program.start(command, environment(self.folder), ready=lambda: answers(self.host, port), seconds=_START_SECONDS)

    def _settings(self, name: str, port: int, tls: Enrolled | None) -> configparser.ConfigParser:
        root = self.folder / name
        root.mkdir(exist_ok=True)
        settings = configparser.ConfigParser()
        settings["taky"] = {"hostname": "taky.local", "bind_ip": self.host, "root_dir": str(root)}
        # Its monitor port is 8087 unless it is told another, and is opened beside TLS.
        settings["cot_server"] = {"port": str(port), "mon_ip": self.host, "mon_port": str(free_port())}
        settings["ssl"] = {"enabled": "false", "cert_db": str(root / "certificates.txt")}
        if tls is not None:
            names = {"enabled": "true", "client_cert_required": "true", "ca": str(tls.ca), "cert": str(tls.certificate),
                     "key": str(tls.key)}  # fmt: skip
            settings["ssl"].update(names)
        return settings
