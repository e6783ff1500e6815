"""FreeTAKServer with its own authority; what is patched of it stands in `environments.PATCHES`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from bondmate_hub.broker.child import free_port
from tak_servers.authority import Enrolled
from tak_servers.environments import FREETAKSERVER
from tak_servers.programs import Program, answers, environment

_START_SECONDS: Final = 120.0


class FreeTakServer:
    """One server. `port` is its plain listener, `tls_port` the one that wants a client certificate."""

    name = "FreeTAKServer"
    tls_name: str | None = "server"

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port, self.tls_port = free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tak-fts-"))
        self._server = Program("freetakserver", self.folder)

    def start(self) -> None:
        """Start it; it makes its authority and tables first."""
        addresses = {"CoTIP": self.host, "SSLCoTIP": self.host, "DataPackageIP": self.host, "SSLDataPackageIP": self.host,
                     "RestAPIIP": self.host}  # fmt: skip
        ports = {"CoTPort": self.port, "SSLCoTPort": self.tls_port, "DataPackagePort": free_port(),
                 "SSLDataPackagePort": free_port(), "RestAPIPort": free_port()}  # fmt: skip
        options = [word for name, value in (addresses | ports).items() for word in (f"-{name}", str(value))]
        self._server.start(
            [FREETAKSERVER.program("python"), "-m", "FreeTAKServer.controllers.services.FTS", *options],
            self._settings(), ready=self._listens, seconds=_START_SECONDS,
        )  # fmt: skip

    def stop(self) -> None:
        """End it and all it forked, and take its folder away; safe twice."""
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_listener(self) -> None:
        """End all of it, and with it every connection; its folder stays."""
        self._server.stop()

    def start_listener(self) -> None:
        """Start it again on the same ports."""
        self.start()

    def log(self) -> str:
        """Return what it has printed, which at this level is all that it does."""
        return self._server.log.read_text(errors="replace")

    def enrol(self, name: str) -> Enrolled:
        """Return the one client certificate that it makes of itself; `name` is not asked for."""
        certificates = self.folder / "certs"
        return Enrolled(certificates / "ca.pem", certificates / "Client.pem", certificates / "Client.key")

    def _listens(self) -> bool:
        return answers(self.host, self.port) and answers(self.host, self.tls_port)

    def _settings(self) -> dict[str, str]:
        """Only what must differ here: folders and ports; it asks at its first start unless told not to."""
        here = str(self.folder)
        return environment(
            self.folder,
            FTS_PERSISTENCE_PATH=here, FTS_FIRST_START="false", FTS_LOG_LEVEL="debug",
            FTS_DP_ADDRESS=self.host, FTS_USER_ADDRESS=self.host, FTS_API_ADDRESS=self.host,
            FTS_COT_PORT=str(self.port), FTS_SSLCOT_PORT=str(self.tls_port), FTS_FED_PORT=str(free_port()),
            FTS_ROUTING_PROXY_SUBSCRIBE_PORT=str(free_port()), FTS_ROUTING_PROXY_PUBLISHER_PORT=str(free_port()),
            FTS_ROUTING_PROXY_SERVER_PORT=str(free_port()), FTS_INTEGRATION_MANAGER_PULLER_PORT=str(free_port()),
            FTS_INTEGRATION_MANAGER_PUBLISHER_PORT=str(free_port()),
        )  # fmt: skip
