"""Moving, duress, silence, stolen and replaced devices."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bondmate_device import Level, Position
from bondmate_gateway.enrolment.commands import revoke
from scenarios.devices import HERE
from scenarios.operations import hub
from scenarios.play import officer, play
from scenarios.stage import Stage
from scenarios.waiting import eventually

SILENT = r"(?i:silent\W{1,3}do not call)"


@play("2", "E-02")
async def moving(stage: Stage) -> None:
    """SOS without GPS, then fixes: the first at every room at once, then at its rate; the marker moves.

    EMERGENCY.md, "The alert follows the officer": marked as such, no chat line, CAP one in 15 s an alert.
    """
    async with stage.officer("E-02") as device:
        await device.presses()
        await stage.north.reads("E-02", "^Alert ")
        await stage.desk.sees("E-02", "b-a-o-tbl")
        await stage.desk.reads("E-02", "^SOS ")
        lines = len(stage.desk.lines("E-02"))
        begun = asyncio.get_running_loop().time()
        for step in range(20):
            await device.client.fix(Position(50.84 + step / 1000, 4.35, accuracy_m=8), on_duty=True)
            await asyncio.sleep(1)
        updates = {}
        for room in (stage.north, stage.county):
            _, first = await room.reads("E-02", "^Alert ", "^Update .*(?i:position)")
            updates[room.name] = [each for each in room.of("E-02") if each.kind == "Update"]
            assert float(first.circle.partition(",")[0]) < 50.846
        took = asyncio.get_running_loop().time() - begun
        places = {each.latitude for each in stage.desk.alarms("E-02") if each.has_place}

    for at_room in updates.values():
        assert {"true"} == {each.parameters["position_only"] for each in at_room}
        assert len(at_room) <= took / 15 + 1
    assert len(places) >= 5
    assert lines == len(stage.desk.lines("E-02"))


@play("6", "E-06")
async def duress(stage: Stage) -> None:
    """Duress: the device is silent in all, the rooms read "silent, do not call", a sender is told, nothing on open TAK.

    EMERGENCY.md, "Duress, silence, device, officer".
    """
    async with stage.officer("E-06") as device:
        alert = await device.presses("DURESS", position=HERE)
        (at_north,) = await stage.north.reads("E-06", f"^Alert (?s:.*){SILENT}")
        await stage.county.reads("E-06", f"^Alert (?s:.*){SILENT}")
        await stage.north.says("Ack", at_north, "two cars, no siren", response="assigned", unit="unit-2")
        shown = await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")
        answer = await device.reads("two cars, no siren")
        said = await stage.north.orders("E-06", "can you talk?")
        message = await device.reads("can you talk?")
        told = await stage.north.answers_of(said, 1)

    assert shown.silent
    assert answer.silent
    assert message.silent
    assert any("silent" in note.lower() or "duress" in note.lower() for _, note in told)
    assert [] == stage.desk.lines("E-06")
    assert [] == stage.desk.alarms("E-06")


@play("14", "E-14")
async def battery_and_silence(stage: Stage) -> None:
    """Battery 4 %, then silence during an SOS: updates of it, at its gravity; any press ends the silence.

    EMERGENCY.md, "Duress, silence, device, officer".
    """
    async with stage.officer("E-14") as device:
        await device.client.fix(HERE, on_duty=True)
        await device.presses(position=HERE)
        await stage.north.reads("E-14", "^Alert ")
        await device.presses("LOW_BATTERY", battery_percent=4)
        _, low = await stage.north.reads("E-14", "^Alert ", r"^Update (?s:.*)(?i:battery)\D*4 ?%")
    # Switched off.
    *_, silence = await stage.north.reads(
        "E-14", "^Alert ", "^Update ", "^Update (?s:.*)(?i:nothing|silent|no contact)"
    )
    async with stage.officer("E-14") as device:
        await device.presses(position=HERE)
        *_, pressed = await stage.north.reads(
            "E-14", "^Alert ", "^Update (?s:.*)(?i:nothing|silent|no contact)", "^Update "
        )

    assert {"SOS"} == {each.parameters["kind"] for each in (low, silence, pressed)}
    assert {low.about} == {each.about for each in (low, silence, pressed)}


@play("18", "E-18")
async def stolen(stage: Stage) -> None:
    """The device is revoked during its SOS and a thief cancels: refused; the rooms are told of the revocation.

    EMERGENCY.md, "Duress, silence, device, officer": a revocation during an open alert is told.
    """
    async with stage.officer("E-18") as device:
        alert = await device.presses(position=HERE)
        await stage.north.reads("E-18", "^Alert ")
        await asyncio.to_thread(revoke, stage.folder / "devices.json", "E-18")
        await asyncio.sleep(3)
        await device.client.cancel(alert)
        for room in (stage.north, stage.county):
            await room.reads("E-18", "^Alert ", "^Update (?s:.*)(?i:revoked)")
        enrolled = device.link.enrolled

    assert not enrolled
    assert [] == [each.words for each in stage.north.of("E-18") if "asks to cancel" in each.words]


@play("19", officer("E-19", mode="EXERCISE", profile="may-be-real"), officer("E-19x", mode="EXERCISE"))
async def real_in_an_exercise(stage: Stage) -> None:
    """An exercise device, "NO DUFF, officer stabbed": by the gesture real at the owner, paged, marked; else exercise only.

    EMERGENCY.md, "Duress, silence, device, officer": real emergency out of an exercise.
    """
    words = "NO DUFF, officer stabbed"
    async with stage.officer("E-19") as device, stage.officer("E-19x") as other:
        real = await device.presses(text=words, position=HERE, real=True)
        drill = await other.presses(text=words, position=HERE)
        (at_north,) = await stage.north.reads(
            "E-19", f"^Alert (?s:.*){words}(?s:.*)(?i:exercise device|device of an exercise)"
        )
        await stage.paged(await device.event_id(real), "alert_real_from_exercise")
        await stage.ex.reads("E-19x", f"^Alert (?s:.*){words}")
        await stage.north.says("Ack", at_north)
        seen = await device.shows(real, lambda it: it.answers, "that a person has seen it")
        await other.shows(drill, lambda it: it.event_id, "that the hub has it")
        elsewhere = [room.of("E-19") for room in (stage.county, stage.south, stage.ex)]

    assert "Actual" == at_north.status
    assert ["seen"] == [each.says for each in seen.answers]
    assert [[], [], []] == elsewhere
    assert [] == stage.desk.on_map("E-19")
    assert [] == [*stage.north.of("E-19x"), *stage.county.of("E-19x"), *stage.south.of("E-19x")]
    assert [] == [each.type for each in stage.desk.on_map("E-19x") if each.type.startswith("b-a-o")]


@play("29", "E-29", "E-29b")
async def check_in_missed(stage: Stage) -> None:
    """A check-in is missed and the device destroyed in the countdown: the alert comes 5 s after it was due at most.

    EMERGENCY.md, "Duress, silence, device, officer": handed over at once as a check-in due at its end, told to nobody.
    """
    async with stage.officer("E-29b") as other:
        kept = await other.client.owe_check_in(10, position=HERE)
        async with stage.officer("E-29") as device:
            due_at = datetime.now(UTC) + timedelta(seconds=10)
            owed = await device.client.owe_check_in(10, position=HERE)
            await eventually(lambda: device.client.has_check_in(owed), "that the hub has the check-in")
        told_before = [*stage.north.of("E-29"), *stage.county.of("E-29")]
        await eventually(lambda: other.client.has_check_in(kept), "that the hub has the check-in")
        await other.client.check_in(kept)
        (alarm,) = await stage.north.reads("E-29", "^Alert .*Officer down")
        await stage.county.reads("E-29", "^Alert .*Officer down")
        await stage.desk.sees("E-29", "b-a-o-")

    assert [] == told_before
    assert -1 <= (alarm.sent - due_at).total_seconds() <= 5
    assert alarm.circle.startswith("50.8466,4.3528")
    assert [] == stage.north.of("E-29b")


@play("28", "E-28", "E-28s")
async def taken_over(stage: Stage) -> None:
    """A spare takes over during duress: the old device is told nothing, duress moves, its presses go to the owner, marked.

    EMERGENCY.md, "Duress, silence, device, officer": takeover by a spare.
    """
    who = ("--operator", "inspector 4711", "--reason", "lost in the river")
    async with stage.officer("E-28") as old, stage.officer("E-28s") as spare:
        alert = await old.presses("DURESS", position=HERE)
        (alarm,) = await stage.north.reads("E-28", f"^Alert (?s:.*){SILENT}")
        await stage.county.reads("E-28", "^Alert ")
        await old.shows_level(alert, Level.ACCEPTED)
        done, said = await hub(stage, "devices", "takeover", "E-28", "E-28s", *who)
        assert done == 0, said
        await eventually(lambda: bool(spare.client.statuses()), "the spare shows the open alert")
        before = old.status(alert)
        await stage.north.says("Ack", alarm, "two cars, no siren", response="assigned", unit="unit-2")
        await eventually(lambda: any(it.help_is_coming for it in spare.client.statuses()), "help on the spare")
        answer = await spare.reads("two cars, no siren")
        await stage.north.orders("E-28s", "can you talk?")
        message = await spare.reads("can you talk?")
        county_before = len(stage.county.of("E-28"))
        await old.presses(text="who is this")
        await stage.north.reads("E-28", "^Alert ", "(?i:replaced)")
        await asyncio.sleep(3)

    assert before == old.status(alert)
    assert [] == [each.text for each in old.messages]
    assert answer.silent
    assert message.silent
    assert [] == [each.words for each in stage.county.of("E-28")[county_before:] if "who is this" in each.words]


@play("31", "E-31")
async def started_by_a_room(stage: Stage) -> None:
    """A room starts an emergency silently, by two persons; nothing shows on the device until its officer presses aloud.

    EMERGENCY.md, "Duress, silence, device, officer": rooms beyond the owner get no positions until somebody confirms.
    """
    north, county = stage.north, stage.county
    async with stage.officer("E-31") as device:
        await device.client.fix(HERE, on_duty=True)
        for number in range(8):
            # Where the device is, and that it is on shift, the hub knows a moment after it was told.
            first = await north.starts("E-31", "no answer on the radio", by=f"jane-{number // 8}", silent=True)
            answers = await north.answers_of(first, 1)
            if any("second person" in note for _, note in answers):
                break
        assert [] == north.of("E-31")
        await north.starts("E-31", "no answer on the radio", by="joe", silent=True)
        (at_north,) = await north.reads("E-31", f"^Alert (?s:.*)Started by a control room(?s:.*){SILENT}")
        (at_county,) = await county.reads("E-31", "^Alert (?s:.*)Position withheld until the emergency is confirmed")
        order = await north.orders("E-31", "call in")
        text = await device.reads("call in")
        told = await north.answers_of(order, 1)
        shown_before = [standing for standing in device.shown if not standing.silent]

        alert = await device.presses(position=HERE)
        for room, begun in ((north, at_north), (county, at_county)):
            _, pressed = await room.reads("E-31", "^Alert ", "^Update (?s:.*)Confirmed as an emergency")
            assert (begun.alert, True) == (pressed.alert, pressed.circle.startswith("50.846"))
            assert "SILENT ALARM" not in pressed.words
        await north.says("Ack", at_north, "two cars", response="assigned", unit="unit-31")
        shown = await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")

    assert (True, "", []) == (text.silent, at_county.circle, shown_before)
    assert any("silent" in note.lower() for _, note in told)
    assert not shown.silent
