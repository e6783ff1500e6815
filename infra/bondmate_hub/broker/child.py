"""One child process that is never orphaned: start, ask, stop, kill."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from bondmate_kafka.admin import answers
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.security import Security

from bondmate_hub.broker import BrokerFailed

__all__ = ["Child", "ChildServer", "answers_kafka", "free_port", "require_free", "wait_until"]

# Linux ends a child when the *thread* that forked it ends (PR_SET_PDEATHSIG), so every child is forked from one thread
# that lives as long as the process. The signal is set by a Python that execs the program at once: `preexec_fn` may
# deadlock in a process with threads.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_PR_SET_PDEATHSIG = 1
_GUARD = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, int(sys.argv[2]))
if os.getppid() != int(sys.argv[1]):
    sys.exit("parent is gone")
os.execv(sys.argv[3], sys.argv[3:])
"""
# Below Linux' ephemeral range: a client that retries a closed port inside that range can connect to itself and so
# keep the broker from coming back.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_LOG_TAIL_BYTES = 2_000
_given: set[int] = set()


def free_port() -> int:
    """Find a loopback port nobody listens on, outside the range the system gives to outgoing connections.

    Each is given once by a process: who asks for several will listen on them only later.

    Raises:
        BrokerFailed: a hundred ports were taken.
    """
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), 100):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise BrokerFailed(f"no free loopback port between {_FIRST_PORT} and {_LAST_PORT}")


def require_free(name: str, *ports: int) -> None:
    """Check before a start that nobody listens there: what answers later would be somebody else.

    Raises:
        BrokerFailed: naming the port.
    """
    for port in ports:
        if not _is_free(port):
            raise BrokerFailed(f"{name}: port {port} is in use; end what listens there or choose another")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(condition: Callable[[], bool], *, deadline_seconds: float, what: str) -> None:
    """Poll until `condition` holds.

    Raises:
        BrokerFailed: it did not hold within `deadline_seconds`; the message names `what`.
    """
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > end:
            raise BrokerFailed(f"{what}: not within {deadline_seconds:g} s")
        time.sleep(0.02)


def answers_kafka(bootstrap: str, security: Security | None = None) -> bool:
    """Whether a broker listens at `bootstrap` and names itself in the cluster's metadata."""
    host, _, port = bootstrap.rpartition(":")
    try:
        # Asked first: a Kafka client retries a closed port for seconds and logs each failure.
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return answers(KafkaConfig(bootstrap, "", security=security or Security()), 2)


class ChildServer(ABC):
    """A server that is a child process, and a context; stopped or killed, it may be started again."""

    _child: Child

    @property
    def pid(self) -> int:
        """The process id, 0 while it does not run."""
        return self._child.pid

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers; harmless while it runs."""

    @abstractmethod
    def stop(self) -> None:
        """End it cleanly and wait for it; harmless when it does not run."""

    def kill(self) -> None:
        """End it at once, as a crash or a power cut would."""
        self._child.kill()

    def restart(self) -> None:
        """Stop and start it with the same address and data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Child:
    """Hold one program that runs until told otherwise, or until this process ends for any reason (Linux).

    On other systems SIGKILL of this process leaves the child running.
    """

    def __init__(self, name: str, log: Path, *, on_parent_death: signal.Signals) -> None:
        self._name = name
        self._log = log
        self._on_parent_death = on_parent_death
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self, command: Sequence[str]) -> None:
        """Start `command`, an absolute path first, its output appended to the log; in a session of its own."""
        guarded = self._guarded(command)
        with self._log.open("ab") as log:
            self._process = _SPAWNER.submit(
                subprocess.Popen,
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ).result()

    def _guarded(self, command: Sequence[str]) -> list[str]:
        if sys.platform != "linux":
            return list(command)
        parent, number = str(os.getpid()), str(int(self._on_parent_death))
        return [sys.executable, "-I", "-S", "-c", _GUARD, parent, number, *command]

    def wait_ready(self, answers: Callable[[], bool], deadline_seconds: float) -> None:
        """Wait until `answers()`; a child that ends meanwhile, or is too slow, is an error and no longer runs.

        Raises:
            BrokerFailed: with the end of the log in a note.
        """
        try:
            wait_until(lambda: not self.pid or answers(), deadline_seconds=deadline_seconds, what=self._name)
        except BaseException as error:
            self.kill()
            error.add_note(self._log_tail())
            raise
        if not self.pid:
            ended = BrokerFailed(f"{self._name} ended while starting, see {self._log}")
            ended.add_note(self._log_tail())
            raise ended

    def stop(self, deadline_seconds: float) -> None:
        """Send SIGTERM and wait.

        Raises:
            BrokerFailed: it did not end in time and was killed.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerFailed(f"{self._name} did not stop within {deadline_seconds:g} s and was killed") from None

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _log_tail(self) -> str:
        return self._log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace") if self._log.exists() else ""
