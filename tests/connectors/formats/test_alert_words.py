"""What dispatchers read of how an alert stands, made of what the streams really emit (FINDINGS L1, L8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot.alerts_out import alert_text
from bondmate_connectors.formats.cot.options import Options
from bondmate_connectors.formats.xml import parse_xml
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    EmergencyWord,
    Level,
    Mode,
    Ownership,
    PositionOrigin,
    Validity,
)
from bondmate_schemas.flags import STARTED_BY_ROOM
from bondmate_schemas.models import AlertWhole, Delivery, DeliveryReceipt, DeviceAlert, EventHeader, Position
from bondmate_streams.logic import handoff, heard, starting, states, timers
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.steps import Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("north", "alerts"), Decision("county", "alerts")]
ROOMS = Rooms({"north": "pd-north", "county": "county"}, can_assign=frozenset({"north"}))
AGREEMENTS = Agreements(
    parse_routes(
        "destinations:\n"
        "  north: {fields: {alert: {text: plain, whole.ended_words: plain}}}\n"
        "  county: {fields: {alert: {callsign: plain}}}\n"
        "routes: [{name: alerts, when: {record: alert}, to: [north, county]}]"
    ),
    b"a secret of these tests",
)


def header(number: int, **given: Any) -> EventHeader:
    return EventHeader(
        message_id=f"m-{number}", event_id="event", incident_id="incident", agency_id="pd-north", mode=Mode.ACTUAL,
        occurred_at=NOW + timedelta(seconds=number), received_at=NOW + timedelta(seconds=number), source="device_http", **given,
    )  # fmt: skip


def press(number: int, action: AlertAction, kind: AlertKind = AlertKind.SOS, text: str | None = None) -> DeviceAlert:
    return DeviceAlert(header=header(number), device_id="device-1", action=action, kind=kind, text=text)


def raised(kind: AlertKind = AlertKind.SOS) -> Step:
    return states.change(None, press(1, AlertAction.RAISE, kind, "man with a knife"), DECISIONS, NOW)


def says(step: Step, room: str, **given: Any) -> Step:
    receipt = DeliveryReceipt(header=header(5), destination=room, **given)
    return heard.receive(step.state, receipt, {"north", "county"}, DECISIONS, NOW + timedelta(seconds=9), rooms=ROOMS)


def read(step: Step, room: str) -> tuple[str, str, str]:
    """Return headline and description of the CAP message, and the line on TAK."""
    delivery = told(step, room)
    document = parse_xml(CAP.write(delivery, NOW).message or b"")
    space = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}
    headline, description = (document.findtext(f".//c:{name}", "", space) for name in ("headline", "description"))
    assert delivery.alert is not None
    return headline, description, alert_text(delivery.alert, delivery, Options())


def told(step: Step, room: str) -> Delivery:
    notification = next(notification for notification in step.notifications if notification.destination == room)
    delivery = AGREEMENTS.delivery(notification, NOW, "")
    assert delivery is not None
    return delivery


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.DURESS, AlertKind.OFFICER_DOWN])
@pytest.mark.parametrize("room", ["north", "county"])
def test_a_request_to_cancel_is_read_as_one_in_every_dialect(kind: AlertKind, room: str) -> None:
    asked = states.change(raised(kind).state, press(2, AlertAction.CANCEL, kind), DECISIONS, NOW)
    headline, _, line = read(asked, room)

    assert headline.startswith(("STILL OPEN. ", "SILENT ALARM, DO NOT CALL. STILL OPEN. "))
    assert headline.endswith(" (the device asks to cancel)")
    assert "STILL OPEN, the device asks to cancel" in line
    assert "CANCELLED" not in line


def test_the_end_says_by_whom_and_why_and_not_the_officers_old_words() -> None:
    ended = says(raised(), "north", level=Level.RESOLVED, validity=Validity.FALSE, note="he dropped it")
    _, description, line = read(ended, "north")
    _, elsewhere, other = read(ended, "county")

    assert 'Ended by pd-north: false alarm.\nIn their words: "he dropped it".' == description
    assert 'Ended by pd-north: false alarm. In their words: "he dropped it"' in line
    # What was said goes to those whose agreement lists it.
    assert "Ended by pd-north: false alarm." == elsewhere
    assert "dropped" not in other
    assert "knife" not in description + line + elsewhere + other


def test_the_end_by_its_device_says_so_with_what_it_says_of_it() -> None:
    cancel = press(2, AlertAction.CANCEL, AlertKind.ASSISTANCE, "by accident")
    _, description, line = read(states.change(raised(AlertKind.ASSISTANCE).state, cancel, DECISIONS, NOW), "north")

    assert '"by accident"\nEnded by the device: called off.' == description
    assert "Ended by the device: called off" in line


def test_that_a_room_started_it_what_is_still_to_be_said_and_that_it_was_confirmed_are_read() -> None:
    start = press(1, AlertAction.RAISE, text="no answer")
    start = start.model_copy(
        update={
            "header": header(1, flags=(STARTED_BY_ROOM,)),
            "whole": AlertWhole(renew_by=NOW + timedelta(minutes=30)),
            "position": Position(latitude=1, longitude=2, fixed_at=NOW),
        }
    )
    step = states.change(None, start, DECISIONS, NOW)
    assert step.state is not None
    held = replace(
        step,
        notifications=tuple(
            starting.without_places(step.notifications, step.state, {"north": "pd-north", "county": "c"})
        ),
    )
    _, description, line = read(step, "north")
    over = starting.not_renewed("not_renewed", step.state, DECISIONS, NOW, ROOMS)
    sure = says(step, "north", emergency=EmergencyWord.CONFIRMED)

    assert "Started by a control room: the officer had not pressed" in description
    assert "Not confirmed: to be renewed or confirmed by 12:30 UTC" in description
    assert "Started by a control room" in line
    assert "Position withheld" in read(held, "county")[2]
    assert "Nobody has renewed it in time: its position is not followed any more" in read(over, "north")[1]
    assert "Confirmed as an emergency" in read(sure, "county")[1]
    assert "to be renewed" not in read(sure, "county")[1]


def test_who_owns_it_that_nobody_is_assigned_and_that_it_goes_on_are_read() -> None:
    offered = says(raised(), "north", ownership=Ownership.OFFERED, offered_to="county", note="he is in your town")
    assert offered.state is not None
    taken = says(Step("", offered.state), "county", ownership=Ownership.TAKEN)
    seen = says(raised(), "north", level=Level.ACKNOWLEDGED)
    assert seen.state is not None
    late = NOW + timedelta(seconds=500)
    unassigned = timers.due(seen.state, DECISIONS, [Escalation(60, page=True)], NOW, late, rooms=ROOMS)
    closed = says(raised(), "north", level=Level.RESOLVED)
    again = states.change(closed.state, press(90, AlertAction.UPDATE, text="he is back, knife"), DECISIONS, late)
    anew = states.change(None, again.reopened, DECISIONS, late)  # type: ignore[arg-type]

    to_county = replace(
        offered, notifications=tuple(handoff.with_words(offered.notifications, offered.state, {"north": "county"}))
    )
    for step, words in (
        (to_county, 'With the offer: "he is in your town"'), (offered, "Offered to county"), (taken, "Owned by county"), (unassigned, "NO UNIT SENT: a room has read it and assigned none"),
        (anew, "OPEN AGAIN: it had been closed"),
    ):  # fmt: skip
        _, description, line = read(step, "north")
        assert words in description
        assert words in line


@pytest.mark.parametrize(
    ("origin", "age_seconds", "accuracy_m", "tak", "cap"),
    [
        ("JOINED", 9 * 3600, None, "Last known position, 9 h old, accuracy unknown: 52.5000, 13.4000",
         "Last known position of the officer's device, 9 h old, accuracy unknown"),
        ("JOINED", 90, 8, "Last known position, 90 s old, within 8 m: 52.50000, 13.40000",
         "Last known position of the officer's device, 90 s old"),
        ("OWN", 3, 8, "Position, within 8 m: 52.50000, 13.40000", "Position of the officer's device"),
        ("OWN", 200_000, 8, "Last known position, 2 d old, within 8 m: 52.50000, 13.40000",
         "Last known position of the officer's device, 2 d old"),
    ],
)  # fmt: skip
def test_the_words_say_how_old_a_position_is_and_whether_its_accuracy_is_known(
    origin: str, age_seconds: float, accuracy_m: float | None, tak: str, cap: str
) -> None:
    fix = Position(latitude=52.5, longitude=13.4, accuracy_m=accuracy_m, fixed_at=NOW)
    delivery = told(raised(), "north")
    alert = delivery.alert.model_copy(
        update={"position": fix, "position_origin": PositionOrigin[origin], "position_age_seconds": age_seconds}
    )
    delivery = delivery.model_copy(update={"alert": alert})
    document = parse_xml(CAP.write(delivery, NOW).message or b"")

    assert tak in alert_text(alert, delivery, Options(), asks=True)
    assert cap == document.findtext(".//{*}areaDesc")
