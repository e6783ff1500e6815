"""Presses around a takeover: what the officer does at the spare, and what is done at the device that was replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import Envelopes, Headers, Outgoing
from bondmate_schemas.catalogue import ALERT_CHANGES
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.device_alert_ids import DEVICE_ALERT_SYSTEM, alert_event_id
from bondmate_schemas.enums import AlertAction, AlertKind, Level
from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_REVOKED, FROM_REPLACED
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert, DeviceMemory, ExternalRef
from bondmate_schemas.takeover import replaced_by
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.device_alerts import DeviceAlertIntake
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.nearby import Nearby
from bondmate_streams.agents.whereabouts import Whereabouts
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision, Routes
from bondmate_streams.logic.states import Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KAFKA = KafkaConfig("127.0.0.1:9", "http://127.0.0.1:9", {"log_level": 0})
TOLD = [Decision("north", "alerts")]


def at(seconds: float) -> dict[str, Any]:
    moment = NOW + timedelta(seconds=seconds)
    return {"occurred_at": moment, "received_at": moment}


class Table:
    """What is remembered of devices."""

    partitions = 1

    def __init__(self) -> None:
        self._held: dict[str, DeviceMemory] = {}

    def get(self, device_id: str) -> DeviceMemory | None:
        return self._held.get(device_id)

    def at(self, _: int, device_id: str) -> DeviceMemory | None:
        return self._held.get(device_id)

    async def put(self, device_id: str, memory: DeviceMemory) -> None:
        self._held[device_id] = memory


class Context:
    """What is written, and nothing else of a context."""

    def __init__(self) -> None:
        self.codec = Codec(LocalSchemaIds())
        self.envelopes = Envelopes(self.codec)
        self.locks = KeyLocks()
        self.written: list[Outgoing] = []

    async def send(self, topic: str, key: str, record: Any, cause: Headers = ()) -> None:
        self.written.append(self.envelopes.pack(topic, key, record, cause))


class Unseen:
    """No device has a place."""

    def of(self, _: str) -> None: ...


class Hub:
    """Devices and alerts of one worker, without a broker."""

    def __init__(self, routes: Routes) -> None:
        self.context = Context()
        self.devices = Table()
        self.marks = DeviceMarks(KAFKA, "test", self.context.codec)
        self.alerts: dict[str, AlertState] = {}
        self.steps: list[Step] = []
        config = StreamsConfig(kafka=KAFKA, data_dir=Path("data"), routes=routes, secret=b"a secret of tests")
        self._agent = DeviceAlertIntake(
            self.context, self.devices, Whereabouts(Unseen(), self.marks), _not_short,  # type: ignore[arg-type]  # what it needs
            self.marks, Nearby(config, self.context.codec, self.marks.replaced),
        )  # fmt: skip

    async def take(self, alert: DeviceAlert) -> AlertState | None:
        """Take what a device sent, and return the alert that it became part of."""
        await self._agent._take(alert, ())
        changes = [
            self.context.codec.decode(w.value, DeviceAlert) for w in self.context.written if w.topic == ALERT_CHANGES
        ]
        self.context.written.clear()
        return [await self._change(change) for change in changes][-1] if changes else None

    async def _change(self, change: DeviceAlert) -> AlertState:
        event_id = change.header.event_id
        step = states.change(self.alerts.get(event_id), change, TOLD, change.header.received_at)
        state = await self._stand(step)
        return state if step.reopened is None else await self._change(step.reopened)

    async def close(self, state: AlertState, seconds: float, make: Any) -> None:
        """Have its owner close an alert."""
        await self.hear(make.receipt(_id(state), "north", Level.RESOLVED, **at(seconds)))

    async def hear(self, said: DeliveryReceipt) -> None:
        """Take what a room says of an alert."""
        state, now = self.alerts[said.header.event_id], said.header.received_at
        await self._stand(heard.receive(state, said, (), TOLD, now, rooms=Rooms(agencies={"north": "agency-1"})))

    async def _stand(self, step: Step) -> AlertState:
        self.steps.append(step)
        assert step.state is not None
        self.alerts[step.state.header.event_id] = step.state
        if step.tells_device:
            await self._agent._hear(step.state)
        return step.state

    def take_over(self, old: str, spare: str, seconds: float) -> None:
        self.marks.set(replaced_by(old, spare, "inspector", "lost", NOW + timedelta(seconds=seconds)))


async def _not_short(_: DeviceAlert, __: object) -> bool:
    return False


@pytest.fixture
def hub(routes: Routes) -> Hub:
    return Hub(routes)


async def test_the_officers_sos_never_goes_into_what_was_pressed_at_the_old_device(hub: Hub, make: Any) -> None:
    hub.take_over("old", "spare", 0)
    first = await hub.take(make.alert("old", **at(1)))
    assert first is not None
    await hub.close(first, 2, make)
    again = [await hub.take(make.alert("old", kind=kind, **at(3))) for kind in (AlertKind.SOS, AlertKind.DURESS)]
    officers = await hub.take(make.alert("spare", **at(5)))

    assert officers is not None
    assert {a.header.event_id for a in hub.alerts.values() if FROM_REPLACED in a.header.flags} == {
        first.header.event_id,
        *(a.header.event_id for a in again if a),
    }
    assert again[0] is not None
    assert again[0].header.event_id == again[1].header.event_id  # type: ignore[union-attr]  # both are
    assert FROM_REPLACED not in officers.alert.header.flags


async def test_a_second_takeover_of_the_same_device_tells_its_presses_apart_as_before(hub: Hub, make: Any) -> None:
    hub.take_over("old", "wrong", 0)
    theirs = await hub.take(make.alert("old", **at(1)))
    hub.take_over("old", "spare", 2)
    more, officers = await hub.take(make.alert("old", **at(3))), await hub.take(make.alert("spare", **at(4)))

    assert theirs is not None
    assert more is not None
    assert officers is not None
    assert theirs.header.event_id == more.header.event_id != officers.header.event_id
    assert FROM_REPLACED not in officers.alert.header.flags


async def test_after_a_takeover_is_undone_the_device_is_the_officers_again(hub: Hub, make: Any) -> None:
    sos = await hub.take(make.alert("old", **at(0)))
    hub.take_over("old", "wrong", 1)
    theirs = await hub.take(make.alert("old", **at(2)))
    hub.take_over("old", "", 3)
    again, others = await hub.take(make.alert("old", **at(4))), await hub.take(make.alert("wrong", **at(5)))

    assert _id(sos) == _id(again)
    assert 3 == len({_id(sos), _id(theirs), _id(others)})
    assert others is not None
    assert [False, False] == [FROM_REPLACED in a.alert.header.flags for a in (again, others) if a]


async def test_a_press_that_the_hub_had_before_the_takeover_is_the_officers(hub: Hub, make: Any) -> None:
    hub.take_over("old", "spare", 60)
    before = await hub.take(make.alert("old", **at(59)))
    after = await hub.take(make.alert("old", **at(61)))
    spares = await hub.take(make.alert("spare", **at(62)))
    asks = await hub.take(make.alert("old", action=AlertAction.CANCEL, event_id=_id(before), **at(58)))

    assert before is not None
    assert (False, True) == tuple(FROM_REPLACED in a.alert.header.flags for a in (before, after) if a)
    assert [_id(before), _id(before)] == [_id(spares), _id(asks)]


async def test_what_the_hub_says_of_the_old_device_goes_to_whose_alert_it_is(hub: Hub, make: Any) -> None:
    hub.take_over("old", "spare", 0)
    theirs = await hub.take(make.alert("old", kind=AlertKind.OFFICER_DOWN, **at(1)))
    missed = await hub.take(make.alert("old", kind=AlertKind.OFFICER_DOWN, flags=(CHECK_IN_MISSED,), **at(2)))
    revoked = await hub.take(
        make.alert("old", action=AlertAction.UPDATE, event_id=_id(theirs), flags=(DEVICE_REVOKED,), **at(3))
    )

    assert missed is not None
    assert FROM_REPLACED not in missed.alert.header.flags
    assert _id(theirs) == _id(revoked)
    assert 2 == len(hub.alerts)


async def test_every_press_of_a_spare_counts_and_is_found_again_by_its_id(hub: Hub, make: Any) -> None:
    sos = await hub.take(make.alert("old", **at(0)))
    hub.take_over("old", "spare", 1)
    hub.take_over("spare", "third", 4)
    press = _named(make, "spare", "own", 2)
    pressed = [await hub.take(press), await hub.take(_named(make, "third", "b", 5))]
    update = make.alert(
        "third", action=AlertAction.UPDATE, text="words", event_id=alert_event_id("third", "b"), **at(6)
    )
    told = await hub.take(update)

    assert {_id(sos)} == {_id(told), *map(_id, pressed)}
    assert told is not None
    assert 3 == told.alert.press_count
    assert 1 == len(hub.alerts)


async def test_a_spare_does_not_rename_the_officer_of_an_open_alert(hub: Hub, make: Any) -> None:
    await hub.take(make.alert("old", callsign="E-06", **at(0)))
    hub.take_over("old", "spare", 1)
    pressed = await hub.take(make.alert("spare", callsign="SPARE-3", officer_ref="officer-6", **at(2)))

    assert pressed is not None
    assert ("E-06", "officer-6") == (pressed.alert.callsign, pressed.alert.officer_ref)


@pytest.mark.parametrize(("device", "messages"), [("old", 0), ("else", 4)])
async def test_the_officer_reads_nothing_of_what_was_pressed_at_the_old_device(
    hub: Hub, make: Any, device: str, messages: int
) -> None:
    hub.take_over("old", "spare", 0)
    pressed = await hub.take(make.alert(device, **at(1)))
    for seconds, level, note in (
        (2, Level.UNKNOWN, "words"),
        (3, Level.RESPONDING, "unit 7"),
        (4, Level.CANCELLED, "mistake"),
    ):
        await hub.hear(make.receipt(_id(pressed), "north", level, note=note, **at(seconds)))
    times = {"occurred_at": NOW + timedelta(seconds=3.5), "received_at": NOW + timedelta(seconds=5)}
    await hub.take(make.alert(device, event_id=_id(pressed), text="wait", **times))

    assert "late" == hub.steps[-1].outcome
    assert messages == len([step for step in hub.steps if step.message])


async def test_what_ended_is_not_lent_to_the_spare_any_more(hub: Hub, make: Any) -> None:
    sos = await hub.take(make.alert("old", **at(0)))
    hub.take_over("old", "spare", 1)
    pressed = await hub.take(make.alert("spare", **at(2)))
    assert pressed is not None
    await hub.close(pressed, 3, make)
    anew = await hub.take(make.alert("spare", **at(4)))

    assert _id(sos) == _id(pressed) != _id(anew)
    assert [(_id(anew), False)] == [(k.event_id, k.lent) for k in hub.devices.get("spare").open_alerts]  # type: ignore[union-attr]


def _named(make: Any, device: str, own_id: str, seconds: float) -> DeviceAlert:
    refs = (ExternalRef(system=DEVICE_ALERT_SYSTEM, id=own_id),)
    alert: DeviceAlert = make.alert(device, event_id=alert_event_id(device, own_id), external_refs=refs, **at(seconds))
    return alert


def _id(state: AlertState | None) -> str:
    assert state is not None
    return state.header.event_id
