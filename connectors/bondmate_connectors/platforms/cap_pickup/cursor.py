"""What was taken, in a file that only grows, so that a crash at any moment loses no more than its last line."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

import orjson

from bondmate_connectors.errors import Misconfigured

KEPT: Final = 100_000
"""Entries kept when the file is opened; what is older and still there is taken again, under its old ids."""


class Cursor:
    """The digests of what was settled for good, each with a name that helps a person."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._taken

    def open(self) -> None:
        """Read the file, shortened when it has grown too long; call it in a thread.

        Raises:
            Misconfigured: it cannot be read or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
            self._taken = OrderedDict(entry for line in lines if (entry := _entry(line)))
            if len(self._taken) > KEPT or len(lines) != len(self._taken):
                self._rewrite()
            with self._path.open("ab"):
                pass
        except OSError as error:
            raise Misconfigured("cursor_file: cannot be read and written") from error

    def add(self, name: str, *digests: str) -> None:
        """Remember `digests` durably; call it in a thread.

        Raises:
            OSError: the disk refuses.
        """
        new = [digest for digest in digests if digest not in self._taken]
        if not new:
            return
        with self._path.open("ab") as file:
            file.writelines(_line(digest, name) for digest in new)
            file.flush()
            os.fsync(file.fileno())
        self._taken |= dict.fromkeys(new, name)

    def _rewrite(self) -> None:
        while len(self._taken) > KEPT:
            self._taken.popitem(last=False)
        new = self._path.with_name(f"{self._path.name}.new")
        with new.open("wb") as file:
            file.writelines(_line(digest, name) for digest, name in self._taken.items())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _line(digest: str, name: str) -> bytes:
    name = name.encode("utf-8", "replace").decode()
    return orjson.dumps({"digest": digest, "name": name}, option=orjson.OPT_APPEND_NEWLINE)


def _entry(line: bytes) -> tuple[str, str] | None:
    """Return the entry of a line; None for one that a crash cut off."""
    try:
        found = orjson.loads(line)
        return str(found["digest"]), str(found["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
