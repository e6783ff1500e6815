"""Enrols, revokes and lists devices: what `hub devices` does to the device file."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from bondmate_schemas.enums import Mode
from bondmate_schemas.marked_yaml import YamlProblem
from pydantic import TypeAdapter, ValidationError

from bondmate_gateway.enrolment.device_file import (
    DEFAULT_PROFILE,
    OWN_DEVICE,
    DeviceEntry,
    DeviceFile,
    DeviceFileError,
    Identifier,
    read,
)
from bondmate_gateway.enrolment.directory import Directory, token_hash

__all__ = ["DeviceFileError", "token_hash"]
_HEADER = "# Written by `hub devices`; comments and order of fields are not kept. Tokens stand here as SHA-256 only.\n"
_DEVICE_ID: TypeAdapter[str] = TypeAdapter(Identifier)


class EnrolmentError(ValueError):
    """The change cannot be made; the message names the setting and the way out, never a value."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device to enrol; `replace` gives a known device new attributes and a new token, and ends its old ones."""

    device_id: str
    agency: str
    mode: Mode | str
    officer_ref: str | None = field(default=None, repr=False)
    unit: str | None = field(default=None, repr=False)
    callsign: str | None = field(default=None, repr=False)
    profile: str = DEFAULT_PROFILE
    replace: bool = False
    language: str | None = None
    drill: str = ""


def enrol(path: Path, wanted: Enrolment) -> str:
    """Enrol one device and return its token, which is shown this once and kept nowhere.

    Raises:
        EnrolmentError: the device is enrolled already and `replace` is not set, or an attribute is not valid.
        DeviceFileError: the file as it stands is broken.
    """
    return enrol_many(path, [wanted])[wanted.device_id]


def enrol_many(path: Path, wanted: Iterable[Enrolment]) -> dict[str, str]:
    """Enrol many devices in one writing of the file and return their tokens by device; raises as `enrol` does."""
    tokens: dict[str, str] = {}

    def add(content: DeviceFile) -> DeviceFile:
        devices = dict(content.devices)
        for one in wanted:
            if one.device_id in devices and not one.replace:
                raise EnrolmentError("device_id: is enrolled already; revoke it, or replace its token (`--replace`)")
            if one.profile not in {DEFAULT_PROFILE, *content.profiles}:
                raise EnrolmentError("profile: names no profile of the device file")
            if one.drill and (one.mode != Mode.TEST or one.officer_ref or one.unit):
                raise EnrolmentError(f"drill: {OWN_DEVICE}")
            tokens[one.device_id] = f"bmd_{secrets.token_urlsafe(32)}"
            devices[one.device_id] = _entry(one, tokens[one.device_id])
        return content.model_copy(update={"devices": devices})

    _change(path, add)
    return tokens


def revoke(path: Path, device_id: str) -> None:
    """Revoke a device: every gateway refuses it within its `reload_seconds`.

    Raises:
        EnrolmentError: no such device.
        DeviceFileError: the file as it stands is broken.
    """

    def end(content: DeviceFile) -> DeviceFile:
        if device_id not in content.devices:
            raise EnrolmentError("device_id: no such device in the device file")
        entry = content.devices[device_id].model_copy(update={"revoked": True, "token_sha256": ()})
        return content.model_copy(update={"devices": {**content.devices, device_id: entry}})

    _change(path, end)


def list_devices(path: Path) -> tuple[dict[str, Any], ...]:
    """Return every device of the file, revoked ones too, as plain values; never a token nor its hash.

    Raises:
        DeviceFileError: the file is missing or broken.
    """
    return tuple(
        {"device_id": device_id, **entry.model_dump(mode="json", exclude={"token_sha256"})}
        for device_id, entry in read(path).devices.items()
    )


def _entry(one: Enrolment, token: str) -> DeviceEntry:
    try:
        _DEVICE_ID.validate_python(one.device_id)
        given = {name: value for name, value in asdict(one).items() if name not in {"device_id", "replace"}}
        return DeviceEntry.model_validate({**given, "token_sha256": [token_hash(token)]})
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise EnrolmentError(
            f"{'.'.join(str(p) for p in found['loc']) or 'device_id'}: {found['msg'].removeprefix('Value error, ')}"
        ) from None


def _change(path: Path, change: Callable[[DeviceFile], DeviceFile]) -> None:
    with _locked(path):
        content = change(read(path) if path.exists() else DeviceFile())
        Directory(content)
        _write(path, content.model_dump(mode="json", exclude_defaults=True))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside the file: the file itself is replaced at each change, so its own lock would be lost."""
    try:
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        told = "the folder of the device file does not exist or cannot be written"
        raise DeviceFileError([YamlProblem(0, 0, told)]) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, so that a reader sees the old one or the new one, also after a power cut."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_text(path, content))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _text(path: Path, content: dict[str, Any]) -> str:
    if path.suffix == ".json":
        return json.dumps(content, indent=1, ensure_ascii=False)
    return _HEADER + str(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))
