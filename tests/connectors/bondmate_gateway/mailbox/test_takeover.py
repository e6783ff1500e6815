"""A spare at the gateway: it goes on with what is open, and the device before it is told nothing."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from bondmate_gateway.mailbox.mailboxes import Mailboxes
from bondmate_schemas.catalogue import CHECK_INS, DEVICE_MARKS, MESSAGES, RECEIPTS, STATE_ALERTS
from bondmate_schemas.duress import begun_by
from bondmate_schemas.enums import AlertAction, AlertStatus, Level, Mode
from bondmate_schemas.flags import FROM_REPLACED
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeviceMark
from bondmate_schemas.takeover import replaced_by

from tests.connectors.bondmate_gateway.events import NOW, ids, message, receipt, state


@pytest.mark.parametrize("is_first", [True, False])
async def test_open_alerts_and_messages_move_to_the_spare_which_speaks_of_them_by_either_id(bench, at, is_first):
    mark = replaced_by("dev-smith", "dev-jones", "inspector", "lost", NOW)
    if is_first:
        await bench.see(DEVICE_MARKS, mark.mark_id, mark)
    await bench.see(STATE_ALERTS, "sos", state(AlertStatus.ROUTED, "sos", own=("a-1",)))
    await bench.see(MESSAGES, "dev-smith", message("1"))
    if not is_first:
        await bench.see(DEVICE_MARKS, mark.mark_id, mark)
    old, spare = bench.device(), bench.device("token-jones")
    _, told = await spare.get("/v1/messages")
    _, silence = await old.get("/v1/messages")
    gone, _ = await old.get("/v1/alerts/a-1")
    found, _ = await spare.get("/v1/alerts/a-1")
    statuses = []
    for alert_id in ("a-1", "sos"):
        body = {"message_id": alert_id, "alert_id": alert_id, "action": "cancel", "kind": "SOS"}
        statuses.append((await spare.post("/v1/alerts", body))[0])
        assert ("sos", AlertAction.CANCEL) == (bench.hub.last.header.event_id, bench.hub.last.action)
    receipt, _ = await spare.post("/v1/receipts", {"message_id": "1", "level": "delivered", "occurred_at": at()})

    assert (["1"], ["sos"]) == (ids((200, told)), [one["event_id"] for one in told["alerts"]])
    assert ([], []) == (silence["messages"], silence["alerts"])
    assert (404, 200, [202, 202], 202) == (gone, found, statuses, receipt)


@pytest.mark.parametrize(("is_first", "ended", "found"), [(True, 1, 200), (False, 1, 200), (False, -1, 404)])
async def test_a_spare_that_was_away_learns_after_a_restart_that_its_alert_has_ended(bench, is_first, ended, found):
    """However the gateway reads its topics anew; what was over before the takeover is not the spare's."""
    over = state(AlertStatus.RESOLVED, "sos", own=("a-1",))
    over = over.model_copy(update={"changed_at": NOW + timedelta(seconds=ended)})
    topics = [(DEVICE_MARKS, replaced_by("dev-smith", "dev-jones", "inspector", "lost", NOW)), (STATE_ALERTS, over)]
    for topic, record in topics if is_first else reversed(topics):
        await bench.see(topic, "key", record)
    status, told = await bench.device("token-jones").get("/v1/alerts/a-1")

    assert (found, found == 200) == (status, told.get("status") == "RESOLVED")


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_spare_reads_what_the_old_device_owes_and_moves_and_ends_it_as_if_it_were_that(bench, at, is_first):
    old, spare = bench.device(), bench.device("token-jones")
    body = {"message_id": "m", "check_in_id": "c-1", "due_in_seconds": 60, "occurred_at": at()}
    await old.post("/v1/check-ins", body)
    due = bench.hub.last
    topics = [
        (DEVICE_MARKS, replaced_by("dev-smith", "dev-jones", "inspector", "lost", NOW)), (CHECK_INS, due)
    ]  # fmt: skip
    _, before = await spare.get("/v1/messages")
    for topic, record in topics if is_first else reversed(topics):
        await bench.see(topic, due.header.event_id, record)
    _, told = await spare.get("/v1/messages", after=before["cursor"], wait_seconds="2")
    _, silence = await old.get("/v1/messages")
    said = []
    for number, more in enumerate(({"due_in_seconds": 90}, {"action": "done"})):
        await spare.post("/v1/check-ins", {**body, "message_id": f"n-{number}", **more})
        said.append(bench.hub.last)
    await spare.post("/v1/check-ins", {**body, "message_id": "own", "check_in_id": "c-2"})

    assert (["c-1"], []) == ([one["check_in_id"] for one in told["check_ins"]], silence["check_ins"])
    ids_of = {(one.header.event_id, one.header.incident_id, one.alert.header.event_id) for one in (due, *said)}
    assert {(due.header.event_id, due.header.incident_id, due.header.event_id)} == ids_of
    assert [(False, "dev-jones"), (True, "dev-jones")] == [(one.done, one.device_id) for one in said]
    assert due.header.event_id != bench.hub.last.header.event_id


async def test_from_the_old_device_a_press_is_taken_and_nothing_else(bench, at):
    mark = replaced_by("dev-smith", "dev-jones", "inspector", "lost", NOW)
    await bench.see(DEVICE_MARKS, mark.mark_id, mark)
    old, when = bench.device(), at()
    position = {"latitude": 1, "longitude": 2, "fixed_at": when}
    refused = [
        ("alerts", {"message_id": "c", "action": "cancel"}),
        ("messages", {"message_id": "m", "occurred_at": when, "text": "all is well"}),
        ("locations", {"fixes": [{"sequence": 1, "position": position}]}),
        ("reports", {"message_id": "r", "occurred_at": when}),
        ("receipts", {"message_id": "1", "level": "acknowledged", "occurred_at": when}),
        ("check-ins", {"message_id": "k", "check_in_id": "k", "action": "done", "occurred_at": when}),
    ]
    pressed, _ = await old.post("/v1/alerts", {"message_id": "p", "kind": "SOS"})

    assert 202 == pressed
    assert {403} == {(await old.post(f"/v1/{path}", body))[0] for path, body in refused}
    begun = begun_by(state(AlertStatus.ROUTED, derived_id("alert", "dev-smith", "p"), own=("p",)).alert)
    await bench.see(DEVICE_MARKS, begun.mark_id, begun)
    _, told = await old.get("/v1/messages")
    assert [] == told["alerts"]
    assert "under_duress" not in told


@pytest.mark.parametrize("order", list(permutations((DEVICE_MARKS, RECEIPTS, MESSAGES))))
def test_what_the_old_device_had_is_not_new_to_the_spare_in_whatever_order_a_gateway_reads_it(order):
    soon = NOW + timedelta(minutes=1)
    topics = {
        DEVICE_MARKS: [replaced_by("dev-smith", "dev-jones", "inspector", "lost", NOW)],
        RECEIPTS: [receipt("1", Level.DELIVERED), receipt("2", Level.EXPIRED)],
        MESSAGES: [message("1"), message("2", header={"expires_at": soon})],
    }
    boxes = Mailboxes(10, lambda: None)
    for topic in order:
        for record in topics[topic]:
            boxes.see(topic, "", record)

    assert ["2"] == [mail.message_id for mail in boxes.box("dev-jones").new_mails(0, Mode.ACTUAL, NOW)]
    assert [] == boxes.messages.ended(soon)


def places(*pairs: tuple[str, str]) -> list[DeviceMark]:
    return [
        replaced_by(old, spare, "inspector", "lost", NOW + timedelta(minutes=number))
        for number, (old, spare) in enumerate(pairs)
    ]


def shown(boxes: Mailboxes, device: str) -> tuple[list[str], list[str]]:
    box = boxes.box(device)
    return (
        [mail.message_id for mail in box.new_mails(0, Mode.ACTUAL, NOW)],
        sorted(one.event_id for one in box.new_alerts(0)),
    )


@pytest.mark.parametrize("marks_first", [True, False])
@pytest.mark.parametrize(
    ("last", "right", "gone"), [(("a", "c"), "c", ["a"]), (("a", ""), "a", []), (("b", "c"), "c", ["a", "b"])]
)
def test_what_is_open_goes_to_who_has_the_place_last_and_the_wrong_spare_keeps_its_own(marks_first, last, right, gone):
    first, second = places(("a", "b"), last)
    sos = state(AlertStatus.ROUTED, "sos", "a")
    pressed_at_b = sos.model_copy(update={"alert": sos.alert.model_copy(update={"device_id": "b"})})
    there = state(AlertStatus.ROUTED, "theirs", "a", own=())
    header = there.alert.header.model_copy(update={"flags": (FROM_REPLACED,)})
    theirs = there.model_copy(update={"alert": there.alert.model_copy(update={"header": header})})
    told = [
        message("1", "a"),
        message("2", "b"),
        message("3", "a"),
        receipt("3", Level.DELIVERED, "b"),
        pressed_at_b,
        theirs,
    ]
    boxes = Mailboxes(10, lambda: None)
    for record in (first, second, *told) if marks_first else (first, *told, second):
        boxes.see("", "", record)

    own = "b" if last[0] == "a" else right
    expected = {device: ([], []) for device in "abc"} | {own: (["2"], [])}
    mails, alerts = expected[right]
    expected[right] = (["1", *mails], [*alerts, "sos"])
    expected["a"] = (expected["a"][0], sorted([*expected["a"][1], "theirs"]))
    assert expected == {device: shown(boxes, device) for device in "abc"}
    assert gone == [device for device in "abc" if boxes.is_replaced(device)]
