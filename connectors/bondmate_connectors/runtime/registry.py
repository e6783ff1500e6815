"""Find connectors by entry point: names without importing anything, and those that are configured by importing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb

from bondmate_connectors.contract import ConnectorSpec

GROUP = "bondmate_hub.connectors"
_PLATFORMS = "bondmate_connectors.platforms"


class DuplicateConnectorError(ValueError):
    """Two installed packages give a connector of the same name: remove one of them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A connector that cannot be loaded; the others are not touched.

    `code` is `not_found`, `import_failed`, `no_spec` or `wrong_name`; `reason` names classes, modules, files and lines,
    and what an error says only where it can be of nothing but names.
    """

    name: str
    code: str
    reason: str


def names(points: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Return the names of all installed connectors, sorted, importing none of them.

    Raises:
        DuplicateConnectorError: a name is given twice.
    """
    counted = Counter(point.name for point in _points(points))
    if twice := sorted(name for name, count in counted.items() if count > 1):
        raise DuplicateConnectorError(f"connectors installed twice: {', '.join(twice)}")
    return tuple(sorted(counted))


def load_each(points: Iterable[EntryPoint] | None = None) -> Iterator[tuple[EntryPoint, ConnectorSpec | Broken]]:
    """Import every connector, one after the other by name; also those that two packages give under one name."""
    for point in sorted(_points(points), key=lambda each: (each.name, each.value)):
        yield point, load(point.name, [point])


def attribute(point: EntryPoint, name: str, default: object) -> object | Broken:
    """Import what `point` names, whatever its group, and return the attribute `name` of it, or say what is wrong."""
    try:
        return getattr(point.load(), name, default)
    except Exception as error:  # noqa: BLE001  # somebody else's module may raise anything and must fail alone
        return Broken(point.name, "import_failed", f"{point.value}: {_where(error, point)}")


def load(name: str, points: Iterable[EntryPoint] | None = None) -> ConnectorSpec | Broken:
    """Import the connector `name` and return its specification, or say what is wrong with it."""
    point = next((point for point in _points(points) if point.name == name), None)
    if point is None:
        return Broken(name, "not_found", f"no package gives it in the entry-point group {GROUP}")
    try:
        spec = point.load()
    except Exception as error:  # noqa: BLE001  # somebody else's module may raise anything and must fail alone
        return Broken(name, "import_failed", f"{point.value}: {_where(error, point)}")
    if not isinstance(spec, ConnectorSpec):
        return Broken(name, "no_spec", f"{point.value} is a {type(spec).__name__}, not a ConnectorSpec")
    if wrong := _wrong_name(point, spec):
        return Broken(name, "wrong_name", wrong)
    return spec


_OF_NAMES = (ImportError, AttributeError, NameError, SyntaxError)
"""What these say is of modules, names and grammar, never of a value."""


def _where(error: Exception, point: EntryPoint) -> str:
    """Return what went wrong and, where it began in the connector's own files, at which line."""
    lines = [(frame.filename, frame.lineno or 0) for frame in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 0))
    package = point.module.partition(".")[0]
    own = [line for line in lines if package in Path(line[0]).with_suffix("").parts]
    place = " at {}:{}".format(*own[-1]) if own else ""
    said = f": {error.msg if isinstance(error, SyntaxError) else error}" if isinstance(error, _OF_NAMES) else ""
    return f"{type(error).__name__}{place}{said}"


def _wrong_name(point: EntryPoint, spec: ConnectorSpec) -> str | None:
    """Return what does not agree. A folder counts under `platforms/` alone; a package may be named as it likes."""
    room, _, folder = point.module.rpartition(".")
    if room != _PLATFORMS or folder == point.name:
        return None if spec.name == point.name else f"entry point {point.name}, specification {spec.name}: must agree"
    return f"entry point {point.name}, specification {spec.name}, folder {folder}: must agree"


def _points(points: Iterable[EntryPoint] | None) -> list[EntryPoint]:
    return list(entry_points(group=GROUP) if points is None else points)
