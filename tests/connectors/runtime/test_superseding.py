"""Of positions that wait, an outage leaves the newest of each device, and a burst leaves all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.runtime.intake import ConsumedRecord, PartitionState
from bondmate_connectors.runtime.keyed_queue import KeyLine
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.superseding import Superseding, outdates
from bondmate_connectors.testing import another, sos, update_of
from bondmate_schemas.enums import DeliveryKind, MessageDirection
from bondmate_schemas.models import Delivery, DeviceLocation, DeviceMessage, Position

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds):
    return BEGAN + timedelta(seconds=seconds)


def taken(published, fixed, *, newest_only=False):
    header = sos("map").header
    location = DeviceLocation(
        header=header, device_id="d1", position=Position(latitude=1, longitude=2, fixed_at=at(fixed))
    )
    delivery = Delivery(
        header=header, destination="map", kind=DeliveryKind.LOCATION, location=location, newest_only=newest_only
    )
    return ConsumedRecord(PartitionState("t", 0), 0, b"d1", b"", [], at(published), delivery)


def line(*items, attempts=0):
    found = KeyLine("d1", attempts=attempts)
    found.items.extend(items)
    return found


@pytest.fixture
def superseding():
    return Superseding(RunnerSettings(outage_seconds=1, fix_waits_seconds=60))


def fixes(items):
    return [int((each.content.location.position.fixed_at - BEGAN).total_seconds()) for each in items]


def test_what_waits_for_a_moment_is_kept(superseding):
    waiting = line(taken(0, 0), taken(1, 1))

    assert [] == superseding.superseded(waiting, at(2))
    assert not superseding.may_drop(waiting, waiting.items[0], at(2))


def test_what_a_route_wants_the_newest_of_is_not(superseding):
    waiting = line(taken(0, 0, newest_only=True), taken(1, 1, newest_only=True))

    assert [0] == fixes(superseding.superseded(waiting, at(2)))
    assert superseding.may_drop(waiting, waiting.items[0], at(2))


def test_what_waited_in_an_outage_is_superseded_by_the_newest_that_did(superseding):
    superseding.see(at(0), out=True)
    waiting = line(taken(1, 1), taken(2, 2), taken(9, 9))
    assert superseding.may_drop(waiting, waiting.items[0], at(3))
    superseding.see(at(5), out=False)

    assert [1] == fixes(superseding.superseded(waiting, at(10)))


def test_a_fix_that_came_late_in_an_outage_supersedes_no_newer_one_and_is_superseded(superseding):
    superseding.see(at(0), out=True)
    superseding.see(at(5), out=False)

    assert [3] == fixes(superseding.superseded(line(taken(1, 8), taken(2, 3)), at(6)))


def test_a_short_break_is_no_outage(superseding):
    superseding.see(at(0), out=True)
    superseding.see(at(0.5), out=False)

    assert [] == superseding.superseded(line(taken(0, 0), taken(0.1, 1)), at(1))


@pytest.mark.parametrize(("waited", "attempts", "dropped"), [(59, 0, []), (61, 0, [0]), (1, 1, [0])])
def test_what_waited_too_long_or_failed_is_superseded_by_a_newer_one(superseding, waited, attempts, dropped):
    waiting = line(taken(0, 0), taken(0, 1), attempts=attempts)

    assert dropped == fixes(superseding.superseded(waiting, at(waited)))


def test_only_news_of_its_own_alert_takes_the_place_of_a_position_update():
    press = sos("map")
    position = update_of(press, 1).model_copy(update={"position_only": True})
    said = DeviceMessage(
        header=press.header, device_id="d1", direction=MessageDirection.FROM_DEVICE, sender="d1", text="I am here"
    )
    chat = Delivery(header=press.header, destination="map", kind=DeliveryKind.MESSAGE, message=said)
    behind = (position, update_of(press, 2), another(press, 1), chat)
    before, *others = (
        ConsumedRecord(PartitionState("t", 0), number, b"k", b"", [], at(0), each)
        for number, each in enumerate((position, *behind))
    )

    assert [True, True, False, False] == [outdates(each, before) for each in others]
    assert not outdates(before, others[1])
