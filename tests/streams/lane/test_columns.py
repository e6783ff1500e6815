"""Two paths, one truth: what columns make of batches is what rows make of them, to the byte."""

from __future__ import annotations

import json
import random
import struct
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pyarrow as pa
import pytest
from bondmate_connectors.testing.strategies import device_locations
from bondmate_schemas.catalogue import DEVICE_LOCATIONS
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds, SchemaUnavailableError
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import DeviceLocation, EventHeader, ExternalRef, Handling, Position
from bondmate_streams.lane.batch import BatchEngine, BatchResult, Last
from bondmate_streams.lane.columnar import ColumnEngine
from bondmate_streams.lane.growing import GrowingEngine
from bondmate_streams.lane.rows import Rows, Rules
from bondmate_streams.lane.tracks import Tracks
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.districts import parse_districts
from bondmate_streams.logic.locations import SEEN_KEPT, Track
from bondmate_streams.logic.routes_yaml import parse_routes
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

NOW = datetime(2026, 11, 27, 12, 0, 0, 123000, tzinfo=UTC)
SECRET = b"a secret of tests"
EVERYTHING = {
    "position": "plain", "device_id": "plain", "officer_ref": "plain", "unit": "plain", "callsign": "plain", "on_duty": "plain",
    "battery_percent": "plain", "district": "plain", "header.external_refs": "plain",
    "header.origin_message_id": "plain", "header.content_digest": "plain",
    "position.altitude_hae_m": "plain", "position.accuracy_m": "plain", "position.vertical_accuracy_m": "plain",
    "position.speed_mps": "plain", "position.course_deg": "plain", "position.method": "plain",
}  # fmt: skip
ROUTES = """
destinations:
  whole: {modes: [ACTUAL, EXERCISE, TEST], fields: {location: ALL_PLAIN}, max_age_seconds: {location: 30.5}, late: {location: mark}}
  bare: {modes: [ACTUAL, EXERCISE], fields: {location: {position: plain}}}
  blind: {modes: [ACTUAL, EXERCISE], fields: {location: {position: withheld, position.accuracy_m: plain, callsign: plain}}}
  round: {modes: [ACTUAL, EXERCISE], fields: {location: {position: "round:2", callsign: plain}}, late: {location: drop}}
  coarse: {modes: [EXERCISE], fields: {location: {position: "coarse:500", position.accuracy_m: plain, officer_ref: pseudonym}}}
  newest: {modes: [ACTUAL, EXERCISE], fields: {location: {device_id: plain, position: plain}}}
  seldom: {modes: [ACTUAL, EXERCISE], fields: {location: {device_id: plain, position: plain}}}
  town: {modes: [ACTUAL, EXERCISE], fields: {location: {position: plain, position.accuracy_m: plain, district: plain, unit: plain}}}
routes:
  - {name: secret, when: {record: location, unit: [hidden]}, to: whole, stop: true}
  - {name: all, when: {record: location}, to: [whole, bare, round, blind]}
  - {name: exercise, when: {record: location, mode: EXERCISE, agency: [a, b]}, to: [coarse, newest]}
  - {name: newest, when: {record: location, source: [device_http, tak]}, to: newest, newest_only: true}
  - {name: both, when: {record: location, district: [east]}, to: [town, seldom]}
  - {name: seldom, when: {record: location}, to: seldom, every_seconds: 10, newest_only: true}
  - {name: less, when: {record: location, district: [west]}, to: town, every_seconds: 2.5}
""".replace("ALL_PLAIN", str(EVERYTHING).replace("'plain'", "plain").replace("'", '"'))
MAP = parse_districts(json.dumps({"features": [
    {"properties": {"district": name}, "geometry": {"type": "Polygon", "coordinates": [
        [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]]}}
    for name, west, south, side in (("east", 4.5, 52, 1), ("west", 4, 52, 1), ("far", -10, -10, 3))]}))  # fmt: skip
REGISTER = {f"device-{n}": Officer(f"device-{n}", unit=f"unit-{n % 3}" if n % 4 else None, callsign=f"c{n}")
            for n in range(6)}  # fmt: skip


@dataclass
class Record:
    """A record as a consumer gives it."""

    at: int
    content: bytes | None
    place: int = 0

    def topic(self) -> str:
        return DEVICE_LOCATIONS

    def partition(self) -> int:
        return self.place

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> list[tuple[str, bytes]]:
        return [("some", b"header")]

    def error(self) -> None:
        return None


CODEC = Codec(LocalSchemaIds())
ROUTE_TABLE = parse_routes(ROUTES)


def rules(**changes: Any) -> Rules:
    known = {"districts": MAP, "register": lambda: REGISTER}
    return Rules(ROUTE_TABLE, Agreements(ROUTE_TABLE, SECRET), **{**known, **changes})


def engines(**changes: Any) -> tuple[Rows, ColumnEngine]:
    both = rules(**changes)
    return Rows(both, CODEC, lambda: NOW), ColumnEngine(both, CODEC, lambda: NOW, few=0)


def seen(worked: BatchResult) -> dict[str, Any]:
    """Give what came of a batch in one canonical order: that of each destination, and of each device."""
    return {
        "told": {told.destination: list(told.records) for told in worked.deliveries},
        "letters": sorted(
            (letter.value or b"", [header for header in letter.headers if header[0] != "bondmate.error.at"])
            for letter in worked.dead_letters
        ),
        "last": dict(worked.last),
        "ended": dict(worked.ended_shifts),
        "outcomes": +worked.outcomes,
        "passed_over": +worked.passed_over,
        "nowhere": worked.unrouted,
        "disclosed": sorted(
            (d.destination, d.purpose, d.legal_basis, d.events, sorted(set(d.people)), sorted(d.fields))
            for d in worked.disclosed
        ),
    }


def readable(worked: BatchResult) -> dict[str, Any]:
    """Give the same with records that a person can compare."""
    from bondmate_schemas.models import Delivery  # noqa: PLC0415

    found = seen(worked)
    found["told"] = {
        name: [(key, CODEC.decode(value, Delivery).model_dump()) for key, value in records]
        for name, records in found["told"].items()
    }
    return found


def worked(engine: BatchEngine, messages: Any) -> BatchResult:
    """Have a batch worked and remembered."""
    found = engine.work(messages)
    found.remember()
    return found


def assert_same(batches: Sequence[Sequence[bytes | None]], **changes: Any) -> list[BatchResult]:
    rows, columns = engines(**changes)
    at, found = 0, []
    for values in batches:
        messages: Any = [Record(at + number, value, place=number % 2) for number, value in enumerate(values)]
        at += len(values)
        expected, got = worked(rows, messages), worked(columns, messages)
        if seen(expected) != seen(got):
            assert readable(expected) == readable(got)
        assert seen(expected) == seen(got)
        found.append(got)
    return found


@pytest.fixture
def no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way by rows must not hide what columns cannot do."""
    from bondmate_streams.lane import columnar  # noqa: PLC0415

    def fails(*_: Any) -> None:
        raise  # noqa: PLE0704  # what columns raised; this is called while that is handled

    monkeypatch.setattr(columnar._LentRows, "work", fails)


devices = st.sampled_from([f"device-{number}" for number in range(8)])
near = st.floats(51.5, 53.5, width=32)
positions = st.builds(
    Position,
    latitude=st.one_of(st.just(0.0), near, st.floats(-90, 90)),
    longitude=st.one_of(st.just(0.0), st.floats(3.5, 6), st.floats(-180, 180)),
    accuracy_m=st.none() | st.floats(0, 500),
    speed_mps=st.none() | st.floats(0, 50),
    fixed_at=st.integers(-5, 60).map(lambda s: NOW + timedelta(seconds=s)) | st.sampled_from([
        datetime(1980, 1, 6, tzinfo=UTC), NOW + timedelta(days=900)]),
    method=st.none() | st.just("gps"),
)  # fmt: skip
ids = st.uuids().map(str) | st.uuids().map(str) | st.uuids().map(lambda one: str(one).upper()) | st.text(max_size=40)
headers = st.builds(
    EventHeader,
    message_id=ids,
    event_id=ids,
    agency_id=st.sampled_from("abc"),
    mode=st.sampled_from(Mode),
    occurred_at=st.just(NOW),
    received_at=st.integers(0, 3).map(lambda s: NOW + timedelta(seconds=s)),
    source=st.sampled_from(["device_http", "tak", "other", "whole"]),
    hops=st.sampled_from([(), (), (), ("tak",), ("tak", "newest")]),
    flags=st.sampled_from([(), (), ("late",), ("clock_skew", "x")]),
    expires_at=st.none() | st.just(NOW + timedelta(seconds=20)),
    external_refs=st.sampled_from([(), (ExternalRef(system="s", id="i"),)]),
    origin_message_id=st.none() | st.just("origin"),
    handling=st.sampled_from([Handling(), Handling(purpose="p", legal_basis="b", retention_days=3)]),
)
usual = st.builds(
    DeviceLocation,
    header=headers,
    device_id=devices,
    officer_ref=st.none() | st.sampled_from(["o-1", "o-2"]),
    unit=st.none() | st.sampled_from(["hidden", "unit-1"]),
    callsign=st.none() | st.just("call"),
    sequence=st.integers(0, 20),
    position=positions,
    on_duty=st.sampled_from([None, True, True, True, False]),
    battery_percent=st.none() | st.integers(0, 100),
    district=st.none() | st.just("of the sender"),
)
values = st.one_of(
    usual.map(CODEC.encode),
    usual.map(CODEC.encode),
    usual.map(CODEC.encode),
    device_locations.map(CODEC.encode),
    st.just(b"no avro"),
    st.none(),
    usual.map(lambda fix: CODEC.encode(fix) + b"\0"),
)


@pytest.mark.usefixtures("no_way_out")
@settings(max_examples=examples(250), deadline=None)
@given(st.lists(st.lists(values, max_size=12), max_size=4))
def test_columns_are_rows_to_the_byte(batches: list[list[bytes | None]]) -> None:
    assert_same(batches)


@pytest.mark.usefixtures("no_way_out")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(usual.map(CODEC.encode), max_size=12), max_size=3))
def test_also_without_map_and_register(batches: list[list[bytes]]) -> None:
    assert_same(batches, districts=None, register=lambda: None)


def walk(seed: int, devices: int, count: int) -> Iterator[bytes]:
    """Give fixes of officers who walk, stand, drive, lose their fix, end their shift; late, doubled, out of order."""
    chance = random.Random(seed)
    places = {n: [52 + chance.random() * 1.5, 4 + chance.random() * 2, 0] for n in range(devices)}
    held: list[bytes] = []
    for number in range(count):
        name = chance.randrange(devices)
        place = places[name]
        place[0] += chance.gauss(0, 1e-4) * (1000 if chance.random() < 0.002 else 1)
        place[1] += chance.gauss(0, 1e-4)
        place[2] += 1
        at = NOW + timedelta(milliseconds=number * 7 // 2 - (chance.randrange(60_000) if chance.random() < 0.02 else 0))
        nowhere = chance.random() < 0.002
        header = EventHeader(
            message_id=f"m-{seed}-{number}", event_id=f"e-{number}", agency_id=chance.choice("abc"),
            mode=chance.choice([Mode.ACTUAL, Mode.EXERCISE, Mode.TEST]), occurred_at=at,
            received_at=NOW + timedelta(milliseconds=number * 7 // 2), source=chance.choice(["device_http", "other"]),
        )  # fmt: skip
        fix = DeviceLocation(
            header=header, device_id=f"device-{name}", officer_ref=f"o-{name}", sequence=place[2],
            unit=chance.choice([None, "unit-1"]), on_duty=chance.random() > 0.003,
            position=Position(latitude=0.0 if nowhere else place[0], longitude=0.0 if nowhere else place[1],
                              accuracy_m=5.0, fixed_at=at),
        )  # fmt: skip
        value = CODEC.encode(fix)
        if chance.random() < 0.01:
            held.append(value)
        else:
            yield value
        if held and chance.random() < 0.01:
            yield held.pop()
        if chance.random() < 0.01:
            yield value
        if chance.random() < 0.001:
            yield value[: chance.randrange(len(value))]


def in_batches(found: Iterator[bytes], seed: int, most: int) -> list[list[bytes]]:
    return list(batched(found, random.Random(seed), most))


def batched(found: Iterator[bytes], chance: random.Random, most: int) -> Iterator[list[bytes]]:
    while batch := list(islice(found, chance.randint(1, most))):
        yield batch


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.usefixtures("no_way_out")
def test_columns_are_rows_over_a_million_fixes() -> None:
    rows, columns = engines()
    at, outcomes = 0, Counter[str]()
    for values in batched(walk(11, 5_000, 1_000_000), random.Random(12), 10_000):
        messages: Any = [Record(at + number, value, place=number % 2) for number, value in enumerate(values)]
        at += len(values)
        expected, got = worked(rows, messages), worked(columns, messages)
        assert seen(expected) == seen(got)
        outcomes += got.outcomes
    assert at >= 1_000_000
    assert {"accepted", "late", "repeat", "off_duty", "dead_lettered"} <= set(outcomes), outcomes


@pytest.mark.usefixtures("no_way_out")
def test_columns_are_rows_over_twenty_thousand_fixes() -> None:
    found = assert_same(in_batches(walk(1, 300, 20_000), 2, 4_000))

    outcomes = sum((each.outcomes for each in found), start=type(found[0].outcomes)())
    wanted = {"accepted", "late", "repeat", "off_duty", "off_duty_late", "dead_lettered"}
    assert wanted == set(outcomes), outcomes
    assert {"newest", "seldom", "town"} == {name for each in found for name in each.passed_over}


@pytest.mark.usefixtures("no_way_out")
def test_what_is_restored_is_the_same_for_both() -> None:
    rows, _ = engines()
    batches = in_batches(walk(3, 50, 3_000), 4, 500)
    half = len(batches) // 2
    lasts: dict[str, Last] = {}
    for values in batches[:half]:
        messages: Any = [Record(0, value) for value in values]
        done = worked(rows, messages)
        lasts |= {key.decode(): Last(key.decode(), value) for key, value in done.last}
        lasts |= {key.decode(): Last(key.decode(), None, at_ms) for key, at_ms in done.ended_shifts}
    again = engines()
    for engine in again:
        engine.restore(0, lasts.values())
    for values in batches[half:]:
        messages = [Record(0, value) for value in values]
        expected, got = (worked(engine, messages) for engine in again)
        assert seen(expected) == seen(got)


def test_devices_of_a_partition_are_forgotten_and_those_of_others_are_not() -> None:
    found = [value for value in walk(5, 40, 400) if len(value) > 60]
    for engine in engines():
        messages: Any = [Record(0, value, place=n % 2) for n, value in enumerate(found)]
        worked(engine, messages)
        engine.forget(1)
        again = worked(engine, [m for m in messages if m.partition() == 0][-30:])
        new = worked(engine, [m for m in messages if m.partition() == 1][-1:])
        assert "accepted" not in again.outcomes or again.outcomes["repeat"]
        assert new.outcomes


moments = st.integers(-(2**62), 2**62)
numbers = st.integers(0, 2**40)


def made_track(seen: list[tuple[int, int]], on_duty: bool) -> Track:
    kept = deque(seen, maxlen=SEEN_KEPT)
    return Track(seen[-1] if seen else None, (51.5, -4.25) if on_duty else None, 4.5 * on_duty, on_duty, kept)


def test_a_lane_grows_with_its_first_large_batch_and_forgets_nothing() -> None:
    rows, growing = Rows(rules(), CODEC), GrowingEngine(rules(), CODEC, many=250)
    for values in in_batches(walk(9, 60, 2_000), 10, 400):
        messages: Any = [Record(0, value) for value in values]
        expected, got = worked(rows, messages), worked(growing, messages)
        assert (expected.outcomes, expected.passed_over) == (got.outcomes, got.passed_over)
        assert (dict(expected.last), expected.ended_shifts) == (dict(got.last), got.ended_shifts)
    assert isinstance(growing._engine, ColumnEngine)


def test_a_lane_grows_with_the_many_devices_that_it_is_to_remember_and_adopts_those_it_knew() -> None:
    messages: Any = [Record(0, value) for value in walk(9, 60, 2_000)]
    found = [(device.decode(), value) for device, value in worked(Rows(rules(), CODEC), messages).last]
    rows, growing = Rows(rules(), CODEC), GrowingEngine(rules(), CODEC, many=20)
    for partition, part in enumerate((found[:15], found[15:])):
        lasts = [Last(device, value) for device, value in part] + [Last(f"off-{partition}", None, 5)]
        rows.restore(partition, lasts)
        growing.restore(partition, lasts)
    assert isinstance(growing._engine, ColumnEngine)
    kept = growing._engine._tracks
    for device, track, partition in rows.tracks():
        slot = kept.slot(device, partition)
        assert (track, partition) == (kept.track(slot), kept.rows["partition"][slot])


@given(st.lists(st.builds(made_track, st.lists(st.tuples(moments, numbers), max_size=20), st.booleans()), max_size=40))
def test_tracks_taken_over_together_are_as_they_were(found: list[Track]) -> None:
    tracks = Tracks()
    slots = tracks.slots(pa.array([f"device-{number}" for number in range(len(found))], pa.string()), lambda row: row)
    tracks.put_all(slots, [Track(at=(1, 1), seen=deque([(7, 7)])) for _ in found])
    tracks.put_all(slots, found)
    assert found == [tracks.track(slot) for slot in slots.tolist()]
    assert [*range(len(found))] == tracks.rows["partition"][slots].tolist()


def test_a_lane_that_may_not_grow_stays_with_rows() -> None:
    engine = GrowingEngine(rules(), CODEC, may_grow=False, many=250)
    worked(engine, [Record(0, value) for value in walk(9, 60, 400)])  # type: ignore[arg-type]
    assert isinstance(engine._engine, Rows)


def test_a_batch_that_columns_fail_at_goes_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = engines()
    for number, values in enumerate(in_batches(walk(11, 60, 1_500), 12, 300)):
        with monkeypatch.context() as patched:
            if number % 2:
                patched.setattr(ColumnEngine, "_tell", lambda *_: 1 // 0)
            messages: Any = [Record(0, value) for value in values]
            assert seen(worked(rows, messages)) == seen(worked(columns, messages))


class Away(LocalSchemaIds):
    """A registry that does not answer for schemas it has not told yet."""

    def schema_of(self, schema_id: int) -> str:
        if schema_id > len(RECORDS):
            raise SchemaUnavailableError("away")
        return super().schema_of(schema_id)


@pytest.mark.parametrize("kind", [Rows, ColumnEngine])
def test_where_the_registry_is_away_nothing_of_the_batch_is_done(kind: type[BatchEngine]) -> None:
    engine = kind(rules(), Codec(Away()), lambda: NOW)  # type: ignore[call-arg]
    good = next(walk(7, 5, 1))
    messages: Any = [Record(0, good), Record(1, struct.pack(">bI", 0, 99) + b"of a schema not known yet")]
    with pytest.raises(SchemaUnavailableError):
        worked(engine, messages)

    assert {"accepted": 1} == +worked(engine, messages[:1]).outcomes


@pytest.mark.parametrize("few", [0, 10_000])
def test_what_is_not_remembered_is_judged_again_as_if_for_the_first_time(few: int) -> None:
    both = rules()
    for engine in (Rows(both, CODEC, lambda: NOW), ColumnEngine(both, CODEC, lambda: NOW, few=few)):
        at = 0
        for values in in_batches(walk(21, 30, 600), 3, 100):
            messages: Any = [Record(at + number, value) for number, value in enumerate(values)]
            at += len(values)
            dropped = engine.work(messages)
            assert seen(dropped) == seen(worked(engine, messages))


@pytest.mark.usefixtures("no_way_out")
def test_devices_that_repeat_themselves_are_known_again_without_being_judged_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bondmate_streams.lane import column_judge  # noqa: PLC0415

    values = list(walk(31, 300, 1_200))
    rows, columns = engines()
    asked: list[int] = []
    judge_one = column_judge._judge_one
    monkeypatch.setattr(column_judge, "_judge_one", lambda *of: (asked.append(1), judge_one(*of)))
    kinds = []
    for batch in (values[:600], values[:600], values[:600] + values[600:700], values[600:], values[600:]):
        messages: Any = [Record(number, value) for number, value in enumerate(batch)]
        before, expected = len(asked), worked(rows, messages)
        assert seen(expected) == seen(worked(columns, messages))
        kinds.append((expected.outcomes["repeat"] > 0, len(asked) - before))

    assert (True, 0) == kinds[1] == kinds[4]
    assert kinds[2][1]
