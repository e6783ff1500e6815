"""A password that is refused is offered three times, then seldom: nobody's account is locked by us."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import BasicAuth, web
from bondmate_connectors.contract import Login, Status
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.platforms.cap_pickup import CONNECTOR as PICKUP
from bondmate_connectors.platforms.cap_pickup import CapPickupConfig
from bondmate_connectors.platforms.cap_webhook import CONNECTOR as WEBHOOK
from bondmate_connectors.platforms.cap_webhook import CapWebhookConfig
from bondmate_connectors.runtime.account import Account
from bondmate_connectors.runtime.account_file import AccountFile
from bondmate_connectors.runtime.control import Controls
from bondmate_connectors.runtime.run import Instance
from bondmate_connectors.testing import another, by_label, eventually, sos
from bondmate_schemas.catalogue import dead_letter_topic

USER, RIGHT, WRONG = "hub", "of the room", "of last year"  # pragma: allowlist secret
CAP = "urn:oasis:names:tc:emergency:cap:1.2"


class Room:
    """A room that takes CAP, and gives a feed, to one account."""

    def __init__(self):
        self.password = RIGHT
        self.offers: Counter[str] = Counter()
        self.refused = 0
        self.taken: list[str] = []
        self.polls = 0
        self.at_once = 0
        self.has_shut_page = False
        """Whether a further page of its open feed is given to that account alone."""
        self.links: list[str] = []
        """What its open feed leads to; what begins with `open` is given to everybody."""

    @asynccontextmanager
    async def open(self):
        app = web.Application()
        app.add_routes([web.post("/cap", self.take), web.get("/feed", self.feed)])
        app.add_routes([web.get("/open-feed", self.open_feed), web.get("/alerts/{name}", self.alert)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def admit(self, request):
        login = BasicAuth.decode(request.headers["Authorization"])
        self.offers[login.password] += 1
        await asyncio.sleep(0.01)
        if (login.login, login.password) != (USER, self.password):
            self.refused += 1
            raise web.HTTPUnauthorized

    async def take(self, request):
        await self.admit(request)
        self.taken.append(request.headers["Idempotency-Key"])
        return web.json_response({"id": len(self.taken)})

    async def feed(self, request):
        await self.admit(request)
        self.polls += 1
        return web.Response(text='<feed xmlns="http://www.w3.org/2005/Atom"/>', content_type="application/atom+xml")

    async def open_feed(self, request):
        links = "".join(
            f'<entry><id>{n}</id><link type="application/cap+xml" href="/alerts/{n}"/></entry>' for n in self.links
        )
        links += '<link rel="next" href="/feed"/>' * self.has_shut_page
        feed = f'<feed xmlns="http://www.w3.org/2005/Atom">{links}</feed>'
        return web.Response(text=feed, content_type="application/atom+xml")

    async def alert(self, request):
        name = request.match_info["name"]
        if not name.startswith("open"):
            await self.admit(request)
        self.taken.append(name)
        return web.Response(
            text=f"""<alert xmlns="{CAP}"><identifier>{name}</identifier><sender>room@example.org</sender>
            <sent>2020-03-01T10:00:00+01:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
            <info><category>Met</category><event>Storm</event><urgency>Immediate</urgency><severity>Severe</severity>
            <certainty>Likely</certainty></info></alert>"""
        )


@pytest.fixture
async def room():
    async with Room().open() as room:
        yield room


def webhook(place, room, password=RIGHT, spec=WEBHOOK):
    login = {"user": USER, "password": password}
    return Instance(
        place, spec, CapWebhookConfig.model_validate({"deliver": {"url": f"{room.url}/cap", "login": login}})
    )


def pickup(place, room, tmp_path, password=RIGHT, path="feed"):
    feed = {"url": f"{room.url}/{path}", "login": {"user": USER, "password": password}}
    config = {"feed": feed, "cursor_file": tmp_path / "cursor", "poll_seconds": 0.02}
    return Instance(place, PICKUP, CapPickupConfig.model_validate(config))


def alerts(place, count):
    return [another(sos(place), number) for number in range(count)]


async def a_while(hub):
    """Long enough for many probes of one that need not be spared."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 8 * hub.settings.refused.cap_seconds
    await eventually(lambda: loop.time() > end, "a while", 10)


async def test_a_wrong_password_is_offered_three_times_however_many_alerts_wait(hub, room, place):
    async with hub.running(webhook(place, room, WRONG)) as health:
        await hub.feed(*alerts(place, 40))
        await eventually(lambda: room.offers[WRONG] == 3, "three times")
        await a_while(hub)

        assert {WRONG: 3} == room.offers
        state = health.of(place)
        assert (Status.RECOVERABLE_ERROR, True) == (state.status, "refuses us: http_401" in state.reason)


async def test_a_password_that_they_change_under_load_is_offered_three_times_more(hub, room, place):
    events = alerts(place, 300)
    async with hub.running(webhook(place, room)):
        await hub.feed(*events)
        await eventually(lambda: len(room.taken) > 30, "under way", 15)
        room.password = "another"  # pragma: allowlist secret
        await eventually(lambda: room.refused >= 3, "refused", 15)
        await a_while(hub)

        assert 3 == room.refused


async def test_after_so_long_it_is_offered_again_and_goes_on_in_order(hub, room, place):
    events = alerts(place, 20)
    soon = replace(hub.settings, account_retry_seconds=2)
    async with hub.running(webhook(place, room, WRONG), settings=soon):
        await hub.feed(*events)
        await eventually(lambda: room.refused == 3, "three times")
        room.password = WRONG
        await hub.all_committed(place)

    assert {event.id for event in events} == set(room.taken)
    assert 3 == room.refused


async def test_a_person_who_says_restart_is_believed_once(hub, room, place):
    controls = Controls()
    async with hub.running(webhook(place, room, WRONG), controls=controls) as health:
        await hub.feed(*alerts(place, 5))
        await eventually(lambda: room.refused == 3, "three times")
        await eventually(lambda: "the account is spared" in health.of(place).reason, "the third answer is read")
        controls[place].restart()
        await eventually(lambda: room.refused == 4, "once more")
        await a_while(hub)
        assert 4 == room.refused
        room.password = WRONG
        controls[place].restart()
        await hub.all_committed(place)
        await eventually(lambda: health.of(place).status is Status.OK, "well")
        # What a former life held waits no more.
        await eventually(
            lambda: not any(by_label("connector_held_events", place, "connector").values()), "nothing held"
        )
        assert not any(by_label("connector_oldest_undelivered_seconds", place, "kind").values())

    assert 5 == len(room.taken)


async def test_another_password_is_offered_at_once(hub, room, place):
    controls = Controls()
    async with hub.running(webhook(place, room, WRONG), controls=controls):
        await hub.feed(*alerts(place, 5))
        await eventually(lambda: room.refused == 3, "three times")
        controls[place].renew(webhook(place, room, RIGHT).config)
        await hub.all_committed(place)

    assert 3 == room.refused
    assert 5 == len(room.taken)


async def test_a_connector_that_crashes_does_not_offer_it_anew(hub, room, place):
    def build(config, context):
        connector = WEBHOOK.build(config, context)
        send = connector.send

        async def crashing(event):
            try:
                return await send(event)
            except AuthFailed:
                raise ZeroDivisionError from None

        connector.send = crashing
        return connector

    spec = replace(WEBHOOK, build=build)
    async with hub.running(webhook(place, room, WRONG, spec)) as health:
        await hub.feed(*alerts(place, 10))
        await eventually(lambda: room.refused >= 3, "crashed and started again", 20)
        await eventually(lambda: "the account is spared" in health.of(place).reason, "started again, and waiting", 20)
        await a_while(hub)

        assert 3 == room.refused


async def test_a_feed_with_an_account_is_spared_too_and_read_again(hub, room, place, tmp_path):
    controls = Controls()
    async with hub.running(pickup(place, room, tmp_path, WRONG), controls=controls):
        await eventually(lambda: room.refused == 3, "three times")
        await a_while(hub)
        assert 3 == room.refused
        room.password = WRONG
        controls[place].restart()
        await eventually(lambda: room.polls > 3, "read again")

    assert 3 == room.refused


async def test_an_open_feed_and_its_open_links_prove_nothing_of_the_secret(hub, room, place, tmp_path):
    """Only the documents ask for the password: neither `check` nor an open document that is taken clears its count."""
    room.links = ["open-1", "shut-1", "shut-2", "shut-3"]
    controls = Controls()
    reader = pickup(place, room, tmp_path, WRONG, "open-feed")
    async with hub.running(reader, controls=controls, ok=False) as health:
        await eventually(lambda: room.refused, "refused")
        room.links.insert(0, "open-2")
        await eventually(lambda: {"open-1", "open-2"} == set(room.taken), "what is open to all is taken")
        await eventually(lambda: room.refused == 3, "three times")
        await a_while(hub)

        assert 3 == room.refused
        assert "refuses us: http_401" in health.of(place).reason
        assert "the account is spared" in health.of(place).reason
        # A document that is given proves the secret: the next refusals are counted from none.
        room.password = WRONG
        controls[place].restart()
        await eventually(lambda: set(room.links) == set(room.taken), "all")
        assert 3 == room.refused
        await eventually(lambda: health.of(place).status is Status.OK, "well again")
        room.password = RIGHT
        room.links.append("shut-4")
        await eventually(lambda: room.refused == 6, "three times more")
        await a_while(hub)

    assert 6 == room.refused
    assert [] == await hub.read(dead_letter_topic(place))


async def test_a_shut_page_and_shut_documents_of_an_open_feed_are_offered_three_times_together(
    hub, room, place, tmp_path
):
    room.links, room.has_shut_page = ["shut-1", "shut-2"], True
    controls = Controls()
    async with hub.running(pickup(place, room, tmp_path, WRONG, "open-feed"), controls=controls, ok=False) as health:
        await eventually(lambda: room.refused == 3, "three times")
        await a_while(hub)
        assert 3 == room.refused
        assert "the account is spared" in health.of(place).reason
        room.password = WRONG
        controls[place].restart()
        await eventually(lambda: set(room.links) == set(room.taken), "all")
        await eventually(lambda: health.of(place).status is Status.OK, "well again")

    assert 3 == room.refused


async def test_a_process_that_is_started_again_offers_it_no_more_than_one_that_runs_on(hub, room, place, tmp_path):
    kept = replace(hub.settings, accounts_dir=tmp_path / "accounts")
    controls = Controls()
    await hub.feed(*alerts(place, 9))
    for _ in range(4):
        async with hub.running(webhook(place, room, WRONG), settings=kept, ok=False) as health:
            await eventually(lambda health=health: "http_401" in health.of(place).reason, "refused, or known to be")
            await a_while(hub)
    assert {WRONG: 3} == room.offers
    async with hub.running(webhook(place, room, WRONG), settings=kept, ok=False, controls=controls) as health:
        await eventually(lambda: "the account is spared" in health.of(place).reason, "told")
        room.password = WRONG
        controls[place].restart()
        await hub.all_committed(place)

    assert 3 == room.refused
    assert 9 == len(room.taken)
    assert [] == list(kept.accounts_dir.iterdir())
    # Nothing of before counts against the next refusal.
    room.password = RIGHT
    await hub.feed(*alerts(place, 9))
    async with hub.running(webhook(place, room, WRONG), settings=kept, ok=False):
        await eventually(lambda: room.refused == 6, "three times more")
        await a_while(hub)
    assert 6 == room.refused


class Process:
    """The account of a connector as one process after the other knows it."""

    def __init__(self, folder, password=WRONG, *, retry_seconds=900):
        self.account = Account(retry_seconds, AccountFile(folder, "a/room"))
        self.account.use(Login(user=USER, password=password))

    def is_refused(self, times=1):
        for _ in range(times):
            self.account.refused("sink", AuthFailed("http_401", secret=True))
        return self

    def waits(self):
        return self.account.wait_seconds("sink")

    async def is_killed(self, offers):
        """Leave what a process leaves that is killed while so many offers are under way."""
        async with asyncio.timeout(5), AsyncExitStack() as under_way:
            for _ in range(offers):
                await under_way.enter_async_context(self.account.offer())
            left = self.account._file._path.read_bytes()
        self.account._file._path.write_bytes(left)


def test_what_was_refused_to_three_processes_is_spared_by_the_fourth_and_another_secret_is_not(tmp_path):
    folder = tmp_path / "accounts"
    assert [0, 0] == [Process(folder).is_refused().waits() for _ in range(2)]
    assert 890 < Process(folder).is_refused().waits() <= 900
    assert 890 < Process(folder).waits() <= 900
    assert "http_401" == Process(folder).account.code
    (file,) = folder.iterdir()
    assert (0o700, 0o600) == (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777)
    assert not [word for word in (WRONG, USER) if word in file.read_text() or word.encode().hex() in file.read_text()]

    assert 0 == Process(folder, RIGHT).waits()
    assert 0 == Process(folder, RIGHT).is_refused().waits()
    assert 0 == Process(folder, WRONG).waits()


def test_who_is_taken_leaves_nothing_behind(tmp_path):
    Process(tmp_path).is_refused(3).account.passed()

    assert [] == list(tmp_path.iterdir())
    assert 0 == Process(tmp_path).waits()


async def test_a_process_that_dies_with_offers_under_way_holds_nobody_back_and_they_count(tmp_path):
    for offers in (3, 1, 1):
        await Process(tmp_path).is_killed(offers)
        assert 0 == Process(tmp_path).waits()
    assert 890 < Process(tmp_path).is_refused().waits()


_INFINITE = '{"key": "00", "mark": "", "until": 0, "vain": 1e999, "code": "", "roles": []}'


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "{", '{"key": 1}', '{"key": "zz", "mark": "", "until": 0}', _INFINITE, "[" * 100_000],
    ids=range(8),
)
def test_a_file_that_nobody_can_read_begins_anew(tmp_path, text):
    Process(tmp_path).is_refused(3)
    (file,) = tmp_path.iterdir()
    file.write_text(text)

    assert 0 == Process(tmp_path).waits()
    assert 890 < Process(tmp_path).is_refused(3).waits()
    assert 890 < Process(tmp_path).waits()


def test_a_clock_that_was_set_back_has_nobody_wait_longer(tmp_path):
    Process(tmp_path).is_refused(3)
    (file,) = tmp_path.iterdir()
    file.write_text(re.sub(r'"until": [\d.]+', '"until": 9e12', file.read_text()))

    assert 890 < Process(tmp_path).waits() <= 900


def test_a_disk_that_is_full_stops_no_connector(tmp_path):
    (tmp_path / "accounts").write_text("no folder")
    account = Process(tmp_path / "accounts").is_refused(3)

    assert 890 < account.waits()
    account.account.passed()
    assert 0 == account.waits()


def test_what_an_account_may_do_is_no_question_of_its_secret_once_that_was_taken():
    account = Account(900)
    account.use(Login(user=USER, password=RIGHT))
    account.passed()
    for _ in range(9):
        account.refused("sink", AuthFailed("http_403", secret=None))
    assert 0 == account.wait_seconds("sink")
    for _ in range(3):
        account.refused("sink", AuthFailed("http_401"))

    assert 890 < account.wait_seconds("sink") <= 900
    assert 0 == account.wait_seconds("source")


def test_a_token_names_no_account_and_is_not_spared():
    account = Account(900)
    account.use(None)
    for _ in range(9):
        account.refused("sink", AuthFailed("http_401"))

    assert 0 == account.wait_seconds("sink")
