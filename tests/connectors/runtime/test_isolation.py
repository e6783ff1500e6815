"""Destinations that misbehave over real sockets: each is held to its own keys, nobody else waits, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.errors import NotConnected
from bondmate_connectors.runtime.breaker import BreakerSettings
from bondmate_connectors.runtime.retry import Backoff
from bondmate_connectors.testing import another, by_label, eventually, sos, update_of
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector, LedgerPlatform, Trouble
from bondmate_schemas.catalogue import destination_topic
from bondmate_schemas.enums import DeliveryReason
from confluent_kafka import Producer


class Front:
    """Stands before a ledger on a port of its own and spoils what comes through it, as `spoil` says."""

    def __init__(self, ledger):
        self._ledger = ledger
        self.spoil = "nothing"
        self.connections = 0
        self.spoilt = 0
        self._random = random.Random(20261126)
        self._open = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self.connections += 1
        self._open.add(writer)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if b"content-length:" in line), 0)
            asked = head + (await reader.readexactly(length) if length else b"")
            spoil = self.spoil if asked.startswith(b"PUT") else "nothing"
            if spoil == "resets" and self._random.random() >= 0.2:
                spoil = "nothing"
            if spoil == "answer_lost" and self._random.random() >= 0.3:
                spoil = "nothing"
            self.spoilt += spoil != "nothing"
            if spoil == "resets":
                return
            if spoil == "silent":
                await asyncio.Event().wait()
            answer = await self._ask(asked)
            if spoil == "answer_lost":
                return
            if spoil == "drips":
                for byte in answer:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)
            writer.write(answer)
            await writer.drain()

    async def _ask(self, asked):
        host, port = self._ledger.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(asked.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = await reader.read()
        finally:
            writer.close()
        return answer.replace(b"Connection: close\r\n", b"")


@pytest.fixture
async def front(ledger):
    async with Front(ledger) as front:
        yield front


def stories(destination, keys, updates=0):
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


def by_key(pairs):
    found = defaultdict(list)
    for key, event_id in pairs:
        found[key].append(event_id)
    return found


def in_order(events, ledger):
    """Whether exactly `events` were written down, each once, in order of each key."""
    written = by_key((entry["key"], event_id) for event_id, entry in ledger.entries.items())
    return by_key((event.key, event.id) for event in events) == written


def states(place, metric="connector_breaker", label="state"):
    return {found for found, is_in in by_label(metric, place, label).items() if is_in}


@pytest.mark.parametrize("spoil", ["silent", "drips", "resets", "answer_lost"])
async def test_what_a_misbehaving_destination_gets_is_whole_once_and_in_order(hub, front, ledger, place, spoil):
    events = stories(place, keys=25, updates=3)
    front.spoil = spoil
    instance = hub.instance(place, front.url, timeout_seconds=0.5)
    async with hub.running(instance) as health:
        await hub.feed(*events)
        if spoil in {"silent", "drips"}:
            await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "the trouble is told", 10)
            await eventually(lambda: front.spoilt >= 8, "several attempts")
            front.spoil = "nothing"
        await hub.all_committed(place, 40)
        await eventually(lambda: Status.OK is health.of(place).status, "the recovery is told")
        await eventually(lambda: {"closed"} == states(place), "closed again")

    assert front.spoilt >= 8
    assert in_order(events, ledger)


@pytest.mark.system
async def test_one_key_that_always_fails_parks_itself_only(hub, ledger, place, instance):
    poison = sos(place, "poison")
    ledger.trouble_keys = frozenset({poison.key})
    settings = replace(hub.settings, backoff=Backoff(base_seconds=0.02, cap_seconds=0.5))
    async with hub.running(instance, settings=settings) as health:
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(poison)
            await eventually(lambda: ledger.attempts.count(poison.id) >= 7, "the poison has failed often")
            await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "that it waits is told")
            assert {"closed"} == states(place)
            waits = []
            for number in range(20):
                fresh = sos(place, f"fresh-{number}")
                await hub.feed(fresh)
                began = time.monotonic()
                await eventually(lambda fresh=fresh: fresh.id in ledger.entries, "an SOS of another key")
                waits.append(time.monotonic() - began)
        await hub.all_committed(place)
        await eventually(lambda: Status.OK is health.of(place).status, "the recovery is told")

    assert max(waits) < 0.5
    assert poison.id in ledger.entries


class Fragile(LedgerConnector):
    """Its platform ends the connection, and all that is under way on it, whenever it reads one key."""

    async def send(self, event):
        if event.key == self.breaks_at and self.breaks:
            type(self).broken += 1
            await self.close()
            raise NotConnected("the platform ended the connection")
        return await super().send(event)


@pytest.mark.system
async def test_an_event_that_breaks_the_connection_again_and_again_steps_aside(hub, ledger, place):
    poison, others = sos(place, "poison"), stories(place, keys=40, updates=2)
    fragile = type("Fragile", (Fragile,), {"breaks_at": poison.key, "breaks": True, "broken": 0})
    ledger.answer_after = 0.01
    # More than any platform is left to: meanwhile it must harm nobody.
    settings, waits = replace(hub.settings, backoff=Backoff(base_seconds=0.02, cap_seconds=5), breaks_alone=1_000), []
    async with hub.running(hub.instance(place, ledger.url, replace(CONNECTOR, build=fragile)), settings=settings):
        await hub.feed(poison, *others)
        await eventually(lambda: len(others) == len(ledger.entries), "all the others", 20)
        await eventually(lambda: fragile.broken >= 9, "broken again and again", 30)
        for number in range(10):
            fresh = sos(place, f"fresh-{number}")
            await hub.feed(fresh)
            began = time.monotonic()
            await eventually(lambda fresh=fresh: fresh.id in ledger.entries, "an SOS of another key", 10)
            waits.append(time.monotonic() - began)
            others.append(fresh)
        fragile.breaks = False
        await hub.all_committed(place)

    assert max(waits) < 1
    assert in_order([poison, *others], ledger)


async def test_a_destination_that_is_down_is_probed_by_one_and_not_stormed_when_it_is_back(
    hub, ledger, place, instance
):
    events = stories(place, keys=200)
    settings = replace(hub.settings, breaker=BreakerSettings(probe=Backoff(base_seconds=0.2, cap_seconds=0.4)))
    async with hub.running(instance, settings=settings) as health:
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(*events)
            await eventually(lambda: {"open"} <= states(place) | {"open"} & states(place), "open")
            await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "told")
            # What was under way when it opened comes to its end first.
            opened = time.monotonic()
            await eventually(lambda: time.monotonic() > opened + 0.5 and not ledger.at_once, "nothing under way")
            before, began = len(ledger.attempts), time.monotonic()
            ledger.most_at_once = 0
            await eventually(lambda: time.monotonic() > began + 2, "two seconds of outage")
            probes, probed = len(ledger.attempts) - before, ledger.attempts[before:]

            assert 4 <= probes <= 22
            assert 1 == ledger.most_at_once
            assert len(set(probed)) > 1
        ledger.attempts.clear()
        await hub.all_committed(place)
        await eventually(lambda: {"closed"} == states(place), "closed again")

    assert in_order(events, ledger)
    assert 200 == len(ledger.attempts)


async def test_a_pause_asked_of_one_is_kept_by_all_and_ends_with_one_probe(hub, ledger, place, instance):
    events, ledger.pause_seconds = stories(place, keys=50), 2
    async with hub.running(instance) as health:
        async with ledger.in_trouble(Trouble.THROTTLED):
            await hub.feed(*events)
            await eventually(lambda: {"open"} == states(place), "open")
            began, before = time.monotonic(), len(ledger.attempts)
            assert Status.RECOVERABLE_ERROR is health.of(place).status
            ledger.most_at_once = 0
            await eventually(lambda: len(ledger.attempts) > max(before, 8), "asked again", 5)
            paused = time.monotonic() - began
        await hub.all_committed(place)

    assert before <= 8  # those that were under way
    assert paused >= 1.7
    assert in_order(events, ledger)


async def test_retries_that_fail_are_a_share_of_the_first_attempts(hub, ledger, place, instance):
    bad = [sos(place, f"bad-{number}") for number in range(60)]
    good = [sos(place, f"good-{number}") for number in range(150)]
    ledger.trouble_keys = frozenset(event.key for event in bad)
    never_open = BreakerSettings(failures=10**6)  # it would hold the retries back before the budget does
    settings = replace(hub.settings, retries_at_once=10, breaker=never_open)
    async with hub.running(instance, settings=settings):
        async with ledger.in_trouble(Trouble.BROKEN):
            began = time.monotonic()
            await hub.feed(*(event for pair in zip(bad, good, strict=False) for event in pair), *good[60:])
            await eventually(lambda: {event.id for event in good} <= set(ledger.entries), "the good ones")
            await eventually(lambda: len(ledger.attempts) - len(set(ledger.attempts)) >= 10, "retries")
            await eventually(lambda: time.monotonic() > began + 3, "for a while")
            tried, seconds = Counter(ledger.attempts), time.monotonic() - began
            firsts, retries = len(tried), sum(tried.values()) - len(tried)
        await hub.all_committed(place, 40)

    postponed = by_label("connector_retries_total", place, "outcome")["postponed"]
    assert firsts >= 200
    assert 10 <= retries <= 10 + 0.2 * firsts + 2 * seconds + 10
    assert postponed > retries
    assert {event.id for event in (*bad, *good)} == set(ledger.entries)


async def test_an_alert_goes_before_older_lesser_mail(hub, ledger, place, instance):
    lesser = [_refresh(sos(place, f"old-{number}")) for number in range(100)]
    alert = sos(place, "new")
    ledger.answer_after = 0.02
    async with hub.running(instance):
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(*lesser, alert)
            await eventually(lambda: len(ledger.attempts) >= 10, "all wait")
        await hub.all_committed(place)

    assert list(ledger.entries).index(alert.id) < 20


def _refresh(delivery):
    return delivery.model_copy(update={"reason": DeliveryReason.REFRESH})


class Timed(LedgerPlatform):
    """A ledger that notes when each event came first."""

    def __init__(self):
        super().__init__()
        self.came = {}

    async def _answer(self, entry_id, entry):
        self.came.setdefault(entry_id, time.monotonic())
        return await super()._answer(entry_id, entry)


async def _p99(hub, place, ledger, phase, count=300):
    """Give the 99th percentile of the seconds from feeding an alert to its arrival, one alert after the other."""
    producer, fed = Producer(hub.kafka.producer("steady")), {}
    # Its first records wait until it knows the topic.
    for number in range(-20, 0):
        producer.produce(destination_topic(place), value=hub.codec.encode(sos(place, f"{phase}-{number}")))
    assert 0 == await asyncio.to_thread(producer.flush, 10)
    for number in range(count):
        event = sos(place, f"{phase}-{number}")
        fed[event.id] = time.monotonic()
        producer.produce(destination_topic(place), value=hub.codec.encode(event), key=event.key)
        producer.poll(0)
        await asyncio.sleep(0.01)
    assert 0 == await asyncio.to_thread(producer.flush, 10)
    await eventually(lambda: fed.keys() <= ledger.came.keys(), f"all of {phase}", 20)
    return sorted(ledger.came[event_id] - at for event_id, at in fed.items())[int(count * 0.99) - 1]


@pytest.mark.system
async def test_a_destination_that_hangs_delays_no_other_holds_little_and_recovers_in_order(
    hub, front, ledger, place, capsys
):
    other, backlog = f"{place}-b", stories(place, keys=500, updates=7)
    await hub.make(destinations=[other])
    settings = replace(hub.settings, held_per_partition=200, send_seconds=2)
    async with Timed() as well:
        hanging = hub.instance(place, front.url, timeout_seconds=1)
        async with hub.running(hanging, hub.instance(other, well.url), settings=settings) as health:
            await _p99(hub, other, well, "warm-up")
            undisturbed = await _p99(hub, other, well, "undisturbed")
            front.spoil = "silent"
            await hub.feed(*backlog)
            await eventually(lambda: Status.RECOVERABLE_ERROR is health.of(place).status, "the outage is told", 20)
            disturbed = await _p99(hub, other, well, "disturbed")
            held = by_label("connector_held_events", place, "connector")[place]
            assert Status.OK is health.of(other).status
            assert by_label("connector_lag_seconds", place, "connector")[place] > 1
            front.spoil = "nothing"
            began = time.monotonic()
            await hub.all_committed(place, 60)
            caught_up = time.monotonic() - began
            await hub.all_committed(other)

    with capsys.disabled():
        sys.stdout.write(
            f"\np99 undisturbed {undisturbed * 1000:.1f} ms, beside the hanging one {disturbed * 1000:.1f} ms; "
            f"held {held}; {len(backlog)} caught up in {caught_up:.1f} s\n"
        )
    # A busy machine alone makes a few milliseconds; whoever waits for the hanging one waits for a second.
    assert disturbed <= max(2 * undisturbed, 0.1)
    assert 0 < held <= 4 * (200 + settings.batch)
    assert in_order(backlog, ledger)
    assert 3 * (300 + 20) == len(well.entries)
