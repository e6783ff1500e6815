"""What a source gives is in Kafka before its platform hears of success; views see everything, and commit nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import fields, replace
from functools import partial

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec, Incoming, Status, Unreadable
from bondmate_connectors.errors import AuthFailed, EndOfStream, NotConnected, Rejected, Transient
from bondmate_connectors.replay import ReplaySpec
from bondmate_connectors.runtime.run import Instance
from bondmate_connectors.testing import another, by_label, eventually, sos
from bondmate_kafka.partitions import partition_of
from bondmate_schemas.catalogue import DEVICE_ALERTS, LAST_LOCATION, MESSAGES, dead_letter_topic
from bondmate_schemas.models import DeviceAlert, DeviceLocation, DeviceMessage, Position
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Settings(ConnectorConfig):
    pass


class Script:
    """A source that gives what it is told to and remembers how each was settled."""

    def __init__(self, *events, trace=None):
        self.waiting = deque(events)
        self.settled = []
        self.connects = 0
        self._trace = trace

    async def connect(self):
        self.connects += 1

    async def check(self):
        pass

    async def close(self):
        pass

    async def receive(self):
        if not self.waiting:
            raise EndOfStream
        event = self.waiting.popleft()
        if isinstance(event, Exception):
            raise event
        return Incoming(event, partial(self._settle, event), self._trace)

    async def _settle(self, event, error):
        self.settled.append((event, error))

    def spec(self, **changes):
        spec = ConnectorSpec(name="script", summary="Says what it is told.", stability="development", owner="tests",
                             config=Settings, emits=frozenset({"DeviceAlert"}), build=lambda *_: self)  # fmt: skip
        return replace(spec, **changes)

    def replay_spec(self, *topics):
        spec = self.spec(emits=frozenset())
        return ReplaySpec(**{field.name: getattr(spec, field.name) for field in fields(spec)}, replays=topics)


def alerts(count):
    batch = uuid.uuid4().hex
    return [another(sos(), f"{batch}-{number}").alert for number in range(count)]


async def records(hub, topic, kind, name):
    found = [(message, hub.codec.decode(message.value(), kind)) for message in await hub.read(topic)]
    return [(message, record) for message, record in found if record.header.hops[-1:] == (name,)]


async def test_what_the_platform_says_is_taken_when_kafka_has_it(hub, ledger, place, instance):
    numbers = await ledger.say(12)
    async with hub.running(instance):
        await eventually(lambda: all("end" in said for said in ledger._said.values()), "all taken")

    found = await records(hub, MESSAGES, DeviceMessage, place)
    assert {"taken"} == {said["end"] for said in ledger._said.values()}
    assert set(numbers) == {record.header.origin_message_id for _, record in found}
    assert {b"device-1"} == {message.key() for message, _ in found}


async def test_a_record_carries_cloud_events_trace_hop_and_time_of_publishing(hub, place):
    (alert,) = alerts(1)
    script = Script(alert, trace=TRACE)
    async with hub.running(Instance(place, script.spec(), Settings()), ok=False):
        await eventually(lambda: script.settled, "settled")

    ((message, record),) = await records(hub, DEVICE_ALERTS, DeviceAlert, place)
    assert [(alert, None)] == script.settled
    assert record.header.published_at >= alert.header.received_at
    assert alert == record.model_copy(update={"header": alert.header})
    assert {
        "ce_specversion": b"1.0",
        "ce_type": b"eu.bondmate.DeviceAlert",
        "ce_id": alert.header.message_id.encode(),
        "ce_source": b"device_http",
        "ce_time": alert.header.occurred_at.isoformat().encode(),
        "content-type": b"application/avro",
        "traceparent": TRACE.encode(),
    } == dict(message.headers())


async def test_success_is_never_told_while_kafka_refuses(hub, place):
    (alert,) = alerts(1)
    big = alert.model_copy(update={"text": "x" * 5_000})
    script = Script(big, alert)
    small = replace(hub.kafka, extra={"message.max.bytes": 2_000})
    async with hub.running(Instance(place, script.spec(), Settings()), kafka=small, ok=False):
        await eventually(lambda: 2 == len(script.settled), "both settled")

    answers = {event.text: error for event, error in script.settled}
    assert isinstance(answers[big.text], Transient)
    assert None is answers[alert.text]
    assert [alert.text] == [record.text for _, record in await records(hub, DEVICE_ALERTS, DeviceAlert, place)]


async def test_what_cannot_be_read_is_dead_lettered_and_then_refused(hub, place):
    unreadable = Unreadable("not_xml", b"<\xff", {"content-type": "text/xml"}, key="k")
    script = Script(unreadable, *alerts(1))
    async with hub.running(Instance(place, script.spec(), Settings()), ok=False):
        await eventually(lambda: 2 == len(script.settled), "both settled")

    (letter,) = await hub.read(dead_letter_topic(place))
    answer = next(e for event, e in script.settled if event is unreadable)
    headers = dict(letter.headers())
    assert isinstance(answer, Rejected)
    assert "not_xml" == answer.code
    assert (b"<\xff", b"k", b"text/xml") == (letter.value(), letter.key(), headers["content-type"])
    assert (b"not_xml", b"receive") == (headers["bondmate.error.code"], headers["bondmate.error.stage"])
    assert {"UNREADABLE": 1} == by_label("connector_dead_lettered_events_total", place, "kind")


async def test_what_comes_round_is_dropped_and_counted(hub, place):
    first, second = alerts(2)
    echo = first.model_copy(update={"header": first.header.model_copy(update={"hops": ("elsewhere", place)})})
    script = Script(echo, second)
    async with hub.running(Instance(place, script.spec(), Settings()), ok=False):
        await eventually(lambda: 2 == len(script.settled), "both settled")

    assert {None} == {error for _, error in script.settled}
    assert [second.header.message_id] == [
        record.header.message_id for _, record in await records(hub, DEVICE_ALERTS, DeviceAlert, place)
    ]
    assert {"echo": 1} == by_label("connector_passed_over_events_total", place, "reason")


async def test_a_lost_link_is_connected_again_and_the_end_is_told(hub, place):
    first, second = alerts(2)
    script = Script(first, NotConnected(), Transient(), second)
    async with hub.running(Instance(place, script.spec(), Settings()), ok=False) as health:
        await eventually(lambda: 2 == len(script.settled), "both settled")
        await eventually(lambda: "end of the stream" == health.of(place).reason, "the end")

    assert 2 == script.connects
    assert {"not_connected": 1, "transient": 1} == by_label("connector_errors_total", place, "code")


async def test_a_source_that_cannot_settle_goes_on_whatever_the_reason(hub, place):
    class Deaf(Script):
        async def _settle(self, event, error):
            await super()._settle(event, error)
            raise troubles[len(self.settled) - 1]

    troubles = [NotConnected(), Transient(), AuthFailed("http_401"), Rejected("http_404")]
    script = Deaf(*alerts(4))
    async with hub.running(Instance(place, script.spec(), Settings()), ok=False) as health:
        await eventually(lambda: 4 == len(script.settled), "each settled")
        await eventually(lambda: "end of the stream" == health.of(place).reason, "the end")

    assert 1 == script.connects
    wanted = {"not_connected": 1, "transient": 1, "auth_failed": 1, "http_404": 1}
    assert wanted == by_label("connector_errors_total", place, "code")


class View(Script):
    """Sees records; says when it was connected."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.asked = []
        self.seen_before_connect = None

    async def connect(self):
        await super().connect()
        self.seen_before_connect = len(self.seen)

    async def see(self, topic, key, record):
        self.seen.append((topic, key, record))

    def concerns(self, topic, value):
        self.asked.append((topic, value))
        return value != b"no-concern"


def location(device):
    alert = alerts(1)[0]
    return DeviceLocation(header=alert.header, device_id=device,
                          position=Position(latitude=1, longitude=2, fixed_at=alert.header.occurred_at))  # fmt: skip


async def test_a_view_sees_all_from_the_start_before_it_is_connected_and_again_after_a_restart(hub, place):
    devices = [f"{place}-{number}" for number in range(30)]
    kept = [(LAST_LOCATION, device, hub.codec.encode(location(device)), []) for device in devices]
    tombstone = (LAST_LOCATION, devices[0], None, [])
    # What does not concern the view is poison too: it would be counted, were it decoded.
    other = (LAST_LOCATION, "of no concern", b"no-concern", [])
    await hub.feed_raw(*kept, (LAST_LOCATION, devices[1], b"poison", []), other, tombstone)

    def mine(view):
        return [(key, record and record.device_id) for _, key, record in view.seen if key in devices]

    for _ in range(2):
        view = View()
        spec = view.replay_spec(LAST_LOCATION)
        async with hub.running(Instance(place, spec, Settings())):
            before = mine(view)
            await hub.feed_raw((LAST_LOCATION, devices[2], None, []))
            await eventually(lambda view=view: (devices[2], None) in mine(view), "what came later")

        # What a later record of its key has replaced may be gone: the topic is compacted.
        assert view.seen_before_connect >= 28
        assert {(device, device) for device in devices[3:]} | {(devices[0], None)} <= set(before)
        assert (LAST_LOCATION, b"no-concern") in view.asked
    assert {"no_frame": 2} == by_label("connector_errors_total", place, "code")


def in_several_partitions(kafka, topic):
    """Return how many partitions a topic has, once it has several: other tests may have begun with one."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    count = len(admin.list_topics(topic, 20).topics[topic].partitions)
    if count > 1:
        return count
    for done in admin.create_partitions([NewPartitions(topic, 4)]).values():
        done.result(20)
    return 4


async def test_a_view_forgets_nothing_because_of_a_tombstone_in_the_partition_of_another_key(hub, place):
    await hub.feed_raw((LAST_LOCATION, place, hub.codec.encode(location(place)), []))
    count = await asyncio.to_thread(in_several_partitions, hub.kafka, LAST_LOCATION)
    home = partition_of(place.encode(), count)
    astray, last = (place, (home + 1) % count), (f"{place}-last", partition_of(f"{place}-last".encode(), count))
    # Where it was first written with fewer partitions, it lies elsewhere; the newest is at home.
    await hub.feed_raw((LAST_LOCATION, place, hub.codec.encode(location(place)), []))
    view = View()
    async with hub.running(Instance(place, view.replay_spec(LAST_LOCATION), Settings())):
        producer = Producer(hub.kafka.producer("astray"))
        for key, partition in (astray, (place, home), last):
            producer.produce(LAST_LOCATION, None, key, partition)
            assert producer.flush(20) == 0
        await eventually(lambda: (LAST_LOCATION, last[0], None) in view.seen, "the last")
        await eventually(lambda: (LAST_LOCATION, place, None) in view.seen, "the one at home")

    assert 1 == view.seen.count((LAST_LOCATION, place, None))


async def test_stopping_settles_what_was_received(hub, ledger, place):
    class Endless(Script):
        async def receive(self):
            if not self.waiting:
                await asyncio.Event().wait()
            return await super().receive()

    script = Endless(*alerts(50))
    async with hub.running(Instance(place, script.spec(), Settings())) as health:
        await eventually(lambda: not script.waiting, "all received")

    assert 50 == len(script.settled)
    assert 50 == len(await records(hub, DEVICE_ALERTS, DeviceAlert, place))
    assert Status.STOPPED is health.of(place).status
    assert {place: 50} == by_label("connector_received_events_total", place, "connector")
