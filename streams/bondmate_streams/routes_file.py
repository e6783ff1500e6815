"""The file of routes: the one place where the streams read it."""

from __future__ import annotations

from pathlib import Path

from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes, read_routes
from bondmate_streams.logic.routing import Routes

__all__ = ["RoutesError", "load_routes"]


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
