"""A package with connectors that somebody else keeps: what its `pyproject.toml` says that it gives."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.runtime.registry import GROUP, Broken, load


class PackageError(Exception):
    """The folder holds no package with connectors, or one that does not work; the message says what to do."""


def package_connectors(root: Path) -> Iterator[tuple[str, ConnectorSpec]]:
    """Yield the connectors of the package in `root` with their names, installed or not.

    Raises:
        PackageError: there is no such package, or a connector of it cannot be imported.
    """
    points = _points(root)
    sys.path[:0] = [str(root.resolve()), str(root.resolve() / "src")]
    for point in points:
        found = load(point.name, points)
        if isinstance(found, Broken):
            raise PackageError(f"{found.name}: {found.code}: {found.reason}")
        yield point.name, found


def _points(root: Path) -> list[EntryPoint]:
    file = root / "pyproject.toml"
    try:
        groups = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("entry-points", {})
    except OSError:
        raise PackageError(f"{file} cannot be read: --package names the folder that holds pyproject.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise PackageError(f"{file}: {error}") from None
    points = [EntryPoint(name, value, GROUP) for name, value in groups.get(GROUP, {}).items()]
    if not points:
        raise PackageError(
            f'{file} names no connector: write `[project.entry-points."{GROUP}"]` with `name = "module:CONNECTOR"`'
        )
    return points
