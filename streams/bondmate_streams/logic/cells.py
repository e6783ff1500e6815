"""A grid over a map of areas: most of its cells lie wholly in one area, or in none, and need no polygon any more.

A cell is looked at when the first position falls into it; of a cell that a border crosses it is remembered which areas
may have a position there, in the order of the file. So the answer is that of the polygons themselves.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["NOWHERE", "Cells"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOWHERE: Final = -1
_ACROSS: Final = 1024
"""Cells from west to east, and from south to north: of a country of a thousand kilometres each is one wide."""
_MARGIN: Final = 1e-9
"""Degrees by which a cell is taken for larger than it is, for positions that rounding puts across its edge."""
_NEW: Final = 0
_SURE: Final = 2
"""A cell that is sure holds the number of its area above this, `NOWHERE` included; one that is not, minus the row of
its choices, less one."""


class Cells:
    """What is known of each cell."""

    def __init__(self, tree: Any) -> None:
        """Look positions up in a tree of areas (shapely, prepared, longitude and latitude in degrees)."""
        self._tree = tree
        self._areas = tree.geometries
        self._west, self._south, self._east, self._north = shapely.total_bounds(self._areas)
        self._width = max(self._east - self._west, _MARGIN) / _ACROSS
        self._height = max(self._north - self._south, _MARGIN) / _ACROSS
        self._known = np.zeros(_ACROSS * _ACROSS, np.int32)
        self._choices = np.zeros((0, 1), np.int64)

    def of_all(self, latitudes: Floats, longitudes: Floats) -> Ints:
        """Return, for each position (degrees), the number of the first area that has it, or -1."""
        found = np.full(len(latitudes), NOWHERE, np.int64)
        on_map = (longitudes >= self._west) & (longitudes <= self._east)
        on_map &= (latitudes >= self._south) & (latitudes <= self._north)
        rows = np.flatnonzero(on_map)
        latitudes, longitudes = latitudes[rows], longitudes[rows]
        known = self._looked_up(self._cells(latitudes, longitudes))
        sure = known > 0
        found[rows[sure]] = known[sure] - _SURE
        unsure = np.flatnonzero(~sure)
        found[rows[unsure]] = self._chosen(self._choices[-1 - known[unsure]], latitudes[unsure], longitudes[unsure])
        return found

    def _cells(self, latitudes: Floats, longitudes: Floats) -> Ints:
        columns = ((longitudes - self._west) / self._width).astype(np.int64)
        rows = ((latitudes - self._south) / self._height).astype(np.int64)
        last = _ACROSS - 1
        cells: Ints = np.minimum(rows, last) * _ACROSS + np.minimum(columns, last)
        return cells

    def _looked_up(self, cells: Ints) -> Ints:
        known = self._known[cells]
        new = np.unique(cells[known == _NEW])
        if len(new):
            self._look_at(new)
            known = self._known[cells]
        return known.astype(np.int64)

    def _look_at(self, cells: Ints) -> None:
        rows, columns = np.divmod(cells, _ACROSS)
        west, south = self._west + columns * self._width, self._south + rows * self._height
        boxes = shapely.box(
            west - _MARGIN, south - _MARGIN, west + self._width + _MARGIN, south + self._height + _MARGIN
        )
        box, area = self._tree.query(boxes)
        near = shapely.intersects(self._areas[area], boxes[box])
        box, area = box[near], area[near]
        order = np.lexsort((area, box))
        box, area = box[order], area[order]
        # The first area of the file has all of a cell that lies in it.
        which, first, count = np.unique(box, return_index=True, return_counts=True)
        whole = shapely.covers(self._areas[area[first]], boxes[which])
        self._known[cells] = NOWHERE + _SURE
        self._known[cells[which[whole]]] = area[first[whole]] + _SURE
        self._remember(cells[which[~whole]], area, first[~whole], count[~whole])

    def _remember(self, cells: Ints, area: Ints, first: Ints, count: Ints) -> None:
        """Remember of cells the areas that may have a position there: so many of `area` from its `first` on."""
        width = max(self._choices.shape[1], int(count.max(initial=1)))
        old = np.full((len(self._choices), width), NOWHERE, np.int64)
        old[:, : self._choices.shape[1]] = self._choices
        places = np.arange(width)
        there = np.minimum(first[:, None] + places, len(area) - 1)
        new = np.where(places < count[:, None], area[there] if len(area) else NOWHERE, NOWHERE)
        self._known[cells] = -1 - (len(old) + np.arange(len(cells)))
        self._choices = np.concatenate([old, new])

    def _chosen(self, choices: Ints, latitudes: Floats, longitudes: Floats) -> Ints:
        """Return, for each position, the first of its choices that has it."""
        found = np.full(len(choices), NOWHERE, np.int64)
        left = np.arange(len(choices))
        for column in choices.T:
            left = left[(found[left] == NOWHERE) & (column[left] != NOWHERE)]
            if not len(left):
                break
            has = shapely.intersects_xy(self._areas[column[left]], longitudes[left], latitudes[left])
            found[left[has]] = column[left[has]]
        return found
