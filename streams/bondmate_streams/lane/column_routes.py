"""Who hears of which of many fixes: `logic.locations.is_due` and `Newest`, and what routes look at, as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bondmate_streams.lane.column_judge import ACCEPTED, LATE, Bools, Judgement
from bondmate_streams.lane.column_views import constant
from bondmate_streams.lane.rows import HOP, SUPERSEDED, Facts
from bondmate_streams.lane.tracks import Ints
from bondmate_streams.logic.locations import NEVER
from bondmate_streams.logic.policy import WITHHELD
from bondmate_streams.logic.routing import Decision

__all__ = ["RoutingMasks", "by_facts", "chosen", "outcomes"]

Apart = Mapping[str, frozenset[str]]
"""The values of a fact that rules ask for."""
Part = tuple[Decision, Ints]
"""A decision, and the fixes it was made for."""


def by_facts(fixes: pa.RecordBatch, rows: Ints, apart: Apart) -> Iterator[tuple[Facts, Ints]]:
    """Group `rows` by the facts that routes look at; yield the facts of each group, and its rows."""
    if not len(rows):
        return
    columns = list(_looked_at(fixes, apart))
    if len(rows) < fixes.num_rows:
        columns = [column.take(pa.array(rows)) for column in columns]
    numbers = _numbered(columns)
    if not numbers.any():
        yield next(zip(*(column[:1].to_pylist() for column in columns), strict=True)), rows
        return
    _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
    facts = zip(*(column.take(pa.array(first)).to_pylist() for column in columns), strict=True)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(first) + 1))
    for each, start, end in zip(facts, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield each, rows[order[start:end]]


def _looked_at(fixes: pa.RecordBatch, apart: Apart) -> Iterator[Any]:
    """Yield the columns of `Facts`."""
    header = fixes.column("header")
    yield from (header.field(name) for name in ("mode", "agency_id", "source"))
    yield _texts(header.field("hops"))
    for name, values in apart.items():
        column = fixes.column(name)
        if values:
            column = pc.if_else(pc.is_in(column, value_set=pa.array(list(values), pa.string())), column, None)
        yield column if values else pa.nulls(len(column), pa.string())


def _numbered(columns: Sequence[Any]) -> Ints:
    """Return a number for each row, equal where all columns are."""
    numbers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        encoded = column.dictionary_encode(null_encoding="encode")
        if len(encoded.dictionary) > 1:
            # Numbered anew each time, so that they stay small.
            codes = encoded.indices.to_numpy()
            _, numbers = np.unique(numbers * len(encoded.dictionary) + codes, return_inverse=True)
    return numbers


def _texts(lists: Any) -> Any:
    """Join each list of texts into one text."""
    if not len(lists.flatten()):
        return constant("", pa.string(), len(lists))
    return pc.binary_join(pc.cast(lists, pa.list_(pa.string())), HOP)


def chosen(parts: Sequence[Part], judgement: Judgement, slots: Ints) -> tuple[Ints, Any, int]:
    """Return the fixes that a destination gets, in their order, the route of each, and how many it does not get."""
    asked = sum(len(rows) for _, rows in parts)
    due = [(decision, rows[_is_due(decision, judgement, rows)]) for decision, rows in parts]
    if any(decision.newest_only for decision, _ in due):
        due = _newest(due, judgement, slots)
    rows = np.concatenate([rows for _, rows in due])
    order = np.argsort(rows, kind="stable")
    names = pa.array([decision.route for decision, _ in due], pa.string())
    which = np.repeat(np.arange(len(due)), [len(rows) for _, rows in due])
    return rows[order], names.take(pa.array(which[order])), asked - len(rows)


def _is_due(decision: Decision, judgement: Judgement, rows: Ints) -> Bools:
    if decision.every_seconds is None:
        return np.ones(len(rows), np.bool_)
    slot_ms = int(decision.every_seconds * 1000)
    previous = judgement.previous_ms[rows]
    another = (previous == NEVER[0]) | (previous // slot_ms != judgement.at_ms[rows] // slot_ms)
    found: Bools = another & (judgement.outcome[rows] != LATE)
    return found


def _newest(parts: Sequence[Part], judgement: Judgement, slots: Ints) -> list[Part]:
    """Leave, of what is told under rules that want the newest only, the newest of each device."""
    among = np.concatenate([rows for decision, rows in parts if decision.newest_only])
    order = np.lexsort((among, judgement.ranks()[among], slots[among]))
    ends = np.flatnonzero(np.diff(slots[among][order], append=-1))
    stay = np.zeros(len(slots), np.bool_)
    stay[among[order][ends]] = True
    return [(decision, rows[stay[rows]] if decision.newest_only else rows) for decision, rows in parts]


class RoutingMasks(NamedTuple):
    """Of the fixes of a batch: which went on, have a destination, have one that may see nothing, and were heard of."""

    goes_on: Bools
    routed: Bools
    withheld: Bools
    heard: Bools


def outcomes(outcome: Ints, of: RoutingMasks) -> Counter[str]:
    """Count what became of the fixes that went on."""
    nowhere = of.goes_on & ~of.routed
    found = {
        "unrouted": nowhere & ~of.withheld,
        WITHHELD: nowhere & of.withheld,
        SUPERSEDED: of.goes_on & of.routed & ~of.heard,
        "accepted": of.heard & (outcome == ACCEPTED),
        "late": of.heard & (outcome == LATE),
    }
    return +Counter({name: int(np.count_nonzero(rows)) for name, rows in found.items()})
