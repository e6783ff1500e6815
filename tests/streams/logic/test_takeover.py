"""A spare takes the place of a device: what is open goes on under it, and who has the old one reaches the owner alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_MARKS, MESSAGES, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, MessageDirection
from bondmate_schemas.flags import CHECK_IN_MISSED, FROM_REPLACED
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import Delivery, DeviceMessage
from bondmate_schemas.takeover import current, replaced_by
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.headers import is_pressed_there
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Routes
from bondmate_streams.logic.takeover import lent, marked, only, own_alert, returned

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NORTH, COUNTY = destination_topic("north"), destination_topic("county")
ROUTES = """
destinations:
  north: {modes: [EXERCISE], agency: agency-1, fields: {alert: {text: plain, device_id: plain}}}
  county: {modes: [EXERCISE], agency: county, fields: {alert: {text: plain}}}
routes:
  - {name: alerts, when: {record: alert}, to: [north, county]}
"""


@pytest.fixture(scope="session")
def routes() -> Routes:
    return parse_routes(ROUTES)


@pytest.fixture(scope="module", autouse=True)
def streams(configured: Any, running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = running(configured(tmp_path_factory.mktemp("tables")))
    yield found
    found.stop()


def test_the_newest_place_is_found_and_a_circle_has_an_end() -> None:
    assert ("c", "x") == (current("a", {"a": "b", "b": "c"}), current("x", {"a": "b"}))
    assert current("a", {"a": "b", "b": "a"}) in {"a", "b"}


def test_a_spare_goes_on_for_all_that_had_its_place_before_it(kafka: KafkaConfig) -> None:
    marks = DeviceMarks(kafka, "test", Codec(LocalSchemaIds()))
    for old, spare in (("a", "b"), ("b", "c"), ("x", "y"), ("p", "q"), ("q", "p")):
        marks.set(replaced_by(old, spare, "inspector", "lost", NOW))

    assert {"c": {"b", "a"}, "b": {"a"}, "a": set(), "y": {"x"}, "p": {"q"}} == {
        device: set(marks.before(device)) for device in ("c", "b", "a", "y", "p")
    }


def test_a_takeover_that_is_undone_or_corrected_leaves_nothing_with_the_wrong_spare(kafka: KafkaConfig) -> None:
    marks = DeviceMarks(kafka, "test", Codec(LocalSchemaIds()))
    for minutes, (old, spare) in enumerate((("a", "wrong"), ("a", ""), ("x", "wrong"), ("x", "right"))):
        marks.set(replaced_by(old, spare, "inspector", "lost", NOW + timedelta(minutes=minutes)))

    assert (None, "a", []) == (marks.replaced("a"), marks.current("a"), marks.before("wrong"))
    assert ("right", ["x"]) == (marks.current("x"), marks.before("right"))


def test_a_press_at_the_old_device_is_one_alert_of_its_own_and_a_cancel_there_is_none(make: Any) -> None:
    mark = replaced_by("device-1", "spare", "inspector", "lost", NOW)
    first, second = (own_alert(make.alert(kind=kind), mark) for kind in (AlertKind.SOS, AlertKind.DURESS))
    assert first is not None
    assert second is not None

    assert first.header.event_id == second.header.event_id
    assert (AlertAction.RAISE, (FROM_REPLACED,)) == (first.action, first.header.flags)
    assert own_alert(make.alert(action=AlertAction.CANCEL), mark) is None
    assert [True, False, False] == [
        is_pressed_there(make.alert(**given)) for given in ({}, {"source": "streams"}, {"flags": (CHECK_IN_MISSED,)})
    ]


def test_what_is_lent_to_the_spare_is_kept_as_it_left_it_for_as_long_as_the_old_device_has_it(make: Any) -> None:
    old = take(make.alert(event_id="sos"), None, None, NOW).memory
    memory = lent(None, "spare", [old])
    pressed = take(make.alert("spare", kind=AlertKind.SOS), memory, None, NOW)
    assert pressed.change is not None

    assert ("merged", "sos") == (pressed.outcome, pressed.change.header.event_id)
    kept = returned(pressed.memory, memory)
    assert [("sos", 2, True)] == [(k.event_id, k.press_count, k.lent) for k in kept.open_alerts]
    assert () == lent(kept, "spare", []).open_alerts  # type: ignore[union-attr]  # a memory gives one
    other = take(make.alert("spare", kind=AlertKind.TAMPER, event_id="own"), memory, None, NOW)
    assert ["own"] == [k.event_id for k in returned(other.memory, memory).open_alerts]
    assert lent(None, "spare", []) is None
    mark = replaced_by("device-1", "spare", "inspector", "lost", NOW)
    there = own_alert(make.alert(), mark)
    assert there is not None
    assert ["sos"] == [k.event_id for k in only(take(there, old, None, NOW).memory, theirs=False).open_alerts]  # type: ignore[union-attr]


def test_what_an_older_hub_remembered_of_presses_at_the_old_device_is_known_by_its_id(make: Any) -> None:
    mark = replaced_by("device-1", "spare", "inspector", "lost", NOW)
    there = own_alert(make.alert(), mark)
    assert there is not None
    memory = take(there, take(make.alert(event_id="sos"), None, None, NOW).memory, None, NOW).memory
    unmarked = memory.model_copy(
        update={"open_alerts": tuple(k.model_copy(update={"from_replaced": False}) for k in memory.open_alerts)}
    )

    assert memory == marked(unmarked, mark)
    assert (None, unmarked) == (marked(None, mark), marked(unmarked, None))


def test_the_open_alert_goes_on_under_the_spare_and_the_old_device_reaches_the_owner_alone(
    topics: Any, make: Any
) -> None:
    sos = make.alert("device-old")
    event_id = sos.header.event_id
    topics.put(DEVICE_ALERTS, sos)
    topics.wait(COUNTY, Delivery, lambda d: d.header.event_id == event_id)
    # What is read after it of the same partition shows that it is known.
    for old, spare in (("device-old", "spare"), ("device-probe", "other")):
        mark = replaced_by(old, spare, "inspector", "lost", datetime.now(UTC))
        topics.put_bytes(DEVICE_MARKS, mark.mark_id.encode(), topics.codec.encode(mark), partition=0)
    for _ in range(60):
        topics.put(DEVICE_ALERTS, make.alert("device-probe"))
        time.sleep(0.3)
        if any(FROM_REPLACED in d.header.flags for d in topics.records(NORTH, Delivery)):
            break
    else:
        pytest.fail("nothing was from a replaced device")

    order = make.message(
        pseudonym(b"a secret of tests", "north", "device-old"), direction=MessageDirection.TO_DEVICE,
        source="north", sender="north", text="follow me",
    )  # fmt: skip
    topics.put(MESSAGES, order)
    (addressed,) = topics.wait(MESSAGES, DeviceMessage, lambda m: "streams" in m.header.hops)
    topics.put(DEVICE_ALERTS, make.alert("device-old", event_id=event_id, action=AlertAction.CANCEL))
    topics.put(DEVICE_ALERTS, make.alert("device-old", text="I have it"))
    (pressed,) = topics.wait(NORTH, Delivery, lambda d: d.alert and d.alert.text == "I have it")
    topics.put(DEVICE_ALERTS, make.alert("spare", text="lost my device"))
    (update,) = topics.wait(
        COUNTY, Delivery, lambda d: d.header.event_id == event_id and d.reason is DeliveryReason.UPDATE
    )

    # The gateways follow the place, which may go on.
    assert "device-old" == addressed.device_id
    assert event_id != pressed.header.event_id
    assert FROM_REPLACED in pressed.header.flags
    assert "lost my device" == update.alert.text
    assert pressed.header.event_id not in {d.header.event_id for d in topics.records(COUNTY, Delivery)}
    assert "cancel_requested" not in update.header.flags
