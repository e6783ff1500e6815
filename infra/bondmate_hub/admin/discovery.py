"""Where the admin endpoints of a `data_dir` are, and the token they ask for; files of mode 600 in `data_dir/admin`.

The file of a running role is locked by it: a file without a lock is what a killed role left behind, and its port may
be another program's by now, which must not get the token.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger(__name__)
_TOKEN_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The admin endpoint of one running role."""

    role: str
    instance: str
    url: str
    pid: int
    health: str = ""
    """Where the role serves its health; empty where it does not."""


def token(data_dir: Path) -> str:
    """Return the token of all roles of this `data_dir`; made when missing or garbage, anew when others could read it.

    Remove the file to have another one: it is read at every request.

    Raises:
        OSError: the folder cannot be written, or the file cannot be read.
    """
    path = _folder(data_dir) / "token"
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mode & _OTHERS:
            _log.warning("admin token could be read by others, a new one is made", file=str(path))
            path.unlink(missing_ok=True)
    while True:
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
            if text and text.isascii() and text.isprintable():
                return text
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            _make(path)


def _make(path: Path) -> None:
    """Write a new token, whole or not at all; another role's is kept."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".token")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


@contextlib.contextmanager
def announced(data_dir: Path, role: str, instance: str, url: str, health: str = "") -> Iterator[Path]:
    """Make the endpoint of a role known while the block runs; several of one role stand beside each other."""
    path, handle = _taken(_folder(data_dir), role)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(asdict(Endpoint(role, instance, url, os.getpid(), health))).encode() + b"\n")
        yield path
    finally:
        # The file stays, empty: one that was removed could be locked by somebody who nobody finds.
        os.ftruncate(handle, 0)
        os.close(handle)


def _taken(folder: Path, role: str) -> tuple[Path, int]:
    for number in itertools.count(1):
        path = folder / (f"{role}.json" if number == 1 else f"{role}-{number}.json")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        os.fchmod(handle, 0o600)
        return path, handle
    raise AssertionError  # the numbers do not end


def endpoints(data_dir: Path) -> list[Endpoint]:
    """Return the endpoints of the roles that run now with this `data_dir`, in order of role."""
    return [found for path in sorted((data_dir / "admin").glob("*.json")) for found in _endpoint(path)]


def _endpoint(path: Path) -> Iterator[Endpoint]:
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(ValueError, TypeError):
                yield Endpoint(**json.load(file))


def _folder(data_dir: Path) -> Path:
    folder = data_dir / "admin"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OTHERS:
        folder.chmod(0o700)
    return folder
