"""Find connectors by entry point: names without importing anything, and those that are configured by importing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from bondmate_connectors.contract import ConnectorSpec

GROUP = "bondmate_hub.connectors"
_PLATFORMS = "bondmate_connectors.platforms"


class DuplicateConnectorError(ValueError):
    """Two installed packages give a connector of the same name: remove one of them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A connector that cannot be loaded; the others are not touched.

    `code` is `not_found`, `import_failed`, `no_spec` or `wrong_name`; `reason` names classes and modules only.
    """

    name: str
    code: str
    reason: str


def names(points: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Give the names of all installed connectors, sorted, importing none of them.

    Raises:
        DuplicateConnectorError: a name is given twice.
    """
    counted = Counter(point.name for point in _points(points))
    if twice := sorted(name for name, count in counted.items() if count > 1):
        raise DuplicateConnectorError(f"connectors installed twice: {', '.join(twice)}")
    return tuple(sorted(counted))


def load(name: str, points: Iterable[EntryPoint] | None = None) -> ConnectorSpec | Broken:
    """Import the connector `name` and give its specification, or say what is wrong with it."""
    point = next((point for point in _points(points) if point.name == name), None)
    if point is None:
        return Broken(name, "not_found", f"no package gives it in the entry-point group {GROUP}")
    try:
        spec = point.load()
    except Exception as error:  # noqa: BLE001  # somebody else's module may raise anything and must fail alone
        return Broken(name, "import_failed", f"{point.value}: {type(error).__name__}")
    if not isinstance(spec, ConnectorSpec):
        return Broken(name, "no_spec", f"{point.value} is a {type(spec).__name__}, not a ConnectorSpec")
    if wrong := _wrong_name(point, spec):
        return Broken(name, "wrong_name", wrong)
    return spec


def _wrong_name(point: EntryPoint, spec: ConnectorSpec) -> str | None:
    """Return what does not agree. A folder counts under `platforms/` alone; a package may be named as it likes."""
    room, _, folder = point.module.rpartition(".")
    if room != _PLATFORMS or folder == point.name:
        return None if spec.name == point.name else f"entry point {point.name}, specification {spec.name}: must agree"
    return f"entry point {point.name}, specification {spec.name}, folder {folder}: must agree"


def _points(points: Iterable[EntryPoint] | None) -> list[EntryPoint]:
    return list(entry_points(group=GROUP) if points is None else points)
