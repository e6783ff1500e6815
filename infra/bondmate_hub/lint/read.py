"""What `hub lint` reads: as much of each file as is sound, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bondmate_connectors.runtime.instance import Instance
from bondmate_gateway.enrolment.device_file import DeviceEntry, DeviceFileError
from bondmate_gateway.enrolment.device_file import read as read_devices
from bondmate_schemas.marked_yaml import Marked, YamlProblem, YamlRefused, compose, read_text
from bondmate_schemas.validation_messages import MISSING, messages
from bondmate_streams.logic.routes_yaml import RoutesError
from bondmate_streams.logic.routing import Routes
from pydantic import BaseModel, ValidationError

from bondmate_hub.connectors import GATEWAY
from bondmate_hub.connectors.instances import build
from bondmate_hub.lint.finding import File, LintFinding, Severity
from bondmate_hub.settings import ConnectorEntry, Document, Settings, SettingsError, from_folder, unknown_environment

if TYPE_CHECKING:
    from bondmate_streams.logic.districts import Districts

Loc = tuple[str | int, ...]
_STAND_IN: Final = "stands in for a file that cannot be read"
_STAND_INS: Final[Mapping[Loc, str]] = {("streams", "pseudonym_secret"): _STAND_IN}
"""What is needed to read the rest, where it is missing."""
_ROUTES: Final = Path("routes.yaml")


@dataclass(slots=True)
class Hub:
    """The settings as far as they are sound, with the connectors, devices and map that they name."""

    file: File
    document: Document
    settings: Settings | None = None
    instances: tuple[Instance, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()
    area: Districts | None = None
    findings: list[LintFinding] = field(default_factory=list)

    @property
    def routes(self) -> Path | None:
        """The file of routes that the settings name; without such a setting the one beside them, where it is there."""
        if self.settings is not None and self.settings.streams is not None:
            return self.settings.streams.routes
        beside = Path(self.file.name).parent / _ROUTES
        return beside if beside.is_file() else None


@dataclass(slots=True)
class Table:
    """The routes as far as they are sound."""

    file: File
    routes: Routes = field(default_factory=Routes)
    left_out: frozenset[str] = frozenset()
    """The rules and destinations of which something could not be read, as `routes.0` and `destinations.x`."""
    findings: list[LintFinding] = field(default_factory=list)


def read_settings(path: Path | None) -> Hub:
    """Read the settings, and what they name."""
    hub = _document(path)
    hub.findings += [LintFinding(Severity.ERROR, "environment", told.partition(": ")[0], 0, 0, "",
                             told.partition(": ")[2]) for told in unknown_environment()]  # fmt: skip
    hub.findings += [hub.file.of(problem, "key-twice") for problem in hub.document.marked.twice]
    hub.findings += [hub.file.of(problem, "file-unreadable") for problem in hub.document.unreadable_files()]
    sound, wrong = _sound(Settings, hub.document.values, lambda values: Settings(**values))
    hub.findings += _of_settings(hub, wrong)
    hub.settings = sound and from_folder(sound, path.parent if path else Path())
    _read_connectors(hub)
    _read_map(hub)
    return hub


def _document(path: Path | None) -> Hub:
    if path is None:
        return Hub(File("environment", Marked(None)), Document.empty())
    try:
        document = Document.read(path, unreadable=_STAND_IN)
    except SettingsError as error:
        told = [_worded(str(path), problem) for problem in error.problems]
        return Hub(File(str(path), Marked(None)), Document.empty(), findings=told)
    return Hub(File(str(path), document.marked), document)


def _worded(name: str, problem: str) -> LintFinding:
    """Return a finding of a line that begins with file, line and column, as far as they are known."""
    rest = problem.removeprefix(f"{name}:")
    line, column, message = (*rest.split(":", 2), "", "")[:3]
    if not (line.strip().isdigit() and column.strip().isdigit()):
        return LintFinding(Severity.ERROR, "unreadable", name, 0, 0, "", rest.strip())
    return LintFinding(Severity.ERROR, "unreadable", name, int(line), int(column), "", message.strip())


def _of_settings(hub: Hub, wrong: Iterable[tuple[Loc, str]]) -> list[LintFinding]:
    """Return what is wrong with settings; of one whose file cannot be read that is said already."""
    unreadable = {problem.place for problem in hub.document.unreadable_files()}
    return [_of_setting(hub, loc, message) for loc, message in wrong if tuple(map(str, loc)) not in unreadable]


def _of_setting(hub: Hub, loc: Loc, message: str) -> LintFinding:
    path = tuple(map(str, loc))
    line, column = hub.document.marked.at(path)
    told = hub.document.problem(loc, message)
    if told.startswith("environment: "):
        return LintFinding(Severity.ERROR, "setting", "environment", 0, 0, "", told.removeprefix("environment: "))
    return LintFinding(Severity.ERROR, "setting", hub.file.name, line, column, ".".join(path), message)


def _sound(model: type[BaseModel], values: Any, made: Any, tries: int = 4) -> tuple[Any | None, list[tuple[Loc, str]]]:
    """Return what is sound of values as a model, and what is wrong with the rest."""
    wrong: list[tuple[Loc, str]] = []
    for _ in range(tries):
        try:
            return made(values), wrong
        except ValidationError as error:
            wrong = wrong or [*messages(error, model)]
            values = _without(values, error)
    return None, wrong


def _without(values: Any, error: ValidationError) -> Any:
    """Return the values without those that are wrong; where one is missing, without what needs it."""
    rest = deepcopy(values)
    gone: dict[Loc, None] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        loc, is_missing = item["loc"], item["type"] == "missing"
        if loc in _STAND_INS:
            rest.setdefault(loc[0], {})[loc[1]] = _STAND_INS[loc]
        elif is_missing and (loc[0], loc[-1]) == ("routes", "name"):
            rest["routes"][loc[1]]["name"] = f"rule-{loc[1]}"
        else:
            gone[_deepest(values, loc[:-1] if is_missing else loc)] = None
    # From the last to the first, so that in a list the numbers of the others stay.
    for loc in reversed(gone):
        _remove(rest, loc)
    return rest


def _deepest(values: Any, loc: Loc) -> Loc:
    """Return as much of a place as there is in the values."""
    for number, part in enumerate(loc):
        is_there = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if not is_there:
            return loc[:number]
        values = values[part]
    return loc


def _remove(values: Any, loc: Loc) -> None:
    """Remove the value at a place; a rule or destination is emptied instead, so that others keep number and goal."""
    holder = values
    for part in loc[:-1]:
        holder = holder[part]
    if len(loc) == len(("routes", 0)) and loc[0] in {"routes", "destinations"}:
        holder[loc[-1]] = {}
    elif loc:
        del holder[loc[-1]]


def _read_connectors(hub: Hub) -> None:
    entries = hub.settings.connectors if hub.settings else {}
    built = {name: build(name, entry) for name, entry in entries.items()}
    hub.instances = tuple(each for each in built.values() if isinstance(each, Instance))
    for name, wrong in built.items():
        if not isinstance(wrong, Instance):
            hub.findings += _of_settings(hub, [(("connectors", name, *loc), message) for loc, message in wrong])
    for name, entry in entries.items():
        file = entry.settings.get("device_file")
        if entry.connector == GATEWAY and isinstance(file, str):
            hub.devices += _devices(hub, name, Path(file))


def _devices(hub: Hub, name: str, path: Path) -> tuple[DeviceEntry, ...]:
    setting = f"connectors.{name}.settings.device_file"
    if not path.exists():
        told = f"{setting}: {path} is not there yet; `hub devices enrol` makes it, or correct the path"
        hub.findings.append(hub.file.warning("no-device-file", told))
        return ()
    try:
        devices = read_devices(path).devices.values()
    except DeviceFileError as error:
        file = File(str(path), Marked(None))
        hub.findings += [file.of(problem, "device-file") for problem in error.found]
        return ()
    return tuple(device for device in devices if not device.revoked)


def _read_map(hub: Hub) -> None:
    streams = hub.settings and hub.settings.streams
    if not streams or streams.districts is None:
        return
    from bondmate_streams.logic.districts import load_districts  # noqa: PLC0415  # tens of MiB, for who has a map

    try:
        hub.area = load_districts(streams.districts)
    except RoutesError as error:
        name = str(streams.districts)
        found = [line.removeprefix(f"{name}: ") for line in error.problems]
        hub.findings += [LintFinding(Severity.ERROR, "map", name, 0, 0, "", line) for line in found]


def read_routes(hub: Hub | None, path: Path | None) -> Table | None:
    """Read the routes at `path`, or those that the settings name; None where there are none to read."""
    path = path or (hub.routes if hub else None)
    if path is None:
        return None
    try:
        marked = compose(read_text(path))
        values = marked.values()
    except YamlRefused as error:
        return Table(
            File(str(path), Marked(None)), findings=[File(str(path), Marked(None)).of(error.problem, "unreadable")]
        )
    file = File(str(path), marked)
    table = Table(file, findings=[file.of(problem, "key-twice") for problem in marked.twice])
    sound, wrong = _sound(Routes, {} if values is None else values, Routes.model_validate)
    table.findings += [file.of(problem, "route-shape") for problem in _placed(marked, wrong)]
    table.routes = sound or Routes()
    table.left_out = frozenset(".".join(map(str, loc[:2])) for loc, _ in wrong) if sound else frozenset({""})
    return table


def _placed(marked: Marked, wrong: Iterable[tuple[Loc, str]]) -> Iterator[YamlProblem]:
    """Yield what is wrong at each place of a text; of what may have several forms, what each of them asks."""
    found: dict[tuple[str, ...], list[str]] = {}
    for loc, message in wrong:
        place = tuple(map(str, loc))
        if place[:-1] in marked.places and place not in marked.places and message != MISSING:
            place = place[:-1]
        found.setdefault(place, []).append(message)
    for place, told in found.items():
        yield YamlProblem(*marked.at(place), "; or: ".join(told), place)


def entries_of(hub: Hub | None) -> Mapping[str, ConnectorEntry]:
    """Return the connectors of the settings by name, also those whose own settings are wrong."""
    return hub.settings.connectors if hub and hub.settings else {}


def without(found: Iterable[str], left_out: frozenset[str]) -> list[str]:
    """Return what is found, but of what could not be read whole: there it may not be so."""
    if "" in left_out:
        return []
    names = [f"`{place.partition('.')[2]}`" for place in left_out if place.startswith("destinations.")]
    return [
        told
        for told in found
        if ".".join(told.partition(":")[0].split(".")[:2]) not in left_out and not any(name in told for name in names)
    ]
