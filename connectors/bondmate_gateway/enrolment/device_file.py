"""The device file: read, and refused whole where it is wrong, with every error at once.

Each error is told by its place and never by its value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from bondmate_schemas.enums import Mode
from bondmate_schemas.labels import language_tag
from bondmate_schemas.marked_yaml import YamlProblem, YamlRefused, read_text, reason
from bondmate_schemas.models import Handling
from bondmate_schemas.validation_messages import messages
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
Name = Annotated[str, Field(min_length=1, max_length=128)]
LanguageTag = Annotated[str, AfterValidator(language_tag)]
DEFAULT_PROFILE = "default"
OWN_DEVICE = "a device for drills is of mode TEST, and no officer's: name no `officer_ref` and no `unit`"


class DeviceFileError(ValueError):
    """The device file cannot be used; `found` says what is wrong where, without values."""

    def __init__(self, found: Iterable[YamlProblem]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(self.problems))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        return tuple(map(_words, self.found))


def _words(problem: YamlProblem) -> str:
    place, line = ".".join(problem.place), f"line {problem.line}" if problem.line else ""
    return ": ".join(filter(None, (f"{place} ({line})" if place and line else place or line, problem.what)))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Profile(_Part):
    """What devices have in common: how silent, under which handling, in which language."""

    duress_silent: bool = Field(default=True, description="Whether DURESS shows and sounds nothing on the device.")
    real_from_exercise: bool = Field(
        default=False, description="Whether a device of mode EXERCISE may raise a real emergency, at its own agency."
    )
    handling: Handling = Field(default=Handling(), description="Purpose, legal basis, marking, retention.")
    language: LanguageTag | None = Field(
        default=None,
        description="Language of texts that do not say theirs (BCP 47), and of the hub's own words to the officer.",
    )


class DeviceEntry(_Part):
    """One device as the file holds it; tokens stand there as SHA-256 only."""

    agency: Name
    mode: Literal[Mode.ACTUAL, Mode.EXERCISE, Mode.TEST, Mode.SYSTEM]
    officer_ref: Name | None = None
    unit: Name | None = None
    callsign: Name | None = None
    profile: str = DEFAULT_PROFILE
    language: LanguageTag | None = None
    """Instead of that of the profile."""
    drill: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]*)?$")] = ""
    """The destination that its alerts are drills of: a device of the hub's own, which can do nothing else."""
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
        text = read_text(path)
    except YamlRefused as error:
        raise DeviceFileError([error.problem]) from None
    return _validated(_parsed(text, path), text, path)


def _validated(content: Any, text: str, path: Path) -> DeviceFile:
    try:
        found = DeviceFile.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = messages(error, DeviceFile)
    else:
        problems = iter(_cross_checked(found))
    wrong = [(loc, what) for loc, what in problems]
    if wrong:
        marks = _Marks(text) if path.suffix != ".json" else None
        raise DeviceFileError([_told(content, loc, what, marks) for loc, what in wrong])
    return found


def _cross_checked(content: DeviceFile) -> list[tuple[tuple[str, ...], str]]:
    problems: list[tuple[tuple[str, ...], str]] = []
    holders: dict[str, str] = {}
    known = {DEFAULT_PROFILE, *content.profiles}
    for device_id, entry in content.devices.items():
        if entry.profile not in known:
            problems.append((("devices", device_id, "profile"), "names no profile of this file"))
        if entry.drill and (entry.mode is not Mode.TEST or entry.officer_ref or entry.unit):
            problems.append((("devices", device_id, "drill"), OWN_DEVICE))
        if any(holders.setdefault(hashed, device_id) != device_id for hashed in entry.token_sha256):
            problems.append((("devices", device_id, "token_sha256"), "is the token of another device too"))
    return problems


def _told(content: Any, loc: tuple[int | str, ...], what: str, marks: _Marks | None) -> YamlProblem:
    line, column = marks.of(loc) if marks else (0, 0)
    return YamlProblem(line, column, what, (_place(content, loc),))


def _place(content: Any, loc: tuple[int | str, ...]) -> str:
    """Return the place without the device's id, which is personal: by its number, counted from 1."""
    if len(loc) < 2 or loc[0] != "devices":  # noqa: PLR2004
        return ".".join(str(part) for part in loc) or "the file"
    ids = [str(name) for name in content["devices"]]
    rest = "".join(f".{part}" for part in loc[2:] if part != "[key]")
    return f"devices[#{ids.index(str(loc[1])) + 1}]{rest}" if str(loc[1]) in ids else f"devices{rest}"


class _Marks:
    """Where in a YAML text a place stands; parses the text again, since it is asked after an error only."""

    def __init__(self, text: str) -> None:
        self._root = yaml.compose(text, Loader=yaml.CSafeLoader)

    def of(self, loc: tuple[int | str, ...]) -> tuple[int, int]:
        """Return line and column, from 1, of the deepest part of `loc` that exists."""
        node = self._root
        if node is None:
            return 0, 0
        mark = node.start_mark
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == str(part)]
                if not found:
                    break
                mark, node = found[0][0].start_mark, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                mark = node.start_mark
            else:
                break
        return mark.line + 1, mark.column + 1


class _DeviceFileLoader(yaml.CSafeLoader):
    """YAML that refuses a key twice: of two entries of one device the later would win, unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            mark = node.start_mark
            raise DeviceFileError([YamlProblem(mark.line + 1, mark.column + 1, "a key stands twice below here")])
        return found


def _parsed(text: str, path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_unique)
        return yaml.load(text, Loader=_DeviceFileLoader)  # noqa: S506  # a subclass of the safe loader
    except json.JSONDecodeError as error:
        raise DeviceFileError([YamlProblem(error.lineno, error.colno, f"not JSON: {error.msg}")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DeviceFileError([YamlProblem(line, column, f"not YAML: {reason(error)}")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, DeviceFileError):
            raise
        raise DeviceFileError([YamlProblem(0, 0, "the file is not YAML or JSON")]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DeviceFileError([YamlProblem(0, 0, "a key stands twice in one object")])
    return found
