"""An officer presses: who is told, where it is, what a second press, a cancel and an old fix make of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bondmate_device import Level, Position
from bondmate_device.model import Cancel
from bondmate_hub.broker.child import free_port
from scenarios.desk import ENDED
from scenarios.devices import HERE, Road
from scenarios.play import alerts_of, officer, play
from scenarios.stage import Stage

ASKS = "(?i:asks to cancel)"
SECONDS_AT_ONCE = 15
"""On a machine that plays all scenarios at once."""


@play("1", "E-01")
async def unknown_place(stage: Stage) -> None:
    """SOS without GPS is told at once, without a place.

    EMERGENCY.md, "The alert follows the officer".
    """
    async with stage.officer("E-01") as device:
        pressed_at = asyncio.get_running_loop().time()
        alert = await device.presses()
        (north,) = await stage.north.reads("E-01", "^Alert .*E-01")
        (county,) = await stage.county.reads("E-01", "^Alert .*E-01")
        alarm = await stage.desk.sees("E-01", "b-a-o-tbl")
        await stage.desk.reads("E-01", "^SOS .*Position unknown")
        took = asyncio.get_running_loop().time() - pressed_at
        shown = await device.shows_level(alert, Level.ACCEPTED)

    assert took < SECONDS_AT_ONCE
    assert ["", ""] == [north.circle, county.circle]
    assert "Actual" == north.status == county.status
    assert not alarm.has_place
    assert not shown.help_is_coming


@play("1 words", "E-01w")
async def unknown_place_in_words(stage: Stage) -> None:
    """The same: every room reads "position unknown".

    EMERGENCY.md, "The alert follows the officer": what is unknown is said.
    """
    async with stage.officer("E-01w") as device:
        await device.presses()
        for room in (stage.north, stage.county):
            await room.reads("E-01w", "^Alert .*E-01w(?s:.*)(?i:position unknown)")


@play("3", "E-03", routes=[alerts_of("E-03", to=["north", "tak"], escalate=[{"after_seconds": 40, "to": ["county"]}])])
async def second_press(stage: Stage) -> None:
    """A second press while it is open is counted, brings the newest fix, and puts nothing off.

    EMERGENCY.md, "Arming": a press while nobody has answered never moves a due step.
    """
    async with stage.officer("E-03") as device:
        await device.presses(position=HERE)
        (first,) = await stage.north.reads("E-03", "^Alert ")
        await asyncio.sleep(28)
        await device.presses(position=Position(50.9, 4.4, accuracy_m=5))
        _, second = await stage.north.reads("E-03", "^Alert ", "^Update ")
        await stage.desk.reads("E-03", "^SOS ", "^SOS .*Pressed 2 times")
        (county,) = await stage.county.reads("E-03", "^Alert .*UNANSWERED")

    assert ("1", "2", "2") == tuple(each.parameters["press_count"] for each in (first, second, county))
    assert first.circle.startswith("50.8466,4.3528")
    assert second.circle.startswith("50.9,4.4")
    assert county.circle.startswith("50.9,4.4")
    assert first.identifier == second.about
    # Put off it would be due 68 s after the first press.
    assert (county.sent - first.sent).total_seconds() < 65


@play("4", "E-04")
async def accidental_press(stage: Stage) -> None:
    """An accidental press that is cancelled within 3 s goes on until a person closes it.

    EMERGENCY.md, "Owner, part, whole": a device's cancel of an SOS is a request; every format says "asks to cancel".
    """
    async with stage.officer("E-04") as device:
        alert = await device.presses(position=HERE)
        await asyncio.sleep(1)
        await device.client.cancel(alert)
        asked = await device.shows(alert, lambda it: it.cancel is Cancel.REQUESTED, "that the hub has the wish")
        _, update = await stage.north.reads("E-04", "^Alert ", f"^Update .*{ASKS}")
        await stage.county.reads("E-04", "^Alert ", f"^Update .*{ASKS}")
        await stage.desk.reads("E-04", "^SOS ", ASKS)
        ended_on_map = [each for each in stage.desk.on_map("E-04") if each.type == ENDED]
        await stage.north.says("Cancel", update, "spoke to him, all well", validity="false")
        closed = await device.shows(alert, lambda it: it.closed, "that it is over")
        await stage.county.reads("E-04", "^Alert ", "^Cancel .*(?s:.*)pd-north: false alarm")
        await stage.desk.sees("E-04", ENDED)

    assert not asked.closed
    assert [] == ended_on_map
    assert ("pd-north", "false_alarm") == (closed.ended_by, closed.ended_why)
    assert "spoke to him, all well" in closed.ended_words


@play("4 old", "E-04o", needs_history=True)
async def accidental_press_of_old(stage: Stage) -> None:
    """The same on the device of 3c40877: open, its cancel a request, until a person closes.

    EMERGENCY.md, "Words": old devices' `status` as today.
    """
    async with stage.old_officer("E-04o") as device:
        device.does("raise", kind="SOS", place=[50.8466, 4.3528])
        await stage.north.reads("E-04o", "^Alert ")
        device.does("cancel")
        asked = await device.shows(lambda it: it["cancel"] == "requested", "that the hub has the wish")
        _, update = await stage.north.reads("E-04o", "^Alert ", f"^Update .*{ASKS}")
        await stage.north.says("Cancel", update, "all well", validity="false")
        closed = await device.shows(lambda it: it["closed"], "that it is over")

    assert not asked["closed"]
    assert "resolved" == closed["level"]
    assert not {"acknowledged", "responding"} & set(device.levels())


@play("5", "E-05")
async def pressed_offline(stage: Stage) -> None:
    """OFFICER_DOWN and its cancel, both pressed offline: both are told, a request, open.

    EMERGENCY.md, "Owner, part, whole": a device's cancel of OFFICER_DOWN is a request.
    """
    road = Road(free_port(), int(stage.gateway_url.rpartition(":")[2]))
    async with stage.officer("E-05", url=road.url) as device:
        alert = await device.presses("OFFICER_DOWN", position=HERE)
        await device.client.cancel(alert)
        queued = device.status(alert)
        async with road.opened():
            device.client.network_is_back()
            told = await device.shows(alert, lambda it: it.cancel is Cancel.REQUESTED, "that the hub has the wish")
            for room in (stage.north, stage.county):
                alarm, _ = await room.reads("E-05", "^Alert .*Officer down", f"^Update .*Officer down.*{ASKS}")
                assert "OFFICER_DOWN" == alarm.parameters["kind"]
            await stage.desk.reads("E-05", "^Officer down", ASKS)
            open_still = await device.shows_level(alert, Level.ACCEPTED)

    assert (Level.QUEUED, Cancel.QUEUED) == (queued.level, queued.cancel)
    assert not told.closed
    assert not open_still.closed


@play("7", "E-07")
async def cancelled_after_seen(stage: Stage) -> None:
    """Officer down, seen by a person, then cancelled by the device: a request; a person closes it.

    EMERGENCY.md, "Owner, part, whole".
    """
    async with stage.officer("E-07") as device:
        alert = await device.presses("OFFICER_DOWN", position=HERE)
        (alarm,) = await stage.north.reads("E-07", "^Alert ")
        await stage.north.says("Ack", alarm)
        seen = await device.shows(alert, lambda it: "seen" in {each.says for each in it.answers}, "seen")
        await device.client.cancel(alert)
        _, update = await stage.north.reads("E-07", "^Alert ", f"^Update .*{ASKS}")
        await stage.county.reads("E-07", "^Alert ", f"^Update .*{ASKS}")
        asked = await device.shows(alert, lambda it: it.cancel is Cancel.REQUESTED, "that the hub has the wish")
        await stage.north.says("Cancel", update, "medic with him")
        closed = await device.shows_level(alert, Level.RESOLVED)
        await stage.county.reads("E-07", "^Cancel .*(?s:.*)pd-north: resolved")

    assert not seen.help_is_coming
    assert not asked.closed
    assert ("pd-north", "resolved", "medic with him") == (closed.ended_by, closed.ended_why, closed.ended_words)


OLD = "(?i:last known position)(?s:.*)9 h old"


@play("20", "E-20", routes=[
    {"name": "of-e-20-place", "when": {"record": "location", "unit": "u-E-20"}, "to": ["tak"]},
])  # fmt: skip
async def old_fix(stage: Stage) -> None:
    """A fix of 9 h ago, and a press without one: "last known position, 9 h old".

    EMERGENCY.md, "The alert follows the officer": age is said in words.
    """
    async with stage.officer("E-20") as device:
        fixed_at = datetime.now(UTC) - timedelta(hours=9, minutes=5)
        await device.client.fix(Position(50.84, 4.35, accuracy_m=8, fixed_at=fixed_at))
        await stage.desk.sees("E-20", "a-f")
        await asyncio.sleep(3)  # what the lane has told the map it tells the alerts
        await device.presses()
        await stage.north.reads("E-20", f"^Alert (?s:.*){OLD}")
        await stage.desk.reads("E-20", OLD)


@play("20 slow", "E-20b")
async def old_fix_by_slow_clock(stage: Stage) -> None:
    """The press carries that fix, both by a clock that is a day slow: the same words.

    EMERGENCY.md, "The alert follows the officer": age is said in words.
    """
    slow = timedelta(days=1)
    async with stage.officer("E-20b", clock=lambda: datetime.now(UTC) - slow) as device:
        fixed_at = datetime.now(UTC) - slow - timedelta(hours=9, minutes=5)
        await device.presses(position=Position(50.84, 4.35, accuracy_m=8, fixed_at=fixed_at))
        await stage.north.reads("E-20b", f"^Alert (?s:.*){OLD}")
        await stage.desk.reads("E-20b", OLD)


@play("27", "E-27")
async def off_shift(stage: Stage) -> None:
    """An officer who is off shift presses: it goes out.

    EMERGENCY.md, "Silence, device, officer": any press is life.
    """
    async with stage.officer("E-27") as device:
        await device.client.fix(HERE, on_duty=False)
        await device.client.until(lambda: not device.link.waiting)
        alert = await device.presses(text="at home, two men at the door")
        for room in (stage.north, stage.county):
            await room.reads("E-27", "^Alert (?s:.*)two men at the door")
        await stage.desk.reads("E-27", "^SOS .*two men at the door")
        await device.shows_level(alert, Level.ACCEPTED)


@play("exercise", officer("E-40", mode="EXERCISE"))
async def exercise_on_tak(stage: Stage) -> None:
    """An exercise reaches the exercise room, and on TAK a marker and chat only, both marked.

    EMERGENCY.md, "Duress, silence, device, officer": no drill is an emergency type on TAK.
    """
    async with stage.officer("E-40") as device:
        alert = await device.presses(position=HERE)
        (alarm,) = await stage.ex.reads("E-40", "^Alert ")
        marker = await stage.desk.sees("E-40", "a-")
        (line,) = await stage.desk.reads("E-40", "EXERCISE .*SOS")
        await stage.ex.says("Ack", alarm, response="assigned", unit="unit-1")
        await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")
        await stage.ex.says("Cancel", alarm, "end of exercise")
        await device.shows_level(alert, Level.RESOLVED)
        await stage.desk.reads("E-40", "EXERCISE .*SOS", "EXERCISE .*(CANCELLED|Ended)")

    assert "Exercise" == alarm.status
    assert marker.callsign.startswith("EXERCISE")
    assert line.startswith("EXERCISE")
    assert [] == [each.type for each in stage.desk.on_map("E-40") if each.type.startswith("b-a-o")]
    assert [] == [*stage.north.of("E-40"), *stage.county.of("E-40")]
