"""A paused connector sends and takes nothing, loses nothing, ends its pause by itself, and says which alerts wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.control import Controls, Pause
from bondmate_connectors.testing import another, by_label, eventually, sos, update_of
from bondmate_schemas.catalogue import STATE_CONNECTORS, destination_topic
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import ConnectorStatus


def pause(seconds):
    now = datetime.now(UTC)
    return Pause(now + timedelta(seconds=seconds), now, "someone", "their maintenance")


def of_mode(delivery, mode):
    header = delivery.header.model_copy(update={"mode": mode})
    return delivery.model_copy(update={"header": header, "alert": delivery.alert.model_copy(update={"header": header})})


def stories(destination, keys, updates):
    firsts = [another(sos(destination), number) for number in range(keys)]
    return [update_of(first, turn) if turn else first for turn in range(updates + 1) for first in firsts]


async def last_said(hub, place):
    found = [hub.codec.decode(m.value(), ConnectorStatus) for m in await hub.read(STATE_CONNECTORS)]
    return [status for status in found if status.connector == place][-1]


async def test_a_pause_holds_everything_back_until_it_is_ended_and_then_all_comes_in_order(
    hub, ledger, place, instance
):
    events = [of_mode(each, Mode.ACTUAL) for each in stories(place, keys=4, updates=4)]
    before, behind = events[:8], events[8:]
    controls = hub.controls()
    settings = replace(hub.settings, heartbeat_seconds=0.5)
    async with hub.running(instance, controls=controls, settings=settings) as health:
        await hub.feed(*before)
        await hub.all_committed(place)
        controls[place].rest(pause(600))
        await eventually(lambda: Status.PAUSED is health.of(place).status, "paused", 10)
        attempts, said = len(ledger.attempts), await ledger.say(1)

        await hub.feed(*behind)
        # Somebody must hear of it, and at once where it is real.
        await hub.until(lambda: _says(hub, place, alerts=len(behind)), "what waits is told")
        assert {"ACTUAL": len(behind)} == {
            mode: count for mode, count in by_label("connector_paused_alerts", place, "mode").items() if count
        }
        assert attempts == len(ledger.attempts)
        assert ["end" in ledger._said[number] for number in said] == [False]
        assert (await last_said(hub, place)).paused_until == controls[place].pause.until.replace(
            microsecond=controls[place].pause.until.microsecond // 1000 * 1000
        )

        controls[place].resume()
        await hub.all_committed(place)
        await eventually(lambda: Status.OK is health.of(place).status, "it works again", 10)
        await eventually(lambda: "end" in ledger._said[said[0]], "what they said is heard", 10)

    assert len(events) == len(ledger.attempts) == len(ledger.entries)
    for key in {e.key for e in before}:
        assert [e.id for e in events if e.key == key] == [
            event_id for event_id, entry in ledger.entries.items() if entry["key"] == key
        ]
    assert not any(by_label("connector_paused_alerts", place, "mode").values())


async def _says(hub, place, alerts):
    said = await last_said(hub, place)
    return (said.status, said.paused_alerts, said.paused_real_alerts) == ("PAUSED", alerts, alerts)


async def test_a_pause_ends_by_itself_and_outlives_the_process(hub, ledger, place, instance):
    controls = Controls({place: pause(6)})
    async with hub.running(instance, controls=controls, ok=False) as health:
        await eventually(lambda: Status.PAUSED is health.of(place).status, "still paused", 10)
        await hub.feed(sos(place))
        await eventually(lambda: sum(by_label("connector_paused_alerts", place, "mode").values()), "it waits", 10)
        assert [] == ledger.attempts
        await hub.all_committed(place)
        await eventually(lambda: Status.OK is health.of(place).status, "it works again", 10)

        assert controls[place].pause is None
        assert 1 == by_label("connector_restarts_total", place, "why")["resumed"]
    assert [sos(place).id] == list(ledger.entries)


async def test_alerts_that_wait_are_told_by_mode_and_what_cannot_be_read_may_be_one(hub, ledger, place, instance):
    exercise = of_mode(another(sos(place), 1), Mode.EXERCISE)
    async with hub.running(instance, controls=Controls({place: pause(600)}), ok=False) as health:
        await eventually(lambda: Status.PAUSED is health.of(place).status, "paused", 10)
        await hub.feed(exercise)
        await hub.until(lambda: _waits(hub, place, (1, 0)), "an exercise")
        await hub.feed_raw((destination_topic(place), "k", b"no record", []))
        await hub.until(lambda: _waits(hub, place, (2, 1)), "what may be real")

    assert {} == await hub.committed(place)


async def _waits(hub, place, wanted):
    said = await last_said(hub, place)
    return (said.paused_alerts, said.paused_real_alerts) == wanted


@pytest.mark.parametrize("wish", ["resume", "renew"])
async def test_a_paused_connector_stays_so_with_new_settings_and_stops_with_the_process(
    hub, ledger, place, instance, wish
):
    controls = Controls({place: pause(600)})
    async with hub.running(instance, controls=controls, ok=False) as health:
        await eventually(lambda: Status.PAUSED is health.of(place).status, "paused", 10)
        if wish == "renew":
            controls[place].renew(instance.config)
            await asyncio.sleep(0.3)  # nothing may happen
            assert Status.PAUSED is health.of(place).status
        else:
            controls[place].resume()
            await eventually(lambda: Status.OK is health.of(place).status, "it works", 10)
