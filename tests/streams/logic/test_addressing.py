"""Whom a message to officers reaches, as pure functions: names, agencies, areas, and what a sender may not do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import Address, Area, Position
from bondmate_streams.logic.addressing import MessageSender, Missing, Officer, Reached, resolve
from bondmate_streams.logic.areas import shapes_of
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import MayMessage, lint

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SQUARE = Area(polygons=("52,4 52,5 53,5 53,4 52,4",))
CIRCLE = Area(circles=("52.5,4.5 5",))


def officer(device_id: str, agency: str = "a", **given: Any) -> Officer:
    at = given.pop("at", (52.5, 4.5))
    position = Position(latitude=at[0], longitude=at[1], fixed_at=NOW) if at else None
    known = {"mode": Mode.ACTUAL, "seen_at": NOW, "position": position}
    return Officer(device_id, agency, **{**known, **given})


class Everybody:
    def __init__(self, *officers: Officer) -> None:
        self._officers = {one.device_id: one for one in officers}

    def of(self, device_id: str) -> Officer:
        return self._officers.get(device_id, Officer(device_id))

    def all(self) -> Iterable[Officer]:
        return self._officers.values()


THERE = Everybody(
    officer("d1", unit="unit-7", callsign="Kilo-7"),
    officer("d2", unit="unit-7", at=(52.1, 4.1)),
    officer("far", at=(10, 10)),
    officer("off-shift", seen_at=None, at=None, callsign="Kilo-9"),
    officer("stale", seen_at=NOW - timedelta(hours=1)),
    officer("trainee", mode=Mode.EXERCISE),
    officer("other", "b", callsign="Lima-1"),
)


def meant(name: str) -> str | None:
    """Know each device by its own id and by a name that only this sender has."""
    ids = {one.device_id for one in THERE.all()}
    return name if name in ids else name.removeprefix("name-of-") if name.removeprefix("name-of-") in ids else None


def reach(mode: Mode = Mode.ACTUAL, *, sees_ids: bool = False, may: MayMessage | None = None, **to: Any) -> Reached:
    return resolve(Address(**to), mode, MessageSender(may or MayMessage(), sees_ids, meant), THERE, NOW)


def missing(name: str, code: str) -> Reached:
    return Reached((), (Missing(name, code),))


OF_A = MayMessage(agencies=("a",), areas=True)


class TestNames:
    def test_by_default_a_sender_reaches_devices_by_the_names_it_was_given_and_nobody_else(self) -> None:
        assert Reached(("d1", "other")) == reach(names=("name-of-d1", "name-of-other"))
        assert missing("Kilo-7", "address_unknown") == reach(names=("Kilo-7",))
        assert missing("a", "address_not_allowed") == reach(agencies=("a",))
        assert missing("", "address_not_allowed") == reach(areas=(SQUARE,))

    def test_a_true_id_is_a_name_only_where_the_agreement_shows_ids_or_the_agency_is_named(self) -> None:
        assert missing("d1", "address_unknown") == reach(names=("d1",))
        assert Reached(("d1",)) == reach(names=("d1",), sees_ids=True)
        assert Reached(("d1",)) == reach(names=("d1",), may=OF_A)
        assert missing("other", "address_unknown") == reach(names=("other",), may=OF_A)

    def test_a_source_that_is_no_destination_reaches_nobody(self) -> None:
        assert missing("name-of-d1", "address_unknown") == reach(names=("name-of-d1",), may=MayMessage(known=False))

    def test_a_unit_is_all_its_devices_each_once_and_of_the_agencies_named_only(self) -> None:
        assert Reached(("d1", "d2")) == reach(names=("Unit-7", "KILO-7"), may=OF_A)
        assert missing("Lima-1", "address_unknown") == reach(names=("Lima-1",), may=OF_A)

    def test_part_of_an_address_that_reaches_nobody_is_told_and_the_others_get_it(self) -> None:
        found = reach(names=("Kilo-7", "Kilo-8"), may=OF_A)

        assert Reached(("d1",), (Missing("Kilo-8", "address_unknown"),)) == found

    def test_an_officer_off_shift_is_reached_by_name(self) -> None:
        assert Reached(("off-shift",)) == reach(names=("Kilo-9",), may=OF_A)


class TestGroups:
    def test_an_agency_is_who_is_on_shift(self) -> None:
        assert Reached(("d1", "d2", "far", "stale", "trainee")) == reach(agencies=("a",), may=OF_A)
        assert missing("b", "address_not_allowed") == reach(agencies=("b",), may=OF_A)
        assert missing("c", "address_nobody") == reach(agencies=("c",), may=MayMessage(agencies=("c",)))

    def test_an_area_is_who_was_in_it_lately(self) -> None:
        assert Reached(("d1", "d2", "trainee")) == reach(areas=(SQUARE,), may=OF_A)
        assert Reached(("d1", "trainee")) == reach(areas=(CIRCLE,), may=OF_A)
        assert Reached(("d1", "d2", "trainee")) == reach(areas=(CIRCLE, SQUARE), agencies=("a",), may=OF_A)
        assert missing("", "address_not_allowed") == reach(areas=(SQUARE,), agencies=("a", "b"), may=OF_A)
        assert missing("", "address_nobody") == reach(areas=(Area(circles=("0,0 1",)),), may=OF_A)

    @pytest.mark.parametrize("shape", ["52,4", "52,4 53,x 54,4", "95,4 52,4 53,5"])
    def test_an_area_that_is_none_is_told(self, shape: str) -> None:
        assert missing("", "address_area_unreadable") == reach(areas=(Area(polygons=(shape,)),), may=OF_A)

    def test_more_devices_than_may_be_reaches_none(self) -> None:
        few = OF_A.model_copy(update={"most_devices": 4})

        assert missing("", "address_too_many") == reach(agencies=("a",), may=few)

    def test_an_empty_address_is_told(self) -> None:
        assert missing("", "address_empty") == reach()


class TestModes:
    @pytest.mark.parametrize("drill", [Mode.EXERCISE, Mode.TEST])
    def test_an_exercise_reaches_no_device_in_real_use(self, drill: Mode) -> None:
        assert Reached(("trainee",)) == reach(drill, agencies=("a",), may=OF_A)
        assert missing("name-of-d1", "address_mode") == reach(drill, names=("name-of-d1",))

    def test_what_is_for_several_says_what_it_is_for(self) -> None:
        assert missing("", "address_mode_unknown") == reach(Mode.UNKNOWN, agencies=("a",), may=OF_A)


class TestAreas:
    def test_a_ring_across_the_antimeridian_is_one_piece(self) -> None:
        (contains,) = shapes_of([Area(polygons=("-10,179 -10,-179 10,-179 10,179 -10,179",))])

        assert [True, True, False, False] == [contains(0, lon) for lon in (179.5, -179.5, 178, 0)]

    def test_a_circle_is_measured_on_the_globe(self) -> None:
        (contains,) = shapes_of([Area(circles=("60,10 56",))])

        # A degree of longitude is 55.6 km at 60 degrees north, one of latitude 111.2 km.
        assert [True, False, False] == [contains(60, 11), contains(60, 11.1), contains(61, 10)]

    def test_a_hole_where_the_ring_turns_in_is_outside(self) -> None:
        (contains,) = shapes_of([Area(polygons=("0,0 0,10 10,10 10,6 2,6 2,4 10,4 10,0 0,0",))])

        assert [True, False, True] == [contains(5, 2), contains(5, 5), contains(5, 8)]


class TestRoutes:
    def test_areas_without_agencies_are_refused_with_their_place(self) -> None:
        with pytest.raises(RoutesError) as error:
            parse_routes("destinations: {cap: {may_message: {areas: true}}}")

        assert ["destinations.cap.may_message.areas"] == [p.split(": ")[1] for p in error.value.problems]

    def test_a_destination_that_only_writes_to_officers_needs_no_route(self) -> None:
        routes = parse_routes("destinations: {cap: {may_message: {agencies: a}}, tak: {}}")

        assert ["destinations.tak: no route leads here"] == lint(routes)

    def test_an_unknown_word_is_refused(self) -> None:
        with pytest.raises(RoutesError):
            parse_routes("destinations: {cap: {may_message: {everybody: true}}}")
