"""The how-tos, run word by word as a stranger would, in empty folders; and what `hub connectors new` writes, likewise."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from how_to import ROOT, HowTo, free_ports, listening

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's wheel: what a stranger installs."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["python3", "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, dist: Path) -> Path:
    """The folder in which the page was run: a package of somebody else, with an environment that holds the hub's wheel."""
    folder = tmp_path_factory.mktemp("outside")
    ports = free_ports("9092", "8081", "8080", "9000")
    broker, registry, gateway, room = ports.values()
    alert = f'curl -sS http://127.0.0.1:{gateway}/v1/alerts/a-1 -H "Authorization: Bearer $TOKEN"'
    before = {
        "hub topics apply": "; ".join(map(listening, (broker, registry, room))),
        f"{room}/api/alerts": f"for _ in $(seq 300); do {alert} | grep -q ACCEPTED && break; sleep 0.2; done",
    }
    HowTo("write-a-connector", ports).run(folder, before=before, HUB=str(dist))
    return folder / "acme-cad"


def test_a_connector_of_somebody_else_is_written_word_by_word_passes_the_suite_and_has_a_first_alert(
    outside: Path,
) -> None:
    code = [line for line in (outside / "acme_cad.py").read_text().splitlines() if line.strip()]

    assert len(code) <= 100
    assert "| `cad.token` | string | required |" in (outside / "README.md").read_text()


@pytest.mark.parametrize("kind", ["sink", "source", "both", "format"])
def test_a_package_that_is_written_anew_passes_its_tests_where_nothing_but_the_hub_is(
    outside: Path, tmp_path: Path, kind: str
) -> None:
    name = f"new_{kind}"
    commands = [
        f". {outside}/.venv/bin/activate",
        f"hub connectors new new-{kind} --kind {kind}",
        f"cd {name}; pip install --quiet --editable '.[test]'",
        "pytest --quiet",
        f"pip uninstall --quiet --yes new-{kind}",
    ]
    done = subprocess.run(
        ["bash", "-euc", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )  # fmt: skip

    assert 0 == done.returncode, f"{done.stdout[-3000:]}{done.stderr[-2000:]}"


def test_from_an_empty_folder_to_a_first_sos_every_command_of_the_page_works(tmp_path: Path) -> None:
    ports = free_ports("9092", "8081", "8080")
    broker, registry, gateway = ports.values()
    page = HowTo("build-a-device", ports)
    (software,) = page.texts("python")
    own = f"{software}\n\nimport asyncio\n\nasyncio.run(on_duty(open('token').read().strip()))\n"
    (tmp_path / "own.py").write_text(own)
    start = "hub run gateway --config hub.yaml &"
    before = {
        "hub topics apply": f"{listening(broker)}; {listening(registry)}",
        "device sos --latitude": listening(gateway),
        "--seconds 1": "kill %2; wait %2 || true",
        r"\Adevice status\n\Z": f"{start}\n{listening(gateway)}",
    }

    ran = page.run(tmp_path, before=before, after=["python own.py", "device --json status"])

    # `hub run` prints on the same terminal what its roles wait for.
    last = [line for line in ran.out.splitlines() if '"waiting":' in line][-1]
    assert "queued: the hub does not have it yet" in ran.out
    assert '"waiting": 0' in last
    # Those of the shell and the one of the own software, whose queue lies elsewhere: the hub has all three.
    assert 3 == last.count('"level": "received"')
    assert 0 == ran.errors.count("Traceback")
    assert 0 == ran.errors.count("Traceback")


def test_from_an_empty_folder_to_an_alert_that_a_control_room_has_acknowledged(tmp_path: Path) -> None:
    ports = free_ports("9092", "8081", "8080", "8090", "9000")
    broker, registry, gateway, answers, room = ports.values()
    receiver = HowTo("receive-alerts").files()["room.py"]
    alert = f'curl -sS http://127.0.0.1:{gateway}/v1/alerts/a-1 -H "Authorization: Bearer $TOKEN"'

    def until(level: str) -> str:
        return f"for _ in $(seq 300); do {alert} | grep -q {level} && break; sleep 0.2; done"

    before = {
        "hub topics apply": "; ".join(map(listening, (broker, registry))),
        "python room.py": f"cat > room.py <<'END'\n{receiver}END",
        "hub check": listening(room),
        "cat room.log": until("ACCEPTED"),
        "python seen.py": listening(answers),
        "ACKNOWLEDGED": until("ACKNOWLEDGED"),
    }
    page = HowTo("connect-a-control-room", ports)

    page.run(tmp_path, before=before)


def test_a_page_reaches_a_program_of_the_reader_and_is_taken(tmp_path: Path) -> None:
    ports = free_ports("9092", "8081", "9000")
    broker, registry, receiver = ports.values()
    ports_of_the_hub = f"""
kafka: {{bootstrap: "127.0.0.1:{broker}", registry_url: "http://127.0.0.1:{registry}"}}
broker: {{port: {broker}}}
registry: {{port: {registry}}}
"""
    before = {
        "hub run broker": f"cat >> hub.yaml <<'END'{ports_of_the_hub}END",
        "hub topics apply": "; ".join(map(listening, (broker, registry, receiver))),
        "cat received": "until [ -s received ]; do sleep 0.2; done",
    }

    ran = HowTo("be-paged", ports).run(
        tmp_path, before=before, after=["until grep taken received; do sleep 0.2; done"],
        BONDMATE__KAFKA__BOOTSTRAP=f"127.0.0.1:{broker}", BONDMATE__KAFKA__REGISTRY_URL=f"http://127.0.0.1:{registry}",
    )  # fmt: skip

    assert "page.taken connector_failed cad" in ran.out
