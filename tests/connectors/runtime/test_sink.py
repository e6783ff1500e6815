"""The runner delivers each event, settles it once it has a receipt or a dead letter, and loses nothing between."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from bondmate_connectors.contract import Status
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.runtime.health import State
from bondmate_connectors.runtime.retry import pauses
from bondmate_connectors.testing import another, assert_sink_telemetry, by_label, eventually, sos, update_of
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector, LedgerPlatform, Trouble
from bondmate_schemas.catalogue import dead_letter_topic, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds, SchemaUnavailableError
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from bondmate_schemas.flags import DROP_WHEN_LATE, MARK_WHEN_LATE
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeviceLocation, Others, Position


def stories(destination, keys, updates=0):
    """Give events of so many keys, each with so many updates, in turns."""
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


def by_key(pairs):
    found = defaultdict(list)
    for key, event_id in pairs:
        found[key].append(event_id)
    return found


def sent_order(events):
    return by_key((event.key, event.id) for event in events)


def written_order(ledger):
    return by_key((entry["key"], event_id) for event_id, entry in ledger.entries.items())


def fix(destination, device, number, **header):
    alert = another(sos(destination), int(device[1:]) * 1_000 + number)
    fixed_at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=number)
    location = DeviceLocation(
        header=alert.header.model_copy(update=header),
        device_id=device,
        position=Position(latitude=1, longitude=2, fixed_at=fixed_at),
    )
    return Delivery(header=location.header, destination=destination, kind=DeliveryKind.LOCATION, location=location)


async def test_each_event_has_a_record_a_receipt_and_is_committed(hub, ledger, place, instance):
    events = stories(place, keys=12, updates=2)
    async with hub.running(instance):
        await hub.feed(*events)
        await hub.all_committed(place)
        assert_sink_telemetry(place, CONNECTOR, sent={"ALERT": 36}, dead={}, status=Status.OK)
        assert 0 == by_label("connector_lag_seconds", place, "connector").get(place, 0)

    receipts = await hub.receipts(place)
    assert sent_order(events) == written_order(ledger)
    assert {event.id for event in events} == {receipt.delivery_id for receipt in receipts}
    assert {Level.ACCEPTED} == {receipt.level for receipt in receipts}
    assert {derived_id("receipt", e.id, "ACCEPTED") for e in events} == {r.header.message_id for r in receipts}
    assert {f"L-{n}" for n in range(36)} == {receipt.platform_id for receipt in receipts}


async def test_nothing_is_committed_before_it_has_settled(hub, ledger, place, instance):
    held, *others = stories(place, keys=20)
    ledger.trouble_keys = frozenset({held.key})
    async with hub.running(instance):
        async with ledger.in_trouble(Trouble.UNANSWERED):
            await hub.feed(held, *others)
            await eventually(lambda: 20 == len(ledger.entries), "the others are written")
            await hub.until(partial(_others_committed, hub, place, 1), "all partitions but one committed")
            (partition,) = await _behind(hub, place)

            assert (await hub.committed(place)).get(partition, 0) == 0
            assert by_label("connector_in_flight", place, "connector") == {place: 1}
        await hub.all_committed(place)

    assert sent_order([held, *others]) == written_order(ledger)


async def _behind(hub, place):
    done = await hub.committed(place)
    return [partition for partition, end in (await hub.ends(place)).items() if end and done.get(partition) != end]


async def _others_committed(hub, place, behind):
    return behind == len(await _behind(hub, place))


async def test_poison_goes_to_the_dead_letters_as_it_was_and_the_stream_goes_on(hub, ledger, place, instance):
    before, after = stories(place, keys=2)
    good = hub.codec.encode(before)
    poison = {
        b"no value": (None, "no_value"),
        b"random": (b"\x93\x00\xff random", "no_frame"),
        b"magic": (b"\x01" + good[1:], "no_frame"),
        b"schema": (b"\x00" + struct.pack(">I", 4711) + good[5:], "unknown_schema"),
        b"short": (good[: len(good) // 2], "not_avro"),
        b"long": (good + b"x", "not_avro"),
    }
    topic = destination_topic(place)
    async with hub.running(instance):
        await hub.feed(before)
        await hub.feed_raw(
            *((topic, key, value, [("ce_id", b"7"), ("odd", None)]) for key, (value, _) in poison.items())
        )
        await hub.feed(after)
        await hub.all_committed(place)
        assert_sink_telemetry(
            place, CONNECTOR, sent={"ALERT": 2}, status=Status.OK,
            dead={"no_value": 1, "no_frame": 2, "unknown_schema": 1, "not_avro": 2},
        )  # fmt: skip

    letters = {letter.key(): letter for letter in await hub.read(dead_letter_topic(place))}
    assert sent_order([before, after]) == written_order(ledger)
    assert poison.keys() == letters.keys()
    for key, (value, code) in poison.items():
        headers = dict(letters[key].headers())
        assert value == letters[key].value()
        assert (b"7", None) == (headers["ce_id"], headers["odd"])
        assert code == headers["bondmate.error.code"].decode()
        assert (topic, place, "decode") == tuple(
            headers[f"bondmate.error.{name}"].decode() for name in ("topic", "connector", "stage")
        )
        at = (headers["bondmate.error.partition"].decode(), headers["bondmate.error.offset"].decode())
        assert derived_id("dead-letter", topic, *at) == headers["bondmate.error.id"].decode()
        assert datetime.fromisoformat(headers["bondmate.error.at"].decode()).tzinfo


async def test_nothing_is_committed_while_the_dead_letter_is_refused(hub, ledger, place, instance):
    event = sos(place)
    poison = b"x" * 5_000
    small = replace(hub.kafka, extra={"message.max.bytes": 2_000})
    await hub.feed_raw((destination_topic(place), event.key, poison, []))
    await hub.feed(event)
    refused = partial(by_label, "connector_errors_total", place, "stage")
    async with hub.running(instance, kafka=small, settings=replace(hub.settings, drain_seconds=0.5)):
        await eventually(lambda: refused().get("dead_letter", 0) > 2, "several attempts to write the dead letter")
        await eventually(lambda: event.id in ledger.entries, "another key goes on")

        assert {} == await hub.committed(place)
    assert {} == await hub.committed(place)
    assert [] == await hub.read(dead_letter_topic(place))
    async with hub.running(instance):
        await hub.all_committed(place)

    assert [poison] == [letter.value() for letter in await hub.read(dead_letter_topic(place))]
    assert [event.id] == list(ledger.entries)


async def test_refused_for_good_goes_to_the_dead_letters_with_a_receipt(hub, ledger, place, instance):
    bad, good = stories(place, keys=2)
    ledger.trouble_keys = frozenset({bad.key})
    async with hub.running(instance), ledger.in_trouble(Trouble.REFUSES):
        await hub.feed(bad, good)
        await hub.all_committed(place)
        assert_sink_telemetry(place, CONNECTOR, sent={"ALERT": 1}, dead={"text_too_long": 1}, status=Status.OK)

    (letter,) = await hub.read(dead_letter_topic(place))
    receipts = {receipt.delivery_id: receipt for receipt in await hub.receipts(place)}
    assert hub.codec.encode(bad) == letter.value()
    assert bad.key.encode() == letter.key()
    assert (Level.DEAD_LETTERED, "text_too_long") == (receipts[bad.id].level, receipts[bad.id].code)
    assert Level.ACCEPTED is receipts[good.id].level
    assert [good.id] == list(ledger.entries)


async def test_a_destination_that_is_down_delays_no_other_and_then_gets_everything_in_order(
    hub, ledger, place, instance
):
    other = f"{place}-b"
    await hub.make(destinations=[other])
    events, others = stories(place, keys=30, updates=2), stories(other, keys=30)
    async with LedgerPlatform() as well, hub.running(instance, hub.instance(other, well.url)) as health:
        async with ledger.down():
            await hub.feed(*events, *others)
            await hub.all_committed(other)
            await eventually(lambda: health.of(place).status is Status.RECOVERABLE_ERROR, "the outage is told")

            assert 30 == len(well.entries)
            assert {} == await hub.committed(place)
        await hub.all_committed(place)
        await eventually(lambda: health.of(place).status is Status.OK, "the recovery is told")

    assert sent_order(events) == written_order(ledger)
    assert 90 == len(ledger.attempts)


async def test_a_key_that_is_throttled_again_and_again_waits_alone(hub, ledger, place, instance):
    slow, *others = stories(place, keys=5, updates=1)
    ledger.trouble_keys, ledger.pause_seconds = frozenset({slow.key}), 1
    async with hub.running(instance), ledger.in_trouble(Trouble.THROTTLED):
        await hub.feed(slow, *others)
        await eventually(lambda: 8 == len(ledger.entries), "the other keys, after one pause of all")
        await eventually(lambda: ledger.attempts.count(slow.id) >= 2, "asked again")
        ledger.pause_seconds = 300
        await eventually(lambda: ledger.attempts.count(slow.id) >= 3, "and told to wait for long")
        later = another(sos(place), "later")
        await hub.feed(later)
        await eventually(lambda: later.id in ledger.entries, "a new key does not wait with it", 2)
    ledger.pause_seconds = 1
    async with hub.running(instance):
        await hub.all_committed(place)

    assert sent_order([slow, *others, later]) == written_order(ledger)


async def test_after_a_pause_that_was_asked_for_it_is_well_though_no_position_comes(hub, ledger, place, instance):
    """Alerts and positions wait together, and so they are well together: nothing may seem to fail that has no work."""
    events = stories(place, keys=2)
    async with hub.running(instance) as health:
        async with ledger.in_trouble(Trouble.THROTTLED):
            await hub.feed(*events)
            await eventually(lambda: health.of(place).status is Status.RECOVERABLE_ERROR, "asked to wait")
        await hub.all_committed(place)
        await eventually(lambda: health.of(place).status is Status.OK, "well again", 5)


async def test_a_send_without_end_is_ended_and_made_again(hub, ledger, place, instance):
    held, *others = stories(place, keys=5)
    ledger.trouble_keys = frozenset({held.key})
    async with hub.running(instance, settings=replace(hub.settings, send_seconds=0.3)):
        async with ledger.in_trouble(Trouble.UNANSWERED):
            await hub.feed(held, *others)
            timeouts = partial(by_label, "connector_errors_total", place, "code")
            await eventually(lambda: timeouts().get("timeout", 0) >= 2, "ended, and ended again", 20)
            await eventually(lambda: 5 == len(ledger.entries), "the other keys")
        await hub.all_committed(place)
        await eventually(lambda: not by_label("connector_in_flight", place, "connector"), "nothing in flight")

    assert sent_order([held, *others]) == written_order(ledger)
    assert {"timeout"} == set(timeouts())


async def test_a_slow_sink_holds_little_and_drops_nothing(hub, ledger, place, instance):
    events = stories(place, keys=12, updates=3)
    ledger.answer_after = 0.01
    settings = replace(hub.settings, held_per_partition=4, batch=4)
    async with hub.running(instance, settings=settings):
        await hub.feed(*events)
        await hub.all_committed(place)

    assert sent_order(events) == written_order(ledger)
    assert ledger.most_at_once <= CONNECTOR.max_in_flight


async def test_stopping_under_load_repeats_nothing(hub, ledger, place, instance):
    events = stories(place, keys=60, updates=3)
    ledger.answer_after = 0.02
    async with hub.running(instance):
        await hub.feed(*events)
        await eventually(lambda: len(ledger.entries) > 40, "under load")
    at_stop = len(ledger.entries)
    async with hub.running(instance):
        await hub.all_committed(place)

    assert at_stop < len(events)
    assert sent_order(events) == written_order(ledger)
    assert len(events) == len(ledger.attempts)


class Faulty(LedgerConnector):
    """Breaks on purpose at one key, as a bug or a setting that cannot work would."""

    breaks_at = ""
    error: type[Exception] = ZeroDivisionError

    async def send(self, event):
        if event.key == self.breaks_at:
            raise self.error("url: cannot work")
        return await super().send(event)


async def test_a_broken_connector_stops_alone_and_commits_nothing(hub, ledger, place, instance):
    broken, unusable = f"{place}-b", f"{place}-c"
    await hub.make(destinations=[broken, unusable])
    bug = type("Bug", (Faulty,), {"breaks_at": sos(broken).key})
    wrong = type("Wrong", (Faulty,), {"breaks_at": sos(unusable).key, "error": Misconfigured})
    instances = [
        instance,
        hub.instance(broken, ledger.url, replace(CONNECTOR, build=bug)),
        hub.instance(unusable, ledger.url, replace(CONNECTOR, build=wrong)),
    ]
    settings = replace(hub.settings, restart=pauses(first_seconds=120, longest_seconds=120))
    async with hub.running(*instances, settings=settings) as health:
        await hub.feed(sos(broken), sos(unusable), sos(place))
        await eventually(lambda: Status.FATAL_ERROR is health.of(broken).status, "the bug shows")
        await eventually(lambda: Status.PERMANENT_ERROR is health.of(unusable).status, "the wrong setting shows")
        await hub.all_committed(place)
        await hub.feed(another(sos(place), 2))
        await hub.all_committed(place)

        assert State(Status.FATAL_ERROR, "ZeroDivisionError; it is started again") == health.of(broken)
        assert State(Status.PERMANENT_ERROR, "url: cannot work") == health.of(unusable)
        assert {} == await hub.committed(broken)
        assert {} == await hub.committed(unusable)
    async with hub.running(*(hub.instance(name, ledger.url) for name in (broken, unusable))):
        await hub.all_committed(broken)
        await hub.all_committed(unusable)

    assert {sos(broken).id, sos(unusable).id} < set(ledger.entries)


class Registry(LocalSchemaIds):
    """A registry that does not answer for a while."""

    away = True

    def schema_of(self, schema_id):
        if self.away:
            raise SchemaUnavailableError("no answer")
        return super().schema_of(schema_id)


async def test_records_wait_while_the_registry_does_not_answer(hub, ledger, place, instance):
    registry = Registry()
    async with hub.running(instance, codec=Codec(registry)):
        await hub.feed(*stories(place, keys=5))
        async with asyncio.timeout(20):
            while not by_label("connector_lag_seconds", place, "connector", all_values=True):
                await asyncio.sleep(0.05)

        assert {} == await hub.committed(place)
        registry.away = False
        await hub.all_committed(place)

    assert 5 == len(ledger.entries)
    assert [] == await hub.read(dead_letter_topic(place))


async def test_a_route_that_wants_every_fix_gets_every_fix_however_many_wait(hub, ledger, place, instance):
    """A burst of one device is no outage, though its destination needs a while for it."""
    fixes = [fix(place, "d1", number) for number in range(400)]
    ledger.answer_after = 0.002
    async with hub.running(instance):
        await hub.feed(*fixes, suffix=".locations")
        await hub.all_committed(f"{place}.locations")
        passed = by_label("connector_passed_over_events_total", place, "reason")

    assert [each.id for each in fixes] == list(ledger.entries)
    assert {} == passed


async def test_a_route_that_wants_the_newest_only_gets_no_more_of_what_waits(hub, ledger, place, instance):
    fixes = [fix(place, "d1", number).model_copy(update={"newest_only": True}) for number in range(400)]
    ledger.answer_after = 0.05
    async with hub.running(instance):
        await hub.feed(*fixes, suffix=".locations")
        await hub.all_committed(f"{place}.locations")
        passed = by_label("connector_passed_over_events_total", place, "reason")

    assert fixes[-1].id == list(ledger.entries)[-1]
    assert 400 == len(ledger.entries) + passed["superseded"]
    assert len(ledger.entries) < 100


async def test_after_an_outage_each_device_has_its_newest_fix_only(hub, ledger, place, instance):
    fixes = [fix(place, device, number) for number in range(5) for device in ("d1", "d2")]
    late = fix(place, "d1", -7)
    old = fix(place, "d3", 1, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    locations = f"{place}.locations"
    async with hub.running(instance):
        passed = partial(by_label, "connector_passed_over_events_total", place, "reason")
        async with ledger.down():
            # The older fix comes before the last: what is taken after the outage is sent, however old.
            await hub.feed(*fixes[:8], late, *fixes[8:], old, suffix=".locations")
            await eventually(lambda: passed().get("superseded", 0) >= 7, "superseded", 10)
        await hub.all_committed(locations)

        assert passed()["expired"] == 1
        assert passed()["superseded"] + by_label("connector_sent_events_total", place, "kind")["LOCATION"] == 11

    newest = {entry["key"]: event_id for event_id, entry in ledger.entries.items()}
    assert {"d1": fixes[8].id, "d2": fixes[9].id} == newest
    assert [] == await hub.receipts(place)
    assert [] == await hub.read(dead_letter_topic(locations))


def expired(destination, number, *flags, own=False):
    """Give an alert whose route's expiry is past, or only its own."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    alert = sos(destination, number)
    inner = alert.alert.header.model_copy(update={"expires_at": past if own else None})
    return alert.model_copy(
        update={
            "header": alert.header.model_copy(update={"expires_at": past, "flags": flags}),
            "alert": alert.alert.model_copy(update={"header": inner}),
        }
    )


async def test_an_expired_alert_is_marked_and_dropped_only_where_its_route_says_so(hub, ledger, place, instance):
    own, kept, marked, dropped = (
        expired(place, 1, DROP_WHEN_LATE, own=True),
        expired(place, 2),
        expired(place, 3, MARK_WHEN_LATE),
        expired(place, 4, DROP_WHEN_LATE),
    )
    fresh = sos(place, 5)
    async with hub.running(instance):
        await hub.feed(own, kept, marked, dropped, fresh)
        await hub.all_committed(place)
        late = by_label("connector_late_events_total", place, "kind")

    found = {receipt.delivery_id: (receipt.level, receipt.code) for receipt in await hub.receipts(place)}
    (letter,) = await hub.read(dead_letter_topic(place))
    assert {own.id: True, kept.id: True, marked.id: True, fresh.id: False} == {
        event_id: entry["late"] for event_id, entry in ledger.entries.items()
    }
    assert {"ALERT": 3} == late
    assert (Level.EXPIRED, "expired") == found.pop(dropped.id)
    assert {(Level.ACCEPTED, None)} == set(found.values())
    assert hub.codec.encode(dropped) == letter.value()


async def test_what_was_in_time_when_it_came_is_marked_late_when_it_waited_too_long(hub, ledger, place, instance):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    alert = sos(place)
    alert = alert.model_copy(update={"header": alert.header.model_copy(update={"expires_at": soon})})
    async with hub.running(instance):
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(alert)
            await eventually(lambda: ledger.attempts, "tried while it was new")
            await eventually(lambda: datetime.now(UTC) > soon, "its time is over")
        await hub.all_committed(place)

    assert [True] == [entry["late"] for entry in ledger.entries.values()]


def position_of(delivery, number):
    moved = another(delivery, number)
    header = moved.header.model_copy(update={"event_id": delivery.header.event_id, "incident_id": delivery.key})
    return delivery.model_copy(update={"header": header, "reason": DeliveryReason.UPDATE, "position_only": True})


async def test_nothing_of_an_alert_stands_behind_a_position_update_that_was_not_taken(hub, ledger, place, instance):
    press, second = sos(place), update_of(sos(place), 1)
    positions = [position_of(press, number) for number in range(11, 14)]
    async with hub.running(instance):
        await hub.feed(press, positions[0])
        await eventually(lambda: positions[0].id in ledger.entries, "the first position", 10)
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(positions[1])
            await eventually(lambda: ledger.attempts.count(positions[1].id) > 1, "a position that is not taken", 10)
            await hub.feed(positions[2], second)
            await eventually(lambda: second.id in ledger.attempts, "the press is tried", 10)
        await hub.all_committed(place)
        passed = by_label("connector_passed_over_events_total", place, "reason")

    assert [press.id, positions[0].id, second.id] == list(ledger.entries)
    assert {"superseded": 2} == passed
    assert [press.id, second.id] == [each.delivery_id for each in await hub.receipts(place)]


async def test_that_news_of_other_rooms_arrived_says_nothing_of_the_alert_itself(hub, ledger, place, instance):
    press, news = sos(place), update_of(sos(place), 1).model_copy(update={"others": Others(only_news=True)})
    async with hub.running(instance):
        async with ledger.in_trouble(Trouble.REFUSES):
            await hub.feed(press)
            await hub.all_committed(place)
        await hub.feed(news)
        await hub.all_committed(place)

    assert [news.id] == list(ledger.entries)
    assert [(press.id, Level.DEAD_LETTERED)] == [(each.delivery_id, each.level) for each in await hub.receipts(place)]


async def test_an_old_position_update_is_not_sent_and_a_rejected_one_is_no_dead_letter(hub, ledger, place, instance):
    press, now = sos(place), datetime.now(UTC)
    old = position_of(press, 11).model_copy(update={"sent_at": now - timedelta(seconds=61)})
    refused = position_of(press, 12).model_copy(update={"sent_at": now + timedelta(seconds=60)})
    async with hub.running(instance):
        await hub.feed(press, old)
        await hub.all_committed(place)
        async with ledger.in_trouble(Trouble.REFUSES):
            await hub.feed(refused)
            await hub.all_committed(place)
        passed = by_label("connector_passed_over_events_total", place, "reason")

    assert [press.id] == list(ledger.entries)
    assert {"expired": 1, "rejected": 1} == passed
    assert [] == await hub.read(dead_letter_topic(place))
    assert [press.id] == [each.delivery_id for each in await hub.receipts(place)]
