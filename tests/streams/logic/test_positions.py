"""What is found of a fix and remembered of its device; districts; who hears of which fix; what was disclosed."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.testing.strategies import device_locations, latitudes, longitudes
from bondmate_schemas.ids import pseudonym
from bondmate_streams.lane.batch import Disclosed, Names
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.audit import Chain
from bondmate_streams.logic.districts import Districts, DistrictsError, load_districts, parse_districts
from bondmate_streams.logic.locations import SEEN_KEPT, Judged, Track, is_due, joined, metres_between, restored
from bondmate_streams.logic.routing import Decision
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECRET = b"a secret of tests"


@pytest.fixture
def fix(make: Any) -> Callable[..., Any]:
    def build(seconds: float = 0, number: int = 0, at: tuple[float, float] = (52.1, 4.3), **given: Any) -> Any:
        time = NOW + timedelta(seconds=seconds)
        known = {"position": make.position(*at, time), "received_at": time, "sequence": number}
        return make.location(**{**known, **given})

    return build


class TestTracks:
    def test_a_clock_in_the_future_is_flagged_and_does_not_make_later_fixes_late(self, make: Any) -> None:
        track = Track()
        wrong = track.judge(make.location(position=make.position(1, 1, NOW + timedelta(days=27_000)), received_at=NOW))
        right = track.judge(
            make.location(
                position=make.position(1, 1, NOW + timedelta(seconds=1)), received_at=NOW + timedelta(seconds=1)
            )
        )

        assert ("accepted", ("clock_skew",)) == (wrong.outcome, wrong.fix.header.flags)
        assert ("accepted", ()) == (right.outcome, right.fix.header.flags)

    def test_equal_times_go_by_sequence(self, fix: Any) -> None:
        track = Track()
        assert ["accepted", "accepted", "late"] == [track.judge(fix(0, n)).outcome for n in (1, 3, 2)]

    def test_a_fix_that_came_lately_is_a_repeat_and_an_older_one_is_late(self, fix: Any) -> None:
        track = Track()
        fixes = [fix(number, number) for number in range(SEEN_KEPT + 1)]
        first = [track.judge(each).outcome for each in fixes]
        again = [track.judge(each).outcome for each in reversed(fixes)]

        assert ["accepted"] * len(fixes) == first
        assert [*["repeat"] * SEEN_KEPT, "late"] == again

    def test_what_no_device_can_have_travelled_is_marked_and_kept(self, fix: Any) -> None:
        track = Track()
        north = [(52.1, 4.3), (52.11, 4.3), (52.2, 4.3), (52.2001, 4.3)]  # 1.1 km in 10 s, 10 km in 10 s
        flags = [track.judge(fix(10 * n, n, at)).fix.header.flags for n, at in enumerate(north)]

        assert [(), (), ("implausible_jump",), ()] == flags

    def test_what_the_receiver_knows_of_its_error_is_no_jump(self, fix: Any, make: Any) -> None:
        track = Track()
        track.judge(fix(0, 0))
        far = make.position(52.2, 4.3, NOW + timedelta(seconds=10)).model_copy(update={"accuracy_m": 10_000.0})

        assert () == track.judge(fix(10, 1, position=far)).fix.header.flags

    def test_a_shift_that_ended_late_does_not_end_the_one_after_it(self, fix: Any) -> None:
        track = Track()
        outcomes = [track.judge(each).outcome for each in (
            fix(0, 0), fix(20, 2, on_duty=True), fix(10, 1, on_duty=False), fix(30, 3, on_duty=False), fix(25, 4),
        )]  # fmt: skip

        assert ["accepted", "accepted", "off_duty_late", "off_duty", "late"] == outcomes
        assert None is track.place

    @settings(max_examples=examples(60))
    @given(st.lists(device_locations, min_size=1, max_size=6))
    def test_what_is_restored_judges_as_what_was_there(self, fixes: list[Any]) -> None:
        track, last = Track(), None
        for each in fixes:
            judged = track.judge(each)
            last = judged.fix if judged.outcome == "accepted" else None if judged.outcome == "off_duty" else last
        if last is not None and track.place is not None:
            again = restored(last)
            assert (track.at, track.place, track.sure, track.accuracy_m) == (
                again.at, again.place, again.sure, again.accuracy_m
            )  # fmt: skip

    @given(latitudes, longitudes)
    def test_a_place_is_no_way_from_itself(self, latitude: float, longitude: float) -> None:
        assert 0 == metres_between(latitude, longitude, latitude, longitude)

    def test_distances_are_right_to_half_a_percent_also_across_the_antimeridian(self) -> None:
        assert 111_195 == pytest.approx(metres_between(0, 179.5, 0, -179.5), rel=0.005)
        assert 55_800 == pytest.approx(metres_between(60, 10, 60, 11), rel=0.005)


class TestWhoHears:
    def test_every_so_many_seconds_the_first_fix_and_no_late_one(self, fix: Any) -> None:
        track, decision = Track(), Decision("map", "r", every_seconds=10)
        seconds = [0, 3, 9, 10, 12, 31, 25, 39, 40]
        due = [is_due(track.judge(fix(second, n)), decision) for n, second in enumerate(seconds)]

        assert [True, False, False, True, False, True, False, False, True] == due

    def test_the_first_fix_of_a_shift_is_heard(self, fix: Any) -> None:
        track, decision = Track(), Decision("map", "r", every_seconds=3600)
        shift = [fix(0, 0), fix(1, 1, on_duty=False), fix(2, 2), fix(3, 3)]
        due = [is_due(judged, decision) for each in shift if (judged := track.judge(each)).goes_on]

        assert [True, True, False] == due

    def test_who_wants_every_fix_hears_every_fix(self, fix: Any) -> None:
        assert is_due(Judged("late", fix()), Decision("map", "r"))


class TestRegister:
    def test_a_fix_gets_what_it_does_not_say_itself(self, fix: Any) -> None:
        register = {"device-1": Officer("device-1", unit="north", callsign="N1")}
        both, one = joined(fix(), register), joined(fix(unit="own"), register)

        assert ("north", "N1", "own", "N1") == (both.unit, both.callsign, one.unit, one.callsign)

    def test_a_device_that_is_not_in_it_is_marked_and_without_a_register_none_is(self, fix: Any) -> None:
        assert ("device_unknown",) == joined(fix(), {}).header.flags
        assert () == joined(fix(), None).header.flags


def square(name: str | None, west: float, south: float, side: float) -> dict[str, Any]:
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
    return {
        "type": "Feature",
        "properties": {"district": name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def collection(*features: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


class TestDistricts:
    MAP = parse_districts(
        collection(square("old town", 4, 52, 1), square("city", 3.5, 51.5, 2), square("far", 9, 9, 1))
    )

    def test_of_areas_that_overlap_the_first_has_it_and_outside_of_all_there_is_none(self) -> None:
        assert "old town" == self.MAP.of(52.5, 4.5)
        assert "old town" == self.MAP.of(52.0, 4.0)
        assert "city" == self.MAP.of(51.9, 4.5)
        assert None is self.MAP.of(0.0, 0.0)

    @given(st.lists(st.tuples(st.floats(51, 54), st.floats(3, 6)), max_size=20))
    def test_many_are_found_as_one_by_one(self, places: list[tuple[float, float]]) -> None:
        import numpy as np  # noqa: PLC0415

        found = self.MAP.of_all(np.array([p[0] for p in places]), np.array([p[1] for p in places]))
        names = [self.MAP.names[number] if number >= 0 else None for number in found]
        assert names == [self.MAP.of(*place) for place in places]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "districts: no GeoJSON FeatureCollection"),
            ("[]", "districts: no GeoJSON FeatureCollection"),
            (collection(), "districts: features: holds no area"),
            (collection(square(None, 0, 0, 1)), "districts: features.0: needs a text in `properties.district`"),
            (collection(square("a", 0, 0, 1), square("a", 5, 5, 1)), "districts: two areas are named 'a'"),
            (collection(square("a", 0, 89.5, 1)), "districts: features.0.geometry.coordinates: longitude, latitude"),
            (
                collection({"properties": {"district": "p"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}),
                "districts: features.0.geometry: a Polygon or MultiPolygon",
            ),
            (
                collection({
                    "properties": {"district": "bow"},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
                }),
                "districts: features.0.geometry: crosses itself",
            ),
            (
                collection({
                    "properties": {"district": "short"},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
                }),
                "districts: features.0.geometry.coordinates: rings of four or more",
            ),
        ],
    )  # fmt: skip
    def test_a_map_that_cannot_be_used_says_where(self, text: str, problem: str) -> None:
        with pytest.raises(DistrictsError) as caught:
            parse_districts(text)
        assert caught.value.problems[0].startswith(problem)

    def test_a_map_is_read_from_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "map.geojson").write_text(collection(square("a", 0, 0, 1)))
        assert isinstance(load_districts(tmp_path / "map.geojson"), Districts)
        with pytest.raises(DistrictsError, match="cannot be read: FileNotFoundError"):
            load_districts(tmp_path / "none")


def disclosed(*people: str, events: int = 1) -> Disclosed:
    return Disclosed("tak", "", "", events, Names(people), ("position",))


class TestDisclosures:
    def test_those_of_a_killed_lane_are_in_its_journal(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        killed = Disclosures(journal, SECRET)
        killed.add(disclosed("a", "b", "a", events=3))
        killed.keep()
        killed.add(disclosed("b"))
        killed.keep()
        killed.close()
        with journal.open("a") as file:
            file.write('[["half a li')
        again = Disclosures(journal, SECRET)
        entry = again.entries()[0]
        again.logged()
        again.close()

        names = tuple(pseudonym(SECRET, "audit", person) for person in ("a", "b"))
        assert (4, names, ("position",)) == (entry.event_count, entry.subjects, entry.fields)
        assert "" == journal.read_text()

    def test_each_person_is_written_once_until_it_is_logged(self, tmp_path: Path) -> None:
        disclosures = Disclosures(tmp_path / "journal", SECRET)
        for _ in range(3):
            disclosures.add(disclosed("a"))
            disclosures.keep()
        name = pseudonym(SECRET, "audit", "a")
        once = (tmp_path / "journal").read_text().count(name)
        disclosures.logged()
        disclosures.add(disclosed("a"))
        disclosures.keep()
        disclosures.close()

        assert (1, 1) == (once, (tmp_path / "journal").read_text().count(name))

    def test_many_people_are_written_in_several_records_which_share_the_events(self, tmp_path: Path) -> None:
        disclosures = Disclosures(tmp_path / "journal", SECRET)
        disclosures.add(disclosed(*(f"person-{number}" for number in range(12_001)), events=12_002))
        disclosures.keep()
        chain, records = Chain("lane"), []
        for entry in disclosures.entries():
            chain, record = chain.append(entry, NOW)
            records.append(record)
        disclosures.close()

        assert [5_000, 5_000, 2_001] == [len(record.subjects) for record in records]
        assert 12_002 == sum(record.event_count for record in records)

    def test_what_a_full_disk_did_not_take_is_kept_and_written_whole_when_there_is_room(self, tmp_path: Path) -> None:
        journal = tmp_path / "journal"
        disclosures = Disclosures(journal, SECRET)
        disclosures.add(disclosed("a"))
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, usual[1]))
        try:
            with pytest.raises(OSError, match="No space left"):
                disclosures.keep()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert not disclosures.entries()
        disclosures.keep()
        kept = disclosures.entries()
        disclosures.close()
        again = Disclosures(journal, SECRET)

        assert kept == again.entries() != []
        again.close()
        assert 1 == len(journal.read_text().splitlines())
