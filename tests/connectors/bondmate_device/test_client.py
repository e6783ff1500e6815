"""The client at a gateway that goes away, refuses, and comes back; on a disk that fails; each failure with its recovery."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import bondmate_device
import command_line
import pytest
from aiohttp import web
from bondmate_connectors.errors import Transient
from bondmate_device import Cancel, Level, Patience, Position, SendingPace, Settings, StoreInUseError
from bondmate_device.client import Client
from bondmate_device.gateway import _retry_after
from bondmate_schemas.catalogue import CHECK_INS, STATE_ALERTS
from bondmate_schemas.enums import AlertStatus
from bondmate_schemas.enums import Level as HubLevel
from bondmate_schemas.models import AlertState, DestinationState

pytestmark = pytest.mark.timeout(60)


def state(alert, status, *, cancel_requested=False, changed=0):
    at = datetime.now(UTC) + timedelta(seconds=changed)
    room = DestinationState(level=HubLevel.DELIVERED, changed_at=at)
    return AlertState(header=alert.header, device_id=alert.device_id, alert=alert, status=status,
                      destinations={"room": room}, cancel_requested=cancel_requested, changed_at=at)  # fmt: skip


async def test_what_was_queued_offline_arrives_when_the_gateway_is_there_alerts_first(place):
    async with place.client() as device:
        await device.fix(Position(50, 4))
        await device.report(title="Lamp")
        alert_id = await device.raise_alert("SOS")
        await device.update(alert_id, text="third floor")
        await device.cancel(alert_id)
        queued = device.status(alert_id), device.link.waiting
    async with place.client() as device:
        again = device.status(alert_id), device.link.waiting
        async with place.up():
            await device.until(lambda: not device.link.waiting)
            after = device.status(alert_id)

    assert (Level.QUEUED, Cancel.QUEUED, 5) == (queued[0].level, queued[0].cancel, queued[1])
    assert queued == again
    assert ["RAISE", "UPDATE", "CANCEL"] == [str(event.action) for event in place.events[:3]]
    assert ["IncidentEvent", "DeviceLocation"] == [type(event).__name__ for event in place.events[3:]]
    assert (Level.RECEIVED, Cancel.REQUESTED) == (after.level, after.cancel)


async def test_the_level_follows_the_hub_by_stream_and_an_alert_that_ended_meanwhile_is_told_at_the_return(place):
    async with place.up() as gateway:
        async with place.client() as device:
            await device.until(lambda: device.link.listening == "stream")
            alert_id = await device.raise_alert("SOS")
            await device.until(lambda: device.status(alert_id).level is Level.RECEIVED)
            alert = place.events[0]
            await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.ACKNOWLEDGED, changed=1))
            await device.until(lambda: device.status(alert_id).help_is_coming)
            told = device.status(alert_id)
        await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.RESOLVED, changed=2))
        async with place.client() as device:
            remembered = device.status(alert_id).level
            await device.until(lambda: device.status(alert_id).closed)

    assert (("room", "delivered"),) == told.destinations
    assert Level.ACKNOWLEDGED is remembered


async def test_an_end_that_the_stream_did_not_tell_is_asked_for(place):
    """As one that came before the stream's first frame: that gives open alerts only."""
    patience = Patience(ask_seconds=0.1)
    async with place.up() as gateway, place.client(patience=patience) as device:
        alert_id = await device.raise_alert("SOS")
        await device.until(lambda: device.status(alert_id).level is Level.RECEIVED)
        gateway._mailboxes.box(place.device_id).waiters.clear()  # its stream hears nothing of it
        await gateway.see(STATE_ALERTS, "k", state(place.events[0], AlertStatus.RESOLVED, changed=1))
        await device.until(lambda: device.status(alert_id).closed)
        listening, level = device.link.listening, device.status(alert_id).level

    assert ("stream", Level.RESOLVED) == (listening, level), "of the stream that tells nothing there was no other"


async def test_an_unenrolled_device_keeps_its_queue_and_sends_it_once_it_is_enrolled(place):
    place.enrol("another-token")
    async with place.up(), place.client() as device:
        alert_id = await device.raise_alert("SOS")
        await device.until(lambda: not device.link.enrolled)
        kept = device.link.waiting, device.refusals, device.status(alert_id).level
        place.enrol("token-of-the-device")
        await device.until(lambda: not device.link.waiting)

        assert (1, (), Level.QUEUED) == kept
        assert device.link.enrolled
        assert Level.RECEIVED is device.status(alert_id).level


async def test_a_refused_report_is_recorded_with_its_code_and_holds_nothing_up(place):
    async with place.up(), place.client() as device:
        await device.report(title="x" * 501)
        await device.report(title="Lamp")
        await device.until(lambda: not device.link.waiting)
        codes = [one.code for one in device.refusals]
    async with place.client(listen=False) as device:
        remembered = [one.code for one in device.refusals], device.link.waiting

    assert ["invalid_field"] == codes
    assert (["invalid_field"], 0) == remembered
    assert ["Lamp"] == [event.title for event in place.events]


@pytest.mark.parametrize(("slow", "flags"), [(240, ("clock_skew",)), (0, ())])
async def test_a_clock_that_is_slow_shows_by_when_the_device_says_that_it_sends(place, slow, flags):
    """By a clock 4 min slow a press after the end would count as made before it."""
    clock = lambda: datetime.now(UTC) - timedelta(seconds=slow)  # noqa: E731  # one of a device
    async with place.up(), place.client(clock=clock) as device:
        await device.raise_alert("SOS")
        await device.until(lambda: not device.link.waiting)

    assert flags == place.events[0].header.flags


async def test_503_means_later_and_later_it_is_taken_under_the_same_id(place):
    place.error = Transient("kafka")
    async with place.up(), place.client() as device:
        alert_id = await device.raise_alert("SOS")
        await device.fix(Position(50, 4))
        await device.until(lambda: device.link.waiting == 2 and device._engine.core.outbox._alerts.attempts > 0)
        level = device.status(alert_id).level
        place.error = None
        device.network_is_back()
        await device.until(lambda: not device.link.waiting)

    assert Level.QUEUED is level
    assert {"DeviceAlert", "DeviceLocation"} == {type(event).__name__ for event in place.events}
    assert 2 == len(place.events)


async def test_where_no_websocket_gets_through_messages_come_by_long_poll(place):
    """A proxy that answers the handshake itself, as many do."""
    async with (
        place.up() as gateway,
        proxy_without_websocket(gateway.port) as port,
        place.client(url=f"http://127.0.0.1:{port}") as device,
    ):
        await device.until(lambda: device.link.listening == "poll")
        alert_id = await device.raise_alert("SOS")
        await device.until(lambda: device.status(alert_id).level is Level.RECEIVED)
        await gateway.see(STATE_ALERTS, "k", state(place.events[0], AlertStatus.DELIVERED))
        await device.until(lambda: device.status(alert_id).level is Level.DELIVERED)
        listening, waiting = device.link.listening, device.link.waiting

    assert ("poll", 0) == (listening, waiting)


async def test_positions_are_thinned_when_too_many_wait_and_their_numbers_go_on_over_restarts(place):
    pace = SendingPace(fixes_kept=5, first_wait_seconds=0.05, longest_wait_seconds=0.1)
    async with place.client(pace=pace) as device:
        first = [await device.fix(Position(50, 4)) for _ in range(8)]
        alert_id = await device.raise_alert("SOS")
        thinned = device.link
    async with place.client(pace=pace) as device:
        later = await device.fix(Position(50, 4))
        async with place.up():
            await device.until(lambda: not device.link.waiting)

    assert (3, 6) == (thinned.fixes_thinned, thinned.waiting)
    assert later > first[-1]
    assert [*first[-4:], later] == [event.sequence for event in place.events[1:]]
    assert alert_id == place.events[0].header.external_refs[0].id


async def test_one_process_owns_a_queue_file_and_only_its_user_may_read_it(place):
    async with place.client(listen=False):
        with pytest.raises(StoreInUseError, match="another process"):
            async with place.client(listen=False):
                pass
        modes = {stat.S_IMODE(path.stat().st_mode) for path in place.queue_file.parent.glob("queue.db*")}
    async with place.client(listen=False) as device:
        assert "ok" == device.link.disk

    assert {0o600} == modes


async def test_a_damaged_queue_file_is_set_aside_and_an_alert_goes_out(place):
    place.queue_file.write_bytes(b"this is no database" * 500)
    async with place.up(), place.client() as device:
        renewed = device.link.disk
        await device.raise_alert("SOS")
        await device.until(lambda: not device.link.waiting)
    async with place.client(listen=False) as device:
        assert "ok" == device.link.disk

    assert "renewed" == renewed
    assert 1 == len(place.events)
    assert 1 == len(list(place.queue_file.parent.glob("queue.db.damaged-*")))


async def test_a_full_disk_is_told_the_alert_is_sent_from_memory_and_what_waits_is_kept_when_there_is_room_again(place):
    async with place.client() as device:
        full = device._engine._store._db.execute("PRAGMA max_page_count = 1").fetchone()
        first = await device.raise_alert("SOS", text="x" * 3000)
        for _ in range(10):
            await device.report(title="Lamp", description="x" * 3000)
        failing = device.link
        device._engine._store._db.execute("PRAGMA max_page_count = 100000")
        second = await device.raise_alert("SOS")
        recovered = device.link
    async with place.client() as device:
        kept = {one.alert_id for one in device.statuses()}, device.link.waiting
        async with place.up():
            await device.until(lambda: not device.link.waiting)
    async with place.client() as device:
        device._engine._store.close()  # as a medium that was pulled out
        third = await device.raise_alert("SOS")
        async with place.up():
            await device.until(lambda: not device.link.waiting)
            gone = device.link.disk, device.status(third).level

    assert full is not None
    assert ("failing", 11) == (failing.disk, failing.waiting)
    assert ("ok", 12) == (recovered.disk, recovered.waiting)
    assert ({first, second}, 12) == kept
    assert 13 == len(place.events)
    assert ("failing", Level.RECEIVED) == gone


@pytest.mark.parametrize(
    ("status", "until", "code"),
    [("ACKNOWLEDGED", "acknowledged", 0), ("DELIVERED", "acknowledged", 1), ("DECLINED", "acknowledged", 1),
     ("EXPIRED", "delivered", 1), ("RESOLVED", "acknowledged", 0)],
)  # fmt: skip
async def test_the_command_line_takes_no_other_end_for_the_level_that_was_asked_for(place, status, until, code):
    async with place.up() as gateway:
        arguments = place.arguments("--seconds", "3", "sos", "--until", until)
        running = asyncio.create_task(_run(*arguments))
        async with asyncio.timeout(20):
            while not place.events or gateway._mailboxes.boxes.owners.get(place.events[0].header.event_id) is None:
                await asyncio.sleep(0.01)
        await gateway.see(STATE_ALERTS, "k", state(place.events[0], AlertStatus[status], changed=1))

        assert code == (await running)[0]


async def test_a_token_never_crosses_a_network_in_clear_nor_shows_in_a_text(tmp_path):
    for url in ("http://gateway.example:8080", "gateway.example", "ftp://gateway.example"):
        with pytest.raises(ValueError, match="url"):
            Client(Settings(url, "secret-token", tmp_path / "q"))

    assert "secret-token" not in repr(Settings("https://g.example", "secret-token", tmp_path / "q"))
    assert Patience() == Settings("https://g.example", "t", tmp_path / "q").patience


@contextlib.asynccontextmanager
async def proxy_without_websocket(port: int):
    """Pass requests on, and answer a handshake with an error page."""
    async with aiohttp.ClientSession() as session:

        async def passed_on(request: web.Request) -> web.Response:
            if request.headers.get("Upgrade"):
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            headers = {
                name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers
            }
            url = f"http://127.0.0.1:{port}{request.path_qs}"
            async with session.request(request.method, url, data=await request.read(), headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed_on)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        ("soon", 0),
        ("-5", 0),
        ("Fri, 01 Jan 2010 00:00:00 GMT", 0),
        ("Fri, 99999999999999999999 Jan 2010 00:00:00 GMT", 0),
    ],
)
async def test_retry_after_is_read_in_both_its_forms_and_nonsense_is_no_wait(told, seconds):
    assert seconds == _retry_after(told)
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3590 < _retry_after(in_an_hour) <= 3600


async def _run(*arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(command_line.device, *arguments)
    return done.returncode, done.stdout, done.stderr


async def _run_alone(*arguments: str) -> tuple[int, str, str]:
    """Run the command in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bondmate_device", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_line_queues_offline_and_the_next_command_sends_it(place):
    here = ("--latitude", "50.8", "--longitude", "4.3")
    offline = await _run_alone(*place.arguments("--json", "--seconds", "0.5", "sos", *here))
    async with place.up():
        status = await _run_alone(*place.arguments("--json", "status"))
        fix = await _run(*place.arguments("--json", "fix", *here))
        report = await _run(*place.arguments("report", "--title", "Lamp", "--fact", "It is dark."))
        duress = await _run(*place.arguments("sos", "--kind", "DURESS"))
        messages = await _run(*place.arguments("--json", "--seconds", "0.5", "messages"))
    wrong = await _run(*place.arguments("fix", "--latitude", "50.8"))

    assert (1, "queued") == (offline[0], json.loads(offline[1])["level"])
    told = json.loads(status[1])
    assert (0, 0, ["received"]) == (status[0], told["link"]["waiting"], [one["level"] for one in told["alerts"]])
    assert (0, True) == (fix[0], json.loads(fix[1])["sent"])
    assert 0 == report[0]
    assert (0, "") == (duress[0], duress[1].strip())  # silent: nothing is shown of it
    assert (0, "") == messages[:2]
    assert (2, "say both --latitude and --longitude, or neither\n") == (wrong[0], wrong[2])
    assert ["DeviceAlert", "DeviceLocation", "IncidentEvent", "DeviceAlert"] == [type(e).__name__ for e in place.events]


async def test_status_shows_what_the_hub_says_now_and_help_that_was_withdrawn_never(place):
    """The queue file still says that help is coming; a spare's says nothing of what it has from the device before it."""
    async with place.up() as gateway:
        raised = await _run(*place.arguments("--json", "sos"))
        alert = place.events[0]
        await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.ACKNOWLEDGED, changed=1))
        promised = await _run(*place.arguments("--json", "status"))
        await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.DELIVERED, changed=2))
        withdrawn = await _run(*place.arguments("--json", "status"))
        await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.ACKNOWLEDGED, changed=3))
        await _run(*place.arguments("status"))
        place.queue_file.rename(place.queue_file.with_name("of-another-device"))
        unknown_here = await _run(*place.arguments("status"))
        place.queue_file.with_name("of-another-device").rename(place.queue_file)
        await gateway.see(STATE_ALERTS, "k", state(alert, AlertStatus.DELIVERED, changed=4))
        updated = await _run(*place.arguments("update", json.loads(raised[1])["alert_id"], "--text", "third floor"))

    def shown(told):
        link, (one,) = json.loads(told[1])["link"], json.loads(told[1])["alerts"]
        return told[0], link["current"], one["level"], one["help_is_coming"]

    assert (0, True, "acknowledged", True) == shown(promised)
    assert (0, True, "delivered", False) == shown(withdrawn)
    assert "  acknowledged" in unknown_here[1]
    assert "  delivered" in updated[1]


async def test_without_the_hub_status_says_of_when_it_is_and_promises_nothing(place):
    async with place.up() as gateway:
        await _run(*place.arguments("sos"))
        known = state(place.events[0], AlertStatus.ACKNOWLEDGED, changed=1)
        await gateway.see(STATE_ALERTS, "k", known)
        await _run(*place.arguments("status"))
    words = await _run(*place.arguments("--seconds", "0.3", "status"))
    told = await _run(*place.arguments("--json", "--seconds", "0.3", "status"))

    assert 1 == words[0]
    assert "acknowledged as of 20" in words[1]
    assert "not known whether it still holds" in words[1]
    assert (False, None) == (json.loads(told[1])["link"]["current"], json.loads(told[1])["alerts"][0]["help_is_coming"])


async def test_checking_in_under_an_id_that_nobody_waits_for_is_no_success(place):
    async with place.up() as gateway:
        await _run(*place.arguments("check-in", "c-1", "--due-in", "60"))
        due = place.events[-1]
        await gateway.see(CHECK_INS, due.header.event_id, due)
        mistyped = await _run(*place.arguments("check-in", "c-l"))
        right = await _run(*place.arguments("check-in", "c-1"))

    assert 1 == mistyped[0]
    assert "not_checked_in: c-l  why: nothing is due under this id" in mistyped[1]
    assert (0, True) == (right[0], "checked_in: c-1" in right[1])


async def test_what_is_refused_is_said_in_words_and_the_example_of_a_fix_has_its_place(place):
    async with place.up():
        refused = await _run(*place.arguments("report", "--title", "x" * 501))
    fix = await _run(*place.arguments("fix", "--help"))

    assert (1, True) == (refused[0], "refused report " in refused[1] and ": invalid_field" in refused[1])
    assert "<" not in refused[1]
    assert "fix --latitude 50.8466 --longitude 4.3528" in fix[1]


async def test_every_command_has_help_with_an_example(place):
    for verb in ("sos", "update", "cancel", "fix", "report", "status", "messages", "acknowledge"):
        code, out, _ = await _run(*place.arguments(verb, "--help"))
        assert (0, True) == (code, "example:" in out)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Answer", "OperatorAnswer"), ("Kind", "EventKind"), ("Link", "HubLink"), ("Pace", "SendingPace"),
        ("Refusal", "RefusedEvent"), ("Standing", "RaisedAlert"),
    ],
)  # fmt: skip
def test_a_name_of_the_release_before_still_leads_to_its_class_with_a_warning(old, new):
    with pytest.warns(DeprecationWarning, match=f"bondmate_device.{old} is now {new}"):
        found = getattr(bondmate_device, old)

    assert getattr(bondmate_device, new) is found


async def test_a_client_answers_to_its_verbs_of_the_release_before_with_a_warning(place):
    async with place.client() as device:
        alert_id = await device.raise_alert("SOS")
        with pytest.warns(DeprecationWarning, match="is now Client.status"):
            one = device.standing(alert_id)
        with pytest.warns(DeprecationWarning, match="is now Client.statuses"):
            listed = device.standings()

    assert [device.status(alert_id)] == [one] == listed
