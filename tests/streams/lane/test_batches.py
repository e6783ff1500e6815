"""The location lane, batch by batch, without a broker: which fixes of a batch it writes, and what it counts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import Outgoing
from bondmate_monitoring.metrics import CONNECTOR_PASSED_OVER, LANE_FIXES, ROUTED
from bondmate_schemas.catalogue import AUDIT, DEVICE_LOCATIONS, LAST_LOCATION, locations_topic
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds, SchemaUnavailableError
from bondmate_schemas.models import AuditRecord, Delivery, DeviceLocation
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.lane.batch import Last
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.lane.lane import LocationLane
from bondmate_streams.lane.rows import Rows
from bondmate_streams.lane.run import Loop
from bondmate_streams.lane.sender import BatchProducer
from bondmate_streams.logic.audit import Chain
from bondmate_streams.logic.routes_yaml import parse_routes
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

ROUTES = """
destinations:
  map: {modes: EXERCISE, fields: {location: {device_id: plain, position: plain}}}
  book: {modes: EXERCISE, fields: {location: {device_id: plain, position: plain}}}
routes:
  - {name: map, when: {record: location, unit: [both, map]}, to: map, newest_only: true}
  - {name: book, when: {record: location, unit: [both, book]}, to: book}
"""
NOW = datetime.now(UTC)


class Registry(LocalSchemaIds):
    """A registry that can be away, of which ours are known."""

    away = False

    def schema_of(self, schema_id: int) -> str:
        if self.away and schema_id > len(RECORDS):
            raise SchemaUnavailableError("away")
        return super().schema_of(schema_id)


class StopsLater(threading.Event):
    """Set when asked for the fourth time."""

    asked = 0

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > 3


class Written(BatchProducer):
    """A sender whose broker takes everything at once, and the partition of last fixes that it writes."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.last: list[Last] = []

    def begin(self, record: Outgoing) -> None:
        self.records.append(record)

    def begin_all(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        for key, value in records:
            self.begin(Outgoing(topic, key, value))
            if topic == LAST_LOCATION:
                self.last.append(Last(key.decode(), value))

    def end_shift(self, topic: str, key: bytes, at_ms: int) -> None:
        self.begin(Outgoing(topic, key, None))
        self.last.append(Last(key.decode(), None, at_ms))

    def of(self, partition: int) -> list[Last]:
        return list(self.last)

    def finish(self) -> bool:
        return True

    def close(self) -> None:
        pass


@dataclass
class Topic:
    """A partition of positions, and the group's place in it."""

    codec: Codec
    values: list[bytes] = field(default_factory=list)
    committed: TopicPartition = field(default_factory=lambda: TopicPartition(DEVICE_LOCATIONS, 0, -1001))

    def put(self, *fixes: DeviceLocation) -> None:
        self.values += [self.codec.encode(fix) for fix in fixes]


@dataclass
class Reader:
    """A consumer that gives so many records at a time, and then none; stops being able to commit when told so."""

    topic: Topic
    sizes: list[int] = field(default_factory=list)
    at: int = 0
    commits: bool = True
    left: int = 0
    fails: KafkaError | None = None

    def subscribe(self, topics: list[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self._on_revoke = on_revoke
        on_assign(self, [TopicPartition(DEVICE_LOCATIONS, 0)])

    def committed(self, places: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        return [self.topic.committed for _ in places]

    def assign(self, places: list[TopicPartition]) -> None:
        self.at = max(places[0].offset, 0)

    def seek(self, place: TopicPartition) -> None:
        self.at = place.offset

    def consume(self, count: int, seconds: float) -> list[Any]:
        if count == 1:  # what a batch begins with
            self.left = self.sizes.pop(0) if self.sizes else 0
        size = min(self.left, count)
        found = [Stored(self.at + n, value) for n, value in enumerate(self.topic.values[self.at :][:size])]
        self.at += len(found)
        self.left -= len(found)
        return found

    def commit(self, offsets: list[Any], *, asynchronous: bool) -> list[Any]:
        if self.fails is not None:
            failed, self.fails = self.fails, None
            raise KafkaException(failed)
        if self.commits:
            (self.topic.committed,) = offsets
        return offsets

    def close(self) -> None:
        pass


@dataclass
class Stored:
    """A record as a consumer gives it."""

    at: int
    content: bytes

    def topic(self) -> str:
        return DEVICE_LOCATIONS

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return self.content

    def headers(self) -> None:
        return None

    def error(self) -> None:
        return None


@dataclass
class Hub:
    """A lane with its topic; can be killed."""

    folder: Path
    ids: Registry = field(default_factory=Registry)
    written: Written = field(default_factory=Written)
    routes: str = ROUTES

    def __post_init__(self) -> None:
        self.codec = Codec(self.ids)
        self.topic = Topic(self.codec)
        self._start()

    def restart(self) -> None:
        """Another lane takes over where this one was killed."""
        self.close()
        self._start()

    def close(self) -> None:
        self.lane.close()

    def _start(self) -> None:
        self.config = LaneConfig(
            kafka=KafkaConfig("", ""),
            data_dir=self.folder,
            routes=parse_routes(self.routes),
            secret=b"a secret of tests",
        )
        codec = Codec(self.ids)
        disclosures = Disclosures(self.folder / "disclosures.jsonl", self.config.secret)
        engine = Rows(self.config.rules(), codec)
        self.lane = LocationLane(engine, codec, Chain("lane"), self.written, disclosures, 60.0)
        self.reader = Reader(self.topic)
        self.loop = Loop(self.lane, self.config, self.reader, threading.Event(), last=self.written)  # type: ignore[arg-type]

    def turn(self, *sizes: int) -> None:
        """Take batches of these sizes."""
        for size in sizes:
            self.reader.sizes.append(size)
            self.loop.turn()

    def rest(self) -> None:
        """Find nothing more to read."""
        self.turn(0)

    def batch(self, *fixes: DeviceLocation) -> None:
        self.topic.put(*fixes)
        self.turn(len(fixes))

    def told(self, destination: str) -> list[Delivery]:
        topic = locations_topic(destination)
        return [self.codec.decode(r.value, Delivery) for r in self.written.records if r.topic == topic]

    def known_as(self, destination: str, inside: str) -> str:
        return OutsideIds.of(self.config.secret).unanswered(destination).of(inside)

    def numbers(self, destination: str) -> list[int]:
        return [d.location.sequence for d in self.told(destination) if d.location]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with closing(Hub(tmp_path)) as hub:
        yield hub


@pytest.fixture
def fix(make: Any) -> Callable[..., DeviceLocation]:
    def build(number: int, device: str = "device-1", unit: str = "map", seconds: float | None = None) -> Any:
        at = NOW + timedelta(seconds=number if seconds is None else seconds)
        position = make.position(52.0, 4.0, at)
        return make.location(device, position=position, received_at=at, sequence=number, unit=unit)

    return build


def counts() -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for metric in (LANE_FIXES, CONNECTOR_PASSED_OVER, ROUTED):
        for sample in next(iter(metric.collect())).samples:
            if sample.name.endswith("_total"):
                found[sample.name, *sample.labels.values()] = int(sample.value)
    return found


def test_of_a_batch_the_newest_of_each_device_is_told_and_the_others_are_counted(hub: Hub, fix: Any) -> None:
    before = counts()
    hub.batch(*(fix(number, device) for number in (1, 2, 4, 3) for device in ("device-1", "device-2")))

    assert [("device-1", 4), ("device-2", 4)] == [
        (d.location.device_id, d.location.sequence) for d in hub.told("map") if d.location
    ]
    assert {
        ("hub_lane_fixes_total", "accepted"): 2,
        ("hub_lane_fixes_total", "superseded"): 6,
        ("connector_passed_over_events_total", "map", "superseded"): 6,
        ("hub_routed_deliveries_total", "map", "LOCATION", "NEW"): 2,
    } == counts() - before


def test_a_fix_that_an_agreement_withholds_is_counted_and_leaves_nothing(tmp_path: Path, fix: Any) -> None:
    text = ROUTES.replace("{device_id: plain, position: plain}", "{device_id: plain, position: withheld}", 1)
    assert text != ROUTES
    with closing(Hub(tmp_path, routes=text)) as hub:
        before = counts()
        hub.batch(fix(1), fix(2, unit="both"))

        assert [] == hub.told("map")
        assert {
            ("hub_lane_fixes_total", "withheld"): 1,
            ("hub_lane_fixes_total", "accepted"): 1,
            ("connector_passed_over_events_total", "map", "withheld"): 2,
            ("hub_routed_deliveries_total", "book", "LOCATION", "NEW"): 1,
        } == counts() - before
        assert [2] == hub.numbers("book")


def test_a_route_that_does_not_ask_for_it_gets_every_fix(hub: Hub, fix: Any) -> None:
    before = counts()
    hub.batch(*(fix(number, unit="both") for number in (1, 2, 3)))

    assert ([1, 2, 3], [3]) == (hub.numbers("book"), hub.numbers("map"))
    # So that the delivery runner keeps what the route promises.
    assert [(False, True)] == list({(book.newest_only, hub.told("map")[0].newest_only) for book in hub.told("book")})
    assert {
        ("hub_lane_fixes_total", "accepted"): 3,
        ("connector_passed_over_events_total", "map", "superseded"): 2,
        ("hub_routed_deliveries_total", "book", "LOCATION", "NEW"): 3,
        ("hub_routed_deliveries_total", "map", "LOCATION", "NEW"): 1,
    } == counts() - before


def test_the_newest_is_that_of_the_destination_where_not_every_fix_goes_there(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1), fix(2), fix(3, unit="book"))

    assert [2] == hub.numbers("map")


def test_equal_times_go_by_number_and_of_equal_numbers_the_first_counts(hub: Hub, fix: Any) -> None:
    same = [fix(number, seconds=1) for number in (2, 1, 2)]
    hub.batch(*same)

    assert [hub.known_as("map", same[0].header.event_id)] == [d.header.event_id for d in hub.told("map")]


def test_only_what_was_written_was_disclosed(hub: Hub, fix: Any) -> None:
    hub.batch(*(fix(number, unit="both") for number in (1, 2, 3)))
    hub.lane.audit(datetime.now(UTC), last=True)

    logged = [hub.codec.decode(r.value, AuditRecord) for r in hub.written.records if r.topic == AUDIT]
    assert {"map": 1, "book": 3} == {record.recipient: record.event_count for record in logged}


def test_the_last_location_is_the_newest_also_where_no_route_wants_it(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1), fix(3, unit="none"), fix(2))
    hub.rest()

    last = [hub.codec.decode(r.value, DeviceLocation) for r in hub.written.records if r.topic == LAST_LOCATION]
    assert [3] == [location.sequence for location in last]


def test_a_fix_that_is_late_is_told_and_marked_as_before(hub: Hub, fix: Any) -> None:
    hub.batch(fix(5))
    hub.batch(fix(2))

    assert [(5, ()), (2, ("late",))] == [(d.location.sequence, d.header.flags) for d in hub.told("map") if d.location]


def test_what_is_no_fix_supersedes_none(hub: Hub, fix: Any, make: Any) -> None:
    nowhere = make.position(0.0, 0.0, NOW + timedelta(seconds=9))
    hub.batch(fix(1), fix(9).model_copy(update={"position": nowhere}))

    assert [1] == hub.numbers("map")


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(1, 9)), sizes=st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_a_device_moves_forward_only_and_ends_at_its_newest_fix(
    make: Any, tmp_path_factory: pytest.TempPathFactory, order: list[int], sizes: list[int]
) -> None:
    with closing(Hub(tmp_path_factory.mktemp("lane"))) as hub:
        for number in order:
            at = NOW + timedelta(seconds=number)
            fix = make.location(position=make.position(52.0, 4.0, at), received_at=at, sequence=number, unit="map")
            hub.topic.put(fix)
        hub.turn(*sizes)

    onward = [d.location.sequence for d in hub.told("map") if d.location and "late" not in d.header.flags]
    assert 8 == onward[-1]
    assert sorted(onward) == onward


def test_a_lane_killed_before_its_commit_tells_no_older_fix_after_the_newest(hub: Hub, fix: Any) -> None:
    hub.topic.put(*(fix(number) for number in range(1, 5)))
    hub.turn(4)
    hub.restart()
    hub.topic.put(fix(5))
    hub.reader.sizes += [2, 1, 1]
    hub.turn(1, 0)
    hub.rest()

    assert [4, 4, 5] == hub.numbers("map")
    assert 2 == len({delivery.id for delivery in hub.told("map")})
    assert 5 == hub.topic.committed.offset


def test_who_goes_on_takes_together_what_was_in_hand_also_when_it_works_fewer_at_a_time(
    hub: Hub, fix: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.topic.put(*(fix(number) for number in range(1, 31)))
    hub.turn(30)
    monkeypatch.setattr(Rows, "most", 2)
    hub.restart()
    hub.reader.sizes += [30] * 20
    hub.turn(30, 0)
    hub.rest()

    assert [30, 30] == hub.numbers("map")


def test_who_goes_on_remembers_what_was_delivered_and_not_yet_written_down(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1), fix(5))
    hub.topic.put(fix(3))
    hub.loop._announced()  # the place of the first batch is committed, and the lane is killed
    hub.restart()
    hub.turn(2, 1, 0)

    assert [] == [last for last in hub.written.last if last.value is None]
    assert [(5, ()), (3, ("late",))] == [(d.location.sequence, d.header.flags) for d in hub.told("map") if d.location]
    assert 3 == hub.topic.committed.offset


def test_who_goes_on_knows_the_last_fixes_that_were_written_down(hub: Hub, fix: Any) -> None:
    hub.batch(fix(5, unit="book"))
    hub.rest()
    hub.restart()
    hub.batch(*(fix(number, unit="book") for number in (5, 3, 6)))

    assert [(5, ()), (3, ("late",)), (6, ())] == [
        (d.location.sequence, d.header.flags) for d in hub.told("book") if d.location
    ]


def test_the_end_of_a_shift_is_remembered_and_a_fix_from_before_it_is_late(hub: Hub, fix: Any) -> None:
    hub.batch(fix(5), fix(6).model_copy(update={"on_duty": False}))
    hub.rest()
    hub.restart()
    hub.batch(fix(4, unit="book"))
    hub.batch(fix(7, unit="book"))

    assert [(4, ("late",)), (7, ())] == [(d.location.sequence, d.header.flags) for d in hub.told("book") if d.location]


def test_a_lane_that_the_group_counts_out_writes_nothing_of_its_batch(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1))
    hub.topic.put(fix(2))
    hub.reader.fails = KafkaError(KafkaError.ILLEGAL_GENERATION)
    hub.turn(1)
    counted_out = hub.numbers("map")
    hub.turn(1, 0)

    assert ([1], [1, 2]) == (counted_out, hub.numbers("map"))
    assert 2 == hub.topic.committed.offset


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of two is a large one, which is on its way while the next is worked."""
    monkeypatch.setattr("bondmate_streams.lane.run._MANY", 2)


@pytest.mark.usefixtures("large")
def test_a_large_batch_is_delivered_with_the_next_one_or_when_nothing_comes(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1), fix(2))
    on_its_way = hub.topic.committed.offset
    hub.batch(fix(3), fix(4))
    of_the_first = hub.topic.committed.offset
    hub.rest()

    assert (0, 2, 4) == (max(on_its_way, 0), of_the_first, hub.topic.committed.offset)
    assert [2, 4] == hub.numbers("map")
    assert [2, 4] == [hub.codec.decode(last.value, DeviceLocation).sequence for last in hub.written.last]


@pytest.mark.usefixtures("large")
def test_a_lane_killed_with_a_large_batch_on_its_way_tells_it_again_under_its_ids_and_in_order(
    hub: Hub, fix: Any
) -> None:
    hub.batch(fix(1), fix(2))
    hub.batch(fix(3), fix(4))
    hub.restart()
    hub.turn(4, 0)

    assert [2, 4, 4] == hub.numbers("map")
    assert 2 == len({delivery.header.message_id for delivery in hub.told("map")})
    assert 4 == hub.topic.committed.offset
    assert 4 == hub.codec.decode(hub.written.last[-1].value, DeviceLocation).sequence


@pytest.mark.usefixtures("large")
def test_a_lane_counted_out_with_a_large_batch_on_its_way_judges_the_next_one_anew(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1), fix(2))
    hub.reader.fails = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    hub.batch(fix(3), fix(4))
    not_written = hub.numbers("map")
    hub.turn(2, 0)

    assert [2] == not_written
    assert [2, 4] == hub.numbers("map")
    assert 4 == hub.topic.committed.offset


def test_who_goes_on_writes_down_the_last_fixes_that_were_not(hub: Hub, fix: Any) -> None:
    hub.batch(fix(1))
    hub.batch(fix(1, "device-2"))
    hub.loop._announced()  # the place of the second batch is committed, and the lane is killed
    hub.restart()
    before = len(hub.written.last)
    hub.topic.put(fix(1, "device-3"))
    hub.turn(2, 0)

    assert {"device-1", "device-2", "device-3"} == {last.device_id for last in hub.written.last}
    assert ["device-2", "device-3"] == [last.device_id for last in hub.written.last[before:]]
    assert "bondmate-lane 3 3" == hub.topic.committed.metadata


def test_what_a_broker_lost_of_the_last_batch_is_not_waited_for(hub: Hub, fix: Any) -> None:
    hub.topic.put(*(fix(number) for number in range(1, 5)))
    hub.turn(4)
    hub.restart()
    del hub.topic.values[2:]
    hub.turn(2, 0)

    assert [4, 2] == hub.numbers("map")
    assert 2 == hub.topic.committed.offset


def test_a_batch_goes_on_where_the_registry_stopped_answering(hub: Hub, fix: Any) -> None:
    before = counts()
    hub.topic.put(fix(1))
    hub.topic.values.append(b"\0\0\0\0\x63 of a schema that is not known yet")
    hub.topic.put(fix(2))
    hub.reader.left = 3
    messages = hub.reader.consume(3, 0)
    hub.ids.away = True
    with pytest.raises(SchemaUnavailableError):
        hub.lane.work(messages)
    hub.ids.away = False
    hub.lane.write(hub.lane.work(messages))

    assert [2] == hub.numbers("map")
    assert {"accepted": 1, "superseded": 1, "dead_lettered": 1} == {
        outcome: count for (name, outcome, *_), count in (counts() - before).items() if name == "hub_lane_fixes_total"
    }


def test_a_record_the_broker_refused_is_not_taken_for_written() -> None:
    settings = {"bootstrap.servers": "127.0.0.1:9", "message.timeout.ms": 200, "log_level": 0}
    sender = BatchProducer(settings, StopsLater())
    sender.begin(Outgoing("topic", b"key", b"value"))

    assert not sender.finish()
    sender.close()
