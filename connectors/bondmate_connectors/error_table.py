"""The one table of error codes: those of the hub, and those that each installed connector and format brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from bondmate_schemas.error_codes import HUB_CODES, ErrorCode, ErrorTable

from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.runtime.registry import load, names

FORMATS = "bondmate_hub.formats"


@cache
def error_table() -> ErrorTable:
    """Return the table of all that is installed; read once, since it imports every connector."""
    return table_of()


def table_of(connectors: Iterable[EntryPoint] | None = None, formats: Iterable[EntryPoint] | None = None) -> ErrorTable:
    """Return the table of the hub and of these entry points: all that are installed where none are given.

    A connector that cannot be loaded brings none; a row that contradicts an earlier one, the hub's own first, is left
    out (`ErrorTable.left_out`), so that a number once told by telephone stays true.
    """
    return ErrorTable((*HUB_CODES, *_of_connectors(connectors), *_of_formats(formats)))


def _of_connectors(points: Iterable[EntryPoint] | None) -> Iterator[ErrorCode]:
    points = list(points) if points is not None else None
    for name in names(points):
        spec = load(name, points)
        if isinstance(spec, ConnectorSpec):
            yield from spec.error_codes


def _of_formats(points: Iterable[EntryPoint] | None) -> Iterator[ErrorCode]:
    for point in entry_points(group=FORMATS) if points is None else points:
        yield from getattr(point.load(), "error_codes", ())
