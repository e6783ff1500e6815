"""Several officers, several alerts, one event; and what rooms write to officers."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime

import aiohttp
from bondmate_device import Level, Position, bodies
from scenarios.devices import HERE, Officer
from scenarios.operations import hub
from scenarios.play import officer, play
from scenarios.room import Document, Room, Said
from scenarios.stage import Stage
from scenarios.waiting import eventually

MANY = [f"E-21-{number:02}" for number in range(30)]


def share_an_incident(*documents: Document) -> bool:
    """Return whether documents name one and the same incident (CAP 1.2, 3.2.1 `incidents`)."""
    return bool(set.intersection(*(set(each.incidents.split()) for each in documents)))


@play("8", "E-08")
async def fall_after_sos(stage: Stage) -> None:
    """SOS, then a fall on the same device: two alerts, one incident, the fix on both.

    EMERGENCY.md, "One event, one incident": every alert still reaches each room as NEW with full alarm.
    """
    async with stage.officer("E-08") as device:
        await device.presses(position=HERE)
        await stage.north.reads("E-08", "^Alert .*Officer emergency")
        await device.presses("OFFICER_DOWN")
        for room in (stage.north, stage.county):
            sos, fall = await room.reads("E-08", "^Alert .*Officer emergency", "^Alert .*Officer down")
            assert share_an_incident(sos, fall)
            assert [True, True] == [each.circle.startswith("50.8466,4.3528") for each in (sos, fall)]


@play("15", officer("E-15a", unit="u-15"), officer("E-15b", unit="u-15"))
async def two_of_one_unit(stage: Stage) -> None:
    """Two officers of one unit press within 10 s: two alerts in full; "both" by a room helps both.

    EMERGENCY.md, "One event, one incident": with its own levels, escalation and ending.
    """
    async with stage.officer("E-15a") as one, stage.officer("E-15b") as other:
        first, second = await one.presses(position=HERE), await other.presses(position=HERE)
        alarms = [(await stage.north.reads(name, "^Alert "))[0] for name in ("E-15a", "E-15b")]
        for name in ("E-15a", "E-15b"):
            await stage.county.reads(name, "^Alert ")
            await stage.desk.sees(name, "b-a-o-tbl")
        await stage.north.says("Ack", alarms[0], "for both", also=alarms[1], response="assigned", unit="unit-3")
        await one.shows(first, lambda it: it.help_is_coming, "that help is coming")
        await other.shows(second, lambda it: it.help_is_coming, "that help is coming")
        await stage.north.says("Cancel", alarms[0], "he is safe")
        await one.shows_level(first, Level.RESOLVED)

    assert not other.status(second).closed
    assert alarms[0].alert != alarms[1].alert


@play("15 incident", officer("E-15c", unit="u-15i"), officer("E-15d", unit="u-15i"))
async def one_incident_of_two(stage: Stage) -> None:
    """The same two are one incident to every room.

    EMERGENCY.md, "One event, one incident".
    """
    async with stage.officer("E-15c") as one, stage.officer("E-15d") as other:
        await one.presses(position=HERE)
        await other.presses(position=HERE)
        for room in (stage.north, stage.county):
            alarms = [(await room.reads(name, "^Alert "))[0] for name in ("E-15c", "E-15d")]
            assert share_an_incident(*alarms)


@play(
    "16", officer("E-16", agency="pd-south"),
    routes=[{"name": "of-e-16-duty", "when": {"record": "alert", "unit": "u-E-16", "responsible": "pd-north"},
             "to": ["north"]}],
)  # fmt: skip
async def over_the_border(stage: Stage) -> None:
    """South's officer comes into north's district: north is told after two good fixes; at the border nothing flaps.

    EMERGENCY.md, "Who joins": after 2 fixes 10 s apart whose accuracy fits.
    """
    async with stage.officer("E-16") as device:
        south_of_it, in_it = (Position(latitude, 20.5, accuracy_m=8) for latitude in (9.99, 10.01))
        await device.presses(position=south_of_it)
        await stage.south.reads("E-16", "^Alert ")
        await device.client.fix(in_it)
        await asyncio.sleep(3)
        after_one = list(stage.north.of("E-16"))
        for place in (in_it, south_of_it, in_it, south_of_it, in_it, in_it):
            await asyncio.sleep(5)
            await device.client.fix(place)
        await asyncio.sleep(10)
        await device.client.fix(in_it)
        await stage.north.reads("E-16", "^Alert ")
        for place in (south_of_it, in_it, south_of_it):
            await asyncio.sleep(2)
            await device.client.fix(place)
        await asyncio.sleep(3)

    assert [] == after_one
    assert 1 == [each.kind for each in stage.north.of("E-16")].count("Alert")
    assert 1 == [each.kind for each in stage.south.of("E-16")].count("Alert")
    assert [] == [each.words for each in stage.north.of("E-16") if each.kind == "Cancel"]


@play("17", officer("E-17a", unit="u-17"), officer("E-17b", unit="u-17"), officer("E-17c", unit="u-17"))
async def written_to(stage: Stage) -> None:
    """A message to one, a unit, an area, one of them offline: held, in order, acknowledged by name; or undelivered.

    EMERGENCY.md, "Owner, part, whole": told to all; issue 14, part 6: words for people.
    """
    area, there = "41.5,2.1 1", Position(41.5, 2.1, accuracy_m=8)
    async with stage.officer("E-17a") as one, stage.officer("E-17b") as other:
        async with stage.officer("E-17c") as away:
            for device in (one, other, away):
                await device.client.fix(there, on_duty=True)
            await until_in_area(stage.north, area, one, other, away)
        late = await stage.north.orders("E-17c", "too late for you", seconds=1)
        to_one = await stage.north.orders("E-17a", "to one")
        to_unit = await stage.north.orders("u-17", "to the unit")
        to_area = await stage.north.orders("area", "to the area", area=area)
        await other.reads("to the area")
        await one.reads("to the area")
        await stage.north.answers_of(late, 1)
        async with stage.officer("E-17c") as back:
            await back.reads("to the area")
            for device in (one, other, back):
                for message in device.messages:
                    await device.client.acknowledge(message.message_id)
            answers = {said: await stage.north.answers_of(said, count) for said, count in
                       ((to_one, 2), (to_unit, 6), (to_area, 6), (late, 1))}  # fmt: skip
            await eventually(lambda: not back.link.waiting, "all is said")

    def texts(device: Officer) -> list[str]:
        return [each.text for each in device.messages if not each.text.startswith("check") and not each.expired]

    assert ["to one", "to the unit", "to the area"] == texts(one)
    assert ["to the unit", "to the area"] == texts(other) == texts(back)

    def is_told(said: Said, kind: str, note: str) -> bool:
        return any(each == kind and re.search(note, words) for each, words in answers[said])

    assert is_told(to_one, "Ack", "^ACKNOWLEDGED by E-17a")
    for name in ("E-17a", "E-17b", "E-17c"):
        assert is_told(to_unit, "Ack", f"^ACKNOWLEDGED by {name}")
        assert is_told(to_area, "Ack", f"^ACKNOWLEDGED by {name}")
    assert is_told(late, "Error", "^EXPIRED expired_undelivered .*E-17c")


async def until_in_area(room: Room, area: str, *devices: Officer) -> None:
    """Write to the area until all hear it: where they are the hub knows a moment after they have told it."""
    for number in range(8):
        await room.orders("area", f"check {number}", area=area)
        try:
            for device in devices:
                await eventually(lambda: f"check {number}" in {m.text for m in device.messages}, "hears", 3)  # noqa: B023
        except AssertionError:
            continue
        return
    raise AssertionError("the hub does not know who is in the area")


@play("21", *MANY)
async def thirty_at_once(stage: Stage) -> None:
    """Thirty SOS at once: each is alarmed, once, at every room and on the map; one incident where somebody says so.

    EMERGENCY.md, "One event, one incident": every alert reaches each room as NEW with full alarm.
    """
    event_ids = []
    async with aiohttp.ClientSession() as session:
        for name in MANY:
            item = bodies.alert("raise", message_id=str(uuid.uuid4()), alert_id=str(uuid.uuid4()),
                                at=datetime.now(UTC), kind="SOS", position=HERE)  # fmt: skip
            headers = {"Authorization": f"Bearer {stage.tokens[name]}", "Content-Type": "application/json"}
            async with session.post(f"{stage.gateway_url}/v1/alerts", data=item.body, headers=headers) as answer:
                assert answer.status == 202
                event_ids.append((await answer.json())["event_id"])
        for name in MANY:
            await stage.north.reads(name, "^Alert ")
            await stage.county.reads(name, "^Alert ")
            await stage.desk.sees(name, "b-a-o-tbl")
    code, said = await hub(stage, "incidents", "link", event_ids[1], event_ids[0], "--reason", "one brawl")
    assert code == 0, said
    for room in (stage.north, stage.county):
        await eventually(
            lambda: share_an_incident(*(room.of(name)[-1] for name in MANY[:2])),  # noqa: B023
            f"one incident at {room.name}",
        )
        assert not share_an_incident(*(room.of(name)[-1] for name in MANY[1:3]))

    for room in (stage.north, stage.county):
        alarms = [each.callsign for each in room.documents if each.kind == "Alert" and each.callsign in MANY]
        assert sorted(alarms) == MANY


@play(
    "23",
    "E-23",
    routes=[{"name": "of-e-23-cad", "when": {"record": "incident", "source": ["county"]}, "to": ["north", "tak"]}],
)
async def emitted_again(stage: Stage) -> None:
    """County's CAD emits our SOS again as an alert of its own: nobody gets a second emergency.

    EMERGENCY.md, "One event, one incident": it is known by its references and is no second emergency.
    """
    async with stage.officer("E-23") as device:
        await device.presses(position=HERE)
        (at_county,) = await stage.county.reads("E-23", "^Alert ")
        await stage.north.reads("E-23", "^Alert ")
        # An alert of its own, to see that it would come.
        await stage.county.emits(None, "fire at the mill, from our CAD")
        await eventually(
            lambda: any("mill" in each.words for each in stage.north.documents), "county's own alert at north"
        )
        await stage.county.emits(at_county, "Officer emergency E-23, from our CAD")
        await stage.county.emits(None, "fire at the barn, from our CAD")
        await eventually(lambda: any("barn" in each.words for each in stage.north.documents), "what came after it")
        await asyncio.sleep(1)

    assert [] == [each.words for each in stage.north.documents if "E-23, from our CAD" in each.words]
    assert [] == [each.text for each in stage.desk.events if "E-23, from our CAD" in each.text + each.callsign]


@play("22", officer("E-22", agency="pd-south", profile="greek"))
async def two_languages(stage: Stage) -> None:
    """A Greek officer, a Spanish room: the text is kept with its language, the labels are the room's.

    Issue 14, part 6: what a dispatcher reads, in each dialect.
    """
    async with stage.officer("E-22") as device:
        alert = await device.presses(text="Άνδρας με μαχαίρι")
        (at_south,) = await stage.south.reads("E-22", "^Alert (?s:.*)Άνδρας με μαχαίρι")
        await stage.south.says("Ack", at_south, "va una patrulla", response="assigned", unit="z-4")
        await device.reads("va una patrulla")
        await device.shows(alert, lambda it: it.help_is_coming, "that help is coming")

    assert "emergencia" in at_south.headline.lower()
    assert "posición desconocida" in at_south.words.lower()
    assert "el" in at_south.description.partition("Άνδρας")[0]
    assert "Officer" not in at_south.words
