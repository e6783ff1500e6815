"""A CAD says our SOS again under its own number: no second emergency, and later words find ours (scenario 23)."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, INCIDENTS, STATE_ALERTS, changelog_topic, destination_topic
from bondmate_schemas.enums import AlertStatus, IncidentAction, Level, Mode
from bondmate_schemas.models import AlertState, Delivery, ExternalRef
from bondmate_schemas.outside_ids import OutsideIds
from bondmate_streams.logic.echoes import answer_of

TAK, CAP = destination_topic("tak"), destination_topic("cap")
OUTSIDE = OutsideIds.of(b"a secret of these tests")
OURS = OUTSIDE.of_destination("cap")


def named(own_id: str) -> tuple[str, Mode] | None:
    return ("alert", Mode.EXERCISE) if own_id in {"alert", "incident"} else None


def quoting(make: Any, *, incident: str = "", identifier: str = "", **given: Any) -> Any:
    refs = (ExternalRef(system="cap:incidents", id=incident),) if incident else ()
    event = make.incident(source="cap", external_refs=refs, origin_message_id=identifier or None, **given)
    return event.model_copy(
        update={"header": event.header.model_copy(update={"event_id": event.header.message_id, "mode": Mode.EXERCISE})}
    )


@pytest.mark.parametrize(
    "quote", [{"incident": OURS("incident")}, {"identifier": f"CAD-{OURS('alert')}_{OURS('delivery')}"}]
)
def test_what_quotes_our_number_is_an_answer_without_words(make: Any, quote: dict[str, str]) -> None:
    event = quoting(make, **quote)
    answer = answer_of(event, OUTSIDE, named)

    assert answer is not None
    assert ("alert", "cap", Level.UNKNOWN, None, event.header.message_id) == (
        answer.header.event_id, answer.destination, answer.level, answer.note, answer.said_in,
    )  # fmt: skip
    assert answer.header.message_id == answer_of(event, OUTSIDE, named).header.message_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "quote",
    [
        {"incident": "2026-0815"}, {"incident": "incident"}, {"incident": OUTSIDE.of_destination("tak")("incident")},
        {"incident": OURS("another")}, {"incident": OURS("incident"), "action": IncidentAction.UPDATED}, {},
    ],
)  # fmt: skip
def test_what_quotes_nothing_that_was_given_to_it_is_an_event_of_its_own(make: Any, quote: dict[str, Any]) -> None:
    assert answer_of(quoting(make, **quote), OUTSIDE, named) is None


def test_an_exercise_never_repeats_what_is_real(make: Any) -> None:
    event = quoting(make, incident=OURS("incident"))

    assert answer_of(event, OUTSIDE, lambda _: ("alert", Mode.ACTUAL)) is None


def test_nobody_gets_a_second_emergency_and_its_cancel_is_said_of_ours(topics: Any, make: Any, streams: Any) -> None:
    alert = make.alert("device-echoed")
    topics.put(DEVICE_ALERTS, alert)
    state = topics.wait(STATE_ALERTS, AlertState, lambda s: s.header.event_id == alert.header.event_id)[-1]
    topics.wait(CAP, Delivery, lambda d: d.alert and d.header.event_id == alert.header.event_id)
    assert state.header.incident_id is not None
    told_as = OutsideIds.of(b"a secret of tests").of_destination("cap")(state.header.incident_id)
    refs = (ExternalRef(system="cap:incidents", id=told_as),)
    again = {"source": "cap", "event_id": "cad-77", "incident_id": "cad-77", "title": "SOS again"}
    topics.put(INCIDENTS, make.incident(message_id="cad-77", external_refs=refs, mode=alert.header.mode, **again))
    topics.wait_found(changelog_topic("links"), lambda found: found.key == b"cad-77" and found.value is not None)
    cancel = make.incident(
        message_id="cad-78", action=IncidentAction.CANCELLED, refers_to=("cad-77",), mode=alert.header.mode,
        reply_level=Level.RESOLVED, is_reply=True, **again,
    )  # fmt: skip
    topics.put(INCIDENTS, cancel)

    def closed(state: AlertState) -> bool:
        at = state.destinations.get("cap")
        ended = {AlertStatus.RESOLVED, AlertStatus.CANCELLED}
        return state.header.event_id == alert.header.event_id and (
            state.status in ended or (at is not None and at.closed_as is Level.RESOLVED)
        )

    topics.wait(STATE_ALERTS, AlertState, closed)
    assert [] == [d for d in topics.records(TAK, Delivery) if d.incident and d.incident.title == "SOS again"]
