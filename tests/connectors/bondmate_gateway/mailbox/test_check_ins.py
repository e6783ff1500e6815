"""A check-in at the gateway: durable before it is answered, told to nobody, and of this device alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bondmate_schemas.catalogue import CHECK_INS
from bondmate_schemas.enums import AlertKind
from bondmate_schemas.flags import CHECK_IN_MISSED, UNDER_DURESS
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import CheckIn


async def test_it_is_due_by_the_hubs_clock_and_becomes_the_alert_of_its_id(bench, at):
    body = {"message_id": "m", "check_in_id": "c-1", "due_in_seconds": 30, "occurred_at": at(), "text": "cellar"}
    status, answer = await bench.device().post("/v1/check-ins", body)
    due = bench.hub.last
    await bench.device().post("/v1/check-ins", {**body, "message_id": "n", "action": "done"})
    done = bench.hub.last

    assert isinstance(due, CheckIn)
    assert (202, derived_id("alert", "dev-smith", "c-1")) == (status, answer["event_id"])
    assert (False, True) == (due.done, done.done)
    assert due.header.event_id == due.alert.header.event_id == done.header.event_id
    assert bench.clock[0] + timedelta(seconds=30) == due.due_at
    assert (AlertKind.OFFICER_DOWN, "cellar", "Kilo-7") == (due.alert.kind, due.alert.text, due.alert.callsign)
    assert CHECK_IN_MISSED in due.alert.header.flags


async def test_under_duress_it_says_so_and_what_is_due_stands_whoever_is_made_to_check_in(bench, at):
    await bench.device().post("/v1/alerts", {"message_id": "d", "kind": "DURESS"})
    body = {"message_id": "m", "check_in_id": "c-1", "occurred_at": at()}
    await bench.device().post("/v1/check-ins", body)
    status, answer = await bench.device().post("/v1/check-ins", {**body, "message_id": "n", "action": "done"})

    assert (202, bench.hub.last.header.event_id) == (status, answer["event_id"]), "taken, for all that is seen there"
    assert (False, True) == (bench.hub.last.done, UNDER_DURESS in bench.hub.last.header.flags)


async def test_under_duress_it_is_moved_sooner_and_not_later_and_looks_the_same_at_the_device(bench, at):
    body = {"message_id": "m", "check_in_id": "c-1", "due_in_seconds": 60, "occurred_at": at()}
    await bench.device().post("/v1/check-ins", body)
    due = bench.hub.last
    await bench.see(CHECK_INS, due.header.event_id, due)
    _, before = await bench.device().get("/v1/messages")
    await bench.device().post("/v1/alerts", {"message_id": "d", "kind": "DURESS"})
    later, answer = await bench.device().post("/v1/check-ins", {**body, "message_id": "n", "due_in_seconds": 900})
    left = bench.hub.last
    await bench.device().post("/v1/check-ins", {**body, "message_id": "o", "due_in_seconds": 5})
    _, told = await bench.device().get("/v1/messages")

    assert [("c-1", "OFFICER_DOWN")] == [(one["check_in_id"], one["kind"]) for one in before["check_ins"]]
    assert (202, due.header.event_id) == (later, answer["event_id"])
    assert not isinstance(left, CheckIn), "a later one, written under its key, would hide what is due"
    assert bench.clock[0] + timedelta(seconds=5) == bench.hub.last.due_at
    assert [] == told["check_ins"]


async def test_what_came_or_was_missed_is_not_owed_any_more(bench, at):
    body = {"message_id": "m", "check_in_id": "c-1", "due_in_seconds": 60, "occurred_at": at()}
    owed = []
    for said in ("done", None):
        await bench.device().post("/v1/check-ins", {**body, "message_id": f"due-{said}"})
        key = bench.hub.last.header.event_id
        await bench.see(CHECK_INS, key, bench.hub.last)
        owed.append(len((await bench.device().get("/v1/messages"))[1]["check_ins"]))
        if said:
            await bench.device().post("/v1/check-ins", {**body, "message_id": "n", "action": said})
        await bench.see(CHECK_INS, key, bench.hub.last if said else None)
        owed.append(len((await bench.device().get("/v1/messages"))[1]["check_ins"]))

    assert [1, 0, 1, 0] == owed


@pytest.mark.parametrize(("done", "flags"), [("c-1", []), ("c-2", ["nothing_due"])])
async def test_who_checks_in_under_an_id_of_which_nothing_is_due_hears_it(bench, at, done, flags):
    """A wrong id is most likely a mistyped one: the other is still due, and becomes an alert."""
    body = {"message_id": "m", "check_in_id": "c-1", "due_in_seconds": 60, "occurred_at": at()}
    _, owed = await bench.device().post("/v1/check-ins", body)
    await bench.see(CHECK_INS, bench.hub.last.header.event_id, bench.hub.last)
    body = {"message_id": "n", "check_in_id": done, "action": "done", "occurred_at": at()}
    status, answer = await bench.device().post("/v1/check-ins", body)

    assert (202, [], flags) == (status, owed["flags"], answer["flags"])
    assert bench.hub.last.done, "it is kept all the same: what is due may not have come here yet"


async def test_a_wrong_one_is_refused(bench, at):
    body = {"message_id": "m", "check_in_id": "c-1", "occurred_at": at(), "due_in_seconds": 0}

    assert 422 == (await bench.device().post("/v1/check-ins", body))[0]
