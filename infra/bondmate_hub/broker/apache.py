"""Apache Kafka without containers: one KRaft node from the jars Maven resolves, as a child process.

`python -m bondmate_hub.broker.apache --install` resolves the jars into `infra/kafka/target/lib`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from bondmate_kafka.security import Credentials, Security, Tls

from bondmate_hub.broker import BrokerFailed, BrokerMissing, LogLimits
from bondmate_hub.broker.child import Child, ChildServer, answers_kafka, free_port, require_free

__all__ = ["JARS", "ApacheBroker", "ApacheConfig", "Node", "Secured", "install", "main"]

_log = structlog.get_logger(__name__)
_POM: Final = Path(__file__).resolve().parents[2] / "kafka" / "pom.xml"
JARS: Final = _POM.parent / "target" / "lib"
"""Where `install` puts the jars and a broker looks for them by default."""
_INSTALL = "python -m bondmate_hub.broker.apache --install"
_CLUSTER_ID = "Ym9uZG1hdGUtaHViLTAwMQ"
_SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_SCRAM_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_FORMAT_SECONDS = 60
_INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Node:
    """Name one node of the cluster and its loopback ports."""

    node_id: int = 1
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)


@dataclass(frozen=True, slots=True)
class Secured:
    """TLS and a login on every listener, that of the controllers too."""

    certificate_file: Path
    """PEM file of the node's key, as PKCS #8, and of its certificate, for 127.0.0.1."""
    ca_file: Path
    own: Credentials
    """Who the nodes are, to each other."""
    users: Mapping[str, str] = field(repr=False)
    """Passwords of those who may log in, by name, with SCRAM or PLAIN."""


@dataclass(frozen=True, slots=True)
class ApacheConfig:
    """The data folder of one Apache Kafka node, and how much it may use."""

    data_dir: Path
    """Directory of its own; made when absent."""
    node: Node = field(default_factory=Node)
    peers: tuple[Node, ...] = ()
    """The other nodes of a cluster of three, each with an `ApacheBroker` of its own; none for a single node."""
    jars: Path = JARS
    heap_mib: int = 256
    secured: Secured | None = None
    """None: everybody may do everything."""
    start_seconds: float = 60.0
    """Deadline of `start`."""
    stop_seconds: float = 60.0
    """Deadline of `stop`."""


class ApacheBroker(ChildServer):
    """Run one node of Apache Kafka, controller and broker in one; a `Broker`.

    Killed, it loses nothing: what it acknowledged is in the kernel's cache.
    """

    durable = True
    limits = LogLimits()

    def __init__(self, config: ApacheConfig) -> None:
        self._config = config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        # What it acknowledged survives SIGKILL, so it gets the signal that cannot hang when the hub is killed.
        self._child = Child("Apache Kafka", config.data_dir / "broker.log", on_parent_death=signal.SIGKILL)

    @property
    def bootstrap(self) -> str:
        """`host:port` for `bootstrap.servers`."""
        return f"127.0.0.1:{self._config.node.port}"

    def start(self) -> None:
        """Format the data directory when it is new, start the node and wait until it answers.

        Raises:
            BrokerMissing: Java or the jars are absent; the message says how to get them.
            BrokerFailed: it ended or did not answer in time.
        """
        if self._child.pid:
            return
        self.launch()
        self.wait_ready()
        _log.info("apache kafka started", bootstrap=self.bootstrap)

    def launch(self) -> None:
        """Start the process without waiting: the nodes of a cluster answer only when most of them run.

        Raises:
            BrokerMissing: Java or the jars are absent.
            BrokerFailed: a port is in use, or the data directory cannot be formatted.
        """
        java = _java(self._config)
        settings = self._config.data_dir / "server.properties"
        settings.write_text(_properties(self._config))
        if not (self._config.data_dir / "log" / "meta.properties").exists():
            _format(java, settings, self._config.secured)
        require_free("Apache Kafka", self._config.node.port, self._config.node.controller_port)
        self._child.start([*java, "kafka.Kafka", str(settings)])

    def wait_ready(self) -> None:
        """Wait until the launched process answers.

        Raises:
            BrokerFailed: it ended or did not answer in time.
        """
        secured = self._config.secured
        security = Security(Tls(secured.ca_file), secured.own) if secured else Security()
        self._child.wait_ready(lambda: answers_kafka(self.bootstrap, security), self._config.start_seconds)

    def stop(self) -> None:
        """Stop it by a controlled shutdown.

        Raises:
            BrokerFailed: it did not end in time and was killed.
        """
        self._child.stop(self._config.stop_seconds)


def _java(config: ApacheConfig) -> list[str]:
    java = _program("java", "Java 17 or newer; on Debian: apt-get install default-jre-headless")
    if not any(config.jars.glob("kafka_*.jar")):
        raise BrokerMissing(f"Apache Kafka: no jars in {config.jars}; {_INSTALL}")
    heap = f"-Xmx{config.heap_mib}m"
    return [
        java,
        heap,
        "-XX:+UseSerialGC",
        # One compiler only: it starts a second sooner, and nothing here is fast enough to need the other.
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        str(config.jars / "*"),
    ]


def _properties(config: ApacheConfig) -> str:
    """Return the text of `server.properties`. Names and meanings: Apache Kafka documentation, "Broker Configs"."""
    node, nodes = config.node, (config.node, *config.peers)
    listener = f"{'SASL_SSL' if config.secured else 'PLAINTEXT'}://127.0.0.1:{node.port}"
    replicas, in_sync = min(len(nodes), 3), min(len(nodes), 2)
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.node_id,
        "controller.quorum.voters": ",".join(f"{n.node_id}@127.0.0.1:{n.controller_port}" for n in nodes),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listener},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": listener,
        "log.dirs": config.data_dir / "log",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        # A worker that was killed may be missed sooner than after the 6 s of the default: see `session_seconds`.
        "group.min.session.timeout.ms": 3000,
        # A killed node may come back only when its old registration has expired: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # Topics come from the catalogue: a misspelt name must fail, not make a topic.
        "auto.create.topics.enable": "false",
        # Retention is short on some topics; every five minutes is the default.
        "log.retention.check.interval.ms": 5_000,
        "log.initial.task.delay.ms": 5_000,
        # Half the heap by default.
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        **(_security(config.secured) if config.secured else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _security(secured: Secured) -> dict[str, object]:
    """Return what makes a node ask everybody for TLS and a login. Names as in "Security" of the documentation."""
    users = {**secured.users, secured.own.username: secured.own.password}
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f' username="{secured.own.username}" password="{secured.own.password}" {known};'
    )
    return {
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        # Controllers keep the logins of SCRAM themselves, and so cannot log in by them.
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "sasl.enabled.mechanisms": ",".join(["PLAIN", *_SCRAM]),
        "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
        "listener.name.controller.plain.sasl.jaas.config": plain,
        **{f"listener.name.sasl_ssl.{name.lower()}.sasl.jaas.config": _SCRAM_MODULE for name in _SCRAM},
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": secured.certificate_file,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": secured.ca_file,
    }


def _format(java: Sequence[str], settings: Path, secured: Secured | None) -> None:
    users = secured.users.items() if secured else ()
    logins = [f"{each}=[name={name},password={word}]" for each in _SCRAM for name, word in users]
    command = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER_ID, "--config", str(settings)]
    command += [part for login in logins for part in ("--add-scram", login)]
    _run(command, _FORMAT_SECONDS, "Apache Kafka: the data directory cannot be formatted")


def install(pom: Path = _POM) -> Path:
    """Resolve the jars with Maven; gives their directory. Needs the network the first time.

    Raises:
        BrokerMissing: Java, Maven or the pom is absent.
        BrokerFailed: Maven could not resolve them.
    """
    _program("java", "Java 17 or newer; on Debian: apt-get install default-jre-headless")
    maven = _program("mvn", "Maven; on Debian: apt-get install maven")
    if not pom.is_file():
        raise BrokerMissing(f"Apache Kafka: no {pom}; it is part of the source tree, not of the wheel")
    _run(
        [maven, "-B", "-q", "-f", str(pom), "package"],
        _INSTALL_SECONDS,
        "Apache Kafka: Maven could not resolve the jars",
    )
    return pom.parent / "target" / "lib"


def _program(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BrokerMissing(f"Apache Kafka needs {what}")
    return os.path.realpath(found)


def _run(command: Sequence[str], seconds: float, failed: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise BrokerFailed(f"{failed} within {seconds:g} s") from error
    if done.returncode:
        ended = BrokerFailed(failed)
        ended.add_note(f"{done.stdout}\n{done.stderr}"[-2000:])
        raise ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolve the jars from the command line; 0 when they are there, 1 with the reason when not."""
    parser = argparse.ArgumentParser(prog="python -m bondmate_hub.broker.apache", description=__doc__)
    parser.add_argument("--install", action="store_true", required=True, help="resolve the jars with Maven")
    parser.parse_args(arguments)
    try:
        jars = install()
    except (BrokerMissing, BrokerFailed) as error:
        sys.stderr.write("\n".join([str(error), *getattr(error, "__notes__", [])]) + "\n")
        return 1
    sys.stdout.write(f"Apache Kafka: {len(list(jars.glob('*.jar')))} jars in {jars}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
