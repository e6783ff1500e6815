"""The one table of error codes: those of the hub, and those that each installed connector and format brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from bondmate_schemas.error_codes import HUB_CODES, ErrorCode, ErrorTable

from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.runtime.registry import attribute, load_each

FORMATS = "bondmate_hub.formats"
_OURS = "bondmate_"
"""How the packages of this tree begin."""


@cache
def error_table() -> ErrorTable:
    """Return the table of all that is installed; read once, since it imports every connector."""
    return table_of()


@cache
def own_codes() -> tuple[ErrorCode, ...]:
    """Return the rows of the hub and of the connectors and formats of this tree: nobody else can have them."""
    return (*HUB_CODES, *(row for module, row in _installed(None, None) if is_ours(module)))


def table_of(connectors: Iterable[EntryPoint] | None = None, formats: Iterable[EntryPoint] | None = None) -> ErrorTable:
    """Return the table of the hub and of these entry points: all that are installed where none are given.

    What cannot be loaded brings no row, and hinders no other. The rows of this tree come first, whatever the others
    are called. What contradicts an earlier row is left out (`ErrorTable`): a number once told by telephone stays true.
    """
    rows = list(_installed(connectors, formats))
    ours = [row for module, row in rows if is_ours(module)]
    return ErrorTable((*HUB_CODES, *ours), (row for module, row in rows if not is_ours(module)))


def is_ours(module: str) -> bool:
    """Whether `module` is one of this tree."""
    return module.startswith(_OURS)


def _installed(
    connectors: Iterable[EntryPoint] | None, formats: Iterable[EntryPoint] | None
) -> Iterator[tuple[str, ErrorCode]]:
    """Yield each row with the module that brings it."""
    for point, spec in load_each(connectors):
        yield from _rows(point, spec.error_codes if isinstance(spec, ConnectorSpec) else ())
    found = entry_points(group=FORMATS) if formats is None else formats
    for point in sorted(found, key=lambda each: (each.name, each.value)):
        yield from _rows(point, attribute(point, "error_codes", ()))


def _rows(point: EntryPoint, codes: object) -> Iterator[tuple[str, ErrorCode]]:
    """Yield what of `codes` is a row; somebody else's may be anything."""
    if isinstance(codes, (tuple, list)):
        yield from ((point.module, row) for row in codes if _is_row(row))


def _is_row(row: object) -> bool:
    return isinstance(row, ErrorCode) and isinstance(row.code, str) and isinstance(row.number, int)
