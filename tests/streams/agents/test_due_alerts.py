"""What time asks for of open alerts is done, if later, where something cannot be done now."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from bondmate_kafka.records import utc_now
from bondmate_schemas.enums import AlertStatus
from bondmate_schemas.models import AlertState
from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.errors import StoreUnavailableError
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.logic.rooms import ANY_ROOMS


class Table:
    """One closed alert to forget, in a table that cannot be read at first."""

    def __init__(self, state: AlertState) -> None:
        self._state, self.unread, self.forgotten = state, 1, 0

    def get(self, _: str) -> AlertState | None:
        if self.unread:
            self.unread -= 1
            raise StoreUnavailableError("not now")
        return None if self.forgotten else self._state

    async def forget(self, _: str) -> None:
        self.forgotten += 1


async def test_an_alert_is_due_again_when_the_table_could_not_be_read(make: Any) -> None:
    alert = make.alert()
    event_id, since = alert.header.event_id, alert.header.received_at.replace(year=2020)
    table = Table(
        AlertState(header=alert.header, device_id=alert.device_id, status=AlertStatus.RESOLVED, alert=alert,
                   destinations={}, changed_at=since)
    )  # fmt: skip
    open_alerts = OpenAlertIndex([])
    open_alerts.plan(event_id, utc_now())
    given: dict[str, Any] = dict.fromkeys(("silent_devices", "following"), SimpleNamespace())
    routing = SimpleNamespace(routes=SimpleNamespace(destinations={}))
    context: Any = SimpleNamespace(routing=routing, locks=KeyLocks())
    owned = SimpleNamespace(in_partition_of=lambda _: nullcontext(enter_result=True))
    steps = AlertSteps(rooms=ANY_ROOMS, context=context, alerts=table, open_alerts=open_alerts, **given)  # type: ignore[arg-type]
    life = AlertLife(context, steps, owned)  # type: ignore[arg-type]
    await life.look()
    unread = (table.forgotten, open_alerts.knows(event_id))
    await life.look()
    forgotten = (table.forgotten, open_alerts.knows(event_id))
    open_alerts.plan(event_id, utc_now())
    await life.look()

    assert ((0, True), (1, False)) == (unread, forgotten)
    assert not open_alerts.knows(event_id), "what is not there is not looked at for ever"
