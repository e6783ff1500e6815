"""The pauses of connectors on disk, so that a pause outlives its process (docs/adr/0015 says why not on a topic)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

import structlog
from bondmate_connectors.runtime.control import Pause
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

_log = structlog.get_logger(__name__)


@checked(frozen=True)
class _Stored:
    until: AwareDatetime
    since: AwareDatetime
    operator: str
    reason: str


_STORED = TypeAdapter(_Stored)


@dataclass(frozen=True, slots=True)
class PausedConnectors:
    """One file a paused connector, written whole or not at all, in `data_dir/pauses`."""

    data_dir: Path

    def current(self, now: datetime) -> Mapping[str, Pause]:
        """Return the pauses that last, by connector; a file that nobody can read holds back no alert."""
        found = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                stored = _STORED.validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                _log.error("pause cannot be read, the connector works", file=str(path), error=type(error).__name__)
                continue
            if now < stored.until:
                found[unquote(path.stem)] = Pause(stored.until, stored.since, stored.operator, stored.reason)
        return found

    def save(self, name: str, pause: Pause) -> None:
        """Keep a pause.

        Raises:
            OSError: it is not on the disk.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"until": pause.until.isoformat(), "since": pause.since.isoformat(),
                           "operator": pause.operator, "reason": pause.reason})  # fmt: skip
        handle, whole = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(whole).rename(self._path(name))

    def remove(self, name: str) -> None:
        """Keep a pause no longer; harmless where there is none."""
        self._path(name).unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self.data_dir / "pauses"

    def _path(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')}.json"
