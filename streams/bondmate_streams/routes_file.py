"""The file of routes: the one place where the streams read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bondmate_streams.logic.routes_yaml import RoutesError, marks, parse_routes, placed, read_routes
from bondmate_streams.logic.routing import Routes

__all__ = ["RoutesError", "load_routes", "placed_in"]


def load_routes(path: Path, *, strict: bool = True) -> Routes:
    """Read the routes in the file at `path`; without `strict`, also ones that `lint` would find fault with.

    Raises:
        RoutesError: it cannot be read or used; its lines name the places.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RoutesError([f"{path}: cannot be read: {type(error).__name__}"]) from None
    return (parse_routes if strict else read_routes)(text, str(path))


def placed_in(path: Path, findings: Iterable[str]) -> list[str]:
    """Put file, line and column before what was found in the routes at `path`."""
    try:
        places = marks(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        places = {}
    return [placed(finding, str(path), places) for finding in findings]
