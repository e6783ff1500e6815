"""Rooms answer: seen, help, withdrawn, declined, closed, nobody; and what reopens what was closed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bondmate_device import Level, RaisedAlert
from scenarios.devices import HERE
from scenarios.play import alerts_of, play
from scenarios.stage import Stage
from scenarios.waiting import eventually


def said_by(standing: RaisedAlert, room: str) -> tuple[str, str | None]:
    """Return what a device shows of a room: what it says, and which unit."""
    return next(((each.says, each.unit) for each in standing.answers if each.room == room), ("", None))


@play("9", "E-09")
async def seen_then_assigned(stage: Stage) -> None:
    """North has seen it, county later assigns unit 7 in 5 min: the device shows seen, then help.

    EMERGENCY.md, "Words".
    """
    async with stage.officer("E-09") as device:
        alert = await device.presses(position=HERE)
        (at_north,) = await stage.north.reads("E-09", "^Alert ")
        (at_county,) = await stage.county.reads("E-09", "^Alert ")
        await stage.north.says("Ack", at_north)
        seen = await device.shows(alert, lambda it: said_by(it, "north") == ("seen", None), "seen at north")
        eta = datetime.now(UTC) + timedelta(minutes=5)
        await stage.county.says("Ack", at_county, "unit 7 goes", response="assigned", unit="unit-7", eta=eta)
        helped = await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")
        message = await device.reads("unit 7 goes")

    (at,) = (each.eta_at for each in helped.answers if each.room == "county")
    assert Level.ACCEPTED is seen.level
    assert not seen.help_is_coming
    assert ("assigned", "unit-7") == said_by(helped, "county")
    assert ("seen", None) == said_by(helped, "north")
    assert eta.replace(microsecond=0) == datetime.fromisoformat(str(at))
    assert "county" == message.sender


@play("9 rooms", "E-09r")
async def rooms_read_each_other(stage: Stage) -> None:
    """Of the same each room reads the other.

    EMERGENCY.md, "Rooms and each other": the owner's rooms all, never to who made it.
    """
    async with stage.officer("E-09r") as device:
        await device.presses(position=HERE)
        (at_north,) = await stage.north.reads("E-09r", "^Alert ")
        (at_county,) = await stage.county.reads("E-09r", "^Alert ")
        await stage.county.says("Ack", at_county, "unit 7 goes", response="assigned", unit="unit-7")
        _, told = await stage.north.reads("E-09r", "^Alert ", "^Update (?s:.*)(?i:county)(?s:.*)(?i:assigned)")
        await stage.north.says("Ack", at_north)
        _, back = await stage.county.reads("E-09r", "^Alert ", "^Update (?s:.*)pd-north(?s:.*)(?i:seen)")
        await asyncio.sleep(6)  # longer than news waits for more

    assert "unit-7" in told.words
    assert "unit 7 goes" in told.words
    assert "county" not in back.parameters.get("other", "")
    for room in (stage.north, stage.county):
        assert 1 == len([each for each in room.of("E-09r") if "others_only" in each.parameters])


@play("10", "E-10")
async def withdrawn(stage: Stage) -> None:
    """County withdraws, "crashed": the officer is told urgently, a new round begins, late repeats change nothing.

    EMERGENCY.md, "Statements" and "Arming".
    """
    async with stage.officer("E-10") as device:
        alert = await device.presses(position=HERE)
        (at_county,) = await stage.county.reads("E-10", "^Alert ")
        yes = await stage.county.says("Ack", at_county, response="assigned", unit="unit-7")
        await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")
        await stage.county.repeats(yes)
        no = await stage.county.says("Error", at_county, "unit 7 crashed", response="withdrawn")
        gone = await device.shows(alert, lambda it: not it.help_is_coming, "that no help is coming")
        message = await device.reads("NOT coming from county")
        await stage.north.reads("E-10", "^Alert ", "^Update .*UNANSWERED")
        await stage.desk.reads("E-10", "^SOS ", "UNANSWERED")
        for late in (yes, no, yes):
            await stage.county.repeats(late)
        # What was said before a statement of north has been worked off when that is shown.
        (at_north,) = await stage.north.reads("E-10", "^Alert ")
        await stage.north.says("Ack", at_north)
        after = await device.shows(alert, lambda it: said_by(it, "north")[0] == "seen", "seen at north")
        levels = device.levels(alert)

    assert "URGENT" == message.priority
    assert "unit 7 crashed" in message.text
    assert "withdrawn" == said_by(gone, "county")[0] == said_by(after, "county")[0]
    assert not after.help_is_coming
    assert 1 == levels.count(Level.ACKNOWLEDGED)


@play("10 old", "E-10o", needs_history=True)
async def withdrawn_on_old(stage: Stage) -> None:
    """The same on the device of 3c40877: seen is no help, a unit is, and it goes when it is taken back.

    EMERGENCY.md, "Words": seen is ACCEPTED, assigned ACKNOWLEDGED for an old device.
    """
    async with stage.old_officer("E-10o") as device:
        device.does("raise", kind="SOS", place=[50.8466, 4.3528])
        (at_county,) = await stage.county.reads("E-10o", "^Alert ")
        (at_north,) = await stage.north.reads("E-10o", "^Alert ")
        await stage.north.says("Ack", at_north, "I have it")
        await device.shows(lambda it: ["north", "acknowledged"] in it["destinations"], "that north has said something")
        seen_levels = device.levels()
        await stage.county.says("Ack", at_county, response="assigned", unit="unit-7")
        await device.shows(lambda it: it["help_is_coming"], "that help is coming")
        await stage.county.says("Error", at_county, "unit 7 crashed", response="withdrawn")
        await device.shows(lambda it: not it["help_is_coming"] and not it["closed"], "that no help is coming")
        await stage.north.reads("E-10o", "^Alert ")

    assert {"acknowledged", "responding"}.isdisjoint(seen_levels)
    assert any("NOT coming from county" in each["text"] and each["priority"] == "URGENT" for each in device.messages)


@play("11", "E-11", routes=[alerts_of("E-11", to=["north"], escalate=[{"after_seconds": 300, "to": ["county"]}])])
async def declined(stage: Stage) -> None:
    """The only room declines: the next one is told at once, the device shows who declined.

    EMERGENCY.md, "Arming" and "Words": said no is help that is NOT coming from there.
    """
    async with stage.officer("E-11") as device:
        alert = await device.presses(position=HERE)
        (at_north,) = await stage.north.reads("E-11", "^Alert ")
        await stage.north.says("Error", at_north, "no unit free")
        (at_county,) = await stage.county.reads("E-11", "^Alert ")
        shown = await device.shows(alert, lambda it: said_by(it, "north")[0] == "declined", "declined at north")
        await device.reads("no unit free")

    assert not shown.help_is_coming
    assert not shown.closed
    assert "" == at_county.about


@play(
    "12", "E-12",
    routes=[alerts_of("E-12", to=["north"], escalate=[
        {"after_seconds": 2, "to": ["north", "county"]}, {"after_seconds": 4, "page": True},
    ])],
)  # fmt: skip
async def nobody_answers(stage: Stage) -> None:
    """Nobody answers: the next room, a page; the ids of the second round differ from those of the first.

    EMERGENCY.md, "Arming": a round has a number that is in all its ids.
    """
    async with stage.officer("E-12") as device:
        alert = await device.presses(position=HERE)
        event_id = await device.event_id(alert)
        await stage.north.reads("E-12", "^Alert ", "^Update .*UNANSWERED")
        await stage.county.reads("E-12", "^Alert .*UNANSWERED")
        await stage.paged(event_id, "alert_unanswered")
        first = await stage.pages(event_id)
        before = len(stage.north.of("E-12"))
        await device.presses(position=HERE)
        await stage.county.reads("E-12", "^Alert ", "^Update ", "^Update .*UNANSWERED")

        async def rung_again() -> bool:
            return len(await stage.pages(event_id)) > len(first)

        await eventually(rung_again, "a page of the second round", pause=1)
        second = [each.words for each in stage.north.of("E-12")[before:]]

    identifiers = [each.identifier for each in stage.north.of("E-12")]
    assert ["alert_unanswered"] == first
    assert 2 == len(second), second
    assert len(identifiers) == len(set(identifiers))


@play("13", "E-13", "E-13n")
async def helper_closes(stage: Stage) -> None:
    """County, only helping, closes its copy: the alert is open; unanswered again where north had not taken it up.

    EMERGENCY.md, "Owner, part, whole": a room closes its part; owner, operations, officer are told.
    """
    async with stage.officer("E-13") as device, stage.officer("E-13n") as other:
        alert, taken_up = await device.presses(position=HERE), await other.presses(position=HERE)
        (at_county,) = await stage.county.reads("E-13", "^Alert ")
        (other_at_county,) = await stage.county.reads("E-13n", "^Alert ")
        (other_at_north,) = await stage.north.reads("E-13n", "^Alert ")
        await stage.north.says("Ack", other_at_north)
        await other.shows(taken_up, lambda it: said_by(it, "north")[0] == "seen", "seen at north")
        for one in (at_county, other_at_county):
            await stage.county.says("Ack", one, response="assigned", unit="unit-7")
        await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")
        await other.shows(taken_up, lambda it: it.help_is_coming, "that help is coming")
        for one in (at_county, other_at_county):
            await stage.county.says("Cancel", one, "closing our copy")
        lapsed = await device.shows(alert, lambda it: said_by(it, "county")[0] == "closed", "closed at county")
        kept = await other.shows(taken_up, lambda it: said_by(it, "county")[0] == "closed", "closed at county")
        message = await device.reads("county has closed its part")
        await stage.north.reads("E-13", "^Alert ", "^Update .*UNANSWERED")
        await stage.paged(await device.event_id(alert), "alert_unanswered_again")
        pages_of_kept = await stage.pages(await other.event_id(taken_up))

    assert not lapsed.closed
    assert not kept.closed
    assert not lapsed.help_is_coming
    assert "URGENT" == message.priority
    assert [] == pages_of_kept
    assert [] == [each.words for each in stage.north.of("E-13n") if "UNANSWERED" in each.words]


@play("24", "E-24")
async def reopened(stage: Stage) -> None:
    """The owner closes; "he is back, knife" reopens it at every room, linked; a fix alone reopens nothing.

    EMERGENCY.md, "Arming": after the whole has ended only a person's act at the device reopens, linked.
    """
    rooms = (stage.north, stage.county)
    async with stage.officer("E-24") as device:
        alert = await device.presses(position=HERE)
        (alarm,) = await stage.north.reads("E-24", "^Alert ")
        await stage.county.reads("E-24", "^Alert ")
        await stage.north.says("Cancel", alarm, "gone on arrival")
        await device.shows_level(alert, Level.RESOLVED)
        await stage.county.reads("E-24", "^Alert ", "^Cancel ")
        await stage.desk.sees("E-24", "b-a-o-can")
        await device.client.fix(HERE)
        await device.client.update(alert, position=HERE)
        await device.client.until(lambda: not device.link.waiting)
        await asyncio.sleep(3)
        after_fix = [[each.kind for each in room.of("E-24")][-1] for room in rooms]
        await device.client.update(alert, position=HERE, text="he is back, knife")
        for room in rooms:
            await room.reads("E-24", "^Alert ", "^Alert (?s:.*)he is back, knife(?s:.*)OPEN AGAIN")
        await stage.desk.reads("E-24", "^SOS ", "OPEN AGAIN.*he is back, knife")

        (again,) = [each for each in stage.north.of("E-24")[1:] if each.kind == "Alert"]
        # It is one alert more, with a life of its own.
        await stage.north.says("Ack", again, response="on_scene")
        await device.shows(alert, lambda it: it.help_is_coming, "that help is there")

    assert ["Alert", "Cancel"] == after_fix
    assert alarm.alert != again.alert
    assert again.parameters["whole.reopens"]


@play(
    "30", "E-30",
    routes=[alerts_of("E-30", to=["north", "county", "south", "tak"], refresh_seconds=3)],
)  # fmt: skip
async def machines_acknowledge(stage: Stage) -> None:
    """Rooms whose machines acknowledge every update come to rest, and nobody has seen it by a machine.

    EMERGENCY.md, "Statements" and "Rooms and each other": a machine's statement is `delivered` at most. The number that
    "Connect a first control room" states: three updates of news at most, beside the refreshes.
    """
    rooms = (stage.north, stage.county, stage.south)
    for room in rooms:
        room.acknowledges_updates.add("E-30")
    async with stage.officer("E-30") as device:
        alert = await device.presses(position=HERE)
        for room in rooms:
            await room.reads("E-30", "^Alert ", "^Update ", "^Update ", "^Update ")
        unseen = device.status(alert)
        (alarm,) = await stage.north.reads("E-30", "^Alert ")
        begun = asyncio.get_running_loop().time()
        before = [len(room.of("E-30")) for room in rooms]
        await stage.north.says("Ack", alarm)
        seen = await device.shows(alert, lambda it: said_by(it, "north")[0] == "seen", "seen at north")
        await asyncio.sleep(9)
        more = [len(room.of("E-30")) - count for room, count in zip(rooms, before, strict=True)]
        news = [len([each for each in room.of("E-30") if "others_only" in each.parameters]) for room in rooms]
        refreshes = (asyncio.get_running_loop().time() - begun) / 3 + 1
        after = device.status(alert)
        await stage.north.says("Cancel", alarm, "end")
        await device.shows_level(alert, Level.RESOLVED)

    assert () == unseen.answers
    assert ["north"] == [each.room for each in seen.answers] == [each.room for each in after.answers]
    assert max(news) <= 3
    assert max(more) <= refreshes + 3
