"""Fix by fix while there are few, as columns from the first large batch on: those take 50 MiB more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

import structlog
from bondmate_kafka.client import Message
from bondmate_schemas.codec import Codec

from bondmate_streams.lane.batch import BatchEngine, BatchResult, Last
from bondmate_streams.lane.rows import Rows, Rules

_log = structlog.get_logger(__name__)
_MANY: Final = 2_000
"""Fixes at hand together that make columns worth their memory: fix by fix they would take a fifth of a second."""


class GrowingEngine:
    """An engine that changes once, and keeps what it remembers."""

    def __init__(self, rules: Rules, codec: Codec, *, may_grow: bool = True, many: int = _MANY) -> None:
        """Begin fix by fix, until `many` are at hand together; without `may_grow` it stays so."""
        self._many = many
        self._rules = rules
        self._codec = codec
        self._rows: Rows | None = Rows(rules, codec) if may_grow else None
        self._engine: BatchEngine = self._rows or Rows(rules, codec)

    @property
    def most(self) -> int:
        """How many fixes it works together as it is now."""
        return self._engine.most

    def work(self, messages: Sequence[Message]) -> BatchResult:
        """Work a batch."""
        if len(messages) >= self._many and self._rows is not None:
            self._grow(self._rows)
        return self._engine.work(messages)

    def _grow(self, rows: Rows) -> None:
        self._rows = None
        try:
            from bondmate_streams.lane.columnar import ColumnEngine  # noqa: PLC0415  # the extra `columns`
        except ImportError:
            _log.warning(
                "lane stays with rows", hint="install the extra `columns`; they cost less than a tenth a position"
            )
            return
        grown = ColumnEngine(self._rules, self._codec)
        grown.adopt(rows.tracks())
        self._engine = grown
        _log.info("lane works by columns")

    def restore(self, partition: int, lasts: Iterable[Last]) -> None:
        """Remember the devices of a partition; many of them are read by columns too."""
        left = iter(lasts)
        first = list(islice(left, self._many))
        if len(first) == self._many and self._rows is not None:
            self._grow(self._rows)
        self._engine.restore(partition, chain(first, left))

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        self._engine.forget(partition)
