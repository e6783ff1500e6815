"""The public TAK server `taky` as a child process, for demos and tests: plain TCP on loopback, or mutual TLS.

Nothing of it outlives this process. `taky` keeps positions and markers until they are stale and gives them to everyone
who connects; alerts and chat it only passes on. It answers a ping only after all that came before it on the connection.
"""

from __future__ import annotations

import configparser
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from bondmate_hub.broker.child import Child, ChildServer, free_port

_READY_SECONDS = 15.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TakyTls:
    """PEM files of a server that wants a certificate of everybody: its authority, its own certificate and key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


class TakyServer(ChildServer):
    """Run one server. `folder` gets its configuration and log; the same port is kept over stop and start.

    With `keep_seconds` it cuts how long positions and markers stay fresh, in what it passes on too: at each event it
    looks through all it keeps, which after ten minutes of 2,000 devices was two thirds of its work.

    Use as a context, or `start` and `stop`; both block, so an event loop calls them by `asyncio.to_thread`.
    """

    def __init__(self, folder: Path, *, port: int = 0, tls: TakyTls | None = None, keep_seconds: int = -1) -> None:
        self.host = "127.0.0.1"
        self.port = port or free_port()
        self._folder = folder
        self._tls = tls
        self._keep_seconds = keep_seconds
        self._child = Child("taky", folder / "taky.log", on_parent_death=signal.SIGKILL)

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            BrokerFailed: it ended, or was not ready in time; the end of its log is in a note.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "taky.conf"
        with config.open("w", encoding="utf-8") as file:
            self._settings().write(file)
        self._child.start([sys.executable, "-m", "taky.cot", "-l", "error", "-c", str(config)])
        self._child.wait_ready(self._answers, _READY_SECONDS)

    def stop(self) -> None:
        """End it politely; it looks for the signal once a second. Safe when it does not run."""
        self._child.stop(_STOP_SECONDS)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _settings(self) -> configparser.ConfigParser:
        settings = configparser.ConfigParser()
        settings["taky"] = {"hostname": "taky.local", "bind_ip": self.host, "root_dir": str(self._folder)}
        settings["cot_server"] = {"port": str(self.port), "max_persist_ttl": str(self._keep_seconds)}
        settings["ssl"] = {"enabled": "false", "cert_db": str(self._folder / "certificates.txt")}
        if self._tls is not None:
            names = {"enabled": "true", "client_cert_required": "true", "ca": str(self._tls.ca_file),
                     "cert": str(self._tls.certificate_file), "key": str(self._tls.key_file)}  # fmt: skip
            settings["ssl"].update(names)
            # Else it opens a plain monitor port, 8087.
            settings["cot_server"]["mon_ip"] = self.host
            settings["cot_server"]["mon_port"] = str(free_port())
        return settings
