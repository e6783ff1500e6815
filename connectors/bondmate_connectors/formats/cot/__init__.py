"""Cursor on Target (CoT) event version 2.0 in XML, MITRE base-event schema, as TAK clients and servers speak it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bondmate_connectors.formats.cot.format import FORMAT

__all__ = ["FORMAT"]


def __getattr__(name: str) -> Any:
    # Reader and writer are loaded with their first use: roles that only ask what a connector takes go without.
    if name != "FORMAT":
        raise AttributeError(name)
    from bondmate_connectors.formats.cot.format import FORMAT as FOUND  # noqa: PLC0415

    return FOUND
