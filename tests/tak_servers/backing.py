"""What OpenTAKServer needs beside it: PostgreSQL with PostGIS and RabbitMQ, a cluster of our own for each run.

They run as Debian's unprivileged users, where we are root, and keep nothing: PostgreSQL does not even sync.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bondmate_hub.broker.child import free_port
from tak_servers.programs import Program, answers, environment, own, unprivileged

_AMQP_PORT: Final = 5672
_START_SECONDS: Final = 60.0


class Postgres:
    """One PostgreSQL cluster with one database that PostGIS is loaded into."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port = free_port()
        self._database = database
        self._user = unprivileged("postgres")
        self._folder = folder
        # SIGINT is its fast shutdown.
        self._server = Program("postgres", folder, user=self._user, ends_by=signal.SIGINT)

    @property
    def url(self) -> str:
        """How SQLAlchemy with psycopg finds it."""
        return f"postgresql+psycopg://{self._database}@127.0.0.1:{self.port}/{self._database}"

    def start(self) -> None:
        """Make the cluster, start it, make the database."""
        own(self._folder, self._user)
        data = self._folder / "data"
        self._run(
            _postgres("initdb"), "-D", str(data), "-U", self._database, "--auth=trust", "--no-sync",
            "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self._folder),
            "fsync": "off", "dynamic_shared_memory_type": "mmap", "max_connections": "200",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._server.start(
            [_postgres("postgres"), "-D", str(data), *options], environment(self._folder),
            ready=self._answers, seconds=_START_SECONDS,
        )  # fmt: skip
        self._sql("postgres", f"CREATE DATABASE {self._database}")
        self._sql(self._database, "CREATE EXTENSION postgis")

    def stop(self) -> None:
        """End it; safe twice."""
        self._server.stop()

    def _answers(self) -> bool:
        ready = [_postgres("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _sql(self, database: str, statement: str) -> None:
        self._run(
            _postgres("psql"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", self._database, "-c", statement,
            database,
        )  # fmt: skip

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, user=self._user, extra_groups=[] if self._user else None, cwd="/", env=environment(self._folder),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip


def _postgres(program: str) -> str:
    """Return the newest PostgreSQL's program that PostGIS is there for; Debian keeps most of them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    with_postgis = [path for path in found if (path.parents[1] / "lib" / "postgis-3.so").exists()]
    if not with_postgis:
        raise FileNotFoundError(f"no PostgreSQL with PostGIS has {program}; .ci/need postgis installs it on Debian")
    return str(with_postgis[-1])


class RabbitMq:
    """One RabbitMQ node with an epmd of its own, on a loopback address where its fixed port is free."""

    def __init__(self, folder: Path) -> None:
        self.host = _address()
        self._user = unprivileged("rabbitmq")
        self._folder = folder
        self._epmd_port = free_port()
        self._epmd = Program("epmd", folder, user=self._user)
        self._server = Program("rabbitmq", folder, user=self._user, ends_by=signal.SIGTERM)

    def start(self) -> None:
        """Start epmd and the node."""
        own(self._folder, self._user)
        self._write(".erlang.cookie", random.randbytes(16).hex(), 0o400)
        self._write(
            "rabbitmq.conf", f"listeners.tcp.1 = {self.host}:{_AMQP_PORT}\nlog.file = false\nlog.console = true\n"
        )
        self._write("enabled_plugins", "[].\n")
        epmd = shutil.which("epmd") or "epmd"
        self._epmd.start(
            [epmd], self._environment(), ready=lambda: answers("127.0.0.1", self._epmd_port), seconds=_START_SECONDS
        )
        # The script in /usr/sbin changes the user and its home; this is what it runs.
        self._server.start(
            ["/usr/lib/rabbitmq/bin/rabbitmq-server"], self._environment(),
            ready=lambda: answers(self.host, _AMQP_PORT), seconds=_START_SECONDS,
        )  # fmt: skip

    def stop(self) -> None:
        """End both; safe twice."""
        self._server.stop()
        self._epmd.stop()

    def _environment(self) -> Mapping[str, str]:
        here = str(self._folder)
        return environment(
            self._folder,
            ERL_EPMD_PORT=str(self._epmd_port), ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME="tak-tests@localhost", RABBITMQ_DIST_PORT=str(free_port()),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
            RABBITMQ_MNESIA_BASE=here, RABBITMQ_LOG_BASE=here, RABBITMQ_CONFIG_FILE=f"{here}/rabbitmq.conf",
            RABBITMQ_ENABLED_PLUGINS_FILE=f"{here}/enabled_plugins", RABBITMQ_CONF_ENV_FILE="/dev/null",
        )  # fmt: skip

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        file = self._folder / name
        file.write_text(text)
        file.chmod(mode)
        if self._user is not None:
            shutil.chown(file, self._user)


def _address() -> str:
    for _ in range(100):
        host = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        if not answers(host, _AMQP_PORT):
            return host
    raise OSError(f"port {_AMQP_PORT} is taken on every loopback address tried")
