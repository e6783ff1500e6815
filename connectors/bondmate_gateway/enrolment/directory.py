"""The enrolled devices, found by what proves a device to be itself: its token."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bondmate_schemas.enums import Mode

from bondmate_gateway.enrolment.device_file import DEFAULT_PROFILE, DeviceFile, Profile, read

_FOUND_BY = 32  # half of the hash finds a device; the whole is compared in a time that tells nothing


class UnauthenticatedError(ValueError):
    """The token is unknown, or its device is revoked."""


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """An enrolled device."""

    device_id: str
    agency: str
    mode: Mode
    profile: Profile = field(repr=False)
    officer_ref: str | None = field(default=None, repr=False)
    unit: str | None = field(default=None, repr=False)
    callsign: str | None = field(default=None, repr=False)
    revoked: bool = False
    own_language: str | None = None
    drill: str = ""
    """The destination that its alerts are drills of; empty: it is an officer's device."""

    @property
    def language(self) -> str | None:
        """The language of the officer: the device's, else that of its profile."""
        return self.own_language or self.profile.language

    @property
    def carrier(self) -> dict[str, Any]:
        """The fields of a record that name the device and who carries it."""
        return {
            "device_id": self.device_id,
            "officer_ref": self.officer_ref,
            "unit": self.unit,
            "callsign": self.callsign,
        }


class Directory:
    """The devices of one version of the file, found by token."""

    def __init__(self, content: DeviceFile) -> None:
        profiles = {DEFAULT_PROFILE: Profile(), **content.profiles}
        self._by_token: dict[str, tuple[str, EnrolledDevice]] = {}
        self.devices: dict[str, EnrolledDevice] = {}
        for device_id, entry in content.devices.items():
            device = EnrolledDevice(
                device_id, entry.agency, Mode(entry.mode), profiles[entry.profile],
                entry.officer_ref, entry.unit, entry.callsign, entry.revoked, entry.language, entry.drill,
            )  # fmt: skip
            self.devices[device_id] = device
            for hashed in entry.token_sha256:
                self._by_token[hashed[:_FOUND_BY]] = (hashed, device)
        self.revoked = tuple(device for device in self.devices.values() if device.revoked)

    def holder(self, hashed: str) -> EnrolledDevice:
        """Return the device that holds the token of this hash.

        Raises:
            UnauthenticatedError: nobody does, or the device is revoked.
        """
        stored, device = self._by_token.get(hashed[:_FOUND_BY], ("", None))
        if not hmac.compare_digest(stored, hashed) or device is None or device.revoked:
            raise UnauthenticatedError
        return device


def token_hash(token: str) -> str:
    """Return what the file holds of a token; tokens are long and random, so that one plain SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def load(path: Path) -> Directory:
    """Read the devices of a file; raises as `device_file.read` does."""
    return Directory(read(path))
