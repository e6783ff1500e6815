"""`hub incidents`: who may link what, and what is written of it (ADR 26); the agents' side is in tests/streams."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_hub.operations.incidents import Order, OrderError, closings, links_to, unlinks
from bondmate_schemas.enums import AlertStatus, Level, Mode, Validity
from bondmate_schemas.models import AlertState, AlertWhole, DeviceAlert, EventHeader
from bondmate_streams.logic import heard

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORDER = Order("kim", "one fight", NOW)


def state(name: str, group: str = "", first: str = "", **given: Any) -> AlertState:
    header = EventHeader(
        message_id=f"m-{name}", event_id=name, occurred_at=NOW, received_at=NOW, source="device_http",
        **{"agency_id": "pd-north", "mode": Mode.ACTUAL, "incident_id": f"i-{name}", **given},
    )  # fmt: skip
    whole = AlertWhole(group_id=group, linked_to=first, linked_by="rule:unit") if group else None
    alert = DeviceAlert(header=header, device_id=f"device-{name}", whole=whole)
    return AlertState(header=header, device_id=alert.device_id, status=AlertStatus.ROUTED, alert=alert, changed_at=NOW)


def known(*states: AlertState) -> dict[str, AlertState]:
    return {one.header.event_id: one for one in states}


def test_an_alert_and_those_linked_to_it_go_to_the_event_of_another() -> None:
    there = known(state("a"), state("b"), state("c", "i-b", "b"), state("d", "i-a", "a"))
    said = links_to(there, "b", "i-d", ORDER)

    assert [("b", "link", "i-a", "a"), ("c", "link", "i-a", "a")] == [
        (one.header.event_id, one.code, one.platform_id, one.sender_message_id) for one in said
    ]
    assert {("operations", "kim", "one fight", Mode.ACTUAL)} == {
        (one.destination, one.by_ref, one.note, one.header.mode) for one in said
    }


@pytest.mark.parametrize(
    ("other", "to", "problem"),
    [
        ({"mode": Mode.EXERCISE}, "b", "never of one event"),
        ({"agency_id": "pd-south"}, "b", "only who is of both"),
        ({}, "a", "the first of that event already"),
        ({}, "nobody", "no alert"),
    ],
)
def test_what_cannot_be_of_one_event_is_refused_in_words(other: dict[str, Any], to: str, problem: str) -> None:
    there = known(state("a"), state("b", **other))

    with pytest.raises(OrderError, match=problem):
        links_to(there, "a", to, ORDER)


def test_who_is_of_both_agencies_links_across_them() -> None:
    there = known(state("a"), state("b", agency_id="pd-south"))

    assert ["a"] == [one.header.event_id for one in links_to(there, "a", "b", ORDER, of_both=True)]


def test_one_is_taken_out_and_one_that_is_in_none_is_not() -> None:
    there = known(state("a"), state("b", "i-a", "a"))
    (said,) = unlinks(there, "b", ORDER)

    assert ("b", "unlink", None) == (said.header.event_id, said.code, said.platform_id)
    with pytest.raises(OrderError, match="unlink those"):
        unlinks(there, "a", ORDER)


def test_an_open_alert_is_closed_by_its_id_or_by_the_incident_that_it_shares_with_an_ended_one() -> None:
    there = known(state("a", incident_id="i"), state("b", incident_id="i"))
    there["a"] = there["a"].model_copy(update={"status": AlertStatus.RESOLVED})
    (said,) = closings(there, "i", ORDER, false_alarm=True)

    assert ("b", "operations", "close", "one fight") == (said.header.event_id, said.destination, said.code, said.note)
    assert (Level.RESOLVED, Validity.FALSE, Mode.ACTUAL) == (said.level, said.validity, said.header.mode)
    with pytest.raises(OrderError, match="ended already"):
        closings(there, "a", ORDER)
    with pytest.raises(OrderError, match="no alert"):
        closings(there, "c", ORDER)


def test_a_closing_by_a_clock_two_minutes_slow_ends_what_was_known_here_and_not_what_was_pressed_since() -> None:
    pressed = state("a").model_copy(update={"pressed_at": NOW})
    slow = replace(ORDER, at=NOW - timedelta(minutes=2))
    (said,) = closings(known(pressed), "a", slow)
    again = pressed.model_copy(update={"pressed_at": NOW + timedelta(seconds=1)})
    read_at = NOW + timedelta(minutes=1)
    ended, ended_before = (heard.receive(each, said, (), (), read_at) for each in (pressed, again))

    assert ("closed_by_operations", None) == (ended.outcome, ended.reopened)
    assert ended_before.reopened is not None
    (ahead,) = closings(known(pressed), "a", replace(ORDER, at=NOW + timedelta(minutes=2)))
    assert NOW + timedelta(minutes=2) == ahead.header.received_at
