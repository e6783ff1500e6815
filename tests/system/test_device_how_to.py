"""The page for the device team: its commands, run as they stand, in an empty folder (other ports, and a wait where it says so)."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "build-a-device.md"
PORTS = ("9092", "8081", "8080")
GATEWAY = "hub run gateway --config hub.yaml &"


def blocks(language: str, ports: dict[str, str]) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    for shown, taken in ports.items():
        text = text.replace(shown, taken)
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def free_ports() -> dict[str, str]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    taken = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return dict(zip(PORTS, taken, strict=True))


def listening(port: str) -> str:
    return f"until (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done\n"


@pytest.mark.system
def test_from_an_empty_folder_to_a_first_sos_every_command_of_the_page_works(tmp_path):
    ports = free_ports()
    broker, registry, gateway = (ports[port] for port in PORTS)
    (settings,) = blocks("yaml", ports)
    (tmp_path / "hub.yaml").write_text(settings)
    (software,) = blocks("python", ports)
    (tmp_path / "own.py").write_text(
        f"{software}\n\nimport asyncio\n\nasyncio.run(on_duty(open('token').read().strip()))\n"
    )
    enrol, start, apply, first, queued, again = blocks("sh", ports)
    script = "\n".join([
        "trap 'kill $(jobs -p); wait' EXIT", enrol, start, listening(broker), listening(registry), apply,
        listening(gateway), first, "kill %2; wait %2 || true", queued, GATEWAY, listening(gateway), again, "python own.py",
        "device --json status",
    ])  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert 0 == done.returncode, done.stderr[-2000:]
    assert "queued: the hub does not have it yet" in done.stdout
    assert '"waiting": 0' in done.stdout.splitlines()[-1]
    # Those of the shell and the one of the own software, whose queue lies elsewhere: the hub has all three.
    assert 3 == done.stdout.splitlines()[-1].count('"level": "received"')
    assert 0 == done.stderr.count("Traceback")
