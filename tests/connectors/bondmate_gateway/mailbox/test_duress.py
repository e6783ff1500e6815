"""An officer under duress: whatever the device is told stays silent, and whatever it says is said under duress."""

from __future__ import annotations

from datetime import timedelta

from bondmate_schemas.catalogue import DEVICE_MARKS, MESSAGES, STATE_ALERTS
from bondmate_schemas.duress import SAID_UNDER_DURESS, begun_by, ended_by
from bondmate_schemas.enums import AlertKind, AlertStatus, Priority
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import derived_id

from tests.connectors.bondmate_gateway.events import NOW, message, state


def marks():
    alert = state(AlertStatus.ROUTED, derived_id("alert", "dev-smith", "d-1"), own=("d-1",)).alert
    begun = begun_by(alert)
    return begun, ended_by(begun, "inspector", "seen safe", NOW + timedelta(minutes=1))


async def test_all_that_comes_is_silent_and_asks_nothing_until_a_person_ends_it(bench):
    device, (begun, ended) = bench.device(), marks()
    loud = state(AlertStatus.DELIVERED, "sos")
    loud = loud.model_copy(update={"alert": loud.alert.model_copy(update={"kind": AlertKind.SOS, "silent": False})})
    await bench.see(STATE_ALERTS, "sos", loud)
    _, before = await device.get("/v1/messages")
    await bench.see(DEVICE_MARKS, begun.mark_id, begun)
    wanted = {"priority": Priority.IMMEDIATE, "requires_acknowledgement": True}
    await bench.see(MESSAGES, "dev-smith", message("1", **wanted))
    await bench.see(MESSAGES, "dev-smith", message("2", aloud=True, **wanted))
    _, during = await device.get("/v1/messages", after=before["cursor"])
    await bench.see(DEVICE_MARKS, ended.mark_id, ended)
    _, over = await device.get("/v1/messages", after=during["cursor"])
    await bench.see(MESSAGES, "dev-smith", message("3", **wanted))
    _, after = await device.get("/v1/messages", after=over["cursor"])

    def heard(news):
        return [(one["message_id"], one["silent"], one["requires_acknowledgement"]) for one in news["messages"]]

    assert [("1", True, False), ("2", False, True)] == heard(during)
    # A device that does not know the word is silent about its silent alert.
    assert begun.event_id == during["messages"][0]["alert_id"]
    assert [False, True, False] == [one["alerts"][0]["silent"] for one in (before, during, over)]
    assert [False, True, False, False] == [one["under_duress"] for one in (before, during, over, after)]
    assert ("3", False, True) in heard(after)


async def test_what_the_device_says_is_said_under_duress_from_the_press_on(bench, at):
    device = bench.device()
    await bench.see(MESSAGES, "dev-smith", message("1"))
    free = {"message_id": "r-0", "occurred_at": at()}
    await device.post("/v1/reports", free)
    before = bench.hub.last
    await device.post("/v1/alerts", {"message_id": "d-1", "kind": "DURESS"})
    await device.post("/v1/receipts", {"message_id": "1", "level": "acknowledged", "occurred_at": at()})
    receipt = bench.hub.last
    said = []
    for path, body in (
        ("messages", {"message_id": "m-1", "occurred_at": at(), "text": "all is well"}),
        ("reports", {"message_id": "r-1", "occurred_at": at()}),
    ):
        await device.post(f"/v1/{path}", body)
        said.append(bench.hub.last)

    assert SAID_UNDER_DURESS == receipt.code
    assert [False, True, True] == [UNDER_DURESS in one.header.flags for one in (before, *said)]


async def test_another_device_hears_nothing_of_it(bench):
    (begun, _) = marks()
    await bench.see(DEVICE_MARKS, begun.mark_id, begun)
    await bench.see(MESSAGES, "dev-jones", message("1", "dev-jones"))
    _, news = await bench.device("token-jones").get("/v1/messages")

    assert (False, False) == (news["under_duress"], news["messages"][0]["silent"])
