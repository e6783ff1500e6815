"""Rules of the files that settings name: secrets that everybody can read, certificates that cannot be used."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr

from bondmate_hub.lint.finding import LintFinding
from bondmate_hub.lint.read import Hub
from bondmate_hub.settings import Settings
from bondmate_hub.settings.tls_files import Place, tls_blocks, unusable, values_in


def found(hub: Hub) -> Iterator[LintFinding]:
    """Yield what is found in files that settings name."""
    yield from (hub.file.warning("secret-readable", told) for told in readable_by_all(hub))
    if hub.settings is not None:
        wrong = [f"{'.'.join(where)}: {what}" for where, what in hub.settings.kafka.unusable_files()]
        wrong += [
            line for each in hub.instances for line in unusable(each.config, ("connectors", each.name, "settings"))
        ]
        yield from (hub.file.error("certificate", told) for told in wrong)


def readable_by_all(hub: Hub) -> Iterator[str]:
    """Yield a warning for each secret in a file that everybody on this machine can read."""
    mend = "everybody on this machine can read it; mend: chmod 600"
    from_files = {file.setting for file, _ in hub.document.files()}
    for file, _ in hub.document.files():
        if _is_open(file.path):
            yield f"{'.'.join(file.setting)}: {file.path}: {mend} {file.path}"
    for place, path in _keys(hub):
        if _is_open(path):
            yield f"{'.'.join(place)}: {path}: {mend} {path}"
    if _is_open(Path(hub.document.name)):
        for place in _secrets(hub):
            if place in hub.document.marked.places and place not in from_files:
                yield (
                    f"{'.'.join(place)}: a secret in the settings themselves, and {mend} {hub.document.name}, or put it"
                    " in a file of its own, named behind `!file`"
                )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _keys(hub: Hub) -> Iterator[tuple[Place, Path]]:
    """Yield each private key of TLS that connectors or Kafka's clients have."""
    if hub.settings is not None:
        for place, value in values_in(hub.settings.kafka, ("kafka",)):
            if place[-1] == "key_file" and value:
                yield place, Path(value)
    for instance in hub.instances:
        for place, block in tls_blocks(instance.config, ("connectors", instance.name, "settings")):
            if key := getattr(block, "key_file", None):
                yield (*place, "key_file"), Path(key)


def _secrets(hub: Hub) -> Iterator[Place]:
    """Yield the place of each secret of the settings."""
    parts: list[tuple[BaseModel, Place]] = [(hub.settings, ())] if isinstance(hub.settings, Settings) else []
    parts += [(each.config, ("connectors", each.name, "settings")) for each in hub.instances]
    for part, place in parts:
        yield from (where for where, value in values_in(part, place) if isinstance(value, SecretStr))
