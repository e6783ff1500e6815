"""A platform that refuses us is asked by one probe at a time, for ever; what they mend needs no restart here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.runtime.account import Account
from bondmate_connectors.runtime.health import ConnectorHealth, State
from bondmate_connectors.runtime.refusal import RoleRefusal
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.retry import pauses
from bondmate_connectors.testing import another, eventually, sos
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector, Trouble
from bondmate_schemas.catalogue import MESSAGES, STATE_CONNECTORS, dead_letter_topic
from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.models import ConnectorStatus, DeviceMessage

REFUSED = State(Status.RECOVERABLE_ERROR, "refuses us: http_401: token")


def alerts(destination, count, first=0):
    return [another(sos(destination), number) for number in range(first, first + count)]


@asynccontextmanager
async def locked(ledger):
    async with ledger.in_trouble(Trouble.LOCKED):
        yield
    ledger.turned_away = 0


async def test_a_token_they_refuse_and_take_again_loses_nothing_and_needs_no_restart(hub, ledger, place, instance):
    events = alerts(place, 20)
    async with hub.running(instance) as health:
        await hub.feed(events[0])
        await hub.all_committed(place)
        async with locked(ledger):
            await hub.feed(*events[1:])
            await eventually(lambda: ledger.turned_away > 8, "asked again and again")

            assert REFUSED == health.of(place)
        await hub.all_committed(place)
        await eventually(lambda: State(Status.OK, "") == replace(health.of(place), reason=""), "well again")

    assert {event.id for event in events} == set(ledger.entries)
    assert [] == await hub.read(dead_letter_topic(place))


async def test_its_heartbeat_says_since_when_it_is_refused_and_no_more_when_it_is_not(hub, ledger, place, instance):
    async def said(wanted):
        found = [hub.codec.decode(m.value(), ConnectorStatus) for m in await hub.read(STATE_CONNECTORS)]
        return any(wanted(status) for status in found if status.connector == place)

    async with hub.running(instance, settings=replace(hub.settings, heartbeat_seconds=60)):
        async with locked(ledger):
            await hub.feed(*alerts(place, 3))
            await hub.until(lambda: said(lambda s: s.refused_since and "http_401" in s.reason), "refused")
        await hub.all_committed(place)
        await hub.until(lambda: said(lambda s: s.refused_since is None and s.status == "OK"), "admitted")


async def test_a_platform_that_refuses_hears_one_probe_at_a_time_however_many_keys_wait(hub, ledger, place):
    slow = replace(hub.settings, refused=pauses(first_seconds=1, longest_seconds=60))
    sink = hub.instance(place, ledger.url, replace(CONNECTOR, emits=frozenset()))
    first, *others = alerts(place, 100)
    async with hub.running(sink, settings=slow):
        await hub.feed(first)
        await hub.all_committed(place)
        async with locked(ledger):
            at = asyncio.get_running_loop().time()
            await hub.feed(*others)
            await eventually(lambda: ledger.turned_away, "refused")
            # Those under way with the first, another that is asked whether it is not the first alone, and two probes.
            most = CONNECTOR.max_in_flight + 1 + 2
            await eventually(lambda: ledger.turned_away > most or asyncio.get_running_loop().time() > at + 3.2, "3 s")

            assert most >= ledger.turned_away >= 3
        await hub.all_committed(place)

    assert 100 == len(ledger.entries)


async def test_a_source_they_refuse_and_admit_again_goes_on_without_a_restart(hub, ledger, place, instance):
    async with hub.running(instance) as health:
        async with locked(ledger):
            said = await ledger.say(3)
            await eventually(lambda: ledger.turned_away > 4, "asked again and again")

            assert REFUSED == health.of(place)

        async def said_to_officers():
            found = [hub.codec.decode(m.value(), DeviceMessage) for m in await hub.read(MESSAGES)]
            return set(said) == {m.header.origin_message_id for m in found if m.header.source == place}

        await hub.until(said_to_officers, "all that was said is in the hub")
        await eventually(lambda: health.of(place).status is Status.OK, "well again")


async def test_a_connector_that_is_refused_from_the_start_begins_when_it_is_admitted(hub, ledger, place, instance):
    event = sos(place)
    async with locked(ledger), hub.running(instance, ok=False) as health:
        await hub.feed(event)
        await eventually(lambda: ledger.turned_away > 4, "asked again and again")

        assert REFUSED == health.of(place)
        ledger.trouble = Trouble.NONE
        await hub.all_committed(place)

    assert [event.id] == list(ledger.entries)


class NoAlerts(LedgerConnector):
    """Its platform refuses every alert, and takes what is of another kind, unless that is refused too."""

    refuses = True
    refuses_all = False
    asked = 0

    async def send(self, event):
        if type(self).refuses and (type(self).refuses_all or event.kind is DeliveryKind.ALERT):
            type(self).asked += 1
            raise AuthFailed("http_403", secret=None)
        return await super().send(event)


def as_message(event):
    said = DeviceMessage(header=event.alert.header, device_id="d-1", sender="an officer", text="well")
    return event.model_copy(update={"kind": DeliveryKind.MESSAGE, "alert": None, "message": said})


async def test_all_alerts_refused_is_told_and_asked_ever_more_seldom_while_messages_pass(hub, ledger, place):
    built = type("Built", (NoAlerts,), {})
    sink = hub.instance(place, ledger.url, replace(CONNECTOR, build=built, emits=frozenset()))
    slow = replace(hub.settings, refused=pauses(first_seconds=0.2, longest_seconds=60))
    first, *others = alerts(place, 6)
    messages = [as_message(event) for event in alerts(place, 20, first=100)]
    async with hub.running(sink, settings=slow) as health:
        await hub.feed(first)
        await eventually(lambda: built.asked, "refused")
        for turn, message in enumerate(messages, start=1):
            await hub.feed(message)
            if turn == 2:
                await hub.feed(*others)
            await eventually(lambda turn=turn: len(ledger.entries) == turn, "messages go on")

        # Those of the first pauses 0.2, 0.4, 0.8 … s, however many messages pass; without growth it were dozens.
        assert "refuses us: http_403" in health.of(place).reason
        assert 2 <= built.asked <= 9
        built.refuses = False
        await hub.all_committed(place)
        await eventually(lambda: health.of(place).status is Status.OK, "well again")

    assert {event.id for event in (first, *others, *messages)} == set(ledger.entries)


@pytest.mark.parametrize("all_at_first", [False, True])
async def test_texts_behind_many_refused_alerts_are_asked_about_too_and_all_comes_in_the_end(
    hub, ledger, place, all_at_first
):
    built = type("Built", (NoAlerts,), {"refuses_all": all_at_first})
    sink = hub.instance(place, ledger.url, replace(CONNECTOR, build=built, emits=frozenset()))
    refused, texts = alerts(place, 30), [as_message(event) for event in alerts(place, 5, first=100)]
    quick = replace(hub.settings, refused=pauses(first_seconds=0.02, longest_seconds=0.05))
    async with hub.running(sink, settings=quick) as health:
        await hub.feed(*refused)
        await eventually(lambda: built.asked > 3, "alerts are refused")
        await hub.feed(*texts)
        await eventually(lambda: built.asked > 20, "asked again and again")
        built.refuses_all = False
        await eventually(lambda: len(ledger.entries) == len(texts), "texts go on")

        assert "refuses us: http_403" in health.of(place).reason
        built.refuses = False
        await hub.all_committed(place)
        await eventually(lambda: health.of(place).status is Status.OK, "well again")

    assert {event.id for event in (*refused, *texts)} == set(ledger.entries)
    assert [] == await hub.read(dead_letter_topic(place))


def test_what_is_taken_of_another_kind_ends_no_refusal_and_shortens_no_pause():
    woken: list[int] = []
    reports = Reports("room", ConnectorHealth())
    refusal = RoleRefusal("sink", reports, pauses(first_seconds=1, longest_seconds=60), Account(900))
    refusal.wakes(lambda: woken.append(1))
    waits = []
    for turn in range(10):
        waits.append(refusal.refused(f"alert-{turn % 2}", AuthFailed("http_403", secret=None), refusal.epoch, "ALERT"))
        refusal.passed(refusal.epoch, "LOCATION", proves=True)
        assert not refusal.is_on
        assert not refusal.held_seconds("LOCATION")
    assert reports.refused_since is not None
    assert [] == woken
    assert 0.9 <= waits[0] <= 1
    assert 54 <= waits[-1] <= 60
    assert 50 < refusal.held_seconds("ALERT") <= 60
    refusal.passed(refusal.epoch, "ALERT", proves=True)

    assert reports.refused_since is None
    assert [1] == woken
    assert 0 == refusal.held_seconds("ALERT")
