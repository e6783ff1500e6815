"""An alert that a platform does not take as it is arrives there in its leanest form, by the platform's own connector."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from bondmate_connectors.platforms.cap_webhook import CONNECTOR, CapWebhookConfig
from bondmate_connectors.platforms.tak import CONNECTOR as TAK
from bondmate_connectors.runtime.run import Instance
from bondmate_connectors.testing import another, eventually, sos
from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.enums import Level
from lxml import etree

from tests.connectors.tak.stand_ins import StandIn

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
WORDS = "help " * 600


class CapRoom:
    """A control room behind a filter, as its people once set it."""

    def __init__(self) -> None:
        self.refuses = lambda _: 0
        self.taken: list[bytes] = []
        self.refused = 0

    async def take(self, request):
        body = await request.read()
        if status := self.refuses(body):
            self.refused += 1
            return web.Response(status=status)
        self.taken.append(body)
        return web.json_response({"id": f"CR-{len(self.taken)}"})

    @asynccontextmanager
    async def running(self):
        app = web.Application()
        app.add_routes([web.post("/cap", self.take)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/cap"
        finally:
            await runner.cleanup()

    def of(self, event):
        (found,) = (root for root in map(etree.fromstring, self.taken) if event.header.event_id in names(root))
        return found.find(f"{CAP}info")


def names(root):
    return root.findtext(f"{CAP}identifier")


def wordy(place, number):
    event = another(sos(place), number)
    return event.model_copy(update={"alert": event.alert.model_copy(update={"text": WORDS})})


@pytest.mark.parametrize(
    "refuses",
    [lambda body: 413 * (len(body) > 4096), lambda body: 403 * (b"help help" in body)],
    ids=["a body too large", "a word it does not like"],
)
async def test_a_cap_room_that_refuses_an_alert_as_it_is_gets_it_lean_and_whole_again_when_it_takes_that(
    hub, place, refuses
):
    room, good = CapRoom(), [another(sos(place), number) for number in range(3)]
    room.refuses = refuses
    refused, later = wordy(place, 10), wordy(place, 11)
    async with room.running() as url:
        config = CapWebhookConfig.model_validate({"deliver": {"url": url, "secrets": ["the secret of this room"]}})
        async with hub.running(Instance(place, CONNECTOR, config)):
            await hub.feed(refused)
            await hub.until(lambda: refused_once(room), "it is refused")
            await hub.feed(*good)
            await hub.all_committed(place)
            assert room.refused < 50, "an end: how often depends on how soon others passed"
            room.refuses = lambda _: 0
            await hub.feed(later)
            await hub.all_committed(place)

    levels = {receipt.delivery_id: receipt.level for receipt in await hub.receipts(place)}
    assert dict.fromkeys((event.id for event in (refused, later, *good)), Level.ACCEPTED) == levels
    assert [] == await hub.read(dead_letter_topic(place))
    assert ["Extreme", "Since 12:00:00 UTC."] == [
        room.of(refused).findtext(f"{CAP}{name}") for name in ("severity", "description")
    ]
    assert room.of(refused).findtext(f"{CAP}area/{CAP}circle") == room.of(later).findtext(f"{CAP}area/{CAP}circle")
    assert room.of(later).findtext(f"{CAP}description").startswith(f'"{WORDS.strip()}"')
    assert all(room.of(event).findtext(f"{CAP}description").startswith('"need help"') for event in good)


async def refused_once(room):
    return room.refused > 0


@pytest.mark.parametrize("has_lean_form", [False, True], ids=["whatever its form", "as it is"])
async def test_a_tak_server_that_closes_at_one_alert_gets_all_others_and_that_one_lean_where_it_may_be(
    hub, place, has_lean_form
):
    killer, good = wordy(place, 50), [another(sos(place), number) for number in range(20)]
    server = StandIn(closes_at="help help" if has_lean_form else killer.header.event_id)
    async with server.running():
        settings = {"host": "127.0.0.1", "port": server.port, "mode": "EXERCISE", "identity_delay_seconds": 0.0}
        async with hub.running(Instance(place, TAK, TAK.config.model_validate(settings))):
            await hub.feed(killer, *good[:10])
            await eventually(lambda: server.closed > 1, "it closes", 20)
            await hub.feed(*good[10:])
            await hub.all_committed(place)

    found = {receipt.delivery_id: (receipt.level, receipt.code) for receipt in await hub.receipts(place)}
    letters = [dict(letter.headers())["bondmate.error.code"] for letter in await hub.read(dead_letter_topic(place))]
    assert dict.fromkeys((event.id for event in good), (Level.DELIVERED, None)) == {
        event.id: found[event.id] for event in good
    }
    assert all(any(event.header.event_id in line for line in server.received) for event in good)
    ended = (Level.DELIVERED, None) if has_lean_form else (Level.DEAD_LETTERED, "kills_the_link")
    assert ended == found[killer.id]
    assert ([] if has_lean_form else [b"kills_the_link"]) == letters
    assert has_lean_form == any(killer.header.event_id in line for line in server.received)
    # Beside others once or twice, then 3 to 9 times alone by how many others had passed, and once at its end.
    assert server.closed <= 15
