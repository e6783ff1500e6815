"""A device that is revoked during its alert: refused, and the rooms read that it was."""

from __future__ import annotations

from bondmate_gateway.enrolment.commands import revoke
from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.enums import AlertAction, AlertStatus
from bondmate_schemas.flags import DEVICE_REVOKED
from bondmate_schemas.models import DeviceAlert

from tests.connectors.bondmate_gateway.events import state


def said(bench):
    return [one for one in bench.hub.events if isinstance(one, DeviceAlert) and DEVICE_REVOKED in one.header.flags]


async def test_the_rooms_of_each_open_alert_are_told_once_and_the_thief_is_refused(bench, until):
    for event_id, status in (("open", AlertStatus.ROUTED), ("over", AlertStatus.RESOLVED)):
        await bench.see(STATE_ALERTS, event_id, state(status, event_id, own=(event_id,)))
    await bench.see(STATE_ALERTS, "other", state(AlertStatus.ROUTED, "other", "dev-jones", own=("b-1",)))
    revoke(bench.file, "dev-smith")
    await until(lambda: said(bench))
    refused, _ = await bench.device().post("/v1/alerts", {"message_id": "c", "alert_id": "open", "action": "cancel"})
    await bench.see(STATE_ALERTS, "later", state(AlertStatus.ROUTED, "later", own=("l-1",)))
    await until(lambda: len(said(bench)) > 1)

    assert 401 == refused
    assert [("open", AlertAction.UPDATE), ("later", AlertAction.UPDATE)] == [
        (one.header.event_id, one.action) for one in said(bench)
    ]


async def test_what_was_told_is_remembered_only_until_the_state_of_its_alert_says_so(bench, until):
    revoke(bench.file, "dev-smith")
    for number in range(3):
        event_id = f"alert-{number}"
        await bench.see(STATE_ALERTS, event_id, state(AlertStatus.ROUTED, event_id, own=(event_id,)))
        await until(lambda number=number: len(said(bench)) > number)
        await bench.see(STATE_ALERTS, event_id, state(AlertStatus.RESOLVED, event_id, own=(event_id,)))

    await until(lambda: not bench.gateway._listening._revocations._told)
    assert 3 == len(said(bench))


async def test_a_gateway_that_starts_later_says_it_under_the_same_id_or_knows_that_it_was_said(bench, until):
    revoke(bench.file, "dev-smith")
    await bench.see(STATE_ALERTS, "open", state(AlertStatus.ROUTED, "open"))
    await until(lambda: said(bench))
    told = state(AlertStatus.ROUTED, "known")
    header = told.alert.header.model_copy(update={"flags": (DEVICE_REVOKED,)})
    known = told.model_copy(update={"alert": told.alert.model_copy(update={"header": header})})
    first = said(bench)[0]
    await bench.see(STATE_ALERTS, "known", known)
    await bench.gateway.close()
    await bench.gateway.connect()
    bench.hub.start()
    await until(lambda: len(said(bench)) > 1)

    assert [first.header.message_id] * 2 == [one.header.message_id for one in said(bench)]
