"""Silence and low battery while an alert of the device is open: news of that alert, of its own gravity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Mode, PositionOrigin, Priority
from bondmate_schemas.flags import DEVICE_HEARD, DEVICE_REVOKED, DEVICE_SILENT
from bondmate_schemas.models import DeviceMemory
from bondmate_streams.logic import silent_devices, states
from bondmate_streams.logic.alerts import stand, take
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("cap", "alerts")]


def told(make: Any, **given: Any) -> tuple[DeviceMemory, Any]:
    """Raise an alert and return what is remembered of its device, and the alert's state."""
    taken = take(make.alert(event_id="sos", callsign="Alpha 7", text="knife", **given), None, None, NOW)
    return taken.memory, states.change(None, taken.change, DECISIONS, NOW).state  # type: ignore[arg-type]


def quiet(make: Any) -> Any:
    """Return what the hub says of the device that is silent."""
    return silent_devices.alert_of(make.location("device-1", mode=Mode.EXERCISE), NOW - timedelta(minutes=5), NOW)


@pytest.mark.parametrize("kind", [AlertKind.SOS, AlertKind.ASSISTANCE, AlertKind.TAMPER])
def test_a_device_that_goes_silent_during_its_alert_is_told_as_news_of_it_and_so_is_that_it_is_heard_again(
    make: Any, kind: AlertKind
) -> None:
    memory, state = told(make, kind=kind)
    silent = take(quiet(make), memory, make.location("device-1"), NOW)
    again = take(quiet(make), silent.memory, None, NOW)
    step = states.change(state, silent.change, DECISIONS, NOW)  # type: ignore[arg-type]
    heard = take(silent_devices.over(quiet(make), NOW), silent.memory, None, NOW)
    back = states.change(step.state, heard.change, DECISIONS, NOW)  # type: ignore[arg-type]
    (notification,), (after,) = step.notifications, back.notifications

    assert ("news", "repeat", "news") == (silent.outcome, again.outcome, heard.outcome)
    assert [("updated", "sos")] * 2 == [(each.outcome, each.state.header.event_id) for each in (step, back)]  # type: ignore[union-attr]
    assert (DeliveryReason.UPDATE, kind, Priority.IMMEDIATE) == (
        notification.reason, notification.event.kind, notification.event.priority,
    )  # fmt: skip
    assert ("Alpha 7", "knife", 1) == (
        notification.event.callsign,
        notification.event.text,
        notification.event.press_count,
    )
    assert PositionOrigin.JOINED is notification.event.position_origin
    assert [(DEVICE_SILENT,), (DEVICE_HEARD,)] == [one.event.header.flags for one in (notification, after)]
    assert 1 == len(heard.memory.open_alerts)


def test_a_low_battery_is_news_of_the_gravest_open_alert_and_charging_again_asks_for_no_end(make: Any) -> None:
    memory, _ = told(make, kind=AlertKind.ASSISTANCE)
    memory = take(make.alert(event_id="down", kind=AlertKind.OFFICER_DOWN), memory, None, NOW).memory
    low = make.alert(event_id="low", kind=AlertKind.LOW_BATTERY, battery_percent=4, priority=Priority.ROUTINE)
    news = take(low, memory, None, NOW)
    charged = take(make.alert(event_id="low", kind=AlertKind.OTHER, action=AlertAction.CANCEL), news.memory, None, NOW)

    assert news.change is not None
    assert charged.change is not None
    assert [("down", AlertAction.UPDATE, AlertKind.OFFICER_DOWN)] * 2 == [
        (one.header.event_id, one.action, one.kind) for one in (news.change, charged.change)
    ]
    assert 4 == news.change.battery_percent
    assert "news" == charged.outcome


def test_without_an_open_alert_it_is_one_of_its_own_and_stays_one_when_another_begins(make: Any) -> None:
    alone = take(quiet(make), None, None, NOW)
    memory = take(make.alert(event_id="sos"), alone.memory, None, NOW).memory
    over = take(silent_devices.over(quiet(make), NOW), memory, None, NOW)

    assert ("raised", "cancelled") == (alone.outcome, over.outcome)
    assert over.change is not None
    assert quiet(make).header.event_id == over.change.header.event_id
    assert ["sos"] == [known.event_id for known in over.memory.open_alerts]


def test_after_the_end_and_of_another_mode_it_is_news_of_nothing(make: Any) -> None:
    memory, state = told(make, kind=AlertKind.ASSISTANCE, mode=Mode.TEST)
    over = states.change(
        state, make.alert(event_id="sos", kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL), DECISIONS, NOW
    ).state
    assert over is not None

    assert "raised" == take(quiet(make), memory, None, NOW).outcome
    assert "raised" == take(quiet(make), stand(memory, over), None, NOW).outcome


def test_that_the_device_was_revoked_stays_on_the_alert(make: Any) -> None:
    memory, state = told(make, kind=AlertKind.SOS)
    revoked = make.alert(event_id="sos", kind=AlertKind.OTHER, action=AlertAction.UPDATE, flags=(DEVICE_REVOKED,))
    taken = take(revoked, memory, None, NOW)
    step = states.change(state, taken.change, DECISIONS, NOW)  # type: ignore[arg-type]
    later = states.change(step.state, make.alert(event_id="sos", action=AlertAction.UPDATE), DECISIONS, NOW)

    assert ["updated", "updated"] == [step.outcome, later.outcome]
    assert [(DEVICE_REVOKED,)] * 2 == [one.notifications[0].event.header.flags for one in (step, later)]
    assert "knife" == step.notifications[0].event.text  # type: ignore[union-attr]
