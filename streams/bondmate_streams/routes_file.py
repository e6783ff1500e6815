"""The file of routes: the one place where the streams read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bondmate_schemas.marked_yaml import YamlRefused, read_text

from bondmate_streams.logic.routes_yaml import RoutesError, marks, parse_routes, placed, read_routes
from bondmate_streams.logic.routing import Routes

__all__ = ["RoutesError", "load_routes", "marks_in", "placed_in"]


def load_routes(path: Path, *, strict: bool = True) -> Routes:
    """Read the routes in the file at `path`; without `strict`, also ones that `lint` would find fault with.

    Raises:
        RoutesError: it cannot be read or used; its lines name the places.
    """
    try:
        text = read_text(path)
    except YamlRefused as error:
        raise RoutesError([error.problem.told(str(path))]) from None
    return (parse_routes if strict else read_routes)(text, str(path))


def placed_in(path: Path, findings: Iterable[str]) -> list[str]:
    """Put file, line and column before what was found in the routes at `path`."""
    places = marks_in(path)
    return [placed(finding, str(path), places) for finding in findings]


def marks_in(path: Path) -> Mapping[str, tuple[int, int]]:
    """Return line and column of every place in the routes at `path`; none where they cannot be read."""
    try:
        return marks(read_text(path))
    except YamlRefused:
        return {}
