"""Duress is a state of the device until a named person ends it: silent in all, and nothing said there closes anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_MARKS, MESSAGES, STATE_ALERTS, destination_topic
from bondmate_schemas.duress import BEGUN, ENDED, SHOWN_SILENTLY, begins, begun_by, ended_by, is_under, is_under_duress
from bondmate_schemas.enums import AlertAction, AlertKind, Level, MessageDirection
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import AlertState, Delivery, DeviceMark, DeviceMessage
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.logic import states
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.duress import said_under
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("cap", "alerts")]
TAK = destination_topic("tak")


@pytest.mark.parametrize(
    ("given", "begun"),
    [
        ({"kind": AlertKind.DURESS, "silent": True}, True),
        ({"kind": AlertKind.DURESS, "silent": True, "action": AlertAction.UPDATE}, True),
        ({"kind": AlertKind.DURESS, "silent": False}, False),
        ({"kind": AlertKind.DURESS, "silent": True, "action": AlertAction.CANCEL}, False),
        ({"kind": AlertKind.SOS, "silent": True}, False),
    ],
)
def test_duress_begins_with_an_alert_of_it_on_a_device_that_keeps_it_silent(
    make: Any, given: dict[str, Any], begun: bool
) -> None:
    assert begun is begins(make.alert(**given))


def test_it_lasts_until_a_person_ends_it_and_a_later_press_begins_it_anew(make: Any) -> None:
    begun = begun_by(make.alert(kind=AlertKind.DURESS, silent=True, received_at=NOW))
    ended = ended_by(begun, "inspector 4711", "seen safe", NOW + timedelta(minutes=5))
    anew = begun.model_copy(update={"since": NOW + timedelta(minutes=6)})

    assert [True, False, True, False] == [
        is_under(begun, None), is_under(begun, ended), is_under(anew, ended), is_under(None, ended),
    ]  # fmt: skip
    assert {f"{BEGUN}/device-1", f"{ENDED}/device-1"} == {begun.mark_id, ended.mark_id}
    assert ("inspector 4711", "seen safe", begun.event_id) == (ended.operator, ended.justification, ended.event_id)


@pytest.mark.parametrize("kind", [AlertKind.ASSISTANCE, AlertKind.OTHER, AlertKind.GEOFENCE])
def test_a_cancel_said_under_duress_asks_whatever_it_cancels(make: Any, kind: AlertKind) -> None:
    raised = take(make.alert(kind=kind), None, None, NOW)
    assert raised.change is not None
    state = states.change(None, raised.change, DECISIONS, NOW).state
    assert state is not None
    event_id = state.header.event_id
    cancel = make.alert(event_id=event_id, kind=kind, action=AlertAction.CANCEL)
    free, held = take(cancel, raised.memory, None, NOW), take(said_under(cancel), raised.memory, None, NOW)
    assert free.change is not None
    assert held.change is not None
    after = states.change(state, held.change, DECISIONS, NOW)

    assert ("cancelled", "cancel_requested") == (free.outcome, held.outcome)
    assert ("cancelled", "cancel_requested") == (
        states.change(state, free.change, DECISIONS, NOW).outcome, after.outcome,
    )  # fmt: skip
    assert after.state is not None
    assert after.state.alert.silent
    assert 1 == len(held.memory.open_alerts)


def test_the_warning_stays_on_the_alert_whatever_comes_later(make: Any) -> None:
    state = states.change(None, said_under(make.alert(event_id="e", kind=AlertKind.SOS)), DECISIONS, NOW).state
    fix = make.alert(event_id="e", kind=AlertKind.OTHER, action=AlertAction.UPDATE)
    after = states.change(state, fix, DECISIONS, NOW)

    assert UNDER_DURESS in after.notifications[0].event.header.flags
    assert is_under_duress(after.notifications[0].event)


def test_the_silence_that_the_hub_tells_of_is_silent_and_its_end_is_no_request(make: Any) -> None:
    over = said_under(make.alert(source="streams", kind=AlertKind.OTHER, action=AlertAction.CANCEL))

    assert (True, ()) == (over.silent, over.header.flags)


@pytest.fixture(scope="module")
def config(configured: Any, tmp_path_factory: pytest.TempPathFactory) -> StreamsConfig:
    found: StreamsConfig = configured(tmp_path_factory.mktemp("tables"), receipt_takers=["tak"])
    return found


def test_a_device_under_duress_is_silent_for_every_worker_until_a_person_says_otherwise(
    topics: Any, make: Any, running: Any, config: StreamsConfig
) -> None:
    def raised(kind: AlertKind, **given: Any) -> AlertState:
        alert = make.alert("device-d", kind=kind, **given)
        topics.put(DEVICE_ALERTS, alert)
        found: list[AlertState] = topics.wait(
            STATE_ALERTS, AlertState, lambda s: s.header.event_id == alert.header.event_id
        )
        return found[-1]

    def ordered(**given: Any) -> str:
        down = {"direction": MessageDirection.TO_DEVICE, "source": "tak", "sender": "tak", "text": "are you safe?"}
        order = make.message(pseudonym(b"a secret of tests", "tak", "device-d"), **down, **given)
        topics.put(MESSAGES, order)
        message_id: str = order.header.message_id
        topics.wait(MESSAGES, DeviceMessage, lambda m: message_id in {ref.id for ref in m.header.external_refs})
        return message_id

    streams = running(config)
    duress = raised(AlertKind.DURESS, silent=True)
    streams.stop()
    # Who takes over knows it from the topic.
    streams = running(config)
    sos, calm = raised(AlertKind.SOS), raised(AlertKind.ASSISTANCE)
    event_id = calm.header.event_id
    cancel = make.alert("device-d", event_id=event_id, kind=AlertKind.ASSISTANCE, action=AlertAction.CANCEL)
    topics.put(DEVICE_ALERTS, cancel)
    asked = topics.wait(
        STATE_ALERTS, AlertState, lambda s: s.header.event_id == event_id and (s.cancel_requested or s.ended_at)
    )[-1]
    loud, quiet = ordered(aloud=True), ordered()
    (begun,) = topics.wait(DEVICE_MARKS, DeviceMark, lambda m: m.device_id == "device-d")

    def warned(message_id: str) -> Any:
        return lambda d: d.receipt is not None and d.receipt.sender_message_id == message_id

    (told,) = topics.wait(TAK, Delivery, warned(quiet))
    assert {(True, True)} == {(s.alert.silent, UNDER_DURESS in s.alert.header.flags) for s in (duress, sos, calm)}
    assert (True, None) == (asked.cancel_requested, asked.ended_at)
    assert (Level.UNKNOWN, SHOWN_SILENTLY) == (told.receipt.level, told.receipt.code)
    assert [] == [d for d in topics.records(TAK, Delivery) if warned(loud)(d)]

    topics.put(DEVICE_MARKS, ended_by(begun, "inspector 4711", "seen safe", datetime.now(UTC)))
    streams.stop()
    # Who takes over has read it before the first press; who runs on hears it some moments later.
    running(config)
    assert not raised(AlertKind.TAMPER).alert.silent, "the person's word was not heard"
    streams.stop()
