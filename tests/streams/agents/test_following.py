"""What tells rooms where the device of an open emergency is: in its turn, once, and again where nothing could be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import Outgoing
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertStatus
from bondmate_schemas.flags import FROM_REPLACED
from bondmate_schemas.models import AlertState, Delivery, DeviceLocation
from bondmate_schemas.takeover import replaced_by
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.following import Following
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.agents.whereabouts import Whereabouts
from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.logic import states
from bondmate_streams.logic.following import UpdatePace
from bondmate_streams.logic.routing import Decision

CODEC = Codec(LocalSchemaIds())


class Broker:
    """Takes what is written, unless it is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.told: list[Delivery] = []

    async def send(self, *outgoing: Outgoing) -> None:
        if self.is_down:
            raise BrokerUnavailableError("down")
        self.told += (CODEC.decode(record.value, Delivery) for record in outgoing)


class Audit:
    """Counts what was disclosed."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def write(self, *entries: Any) -> asyncio.Future[None]:
        self.entries += entries
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Last:
    """The last fix of each device."""

    def __init__(self) -> None:
        self.fixes: dict[str, DeviceLocation] = {}
        self.on_fix: Any = None

    def of(self, device_id: str) -> DeviceLocation | None:
        return self.fixes.get(device_id)

    def tell(self, fix: DeviceLocation) -> None:
        self.fixes[fix.device_id] = fix
        self.on_fix(fix.device_id)


class OwnedPartitions:
    """All partitions are ours, or none."""

    share = 1.0
    ours = True

    @contextmanager
    def in_partition_of(self, _: str) -> Iterator[bool]:
        yield self.ours


class Side:
    """The agent, and what stands around it."""

    def __init__(self, routes: Any) -> None:
        self.broker, self.audit, self.last, self.places, self.locks = (
            Broker(),
            Audit(),
            Last(),
            OwnedPartitions(),
            KeyLocks(),
        )
        self.alerts: dict[str, AlertState] = {}
        self.marks = DeviceMarks(KafkaConfig("nowhere:1", ""), "test", CODEC)
        whereabouts = Whereabouts(self.last, self.marks)  # type: ignore[arg-type]  # what it needs of it
        known: Any = {"alerts": self.alerts, "owned": self.places, "whereabouts": whereabouts}
        context = AgentContext(RoutingService(routes), b"a secret of tests", CODEC, self.broker, self.audit, self.locks)
        self.following = Following(context=context, paces={"tak": UpdatePace(1, 0)}, **known)
        self.now = 1_000.0

    def note(self, state: AlertState) -> None:
        self.alerts[state.header.event_id] = state
        self.following.note(state)

    def replace(self, device: str, spare: str, at: datetime | None = None) -> None:
        self.marks.set(replaced_by(device, spare, "inspector", "lost", at or datetime.now(UTC)))

    async def look(self, seconds: float = 0.0) -> list[tuple[str, float]]:
        """Look so much later; give what was told where since the last look, by latitude."""
        self.now += seconds
        self.broker.told.clear()
        await self.following.look(self.now)
        return [(each.destination, each.alert.position.latitude) for each in self.broker.told if each.alert]


@pytest.fixture
def side(routes: Any) -> Side:
    return Side(routes)


def opened(make: Any, device: str = "device-1", names: Sequence[str] = ("tak",), **given: Any) -> AlertState:
    decisions = [Decision(name, "alerts") for name in names]
    state = states.change(None, make.alert(device, **given), decisions, datetime.now(UTC)).state
    assert state is not None
    return state


def fix(
    make: Any, latitude: float, device: str = "device-1", at: datetime | None = None, **given: Any
) -> DeviceLocation:
    given.setdefault("received_at", at or datetime.now(UTC))
    found: DeviceLocation = make.location(device, position=make.position(latitude, at=at), **given)
    return found


async def test_a_fix_is_told_in_its_turn_and_once(side: Side, make: Any) -> None:
    side.last.tell(fix(make, 1, "another"))
    side.note(opened(make))
    side.last.tell(fix(make, 1))
    first, again = await side.look(), await side.look(5)
    side.last.tell(fix(make, 2))
    side.last.tell(fix(make, 3))
    second = await side.look(1)
    side.last.tell(fix(make, 4))
    early, due = await side.look(0.1), await side.look(1)

    assert [("tak", 1)] == first
    assert [] == again
    assert [("tak", 3)] == second
    assert [] == early
    assert [("tak", 4)] == due
    assert 3 == len(side.audit.entries)


async def test_a_fix_that_came_with_the_press_is_told_too(side: Side, make: Any) -> None:
    side.last.tell(fix(make, 7))
    side.note(opened(make))

    assert [("tak", 7)] == await side.look()


async def test_what_is_told_together_is_disclosed_in_one_record_that_says_of_whom_and_how_much(
    side: Side, make: Any
) -> None:
    for number in range(3):
        side.note(opened(make, f"device-{number}"))
        side.last.tell(fix(make, number, f"device-{number}"))
    told = await side.look()
    (entry,) = side.audit.entries

    assert 3 == len(told)
    assert (3, 3, "tak", None) == (entry.event_count, len(entry.subjects), entry.recipient, entry.event_id)
    assert "position" in entry.fields


async def test_what_an_alert_has_become_since_it_was_looked_at_is_not_taken_back(side: Side, make: Any) -> None:
    """While what is to be told is logged, a room may speak: the next look tells it with what was said."""
    state = opened(make)
    side.note(state)
    side.last.tell(fix(make, 1))
    write = side.audit.write

    def write_late(*entries: Any) -> asyncio.Future[None]:
        side.note(state.model_copy(update={"changed_at": state.changed_at + timedelta(seconds=1)}))
        return write(*entries)

    side.audit.write = write_late  # type: ignore[method-assign]
    overtaken = await side.look()
    side.audit.write = write  # type: ignore[method-assign]

    assert [] == overtaken
    assert [("tak", 1)] == await side.look(0.05)


async def test_what_the_broker_does_not_take_is_due_again_at_once(side: Side, make: Any) -> None:
    side.note(opened(make))
    side.last.tell(fix(make, 1))
    side.broker.is_down = True
    lost = await side.look()
    side.broker.is_down = False

    assert [] == lost
    assert [("tak", 1)] == await side.look(0.05)


async def test_an_alert_that_somebody_works_on_waits_for_the_next_look(side: Side, make: Any) -> None:
    state = opened(make)
    side.note(state)
    side.last.tell(fix(make, 1))
    async with side.locks.holding("alerts", state.header.event_id):
        held = await side.look()

    assert [] == held
    assert [("tak", 1)] == await side.look(0.05)


@pytest.mark.parametrize("how", ["over", "not ours"])
async def test_nothing_is_told_of_what_is_over_or_anothers(side: Side, make: Any, how: str) -> None:
    state = opened(make)
    side.note(state)
    side.last.tell(fix(make, 1))
    if how == "over":
        side.note(state.model_copy(update={"status": AlertStatus.RESOLVED}))
    else:
        side.places.ours = False

    assert [] == await side.look()


async def test_of_a_square_only_that_it_was_left_is_news_and_after_a_minute_that_it_was_not(
    side: Side, make: Any
) -> None:
    side.note(opened(make, names=("cap",)))
    found = []
    for latitude, seconds in ((50.0001, 0), (50.0002, 16), (50.0003, 16), (51.0, 16), (51.0001, 61)):
        side.last.tell(fix(make, latitude))
        found.append(len(await side.look(seconds)))

    assert [1, 0, 0, 1, 1] == found


async def test_after_a_restart_what_is_known_to_rooms_goes_on_at_their_pace(side: Side, make: Any) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    devices = [f"device-{number}" for number in range(4)]
    for device in devices:
        side.note(opened(make, device, ("cap",), received_at=since, position=make.position(1, at=since)))
        side.last.tell(fix(make, 2, device))

    assert [1, 1, 1, 1] == [len(await side.look(1)) for _ in devices]


@pytest.mark.parametrize(("minutes", "told"), [(1, [("tak", 2.0)]), (11, [])])
async def test_a_fix_that_came_while_nobody_had_the_alert_is_told_after_the_restart(
    side: Side, make: Any, minutes: float, told: list[Any]
) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=20)
    state = opened(make, received_at=begun, position=make.position(1, at=begun))
    side.last.tell(fix(make, 2, at=datetime.now(UTC) - timedelta(minutes=minutes)))
    side.note(state)
    noted = await side.look(1)
    side.following.look_again(state)

    assert ([], told) == (noted, await side.look(1))


async def test_after_a_takeover_the_spare_is_followed_and_the_old_device_no_more(side: Side, make: Any) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=1)
    at = [begun + timedelta(seconds=second) for second in range(9)]
    side.note(opened(make, received_at=begun))
    side.last.tell(fix(make, 1, at=at[1]))
    first = await side.look()
    side.last.tell(fix(make, 2, "spare", at=at[2]))
    before = await side.look(5)
    side.replace("device-1", "spare", at[3])
    at_once = await side.look(5)
    side.last.tell(fix(make, 3, "spare", at=at[4]))
    new = await side.look(5)
    side.last.tell(fix(make, 4, at=at[5]))
    old = await side.look(5)
    side.last.tell(fix(make, 5, "spare", at=at[6]))
    spare = await side.look(5)
    side.replace("spare", "another", at[7])
    side.last.tell(fix(make, 6, "another", at=at[8]))

    assert ([("tak", 1)], [], []) == (first, before, at_once)
    assert ([("tak", 3)], [], [("tak", 5)]) == (new, old, spare)
    assert [("tak", 6)] == await side.look(5), "the spare's spare, too"


async def test_a_spares_fix_of_before_its_takeover_is_no_place_of_its_officer_and_the_old_devices_stays_one(
    side: Side, make: Any
) -> None:
    now = datetime.now(UTC)
    before, pressed = now - timedelta(seconds=30), now - timedelta(seconds=60)
    state = opened(make, received_at=pressed, position=make.position(1, at=pressed))
    side.note(state)
    side.last.tell(fix(make, 2, at=before))
    side.replace("device-1", "spare", now)
    side.last.tell(fix(make, 50, "spare", at=before))
    places = [side.following.fix_of(state)]
    waited = fix(make, 51, "spare", at=before, received_at=now)
    side.last.tell(waited)
    places.append(side.following.fix_of(state))
    told = await side.look()
    untimed = waited.header.model_copy(update={"flags": ("clock_skew",)})
    side.last.tell(waited.model_copy(update={"header": untimed}))
    places.append(side.following.fix_of(state))
    side.last.tell(fix(make, 52, at=now))
    places.append(side.following.fix_of(state))

    assert [2, 2, 51, 51] == [place.position.latitude for place in places if place], "an odd clock's time says nothing"
    assert [("tak", 2)] == told


async def test_what_is_pressed_at_a_replaced_device_follows_that_and_not_its_officer(side: Side, make: Any) -> None:
    side.replace("device-1", "spare")
    side.note(opened(make, flags=(FROM_REPLACED,)))
    side.last.tell(fix(make, 1, "spare"))
    officer = await side.look()
    side.last.tell(fix(make, 2))

    assert ([], [("tak", 2)]) == (officer, await side.look(5))
