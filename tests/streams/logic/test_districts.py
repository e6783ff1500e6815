"""Districts asked for many positions at once: the grid gives what the areas themselves do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from bondmate_streams.logic.districts import Districts, parse_districts
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

# On a lattice, so that borders meet borders, corners, the edges of cells, and positions.
lattice = st.integers(0, 64).map(lambda n: n / 16)
corners = st.lists(st.tuples(lattice, lattice), min_size=3, max_size=3, unique=True)
rectangles = st.tuples(lattice, lattice, lattice, lattice)
places = st.lists(st.tuples(lattice | st.floats(-1, 5), lattice | st.floats(-1, 5)), min_size=1, max_size=60)


def district_map(areas: list[list[tuple[float, float]]]) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {"district": f"d-{number}"},
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }
        for number, ring in enumerate(areas)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def ring_of(rectangle: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    x, y, width, height = rectangle
    return [(x, y), (x + width + 0.1, y), (x + width + 0.1, y + height + 0.1), (x, y + height + 0.1)]


def is_area(ring: list[tuple[float, float]]) -> bool:
    (ax, ay), (bx, by), (cx, cy) = ring
    return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) > 1e-6


areas = st.lists(corners.filter(is_area) | rectangles.map(ring_of), min_size=1, max_size=6)


def names_of(districts: Districts, found: Any) -> list[str | None]:
    return [districts.names[number] if number >= 0 else None for number in found.tolist()]


@settings(max_examples=examples(200), deadline=None)
@given(areas, places)
def test_the_grid_gives_what_the_areas_do(areas: list[list[tuple[float, float]]], places: Any) -> None:
    districts = parse_districts(district_map(areas))
    latitudes, longitudes = np.array(places, np.float64).T.copy()
    expected = [districts.of(*place) for place in places]
    # Twice: cells are looked at, then known.
    for _ in range(2):
        assert expected == names_of(districts, districts.of_all(latitudes, longitudes))


def test_cells_that_borders_cross_are_remembered_with_more_choices_than_before() -> None:
    two, five = ring_of((0, 0, 1, 1)), [ring_of((2, 2, 1 + n / 64, 1)) for n in range(5)]
    districts = parse_districts(district_map([two, *five]))
    for place in ((1.1, 0.5), (3.1, 2.5), (3.12, 3.1), (0.0, 0.0)):
        latitudes, longitudes = (np.array([each]) for each in (place[1], place[0]))
        found = names_of(districts, districts.of_all(latitudes, longitudes))
        assert [districts.of(place[1], place[0])] == found


def test_of_no_position_nothing_is_asked() -> None:
    districts = parse_districts(district_map([ring_of((1, 1, 0, 0))]))
    assert [] == districts.of_all(np.zeros(0), np.zeros(0)).tolist()
