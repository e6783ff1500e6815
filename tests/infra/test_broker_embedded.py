from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bondmate_hub.broker import Broker, BrokerFailed, BrokerMissing
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig, main
from bondmate_hub.broker.child import Child, wait_until
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from structlog.testing import capture_logs


def runs(pid: int) -> bool:
    """Say whether a process runs; one that has ended but was not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def listens(broker: Broker) -> bool:
    host, port = broker.bootstrap.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_it_answers_when_start_returns_and_not_after_stop(tmp_path):
    broker = EmbeddedBroker(EmbeddedConfig(tmp_path))

    with broker as started:
        assert listens(started)
        assert runs(started.pid)
        pid = started.pid
        started.start()
        assert pid == started.pid

    assert not listens(broker)
    assert not runs(pid)
    assert 0 == broker.pid
    broker.stop()
    broker.kill()


def test_it_says_its_limits_once(tmp_path):
    broker = EmbeddedBroker(EmbeddedConfig(tmp_path))

    with capture_logs() as logs, broker:
        broker.restart()

    assert ["embedded broker started"] == [entry["event"] for entry in logs]
    assert not logs[0]["durable"]


def test_both_kinds_of_broker_are_brokers_and_only_apache_kafka_is_durable(tmp_path):
    embedded, apache = EmbeddedBroker(EmbeddedConfig(tmp_path / "e")), ApacheBroker(ApacheConfig(tmp_path / "a"))

    assert isinstance(embedded, Broker)
    assert isinstance(apache, Broker)
    assert (False, True) == (embedded.durable, apache.durable)


def test_a_port_in_use_is_named_and_the_broker_starts_once_it_is_free(tmp_path):
    with EmbeddedBroker(EmbeddedConfig(tmp_path / "first")) as first:
        port = int(first.bootstrap.split(":")[1])
        second = EmbeddedBroker(EmbeddedConfig(tmp_path / "second", port=port))

        with pytest.raises(BrokerFailed, match=f"port {port} is in use"):
            second.start()

        assert 0 == second.pid
    with second:
        assert listens(second)


def test_a_child_that_ends_while_starting_is_an_error_with_the_end_of_its_log(tmp_path):
    child = Child("broken", tmp_path / "log", on_parent_death=signal.SIGKILL)
    child.start([sys.executable, "-c", "raise SystemExit('no memory')"])

    with pytest.raises(BrokerFailed, match="broken ended while starting") as failed:
        child.wait_ready(lambda: False, 10)

    assert ["no memory\n"] == failed.value.__notes__


def test_jars_that_are_missing_are_named_with_the_mend(tmp_path):
    broker = ApacheBroker(ApacheConfig(tmp_path, jars=tmp_path / "nothing"))

    with pytest.raises(BrokerMissing, match=r"(--install|apt-get install)"):
        broker.start()


def test_install_says_what_is_missing_when_there_is_no_java(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")

    assert 1 == main(["--install"])

    assert "Java 17" in capsys.readouterr().err


PARENT = """
import os, pathlib, sys, threading
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
broker = EmbeddedBroker(EmbeddedConfig(pathlib.Path(sys.argv[1])))
starter = threading.Thread(target=broker.start)
starter.start()
starter.join()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_broker_outlives_the_thread_that_started_it_but_not_a_killed_parent(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with parent:
        pid = _pid(parent)
        assert runs(pid)

        parent.send_signal(signal.SIGKILL)

        wait_until(lambda: not runs(pid), deadline_seconds=10, what="the broker ends")
    with EmbeddedBroker(EmbeddedConfig(tmp_path)) as again:
        assert runs(again.pid)


def _pid(parent: subprocess.Popen[bytes]) -> int:
    while line := parent.stdout.readline():
        if line.strip().isdigit():
            return int(line)
    raise AssertionError(parent.stderr.read())


def test_a_child_that_ignores_sigterm_is_killed_and_that_is_an_error(tmp_path):
    child = Child("stubborn", tmp_path / "log", on_parent_death=signal.SIGKILL)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child.start([sys.executable, "-c", code])
    child.wait_ready(lambda: b"up" in (tmp_path / "log").read_bytes(), 10)
    pid = child.pid

    with pytest.raises(BrokerFailed, match="stubborn did not stop"):
        child.stop(0.2)

    assert not runs(pid)


def test_a_child_that_never_answers_is_ended_at_the_deadline(tmp_path):
    child = Child("silent", tmp_path / "log", on_parent_death=signal.SIGKILL)
    child.start([sys.executable, "-c", "import time; time.sleep(60)"])
    pid, start = child.pid, time.monotonic()

    with pytest.raises(BrokerFailed, match="silent"):
        child.wait_ready(lambda: False, 0.2)

    assert time.monotonic() - start < 10
    assert not runs(pid)
