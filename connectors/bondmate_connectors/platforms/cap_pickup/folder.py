"""A folder that others put CAP files into."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bondmate_connectors.contract import Context, Status
from bondmate_connectors.errors import Misconfigured, NotConnected
from bondmate_connectors.formats.xml import XML_TOO_LARGE
from bondmate_connectors.platforms.cap_pickup.found_document import FoundDocument

_A_LOOK: Final = 200
"""Documents given at once, so that a large folder is not in memory."""
_KEPT_OF_TOO_LARGE: Final = 64 * 1024
_NOT_YET: Final = (".part", ".tmp", ".partial", ".crdownload")
_Stamp = tuple[int, int]


class Folder:
    """Reads each content once; changes nothing in the folder.

    A file is read when it was quiet for a while, or looked the same twice (clocks of file servers differ).
    """

    def __init__(self, path: Path, context: Context, *, max_bytes: int, quiet_seconds: float) -> None:
        self._path = path
        self._context = context
        self._max_bytes = max_bytes
        self._quiet_seconds = quiet_seconds
        self._seen: dict[Path, tuple[_Stamp, str]] = {}
        self._waiting: dict[Path, _Stamp] = {}

    async def open(self) -> None:
        """Forget what was read, so that all of it is held against the cursor."""
        await self.check()
        self._seen.clear()
        self._waiting.clear()

    async def check(self) -> None:
        """See to it that the folder can be listed."""
        try:
            await asyncio.to_thread(self._list)
        except OSError as error:
            raise Misconfigured("folder: not a folder that can be read") from error

    async def close(self) -> None:
        """Release nothing: no file stays open."""

    async def look(self, is_known: Callable[[str], bool]) -> list[FoundDocument]:
        """Return new files, by name.

        One that cannot be read holds back no other, and is tried again at every look.
        """
        try:
            found, unreadable = await asyncio.to_thread(self._look, is_known)
        except OSError as error:
            raise NotConnected("the folder cannot be read") from error
        status = Status.RECOVERABLE_ERROR if unreadable else Status.OK
        self._context.report(status, f"{unreadable} files cannot be read" * bool(unreadable))
        return found

    def is_refused(self) -> bool:
        """Whether a secret is refused: a folder asks for none."""
        return False

    def again(self) -> None:
        """Do nothing: what is not in the cursor is found at every look."""

    def _list(self) -> list[Path]:
        if not self._path.is_dir():
            raise NotADirectoryError
        # `rglob` passes over folders it may not read; the root must be readable.
        next(self._path.iterdir(), None)
        return sorted(path for path in self._path.rglob("*") if self._is_candidate(path))

    def _is_candidate(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self._path).parts)
        if hidden or path.suffix.lower() in _NOT_YET or not path.is_file():
            return False
        # A link may show us any file of this machine.
        return not path.is_symlink() or path.resolve().is_relative_to(self._path.resolve())

    def _look(self, is_known: Callable[[str], bool]) -> tuple[list[FoundDocument], int]:
        """Return new files, and how many cannot be read."""
        paths = self._list()
        self._seen = {path: seen for path, seen in self._seen.items() if path in set(paths)}
        found: dict[str, FoundDocument] = {}
        unreadable = 0
        for path in paths:
            try:
                one = self._new(path, is_known)
            except FileNotFoundError:  # gone between the two calls
                continue
            except OSError:
                unreadable += 1
                continue
            if one is not None:
                found.setdefault(one.digest, one)
            if len(found) >= _A_LOOK:
                break
        return list(found.values()), unreadable

    def _new(self, path: Path, is_known: Callable[[str], bool]) -> FoundDocument | None:
        """Return the file; None while it is known, unchanged since it was, or still being written."""
        stat = path.stat()
        stamp = (stat.st_size, stat.st_mtime_ns)
        seen = self._seen.get(path)
        if seen is not None and seen[0] == stamp and is_known(seen[1]):
            return None
        if not self._is_quiet(path, stamp):
            return None
        one = self._read(path, stat.st_size)
        self._seen[path] = (stamp, one.digest)
        return None if is_known(one.digest) else one

    def _is_quiet(self, path: Path, stamp: _Stamp) -> bool:
        age = time.time() - stamp[1] / 1e9
        same = self._waiting.pop(path, None) == stamp
        if age >= self._quiet_seconds or same:
            return True
        self._waiting[path] = stamp
        return False

    def _read(self, path: Path, size: int) -> FoundDocument:
        name = path.relative_to(self._path).as_posix()
        if size > self._max_bytes:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                return FoundDocument(digest, name, file.read(_KEPT_OF_TOO_LARGE), XML_TOO_LARGE, size)
        data = path.read_bytes()
        return FoundDocument(hashlib.sha256(data).hexdigest(), name, data, size=len(data))
