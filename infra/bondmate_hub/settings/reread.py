"""Read one connector's settings again while it runs: all of it can be used, or the reason why not, never a value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bondmate_connectors.contract import ConnectorConfig

from bondmate_hub.connectors.instances import instance_of
from bondmate_hub.settings import SettingFile, Settings, SettingsError, files_named, load
from bondmate_hub.settings.tls_files import tls_blocks, unusable

_ELSEWHERE: Final = "stands for a file of another setting, which cannot be read now"


def files_of(settings: Settings, name: str, config: ConnectorConfig) -> tuple[SettingFile, ...]:
    """Return the files that the settings of connector `name` come from: texts of settings, certificates, keys."""
    where = ("connectors", name)
    named = files_named(settings.file) if settings.file else ()
    mine = tuple(file for file in named if file.setting[:2] == where)
    certificates = (
        SettingFile((*path, key), Path(value))
        for path, block in tls_blocks(config, (*where, "settings"))
        for key, value in block
        if key.endswith("_file") and value
    )
    return (*mine, *certificates)


def reread(settings: Settings, name: str) -> ConnectorConfig:
    """Read the settings of connector `name` again, from the YAML and from the files that they name.

    Raises:
        SettingsError: they cannot be used now; each line names setting and file.
    """
    if problems := list(_unreadable(settings, name)):
        raise SettingsError(problems)
    # What another setting's file holds is nothing to this connector.
    fresh = load(settings.file, unreadable=_ELSEWHERE)
    try:
        config = instance_of(fresh, name).config
    except SettingsError as error:
        raise SettingsError([_with_file(problem, settings) for problem in error.problems]) from None
    if problems := list(unusable(config, ("connectors", name, "settings"))):
        raise SettingsError(problems)
    return config


def _with_file(problem: str, settings: Settings) -> str:
    """Add the file that a setting comes from to what is wrong with it."""
    setting, _, what = problem.partition(": ")
    named = files_named(settings.file) if settings.file else ()
    found = next((file for file in named if ".".join(file.setting) == setting), None)
    return f"{found}: {what}" if found else problem


def _unreadable(settings: Settings, name: str) -> Iterator[str]:
    for file in files_named(settings.file) if settings.file else ():
        if file.setting[:2] == ("connectors", name) and (why := _fault(file)):
            yield f"{file}: {why}"


def _fault(file: SettingFile) -> str:
    try:
        return "" if file.path.read_text(encoding="utf-8").strip() else "empty"
    except OSError as error:
        return f"cannot be read ({type(error).__name__})"
    except UnicodeDecodeError:
        return "not UTF-8 text"
