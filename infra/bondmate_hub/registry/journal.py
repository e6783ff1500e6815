"""An append-only file of JSON lines: what `append` returned from survives a power cut."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bondmate_hub.registry.errors import StoreDamagedError

__all__ = ["Journal"]


class Journal:
    """Hold one file open and locked; one process at a time writes it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StoreDamagedError(f"{path} is in use by another registry") from error
        _sync_directory(path.parent)

    def read(self) -> list[dict[str, Any]]:
        """Return what was appended so far, oldest first; a last line that was not finished is cut off.

        Raises:
            StoreDamagedError: another line is not JSON; the message says which.
        """
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            # Torn by a crash in the middle of a write; nobody was told it was kept.
            self._file.truncate(len(whole))
        return [self._parse(number, line) for number, line in enumerate(whole.splitlines(), start=1)]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise StoreDamagedError(f"{self._path} line {number} is damaged") from error
        if not isinstance(entry, dict):
            raise StoreDamagedError(f"{self._path} line {number} is damaged")
        return entry

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry and wait until the disk has it."""
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file; safe twice."""
        self._file.close()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
