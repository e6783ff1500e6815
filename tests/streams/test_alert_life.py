"""The owner of the table of alerts, on a table in memory."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertStatus, DeliveryReason, Level
from bondmate_schemas.models import AlertState
from bondmate_schemas.outbox import Outgoing
from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.envelopes import Arrived
from bondmate_streams.guard import BrokerUnavailableError
from bondmate_streams.lanes import KeyLocks
from bondmate_streams.logic.rooms import Rooms

from tests.streams.test_following_agent import Audit, Broker


class Table(dict[str, AlertState]):
    """The alerts of a worker, which outlive it."""

    async def put(self, key: str, state: AlertState) -> None:
        self[key] = state


class ToRooms(Broker):
    """What rooms are told."""

    async def send(self, *outgoing: Outgoing) -> None:
        await super().send(*(record for record in outgoing if record.topic.startswith("bondmate.to.")))


def worker(table: Table, routes: Any, *unlisted: str) -> AlertLife:
    given: dict[str, Any] = dict.fromkeys(("known", "places", "message_receipts", "learn"))
    given |= {
        "desk": Desk(routes, b"a secret of tests", Codec(LocalSchemaIds()), ToRooms()), "audit": Audit(),
        "silence": SimpleNamespace(known=lambda state: None),
        "following": SimpleNamespace(note=lambda state: None, newest=lambda step: step.tellings),
        "rooms": Rooms(unlisted=frozenset(unlisted)),
    }  # fmt: skip
    return AlertLife(alerts=table, locks=KeyLocks(), open_alerts=OpenAlerts([]), **given)  # type: ignore[arg-type]


async def test_a_room_that_a_later_version_unlists_is_hidden_from_the_next_change_on(make: Any, routes: Any) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await worker(table, routes).begin(alert, ())
    keys = {name: at.id_key for name, at in table[event_id].destinations.items()}
    update = make.alert("device-1", event_id=event_id, action=AlertAction.UPDATE, text="second floor")
    await worker(table, routes, "cap").begin(update, ())

    assert "cap" in keys
    assert ("cap",) == table[event_id].others.unlisted
    assert keys == {name: at.id_key for name, at in table[event_id].destinations.items()}
    await worker(table, routes).begin(update.model_copy(update={"text": "third floor"}), ())
    assert () == table[event_id].others.unlisted


async def test_a_state_is_later_than_the_one_before_it_though_the_clock_of_the_worker_is_not(
    make: Any, routes: Any
) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await worker(table, routes).begin(alert, ())
    ahead = table[event_id].changed_at + timedelta(hours=1)
    table[event_id] = table[event_id].model_copy(update={"changed_at": ahead})
    await worker(table, routes).begin(alert, ())
    repeated = table[event_id].changed_at
    update = make.alert("device-1", event_id=event_id, action=AlertAction.UPDATE, text="second floor")
    await worker(table, routes).begin(update, ())

    assert (ahead, ahead + timedelta(milliseconds=1)) == (repeated, table[event_id].changed_at)


@pytest.mark.parametrize("by", ["cap", "operations"])
async def test_an_end_is_remembered_before_it_is_told_and_told_after_a_crash(make: Any, routes: Any, by: str) -> None:
    table, alert = Table(), make.alert("device-1")
    event_id = alert.header.event_id
    await worker(table, routes).begin(alert, ())
    at = Arrived("receipts", 0, 0, None, None)
    await worker(table, routes)._receive(make.receipt(event_id, "cap", Level.ACKNOWLEDGED), at)
    end = make.receipt(event_id, by, Level.RESOLVED, code="close" if by == "operations" else None)
    dying = worker(table, routes)
    dying._desk.outbox.is_down = True  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailableError):
        await dying._receive(end, at)
    assert AlertStatus.RESOLVED is table[event_id].status

    next_one = worker(table, routes)
    await next_one._receive(end, at)
    told = next_one._desk.outbox.told  # type: ignore[attr-defined]
    assert {"tak"} <= {each.destination for each in told if each.reason is DeliveryReason.CANCEL}
