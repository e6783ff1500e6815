"""One event that a platform refuses, or at which the link breaks, ends alone: all others go on, in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from bondmate_connectors.errors import AuthFailed, NotConnected
from bondmate_connectors.runtime.retry import pauses
from bondmate_connectors.testing import another, eventually, sos, update_of
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector, Trouble
from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.enums import Level


class Fussy(LedgerConnector):
    """Its platform refuses one key, and says so; knows a leanest form."""

    refuses = ""
    kills = ""
    takes_lean = False
    sent: list[tuple[str, bool]]

    async def send(self, event):
        return await self._send(event, lean=False)

    async def _send(self, event, *, lean):
        self.sent.append((event.id, lean))
        if not (lean and self.takes_lean):
            if event.key == self.refuses:
                raise AuthFailed("http_403")
            if event.key == self.kills:
                raise NotConnected("the link broke")
        return await super().send(event)


class Lean(Fussy):
    async def send_lean(self, event):
        return await self._send(event, lean=True)


def spec(kind, **traits):
    built = type("Built", (kind,), {"sent": [], **traits})
    return replace(CONNECTOR, build=built, emits=frozenset()), built.sent


def stories(destination, keys, updates):
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


def in_order(events, ledger, *, without):
    wanted, found = defaultdict(list), defaultdict(list)
    for event in events:
        if event.key != without:
            wanted[event.key].append(event.id)
    for event_id, entry in ledger.entries.items():
        found[entry["key"]].append(event_id)
    return wanted == found


async def letters(hub, place):
    return [
        (letter.key().decode(), dict(letter.headers())["bondmate.error.code"].decode())
        for letter in await hub.read(dead_letter_topic(place))
    ]


async def test_an_event_that_alone_is_refused_is_dead_lettered_after_its_tries(hub, ledger, place):
    events = stories(place, keys=20, updates=1)
    bad = events[7]
    built, sent = spec(Fussy, refuses=bad.key)
    async with hub.running(hub.instance(place, ledger.url, built)):
        await hub.feed(*events)
        # It may have come last: then only one that passes after it shows that it is alone.
        await eventually(lambda: any(event_id == bad.id for event_id, _ in sent), "refused", 15)
        events.append(another(sos(place), 99))
        await hub.feed(events[-1])
        await hub.all_committed(place)

    found = {receipt.delivery_id: (receipt.level, receipt.code) for receipt in await hub.receipts(place)}
    assert in_order(events, ledger, without=bad.key)
    assert (Level.DEAD_LETTERED, "http_403") == found[bad.id]
    assert {(bad.key, "http_403")} == set(await letters(hub, place))
    # Before the others passed, and then so often as the settings say.
    tries = sum(event_id == bad.id for event_id, _ in sent)
    assert hub.settings.refused_alone_tries <= tries <= hub.settings.refused_alone_tries + 2


async def test_an_alert_that_alone_is_refused_is_tried_in_its_leanest_form_and_that_may_do(hub, ledger, place):
    events = stories(place, keys=5, updates=0)
    bad = events[0]
    built, sent = spec(Lean, refuses=bad.key, takes_lean=True)
    async with hub.running(hub.instance(place, ledger.url, built)):
        await hub.feed(*events)
        await eventually(lambda: any(event_id == bad.id for event_id, _ in sent), "refused", 15)
        events.append(another(sos(place), 99))
        await hub.feed(events[-1])
        await hub.all_committed(place)

    assert {event.id for event in events} == set(ledger.entries)
    assert [] == await letters(hub, place)
    assert [event_id for event_id, lean in sent if lean] == [bad.id]


async def test_while_all_alerts_are_refused_none_is_given_up_though_other_kinds_pass(hub, ledger, place):
    """A privilege that is missing is the platform's trouble, not one event's."""
    events = stories(place, keys=6, updates=0)
    ledger.trouble_keys = frozenset(event.key for event in events)
    patient = replace(hub.settings, refused=pauses(first_seconds=0.01, longest_seconds=0.02))
    sink = hub.instance(place, ledger.url, replace(CONNECTOR, emits=frozenset()))
    async with hub.running(sink, settings=patient):
        async with ledger.in_trouble(Trouble.LOCKED):
            await hub.feed(*events)
            await eventually(lambda: ledger.turned_away > 60, "refused again and again", 15)

            assert {} == await hub.committed(place)
        await hub.all_committed(place)

    assert {event.id for event in events} == set(ledger.entries)
    assert [] == await letters(hub, place)


async def test_an_event_at_which_the_link_breaks_ends_alone_among_a_hundred_good_ones(hub, ledger, place):
    events = stories(place, keys=101, updates=0)
    killer = events[50]
    updates = [update_of(event, 1) for event in events if event is not killer]
    built, sent = spec(Lean, kills=killer.key)
    async with hub.running(hub.instance(place, ledger.url, built)):
        began = asyncio.get_running_loop().time()
        await hub.feed(*events, *updates)
        await eventually(lambda: 200 == len(ledger.entries), "all good ones", 10)
        took = asyncio.get_running_loop().time() - began
        await hub.all_committed(place)

    found = {receipt.delivery_id: (receipt.level, receipt.code) for receipt in await hub.receipts(place)}
    assert in_order([*events, *updates], ledger, without=killer.key)
    assert (Level.DEAD_LETTERED, "kills_the_link") == found[killer.id]
    assert [(killer.key, "kills_the_link")] == await letters(hub, place)
    assert 1 == sum(lean for _, lean in sent)
    assert took < 8


async def test_a_killer_that_has_nobody_beside_it_waits_until_others_show_that_it_is_it(hub, ledger, place):
    killer, other = stories(place, keys=2, updates=0)
    built, sent = spec(Fussy, kills=killer.key)
    async with hub.running(hub.instance(place, ledger.url, built)):
        await hub.feed(killer)
        await eventually(lambda: len(sent) > 5, "breaks", 15)

        assert [] == await letters(hub, place)
        await hub.feed(other)
        await hub.all_committed(place)

    assert [other.id] == list(ledger.entries)
    assert [(killer.key, "kills_the_link")] == await letters(hub, place)


async def test_a_platform_that_cuts_all_connections_at_one_event_gets_all_others(hub, ledger, place, instance):
    events = stories(place, keys=30, updates=1)
    killer = events[3]
    ledger.trouble_keys = frozenset({killer.key})
    async with hub.running(instance), ledger.in_trouble(Trouble.CUTS):
        await hub.feed(*events)
        await eventually(lambda: ledger.cuts, "cut", 15)
        events.append(another(sos(place), 99))
        await hub.feed(events[-1])
        await hub.all_committed(place)

    assert in_order(events, ledger, without=killer.key)
    assert {(killer.key, "kills_the_link")} == set(await letters(hub, place))
    # Two events, 3 to 9 breaks each, by how many others had passed; and the client asks again by itself where a
    # connection that it used before is cut (PUT is idempotent).
    assert ledger.cuts <= 2 * 9 * 2
