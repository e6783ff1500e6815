"""Watch the files that the connectors' settings come from, and have a connector built anew when they have changed.

A change counts when two looks in a row find the same and all of it can be used: a file that is half written, empty or
not a certificate leaves the old settings in use, and that is said once. The looking is polling, since a secret may come
by any kind of mount or symlink.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.runtime.control import Control
from bondmate_monitoring import metrics

from bondmate_hub.settings import Settings, SettingsError
from bondmate_hub.settings.reread import files_of, reread

_log = structlog.get_logger(__name__)
LOOK_SECONDS: Final = 1.0
_MOST_BYTES: Final = 1 << 20
"""Of a file, so much is compared; secrets and certificates are far smaller."""
FileVersion = tuple[int, int, int, int] | None
_Versions = Mapping[Path, FileVersion]


@dataclass(slots=True)
class _Watched:
    """What is known of one connector's files."""

    versions: _Versions
    """As they were when the settings in use were read, or when it was last said why they cannot be used."""
    digests: Mapping[Path, bytes]
    """Of what is in use."""
    last: _Versions
    told: frozenset[str] = field(default_factory=frozenset)


class SettingsWatch:
    """Looks at the files of all connectors of a process, once in `look_seconds`."""

    def __init__(self, settings: Settings, controls: Mapping[str, Control], look_seconds: float = LOOK_SECONDS) -> None:
        self._settings = settings
        self._controls = controls
        self._look_seconds = look_seconds
        self._watched: dict[str, _Watched] = {}
        self._named: dict[str, tuple[FileVersion, ConnectorConfig, tuple[Path, ...]]] = {}

    async def run(self) -> None:
        """Watch, until cancelled."""
        while True:
            asked = [(name, control.config, control.is_waiting) for name, control in self._controls.items()]
            # Files may lie on a network: the event loop does not wait for them.
            for name, config in (await asyncio.to_thread(self._look_at_all, asked)).items():
                self._controls[name].renew(config)
            await asyncio.sleep(self._look_seconds)

    def _look_at_all(self, asked: Sequence[tuple[str, ConnectorConfig, bool]]) -> dict[str, ConnectorConfig]:
        found = {name: self._safe_look(name, config, is_waiting) for name, config, is_waiting in asked}
        return {name: config for name, config in found.items() if config is not None}

    def _safe_look(self, name: str, config: ConnectorConfig, is_waiting: bool) -> ConnectorConfig | None:  # noqa: FBT001
        try:
            return self._look(name, config, is_waiting)
        except Exception as error:  # noqa: BLE001  # the check of a connector's settings may raise anything; others go on
            self._tell(name, self._watched[name], [f"connectors.{name}: {type(error).__name__}"])
            return None

    def _look(self, name: str, config: ConnectorConfig, is_waiting: bool) -> ConnectorConfig | None:  # noqa: FBT001
        """Return new settings of a connector, when there are any that can be used."""
        files = self._files(name, config)
        if is_waiting and self._settings.file is not None:
            # Its settings cannot work, so a person may mend them in the file itself.
            files = (*files, self._settings.file)
        now = {path: file_version(path) for path in files}
        watched = self._watched.get(name)
        if watched is None:
            self._watched[name] = _Watched(now, _digests(files), now)
            return self._since_the_start(name, config)
        is_settled, watched.last = now == watched.last, now
        added = {path: version for path, version in now.items() if path not in watched.versions}
        watched.versions = {**watched.versions, **added}
        if not is_settled or all(watched.versions[path] == version for path, version in now.items()):
            return None
        return self._changed(name, watched, now, is_waiting=is_waiting)

    def _since_the_start(self, name: str, config: ConnectorConfig) -> ConnectorConfig | None:
        """Return the settings of now, where they changed between their reading and the first look."""
        try:
            found = reread(self._settings, name)
        except SettingsError:
            return None  # the connector tells by itself what it cannot work with
        return found if found.model_dump() != config.model_dump() else None

    def _changed(self, name: str, watched: _Watched, now: _Versions, *, is_waiting: bool) -> ConnectorConfig | None:
        digests = _digests(now)
        if digests == {path: watched.digests.get(path) for path in now} and not is_waiting:
            watched.versions = now
            return None
        problems: list[str] = []
        config: ConnectorConfig | None = None
        try:
            config = reread(self._settings, name)
        except SettingsError as error:
            problems = error.problems
        if {path: file_version(path) for path in now} != now:
            return None  # it went on changing meanwhile: the next look will tell
        watched.versions = now
        self._tell(name, watched, problems)
        if config is not None:
            watched.digests = digests
        return config

    def _tell(self, name: str, watched: _Watched, problems: list[str]) -> None:
        metrics.CONNECTOR_REREADS.labels(name, "refused" if problems else "taken").inc()
        if {*problems} - watched.told:
            _log.warning("settings not taken, the old ones stay in use", connector=name, problem="; ".join(problems))
        if not problems:
            _log.info("settings taken", connector=name)
        watched.told = frozenset(problems)

    def _files(self, name: str, config: ConnectorConfig) -> tuple[Path, ...]:
        """Return the files of a connector; the YAML is parsed only when it has changed."""
        version = file_version(self._settings.file) if self._settings.file else None
        known = self._named.get(name)
        if known is None or known[0] != version or known[1] is not config:
            files = tuple({file.path for file in files_of(self._settings, name, config)})
            known = self._named[name] = version, config, files
        return known[2]


def file_version(path: Path) -> FileVersion:
    """Return what tells one state of a file from another; None where it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size, stat.st_dev


def _digests(paths: Iterable[Path]) -> dict[Path, bytes]:
    return {path: _digest(path) for path in paths}


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_MOST_BYTES)).digest()
    except OSError:
        return b""
