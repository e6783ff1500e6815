"""The broker that needs nothing but PyPI: the Kafka listener of the `noida-db` wheel. All that is known of it is here.

Measured with noida-db 0.2.3, whose whole log lives in memory and is written anew, as JSON, after changes:

- SIGKILL loses what it acknowledged since its last snapshot; SIGTERM saves first.
- It never expires a dead group member, so every consumer has a fixed `group.instance.id` and comes back under it.
- A group with the cooperative-sticky assignor stalls: use `range` or `roundrobin`.
- It sums up the active segment at each append and deletes whole segments only; `limits` keeps segments small.
- It answers an empty Fetch at once, so that idle consumers ask in a busy loop: a relay holds those answers (Linux).
- What it keeps stands in memory once, but 3.5 times in the snapshot and up to 6 times while that is written, a second
  after the one before. The thread that writes it holds the log's lock for a part of its work, so it must not be slowed
  down: at idle priority, on two busy cores, a device waited 0.6 s for its answer, without it 0.04 (one run each).
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import structlog

from bondmate_hub.broker import BrokerMissing, LogLimits, long_poll
from bondmate_hub.broker.child import Child, ChildServer, answers_kafka, free_port, require_free

__all__ = ["LIMITS", "EmbeddedBroker", "EmbeddedConfig"]

LIMITS = LogLimits(retention_ms=120_000, positions_retention_ms=20_000, segment_ms=5_000, segment_bytes=1 << 20)
"""What keeps a demo of 50 alerts and 500 positions a second bearable. A destination may be away for two minutes."""

_log = structlog.get_logger(__name__)
_CLIENTS_HOST = "127.0.0.1"
# All of 127.0.0.0/8 is loopback on Linux; elsewhere there is but one address, and consumers poll in a busy loop.
_HOST = "127.0.0.2" if sys.platform == "linux" else _CLIENTS_HOST
_WARNING = "serves demos and quick tests: SIGKILL loses the last seconds, dead group members never expire"


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """The addresses and the data folder of the embedded broker."""

    data_dir: Path
    """Directory of its own; made when absent. One process at a time."""
    port: int = 0
    """Loopback port; 0 takes a free one and keeps it over restarts of the same object."""
    limits: LogLimits = LIMITS
    """What it is asked to keep at most, by whoever provisions it."""
    start_seconds: float = 20.0
    """Deadline of `start`."""
    stop_seconds: float = 30.0
    """Deadline of `stop`, within which it writes its snapshot."""


class EmbeddedBroker(ChildServer):
    """Run noida-db's Kafka listener as a child process; a `Broker`."""

    durable = False

    def __init__(self, config: EmbeddedConfig) -> None:
        self._config = config
        self._port = config.port or free_port()
        config.data_dir.mkdir(parents=True, exist_ok=True)
        # Its end is SIGTERM when the hub is killed: it can still save what it holds.
        self._child = Child("embedded broker", config.data_dir / "broker.log", on_parent_death=signal.SIGTERM)
        self._relay = Child("embedded broker's relay", config.data_dir / "relay.log", on_parent_death=signal.SIGKILL)
        self._told = False

    @property
    def limits(self) -> LogLimits:
        """How much of a topic it can bear to keep."""
        return self._config.limits

    @property
    def bootstrap(self) -> str:
        """`host:port` for `bootstrap.servers`."""
        return f"{_CLIENTS_HOST}:{self._port}"

    @property
    def relay_pid(self) -> int:
        """The process id of its relay, 0 while that does not run."""
        return self._relay.pid

    def start(self) -> None:
        """Start it and wait until it answers; the first start says its limits in the log.

        Raises:
            BrokerMissing: the noida-db wheel is not installed or has no program for this platform.
            BrokerFailed: it ended or did not answer in time.
        """
        if self._child.pid:
            return
        require_free("embedded broker", self._port)
        listener = ["--host", _HOST, "--kafka-port", str(self._port)]
        self._child.start([_program(), "start", "--only", "kafka", *listener, "--data-dir", str(self._config.data_dir)])
        self._child.wait_ready(lambda: answers_kafka(f"{_HOST}:{self._port}"), self._config.start_seconds)
        if _HOST != _CLIENTS_HOST:
            self._relay.start([sys.executable, "-I", long_poll.__file__, _CLIENTS_HOST, _HOST, str(self._port)])
            self._relay.wait_ready(lambda: answers_kafka(self.bootstrap), self._config.start_seconds)
        if not self._told:
            self._told = True
            _log.warning("embedded broker started", bootstrap=self.bootstrap, durable=False, limits=_WARNING)

    def stop(self) -> None:
        """Stop it; it saves its data first.

        Raises:
            BrokerFailed: it did not end in time and was killed.
        """
        self._relay.kill()
        self._child.stop(self._config.stop_seconds)

    def kill(self) -> None:
        """Kill it; what it took since its last snapshot is lost."""
        self._relay.kill()
        self._child.kill()


def _program() -> str:
    # The program itself, not the wheel's Python launcher: that would stay in memory beside it.
    try:
        program = Path(str(files("noida_db") / "noida-db"))
    except ModuleNotFoundError as error:
        raise BrokerMissing(
            "embedded broker: noida-db is not installed; pip install 'bondmate-hub[embedded]'"
        ) from error
    if not program.is_file():
        raise BrokerMissing(f"embedded broker: no noida-db program for this platform at {program}")
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    return str(program)
