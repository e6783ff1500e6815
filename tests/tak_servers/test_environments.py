"""What the TAK tests install, and that nothing they start outlives them; needs none of the servers."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
from bondmate_hub.broker.child import wait_until
from tak_servers import environments
from tak_servers.environments import HERE, Environment, InstallFailed
from tak_servers.programs import Program, environment


@pytest.mark.parametrize("file", sorted((HERE / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_every_package_is_pinned_and_nothing_else_is_named(file: Path) -> None:
    lines = file.read_text().split("\n")

    assert "" == lines[-1]
    assert [] == [line for line in lines[:-1] if not re.fullmatch(r"[a-z0-9._\-]+==[\w.]+", line)]


def test_the_far_clients_packages_are_pinned_and_no_registry_is_named() -> None:
    operator = HERE / "operator"
    package = json.loads((operator / "package.json").read_text())

    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    assert not list(operator.rglob("package-lock.json"))
    assert not [file for file in operator.rglob("*.json") if "://" in file.read_text()]


def test_an_interpreter_that_is_not_there_is_named_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(environments, "ROOT", tmp_path)

    with pytest.raises(InstallFailed, match=r"opentakserver needs python9\.8, .*pyenv install 9\.8"):
        Environment("opentakserver", ("python9.8",)).install()


def test_a_shim_that_does_not_run_is_passed_over_for_one_of_pyenvs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shim, kept = tmp_path / "python9.8", tmp_path / "versions" / "9.8.1" / "bin" / "python9.8"
    kept.parent.mkdir(parents=True)
    for file, code in ((shim, "exit 127"), (kept, "exit 0")):
        file.write_text(f"#!/bin/sh\n{code}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert str(kept) == environments._python("x", ("python9.8",))


def test_what_a_program_has_forked_ends_with_it_and_it_can_be_started_again(tmp_path: Path) -> None:
    program = Program("forks", tmp_path)
    pids = tmp_path / "pids"
    code = f"import os, time; os.fork(); open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    for _ in range(2):
        pids.unlink(missing_ok=True)
        program.start(
            [sys.executable, "-c", code],
            environment(tmp_path),
            ready=lambda: pids.exists() and len(_read(pids)) == 2,
            seconds=20,
        )
        program.stop()
        wait_until(lambda: not any(map(_lives, _read(pids))), deadline_seconds=10, what="both are gone")

        assert 0 == program.pid


def _read(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()]


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_ends_while_starting_is_told_with_what_it_said(tmp_path: Path) -> None:
    program = Program("fails", tmp_path)
    began = time.monotonic()
    with pytest.raises(Exception, match="ended while starting") as caught:
        program.start(
            [sys.executable, "-c", "print('no such thing')"], environment(tmp_path), ready=lambda: False, seconds=60
        )

    assert "no such thing" in "".join(caught.value.__notes__)
    assert time.monotonic() - began < 30
