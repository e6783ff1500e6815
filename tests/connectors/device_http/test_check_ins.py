"""A check-in at the gateway: durable before it is answered, told to nobody, and of this device alone."""

from __future__ import annotations

from datetime import timedelta

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


async def test_a_wrong_one_is_refused(bench, at):
    body = {"message_id": "m", "check_in_id": "c-1", "occurred_at": at(), "due_in_seconds": 0}

    assert 422 == (await bench.device().post("/v1/check-ins", body))[0]
