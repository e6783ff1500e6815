"""Alerts of one event: linked by rule or by operations, each an alert of its own (FINDINGS L15; EMERGENCY)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Level, Mode, Ownership
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertWhole, DeliveryReceipt, DeviceAlert, EventHeader, Position
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.grouping import BY_OFFICER, BY_UNIT, OPERATIONS, AlertLink, Neighbours
from bondmate_streams.logic.life_cycle import ENDS
from bondmate_streams.logic.outside import Form
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROOMS = [Decision("north", "alerts"), Decision("county", "alerts")]


def alert(name: str, second: float = 0, *, latitude: float | None = None, **given: Any) -> DeviceAlert:
    at = NOW + timedelta(seconds=second)
    head = EventHeader(
        message_id=f"m-{name}", event_id=name, agency_id=given.pop("agency_id", "pd-north"),
        mode=given.pop("mode", Mode.ACTUAL), occurred_at=at, received_at=at, source="device_http",
    )  # fmt: skip
    fix = None if latitude is None else Position(latitude=latitude, longitude=13.4, fixed_at=at)
    values = {"kind": AlertKind.SOS, "action": AlertAction.RAISE, "unit": "unit-1", "device_id": f"device-{name}"}
    return DeviceAlert(header=head, position=fix, **{**values, **given})


def neighbours(*alerts: DeviceAlert) -> Neighbours:
    found = Neighbours(600, 1_000)
    for one in alerts:
        found.note(one)
    return found


def incident(name: str) -> str:
    return derived_id("incident", name)


def test_two_of_a_unit_within_seconds_are_linked_to_the_first_whatever_order_they_are_met_in() -> None:
    alerts = [alert(name, second) for name, second in (("a", 0), ("b", 0.01), ("c", 9))]
    for order in permutations(alerts):
        found = neighbours(*order)

        assert [None, AlertLink(incident("a"), "a", BY_UNIT), AlertLink(incident("a"), "a", BY_UNIT)] == [
            found.of(one) for one in alerts
        ]


@pytest.mark.parametrize(
    "other",
    [
        {"unit": "unit-2"}, {"unit": None}, {"agency_id": "pd-south"}, {"mode": Mode.EXERCISE}, {"second": 700},
        {"kind": AlertKind.DURESS}, {"silent": True}, {"latitude": 52.6},
    ],
)  # fmt: skip
def test_another_unit_agency_mode_time_place_and_whoever_is_under_duress_are_not_linked(other: dict[str, Any]) -> None:
    first, second = alert("a", latitude=52.5), alert("b", **{"second": 9, "latitude": 52.5, **other})
    under_duress = neighbours(alert("d", kind=AlertKind.DURESS))

    assert neighbours(first).of(alert("b", 9, latitude=52.501)) is not None
    assert neighbours(first, second).of(second) is None
    assert under_duress.of(alert("b", 9)) is None


def test_the_same_officer_is_linked_over_devices_and_further_presses_of_one_are_not() -> None:
    first = alert("a", officer_ref="officer-1", unit=None)
    spare = alert("b", 30, officer_ref="officer-1", unit=None)

    assert AlertLink(incident("a"), "a", BY_OFFICER) == neighbours(first).of(spare)
    assert neighbours(first, alert("a2", 5, device_id="device-a")).of(alert("a2", 5, device_id="device-a")) is None


def test_a_further_alert_of_a_device_keeps_its_own_incident_and_has_the_number_of_the_first() -> None:
    memory = take(alert("a"), None, None, NOW).memory
    down = take(alert("b", 5, device_id="device-a", kind=AlertKind.OFFICER_DOWN), memory, None, NOW)
    third = take(alert("c", 9, device_id="device-a", kind=AlertKind.TAMPER), down.memory, None, NOW)
    duress = take(alert("d", 9, device_id="device-a", kind=AlertKind.DURESS), down.memory, None, NOW)

    assert down.change is not None
    assert (incident("b"), AlertWhole(group_id=incident("a"), linked_to="a", linked_by=BY_OFFICER)) == (
        down.change.header.incident_id, down.change.whole,
    )  # fmt: skip
    assert third.change.whole == down.change.whole  # type: ignore[union-attr]
    assert duress.change.whole is None  # type: ignore[union-attr]


def linked_alert() -> states.Step:
    found = take(alert("b", 9), None, None, NOW, neighbours(alert("a")).of)
    assert found.change is not None
    return states.change(None, found.change, ROOMS, NOW)


def test_each_alert_reaches_every_room_as_new_and_a_link_that_comes_late_is_one_update() -> None:
    new = linked_alert()
    alone = states.change(None, take(alert("b", 9), None, None, NOW).change, ROOMS, NOW)  # type: ignore[arg-type]
    link = AlertLink(incident("a"), "a", BY_UNIT)
    news = alert("b", 9, action=AlertAction.UPDATE).model_copy(update={"whole": link.over(None)})
    news = news.model_copy(update={"header": news.header.model_copy(update={"message_id": "link"})})
    late = states.change(alone.state, news, ROOMS, NOW)
    again = states.change(late.state, news, ROOMS, NOW)

    assert [DeliveryReason.NEW] * 2 == [notification.reason for notification in new.notifications]
    assert [DeliveryReason.UPDATE] * 2 == [notification.reason for notification in late.notifications]
    assert incident("a") == late.state.alert.whole.group_id  # type: ignore[union-attr]
    assert [t.delivery_id for t in late.notifications] == [t.delivery_id for t in again.notifications]


def operations(code: str, **given: Any) -> DeliveryReceipt:
    header = alert("b").header.model_copy(update={"message_id": f"r-{code}"})
    return DeliveryReceipt(header=header, destination=OPERATIONS, code=code, by_ref="kim", note="why", **given)


def receive(state: Any, receipt: DeliveryReceipt) -> states.Step:
    return heard.receive(state, receipt, set(), ROOMS, NOW + timedelta(seconds=60))


def test_operations_undo_a_link_and_make_one_and_no_rule_makes_it_again() -> None:
    apart = receive(linked_alert().state, operations("unlink"))
    by_rule = alert("b", 9, action=AlertAction.UPDATE).model_copy(
        update={"whole": AlertLink("x", "y", BY_UNIT).over(None)}
    )
    by_rule = by_rule.model_copy(update={"header": by_rule.header.model_copy(update={"message_id": "again"})})
    still = states.change(apart.state, by_rule, ROOMS, NOW)
    anew = receive(apart.state, operations("link", platform_id=incident("z"), sender_message_id="z"))
    repeated = receive(anew.state, operations("link", platform_id=incident("z"), sender_message_id="z"))

    assert ("linked", [DeliveryReason.UPDATE] * 2) == (apart.outcome, [t.reason for t in apart.notifications])
    assert AlertWhole(linked_by=OPERATIONS) == apart.state.alert.whole == still.state.alert.whole  # type: ignore[union-attr]
    assert AlertWhole(group_id=incident("z"), linked_to="z", linked_by=OPERATIONS) == anew.state.alert.whole  # type: ignore[union-attr]
    assert ("no_change", ()) == (repeated.outcome, repeated.notifications)


AGENCIES = Rooms({"north": "pd-north", "county": "county"})


def by_room(state: Any, other: Any, link_to: str | None = "z", room: str = "north", **given: Any) -> states.Step:
    head = alert("b", 70, agency_id=given.pop("agency_id", "pd-north"), mode=given.pop("mode", Mode.ACTUAL)).header
    head = head.model_copy(update={"message_id": given.pop("message_id", "r-room"), "source": room})
    receipt = DeliveryReceipt(header=head, destination=room, link_to=link_to, **given)
    return heard.receive(state, receipt, set(), ROOMS, NOW + timedelta(seconds=70), rooms=AGENCIES, other=other)


def of(name: str, **given: Any) -> Any:
    change = take(alert(name, -9, unit=None, **given), None, None, NOW).change
    assert change is not None
    return states.change(None, change, ROOMS, NOW).state


def test_a_room_of_who_owns_both_links_one_to_the_other_and_takes_it_out_and_a_repeat_does_nothing() -> None:
    begun, other = of("b"), of("z")
    linked = by_room(begun, other)
    apart = by_room(linked.state, None, "", message_id="r-2")
    repeated = by_room(apart.state, other)
    seen = by_room(begun, other, level=Level.ACKNOWLEDGED)

    assert linked.state is not None
    assert AlertWhole(group_id=incident("z"), linked_to="z", linked_by="pd-north") == linked.state.alert.whole
    assert ("linked", [DeliveryReason.UPDATE] * 2, None) == (
        linked.outcome, [t.reason for t in linked.notifications], linked.message,
    )  # fmt: skip
    assert apart.state is not None
    assert AlertWhole(linked_by="pd-north") == apart.state.alert.whole
    assert (apart.state, ()) == (repeated.state, repeated.notifications)
    assert seen.state is not None
    assert (Level.ACKNOWLEDGED, "z") == (seen.state.destinations["north"].level, seen.state.alert.whole.linked_to)


@pytest.mark.parametrize(
    ("outcome", "other", "given"),
    [
        ("not_its_own", None, {}),
        ("not_its_own", {"agency_id": "county"}, {}),
        ("not_its_own", {"mode": Mode.EXERCISE}, {}),
        ("not_its_own", {}, {"room": "county", "agency_id": "county"}),
        ("not_its_own", {}, {"room": "county", "link_to": "", "agency_id": "county"}),
        ("mode_differs", {}, {"mode": Mode.EXERCISE}),
    ],
)
def test_what_is_not_the_rooms_to_say_is_refused_and_links_nothing(
    outcome: str, other: dict[str, Any] | None, given: dict[str, Any]
) -> None:
    begun = of("b")
    step = by_room(begun, None if other is None else of("z", **other), **given)

    assert (outcome, begun, ()) == (step.outcome, step.state, step.notifications)


@pytest.mark.parametrize("other", [None, {"agency_id": "county"}])
def test_of_an_answer_whose_link_is_not_its_own_the_rest_counts_and_its_sender_is_told(
    other: dict[str, Any] | None,
) -> None:
    begun, linked_to = of("b"), None if other is None else of("z", **other)
    seen = by_room(begun, linked_to, level=Level.ACKNOWLEDGED)
    offered = by_room(begun, linked_to, ownership=Ownership.OFFERED, offered_to="county")
    words = by_room(begun, linked_to, note="on our way")

    assert ["not_its_own"] * 3 == [step.refused for step in (seen, offered, words)]
    assert seen.state is not None
    assert Level.ACKNOWLEDGED is seen.state.destinations["north"].level
    assert ("offered", "county") == (
        offered.outcome, offered.state and offered.state.handoff and offered.state.handoff.agency_id,
    )  # fmt: skip
    assert words.message is not None
    again = by_room(seen.state, linked_to, level=Level.ACKNOWLEDGED)
    assert ("said_before", "", seen.state) == (again.outcome, again.refused, again.state)


def test_an_answer_may_offer_and_link_and_close_and_link_at_once_and_an_end_is_remembered_before_it_is_told() -> None:
    begun, other = of("b"), of("z")
    offered = by_room(begun, other, ownership=Ownership.OFFERED, offered_to="county")
    closed = by_room(begun, other, level=Level.RESOLVED)
    again = by_room(closed.state, other, level=Level.RESOLVED)

    assert offered.state is not None
    assert offered.state.handoff is not None
    assert offered.state.alert.whole is not None
    assert "z" == offered.state.alert.whole.linked_to
    assert closed.state is not None
    assert closed.state.alert.whole is not None
    assert (True, "z") == (closed.outcome in ENDS, closed.state.alert.whole.linked_to)
    ids = [[notification.delivery_id for notification in step.notifications] for step in (closed, again)]
    assert (True, ids[0]) == (again.outcome in ENDS, ids[1])


def test_the_first_of_an_event_is_not_linked_to_what_is_linked_to_it() -> None:
    first, second = of("b"), of("z")
    linked = second.model_copy(
        update={
            "alert": second.alert.model_copy(update={"whole": AlertLink(incident("b"), "b", "pd-north").over(None)})
        }
    )

    assert "not_its_own" == by_room(first, linked).outcome
    assert "linked" == by_room(first, second).outcome


def test_one_that_comes_under_duress_leaves_what_a_rule_had_linked_it_to() -> None:
    graver = alert("b", 20, action=AlertAction.UPDATE, kind=AlertKind.DURESS)
    graver = graver.model_copy(update={"header": graver.header.model_copy(update={"message_id": "graver"})})
    after = states.change(linked_alert().state, graver, ROOMS, NOW + timedelta(seconds=20)).state

    assert after is not None
    assert after.alert.whole is not None
    assert "" == after.alert.whole.group_id


def test_ids_of_a_link_leave_in_the_form_of_their_destination() -> None:
    outside = OutsideIds.of(b"a secret of these tests")
    form = Form.of(outside, "north", None, shares_incidents=False)
    assert form is not None
    whole = dict(form._of_whole(AlertWhole(group_id="group", linked_to="a")))

    assert {"group_id": form.incident_id("group"), "linked_to": form.id("a")} == whole


def test_what_nothing_can_be_linked_to_any_more_is_forgotten_and_a_unit_has_a_bound() -> None:
    found = neighbours(*(alert(f"a{number}", number / 100, device_id=f"d{number}") for number in range(500)))

    assert [64] == [len(known) for known in found._raised.values()]
    found.forget(NOW + timedelta(hours=1))
    assert {} == found._raised


def test_a_thousand_of_one_unit_have_one_number() -> None:
    found = neighbours()
    links = []
    for number in range(1_000):
        one = alert(f"a{number:04}", number / 10)
        found.note(one)
        links.append(found.of(one))

    assert [None] == links[:1]
    assert {incident("a0000")} == {link.group_id for link in links[1:] if link}
    assert 999 == len([link for link in links if link])
