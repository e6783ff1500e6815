"""What rooms say, through the agents: taken back, closed part by part, begun anew after the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bondmate_schemas.catalogue import DEVICE_ALERTS, MESSAGES, PAGES, RECEIPTS, STATE_ALERTS, destination_topic
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, DeliveryReason, Level, Priority, Response
from bondmate_schemas.flags import UNANSWERED
from bondmate_schemas.models import AlertState, Delivery, DeviceMessage, OperationsPage

TAK, CAP = destination_topic("tak"), destination_topic("cap")


def of(event_id: str, *reasons: DeliveryReason) -> Any:
    return lambda delivery: delivery.header.event_id == event_id and (not reasons or delivery.reason in reasons)


def stands(topics: Any, event_id: str, status: AlertStatus) -> AlertState:
    found: list[AlertState] = topics.wait(
        STATE_ALERTS, AlertState, lambda s: (s.header.event_id, s.status) == (event_id, status)
    )
    return found[-1]


def test_help_is_promised_taken_back_and_the_whole_ends_when_all_have_closed(
    topics: Any, make: Any, streams: Any
) -> None:
    alert = make.alert("device-said")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(event_id))

    def say(room: str, level: Level = Level.UNKNOWN, **given: Any) -> None:
        topics.put(RECEIPTS, make.receipt(event_id, room, level, **given))

    say("tak", Level.ACKNOWLEDGED)
    say("cap", response=Response.ASSIGNED, unit="7", message_id="cap-said-1")
    assert "7" == stands(topics, event_id, AlertStatus.ACKNOWLEDGED).destinations["cap"].unit
    say("cap", response=Response.WITHDRAWN, note="crashed")
    urgent = topics.wait(MESSAGES, DeviceMessage, lambda m: m.alert_id == event_id)[0]
    louder = topics.wait(TAK, Delivery, of(event_id, DeliveryReason.UPDATE))[0]
    # A late repeat of the promise, then something that shows that it was taken.
    say("cap", response=Response.ASSIGNED, unit="7", message_id="cap-said-1")
    say("cap", Level.ACKNOWLEDGED)
    say("tak", Level.RESOLVED)
    say("cap", Level.RESOLVED, note="he is safe")
    ended = stands(topics, event_id, AlertStatus.RESOLVED)

    text = 'Help is NOT coming from cap. The hub asks again. They say: "crashed"'
    assert (Priority.URGENT, text) == (urgent.priority, urgent.text)
    assert UNANSWERED in louder.header.flags
    told = [s for s in topics.records(STATE_ALERTS, AlertState) if s.header.event_id == event_id]
    taken_back = next(n for n, s in enumerate(told) if s.destinations["cap"].response is Response.WITHDRAWN)
    assert all(s.destinations["cap"].response is not Response.ASSIGNED for s in told[taken_back:])
    assert ended.alert.whole is not None
    assert ("cap", "resolved", 1) == (ended.alert.whole.ended_by, ended.alert.whole.ended_why, ended.round)

    words = make.alert("device-said", event_id=event_id, action=AlertAction.UPDATE, kind=AlertKind.OTHER, text="knife")
    topics.put(DEVICE_ALERTS, words)
    anew = topics.wait(CAP, Delivery, lambda d: d.alert and d.alert.whole and d.alert.text == "knife")[0]
    assert (DeliveryReason.NEW, AlertKind.SOS) == (anew.reason, anew.alert.kind)
    assert anew.alert.whole.reopens not in {"", event_id}, "under the id by which the room knows it"
    # What follows under the old name belongs to the new alert.
    more = make.alert("device-said", event_id=event_id, action=AlertAction.UPDATE, kind=AlertKind.OTHER, text="kitchen")
    topics.put(DEVICE_ALERTS, more)
    update = topics.wait(CAP, Delivery, lambda d: d.alert and d.alert.text == "kitchen")[0]
    assert (DeliveryReason.UPDATE, anew.header.event_id) == (update.reason, update.header.event_id)


def test_a_press_made_before_the_end_pages_and_is_told_to_its_officer_alone(
    topics: Any, make: Any, streams: Any
) -> None:
    alert = make.alert("device-late")
    event_id, raised_at = alert.header.event_id, alert.header.received_at
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(event_id))
    topics.put(RECEIPTS, *(make.receipt(event_id, "tak", level) for level in (Level.ACKNOWLEDGED, Level.RESOLVED)))
    topics.wait(TAK, Delivery, of(event_id, DeliveryReason.CANCEL))
    late = make.alert("device-late", event_id=event_id, action=AlertAction.UPDATE, text="words", occurred_at=raised_at)
    topics.put(DEVICE_ALERTS, late)
    page = topics.wait(PAGES, OperationsPage, lambda p: (p.subject, p.reason) == (event_id, "alert_late"))[0]
    message = topics.wait(MESSAGES, DeviceMessage, lambda m: m.alert_id == event_id)[0]

    assert page.subject == event_id
    assert ("device-late", "streams", Priority.URGENT) == (message.device_id, message.sender, message.priority)
    assert [] == [d for d in topics.records(TAK, Delivery) if d.alert and d.alert.text == "words"]


def test_a_press_and_the_closing_before_it_that_both_waited_for_the_streams_make_an_alert_of_its_own(
    topics: Any, make: Any, configured: Any, running: Any, tmp_path: Path
) -> None:
    config = configured(tmp_path)
    first = running(config)
    alert = make.alert("device-outage")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(TAK, Delivery, of(event_id))
    first.stop()
    said = [make.receipt(event_id, room, Level.ACKNOWLEDGED) for room in ("tak", "cap")]
    topics.put(RECEIPTS, *said, *(make.receipt(event_id, room, Level.RESOLVED) for room in ("tak", "cap")))
    back = make.alert("device-outage", event_id=event_id, action=AlertAction.UPDATE, text="he is back")
    second = running(config)
    stands(topics, event_id, AlertStatus.RESOLVED)
    topics.put(DEVICE_ALERTS, back)
    anew = topics.wait(CAP, Delivery, lambda d: d.alert and d.alert.text == "he is back")[0]
    second.stop()

    assert DeliveryReason.NEW is anew.reason
    assert event_id not in {page.subject for page in topics.records(PAGES, OperationsPage)}
