"""The device file: read, and refused whole where it is wrong, with every error at once.

Each error is told by its place and never by its value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import Handling
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
Name = Annotated[str, Field(min_length=1, max_length=128)]
DEFAULT_PROFILE = "default"


class DeviceFileError(ValueError):
    """The device file cannot be used; `problems` says what is wrong where, without values."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Profile(_Part):
    """What devices have in common: how silent, under which handling, in which language."""

    duress_silent: bool = Field(default=True, description="Whether DURESS shows and sounds nothing on the device.")
    real_from_exercise: bool = Field(
        default=False, description="Whether a device of mode EXERCISE may raise a real emergency, at its own agency."
    )
    handling: Handling = Field(default=Handling(), description="Purpose, legal basis, marking, retention.")
    language: str | None = Field(default=None, description="Language of texts that do not say theirs, BCP 47.")


class DeviceEntry(_Part):
    """One device as the file holds it; tokens stand there as SHA-256 only."""

    agency: Name
    mode: Literal[Mode.ACTUAL, Mode.EXERCISE, Mode.TEST, Mode.SYSTEM]
    officer_ref: Name | None = None
    unit: Name | None = None
    callsign: Name | None = None
    profile: str = DEFAULT_PROFILE
    token_sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    revoked: bool = False


class DeviceFile(_Part):
    """The whole file."""

    profiles: Mapping[Name, Profile] = Field(default_factory=dict)
    devices: Mapping[Identifier, DeviceEntry] = Field(default_factory=dict)


def read(path: Path) -> DeviceFile:
    """Read the device file as it stands.

    Raises:
        DeviceFileError: not there, not readable, or wrong in the places it names.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DeviceFileError(("the file cannot be read",)) from None
    return _validated(_parsed(text, path), text, path)


def _validated(content: Any, text: str, path: Path) -> DeviceFile:
    try:
        found = DeviceFile.model_validate({} if content is None else content)
    except ValidationError as error:
        lines = _Lines(text) if path.suffix != ".json" else None
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise DeviceFileError(tuple(_told(content, item["loc"], item["msg"], lines) for item in problems)) from None
    if problems_between := _cross_checked(found):
        lines = _Lines(text) if path.suffix != ".json" else None
        raise DeviceFileError(tuple(_told(content, loc, what, lines) for loc, what in problems_between))
    return found


def _cross_checked(content: DeviceFile) -> list[tuple[tuple[str, ...], str]]:
    problems: list[tuple[tuple[str, ...], str]] = []
    holders: dict[str, str] = {}
    known = {DEFAULT_PROFILE, *content.profiles}
    for device_id, entry in content.devices.items():
        if entry.profile not in known:
            problems.append((("devices", device_id, "profile"), "names no profile of this file"))
        if any(holders.setdefault(hashed, device_id) != device_id for hashed in entry.token_sha256):
            problems.append((("devices", device_id, "token_sha256"), "is the token of another device too"))
    return problems


def _told(content: Any, loc: tuple[int | str, ...], what: str, lines: _Lines | None) -> str:
    line = f" (line {lines.of(loc)})" if lines else ""
    return f"{_place(content, loc)}{line}: {what}"


def _place(content: Any, loc: tuple[int | str, ...]) -> str:
    """Return the place without the device's id, which is personal: by its number, counted from 1."""
    if len(loc) < 2 or loc[0] != "devices":  # noqa: PLR2004
        return ".".join(str(part) for part in loc) or "the file"
    ids = [str(name) for name in content["devices"]]
    rest = "".join(f".{part}" for part in loc[2:] if part != "[key]")
    return f"devices[#{ids.index(str(loc[1])) + 1}]{rest}" if str(loc[1]) in ids else f"devices{rest}"


class _Lines:
    """Where in a YAML text a place stands; parses the text again, since it is asked after an error only."""

    def __init__(self, text: str) -> None:
        self._root = yaml.compose(text, Loader=yaml.CSafeLoader)

    def of(self, loc: tuple[int | str, ...]) -> int:
        """Return the line, from 1, of the deepest part of `loc` that exists."""
        node, line = self._root, 1
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == str(part)]
                if not found:
                    break
                line, node = found[0][0].start_mark.line + 1, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


class _DeviceFileLoader(yaml.CSafeLoader):
    """YAML that refuses a key twice: of two entries of one device the later would win, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            raise DeviceFileError((f"line {node.start_mark.line + 1}: a key stands twice below here",))
        return found


def _parsed(text: str, path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_unique)
        return yaml.load(text, Loader=_DeviceFileLoader)  # noqa: S506  # a subclass of the safe loader
    except json.JSONDecodeError as error:
        raise DeviceFileError((f"line {error.lineno}: not JSON",)) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DeviceFileError((f"line {line}: not YAML",)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DeviceFileError):
            raise
        raise DeviceFileError(("the file is not YAML or JSON",)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DeviceFileError(("a key stands twice in one object",))
    return found
