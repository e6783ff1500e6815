"""A connector that crashes is started again, whatever part of it crashed; nothing is lost and nobody else waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.runtime.health import ConnectorHealth, State
from bondmate_connectors.runtime.heartbeat import Heartbeat
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.retry import pauses
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.supervision import PartEndedError, unending
from bondmate_connectors.testing import another, by_label, eventually, sos, update_of
from bondmate_connectors.testing.sample import CONNECTOR, LedgerConnector
from bondmate_schemas.catalogue import MESSAGES, STATE_CONNECTORS, dead_letter_topic
from bondmate_schemas.models import ConnectorStatus, DeviceMessage

QUICK = pauses(first_seconds=0.15, longest_seconds=1.0)


def stories(destination, keys, updates):
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


def in_order(events, ledger):
    """Whether exactly `events` of this destination were written down, each once, in order of each key."""
    wanted = {event.id for event in events}
    written = [(entry["key"], event_id) for event_id, entry in ledger.entries.items() if event_id in wanted]
    return sorted(written) == sorted((e.key, e.id) for e in events) and all(
        [e.id for e in events if e.key == key] == [event_id for k, event_id in written if k == key]
        for key in {e.key for e in events}
    )


def restarts(place):
    return by_label("connector_restarts_total", place, "why")


class Crashing(LedgerConnector):
    """Has a bug that shows in its first lives, in one of its calls."""

    lives = 0
    crashes = 5
    at = "send"

    def __init__(self, *args):
        super().__init__(*args)
        type(self).lives += 1
        self.is_sick = type(self).lives <= self.crashes
        self._break("build")

    def _break(self, where):
        if self.is_sick and where == self.at:
            raise self.error

    error: BaseException = ZeroDivisionError()

    async def connect(self):
        self._break("connect")
        await super().connect()

    async def send(self, event):
        self._break("send")
        return await super().send(event)

    async def receive(self):
        self._break("receive")
        return await super().receive()


def crashing(**how):
    return type("Crashing", (Crashing,), how)


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("build", ZeroDivisionError()),
        ("connect", ZeroDivisionError()),
        ("send", ZeroDivisionError()),
        ("receive", KeyError("x")),
        # What a platform's client library cancels inside is no order of ours, and ends the part all the same.
        ("connect", asyncio.CancelledError()),
        ("send", asyncio.CancelledError()),
        ("receive", asyncio.CancelledError()),
    ],
)
async def test_a_connector_that_crashes_five_times_then_delivers_everything_in_order(hub, ledger, instance, at, error):
    place = instance.name
    sick = f"{place}-sick"
    await hub.make(destinations=[sick], sources=[sick])
    build = crashing(at=at, error=error)
    settings = replace(hub.settings, restart=QUICK)
    events, others = stories(sick, keys=5, updates=3), stories(place, keys=5, updates=3)
    instances = [instance, hub.instance(sick, ledger.url, replace(CONNECTOR, build=build))]
    async with hub.running(*instances, settings=settings, ok=False) as health:
        await hub.feed(*events)
        await eventually(lambda: Status.FATAL_ERROR is health.of(sick).status, "the crash shows", 20)
        await hub.feed(*others)
        await hub.all_committed(place)
        sound = health.of(place)
        await hub.all_committed(sick, 40)
        await eventually(lambda: Status.OK is health.of(sick).status, "the recovery shows")
        said = set(await ledger.say(2))
        await hub.until(partial(_has_heard, hub, sick, said), "what the ledger says is heard again")

    assert in_order(events, ledger)
    assert in_order(others, ledger)
    assert build.lives == 6
    assert {"crash": 5} == {why: times for why, times in restarts(sick).items() if times}
    assert State(Status.OK) == replace(sound, reason="")
    assert not any(restarts(place).values())


async def _has_heard(hub, place, said):
    found = [hub.codec.decode(m.value(), DeviceMessage) for m in await hub.read(MESSAGES)]
    return said <= {message.header.origin_message_id for message in found}


class Allergic(LedgerConnector):
    """Has a bug that one event alone meets."""

    async def send(self, event):
        if event.key == self.poison and not self.is_mended:
            type(self).crashes += 1
            raise self.error
        return await super().send(event)


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()])
async def test_one_event_at_which_a_connector_crashes_ends_as_a_dead_letter_and_the_others_pass(
    hub, ledger, place, error
):
    poison, others = sos(place, "poison"), stories(place, keys=12, updates=2)
    build = type("Allergic", (Allergic,), {"poison": poison.key, "is_mended": False, "crashes": 0, "error": error})
    settings = replace(hub.settings, restart=QUICK)
    instance = hub.instance(place, ledger.url, replace(CONNECTOR, build=build))
    async with hub.running(instance, settings=settings, ok=False) as health:
        await hub.feed(*others[:6], poison)
        # How many crashes it takes depends on how many others pass after the first.
        await eventually(lambda: build.crashes, "crashed", 20)
        await hub.feed(*others[6:])
        await hub.all_committed(place, 60)
        await eventually(lambda: Status.OK is health.of(place).status, "well again", 20)
        letters = await hub.read(dead_letter_topic(place))
        lived = build.crashes
        await hub.feed(another(sos(place), 99))
        await hub.all_committed(place)

    assert in_order(others, ledger)
    assert [poison.key.encode()] == [letter.key() for letter in letters]
    assert (b"kills_the_link",) == tuple(v for name, v in letters[0].headers() if name == "bondmate.error.code")
    assert hub.settings.breaks_alone <= lived <= 10
    assert lived == build.crashes


async def test_nothing_is_committed_while_it_crashes_and_its_trouble_is_one(hub, ledger, place):
    build = crashing(crashes=4)
    settings = replace(hub.settings, restart=pauses(first_seconds=1.2, longest_seconds=1.2), heartbeat_seconds=0.2)
    async with hub.running(
        hub.instance(place, ledger.url, replace(CONNECTOR, build=build)), settings=settings, ok=False
    ) as health:
        await hub.feed(sos(place))
        await eventually(lambda: build.lives == 3, "it crashed twice", 20)
        assert {} == await hub.committed(place)
        await hub.all_committed(place, 40)
        await eventually(lambda: Status.OK is health.of(place).status, "well again")

    said = [hub.codec.decode(m.value(), ConnectorStatus) for m in await hub.read(STATE_CONNECTORS)]
    fatal = {status.since for status in said if status.connector == place and status.status == "FATAL_ERROR"}
    assert len(fatal) <= 1  # the topic is compacted; what is left of the trouble has one beginning
    assert [sos(place).id] == list(ledger.entries)


def test_crashes_in_a_row_are_told_as_one_trouble_since_the_first():
    health, since = ConnectorHealth(), datetime.now(UTC) - timedelta(minutes=5)
    reports = Reports("x", health)
    beat = Heartbeat([], health=health, envelopes=None, outbox=None, role_id="", every_seconds=1)
    told = []
    for _ in range(3):
        health.begin("x")
        health.report("x", "connector", Status.OK)
        assert beat._is_news(reports)
        reports.crashing_since = since
        health.finish("x", Status.FATAL_ERROR, "KeyError")
        assert beat._is_news(reports)
        told.append(beat._since["x"][1])

    assert [since] * 3 == told


async def test_pauses_grow_from_a_second_to_a_minute_and_a_long_life_starts_them_anew(hub, ledger, place):
    default = RunnerSettings()
    waits = [[default.restart.seconds(crash) for _ in range(200)] for crash in range(1, 12)]

    assert 0.9 <= min(waits[0]) <= max(waits[0]) <= 1
    assert all(max(before) < min(after) for before, after in pairwise(waits[:6]))
    assert 54 <= min(waits[-1]) <= max(waits[-1]) <= 60
    assert 60 == default.restart_sound_seconds

    build = crashing(crashes=3)
    settings = replace(hub.settings, restart=pauses(first_seconds=0.3, longest_seconds=600), restart_sound_seconds=0)
    async with hub.running(
        hub.instance(place, ledger.url, replace(CONNECTOR, build=build)), settings=settings, ok=False
    ):
        await hub.feed(sos(place))
        await hub.all_committed(place, 30)


class Unset(LedgerConnector):
    """Cannot work with the settings it has, as long as its token is not the right one."""

    async def connect(self):
        if self._config.token.get_secret_value() == "wrong":
            raise Misconfigured("token: not what the ledger gave us")
        await super().connect()


@pytest.mark.parametrize("mend", ["settings", "asked"])
async def test_a_misconfigured_connector_waits_for_a_person_and_then_delivers(hub, ledger, place, instance, mend):
    unset, attempts = f"{place}-unset", Counter()

    class Counted(Unset):
        async def connect(self):
            attempts[self._config.token.get_secret_value()] += 1
            if mend == "asked" and attempts["wrong"] > 1:
                self._config = right
            await super().connect()

    await hub.make(destinations=[unset], sources=[unset])
    right = instance.config
    wrong = hub.instance(unset, ledger.url, replace(CONNECTOR, build=Counted))
    wrong = replace(wrong, config=right.model_copy(update={"token": type(right.token)("wrong")}))
    settings = replace(hub.settings, restart=pauses(first_seconds=0.02, longest_seconds=0.05))
    controls = hub.controls()
    async with hub.running(instance, wrong, settings=settings, controls=controls, ok=False) as health:
        await hub.feed(sos(unset), sos(place))
        await eventually(lambda: Status.PERMANENT_ERROR is health.of(unset).status, "it waits", 20)
        await hub.all_committed(place)

        assert State(Status.PERMANENT_ERROR, "token: not what the ledger gave us") == health.of(unset)
        assert {"wrong": 1} == attempts
        if mend == "settings":
            controls[unset].renew(right)
        else:
            controls[unset].restart()
        await hub.all_committed(unset)
        await eventually(lambda: Status.OK is health.of(unset).status, "well again")

    assert {mend: 1} == {why: times for why, times in restarts(unset).items() if times}
    assert sos(unset).id in ledger.entries


async def test_a_connector_built_anew_in_full_work_loses_and_repeats_nothing(hub, ledger, place, instance):
    events = stories(place, keys=20, updates=10)
    ledger.answer_after = 0.02
    controls = hub.controls()
    async with hub.running(instance, controls=controls):
        feeding = asyncio.create_task(hub.feed(*events))
        for share in (0.2, 0.5, 0.8):
            await eventually(lambda share=share: len(ledger.entries) > share * len(events), "under way", 20)
            controls[place].restart()
        await feeding
        await hub.all_committed(place, 40)

    assert in_order(events, ledger)
    assert {1} == set(Counter(ledger.attempts).values())
    assert restarts(place)["asked"] == 3
    assert [0] == list(by_label("connector_in_flight", place, "connector", all_values=True).values())


async def test_a_part_that_is_cancelled_before_its_first_step_was_never_begun():
    begun = []

    async def work() -> None:
        begun.append("work")

    def begin():
        begun.append("called")
        return work()

    task = asyncio.ensure_future(unending(begin, "link"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [] == begun
    with pytest.raises(PartEndedError):
        await unending(begin, "link")
    assert ["called", "work"] == begun
