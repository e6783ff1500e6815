"""Read one connector's settings again while it runs: all of it can be used, or the reason why not, never a value."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.transports.tls import TlsFiles
from pydantic import BaseModel

from bondmate_hub.connectors.instances import instance_of
from bondmate_hub.settings import SettingFile, Settings, SettingsError, files_named, load

_ELSEWHERE: Final = "stands for a file of another setting, which cannot be read now"


def files_of(settings: Settings, name: str, config: ConnectorConfig) -> tuple[SettingFile, ...]:
    """Return the files that the settings of connector `name` come from: texts of settings, certificates, keys."""
    where = ("connectors", name)
    named = files_named(settings.file) if settings.file else ()
    mine = tuple(file for file in named if file.setting[:2] == where)
    certificates = (
        SettingFile((*path, key), Path(value))
        for path, block in _tls_blocks(config, (*where, "settings"))
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
    if problems := list(_unusable(config, ("connectors", name, "settings"))):
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


def _unusable(config: ConnectorConfig, where: tuple[str, ...]) -> Iterator[str]:
    for path, block in _tls_blocks(config, where):
        try:
            block.context()
        except (OSError, ssl.SSLError, Misconfigured) as error:
            files = ", ".join(str(value) for key, value in block if key.endswith("_file") and value)
            yield f"{'.'.join(path)}: {files}: {_why(error)}"


def _why(error: Exception) -> str:
    """Word what is wrong with certificates; what a TLS library says of them holds no secret."""
    cause = error.__cause__ if isinstance(error, Misconfigured) and error.__cause__ else error
    if isinstance(cause, ssl.SSLError):
        return "certificate and key are not a pair" if cause.reason == "KEY_VALUES_MISMATCH" else "not whole, or no PEM"
    return f"cannot be read ({type(cause).__name__})"


def _tls_blocks(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], TlsFiles]]:
    if isinstance(value, TlsFiles):
        yield path, value
    inner: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, BaseModel):
        inner = iter(value)
    elif isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        inner = iter(enumerate(value))
    for key, part in inner:
        yield from _tls_blocks(part, (*path, str(key)))
