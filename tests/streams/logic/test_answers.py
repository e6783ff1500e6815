"""Which answers count: those to what that destination was told, in the alert's mode or in earnest (FINDINGS S3, S5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from bondmate_connectors.contract import Proof
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.platforms.cap_webhook.config import RepliesConfig
from bondmate_connectors.platforms.cap_webhook.replies import records_of
from bondmate_connectors.runtime.authority import Authority
from bondmate_schemas import ids
from bondmate_schemas.catalogue import (
    DEVICE_ALERTS,
    INCIDENTS,
    RECEIPTS,
    STATE_ALERTS,
    STATE_INCIDENTS,
    changelog_topic,
    dead_letter_topic,
    destination_topic,
)
from bondmate_schemas.enums import (
    AlertAction,
    AlertStatus,
    DeliveryKind,
    DeliveryReason,
    IncidentAction,
    Level,
    Mode,
    Ownership,
    Response,
)
from bondmate_schemas.error_codes import MODE_DIFFERS, NO_OFFER, NOT_ITS_OWN
from bondmate_schemas.models import AlertState, Delivery, DeliveryReceipt, IncidentState
from bondmate_schemas.refusals import refusal_delivery
from bondmate_streams.logic import answers, deliveries, heard, states, timers
from bondmate_streams.logic.deliveries import later_id, new_id, position_id, refresh_id
from bondmate_streams.logic.incidents import receive, take
from bondmate_streams.logic.life_cycle import HUMAN, REFUSED
from bondmate_streams.logic.routing import Decision, Escalation
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from prometheus_client import REGISTRY

EVENT = "event-of-answers"
DECISIONS = [Decision("tak", "alerts", 20.0), Decision("cap", "alerts")]


@pytest.fixture(scope="session")
def now(make: Any) -> Any:
    return make.alert().header.received_at + timedelta(seconds=1)


def raised(make: Any, now: Any, mode: Mode = Mode.ACTUAL) -> AlertState:
    alert = make.alert(event_id=EVENT, incident_id="incident", mode=mode)
    return states.change(None, alert, DECISIONS, now).state


def answered(make: Any, state: AlertState, level: Level, now: Any, destination: str = "cap", **given: Any) -> Any:
    receipt = make.receipt(EVENT, destination, level, **{"mode": state.header.mode, **given})
    return heard.receive(state, receipt, set(), DECISIONS, now)


@given(level=st.sampled_from(sorted(HUMAN)), alert=st.sampled_from(Mode), answer=st.sampled_from(Mode))
def test_a_persons_answer_counts_in_the_alerts_mode_or_in_earnest_and_in_no_other(
    make: Any, now: Any, level: Level, alert: Mode, answer: Mode
) -> None:
    state = raised(make, now, alert)
    step = answered(make, state, level, now, mode=answer)

    if answer in {alert, Mode.ACTUAL}:
        assert level is step.state.destinations["cap"].level_said
    else:
        assert (MODE_DIFFERS, state, (), None) == (step.outcome, step.state, step.notifications, step.message)


@pytest.mark.parametrize("mode", list(Mode))
def test_what_the_transport_proves_is_not_judged_by_mode(make: Any, now: Any, mode: Mode) -> None:
    step = answered(make, raised(make, now), Level.DELIVERED, now, mode=mode)

    assert Level.DELIVERED is step.state.destinations["cap"].level_said


def test_an_answer_to_what_was_never_sent_counts_for_nothing_and_one_to_what_was_counts(make: Any, now: Any) -> None:
    state = raised(make, now)
    press = make.alert(event_id=EVENT, action=AlertAction.UPDATE)
    updated = states.change(state, press, DECISIONS, now)
    ids = {notification.destination: notification.delivery_id for notification in updated.notifications}

    for invented in ("invented", new_id(EVENT, "tak"), ids["tak"], new_id("another alert", "cap")):
        refused = answered(make, updated.state, Level.RESOLVED, now, delivery_id=invented)
        assert (NOT_ITS_OWN, updated.state) == (refused.outcome, refused.state)
    for own in (new_id(EVENT, "cap"), ids["cap"], None):
        assert Level.RESOLVED is answered(make, updated.state, Level.RESOLVED, now, delivery_id=own).state.destinations[
            "cap"
        ].level_said  # fmt: skip


def test_an_answer_to_a_refresh_or_an_escalation_counts(make: Any, now: Any) -> None:
    state = raised(make, now)
    later = state.header.received_at + timedelta(seconds=65)
    louder = timers.due(state, DECISIONS, [Escalation(60.0, (("cap", "alerts"),))], now, later)
    (told,) = louder.notifications

    assert Level.ACKNOWLEDGED is answered(
        make, louder.state, Level.ACKNOWLEDGED, later, delivery_id=told.delivery_id
    ).state.destinations["cap"].level_said  # fmt: skip
    # The route's period may have been another when they were sent: each that there can have been by now counts.
    for number, counts in ((1, True), (3, True), (65, True), (66, False)):
        step = answered(
            make, state, Level.RESPONDING, later, "tak", delivery_id=refresh_id(EVENT, "tak", number)
        )  # fmt: skip
        assert counts == (Level.RESPONDING is step.state.destinations["tak"].level)


@pytest.mark.parametrize("id_of", [refresh_id, position_id])
def test_an_answer_to_one_of_many_refreshes_or_positions_of_a_day_is_looked_up(
    make: Any, now: Any, monkeypatch: pytest.MonkeyPatch, id_of: Callable[[str, str, int], str]
) -> None:
    state, day = raised(make, now), now + timedelta(days=1)
    hashed: list[object] = []
    derived = ids.derived_id

    def counted(*parts: str) -> str:
        hashed.append(parts)
        return derived(*parts)

    for module in (ids, deliveries, answers):
        monkeypatch.setattr(module, "derived_id", counted, raising=False)
    for number, counts in ((1, True), (86_000, True), (200_000, False)):
        told = id_of(EVENT, "cap", number)
        hashed.clear()
        step = answered(make, state, Level.RESOLVED, day, delivery_id=told)
        assert counts is (step.outcome != NOT_ITS_OWN)
        assert len(hashed) < 400, "not each that there may have been was made"
    for other in (id_of("another", "cap", 1), id_of(EVENT, "tak", 1), id_of(EVENT, "cap", 1)[:-1] + "2"):
        assert NOT_ITS_OWN == answered(make, state, Level.RESOLVED, day, delivery_id=other).outcome


def test_an_answer_to_a_refresh_that_an_older_worker_told_counts(make: Any, now: Any) -> None:
    state = raised(make, now)
    later = state.header.received_at + timedelta(hours=1)
    for number, counts in ((1, True), (180, True), (181, False)):
        told = ids.derived_id("delivery", EVENT, "tak", "refresh", str(number))
        step = answered(make, state, Level.RESPONDING, later, "tak", delivery_id=told)
        assert counts is (step.outcome != NOT_ITS_OWN)


def test_of_an_alert_that_an_older_hub_told_every_reference_counts(make: Any, now: Any) -> None:
    state = raised(make, now)
    old = {name: at.model_copy(update={"later_delivery_ids": None}) for name, at in state.destinations.items()}
    state = state.model_copy(update={"destinations": old})

    assert Level.RESOLVED is answered(
        make, state, Level.RESOLVED, now, delivery_id="told by 3c40877"
    ).state.destinations["cap"].level_said  # fmt: skip


def test_an_answer_to_another_agencys_alert_counts_for_nothing(make: Any, now: Any) -> None:
    state = raised(make, now)
    refused = answered(make, state, Level.ACKNOWLEDGED, now, referred_agency_id="another agency")
    taken = answered(make, state, Level.ACKNOWLEDGED, now, referred_agency_id=state.header.agency_id)

    assert (NOT_ITS_OWN, state) == (refused.outcome, refused.state)
    assert Level.ACKNOWLEDGED is taken.state.destinations["cap"].level_said


def test_who_was_not_told_of_an_alert_closes_nothing(make: Any, now: Any) -> None:
    state = raised(make, now)
    refused = answered(make, state, Level.RESOLVED, now, "nobody told me")

    assert (NOT_ITS_OWN, state) == (refused.outcome, refused.state)
    assert "not_told" == answered(make, state, Level.DELIVERED, now, "nobody told me").outcome


def often(make: Any, now: Any, updates: int) -> tuple[AlertState, list[str]]:
    """An alert that was told so often, and the ids under which `cap` was told."""
    state, told = raised(make, now), [new_id(EVENT, "cap")]
    for _ in range(updates):
        step = states.change(state, make.alert(event_id=EVENT, action=AlertAction.UPDATE), DECISIONS, now)
        state = step.state
        told += [notification.delivery_id for notification in step.notifications if notification.destination == "cap"]
    return state, told


def test_an_answer_to_another_alert_of_that_room_counts_for_nothing_however_often_this_one_was_told(
    make: Any, now: Any
) -> None:
    state, told = often(make, now, 200)
    others = [new_id("another alert", "cap"), *(later_id("another alert", "cap", str(cause)) for cause in range(50))]

    assert 201 == len(told)
    for delivery_id in others:
        refused = answered(make, state, Level.RESOLVED, now, delivery_id=delivery_id)
        assert (NOT_ITS_OWN, state) == (refused.outcome, refused.state)
    for delivery_id in told:
        closed = answered(make, state, Level.RESOLVED, now, delivery_id=delivery_id).state
        assert Level.RESOLVED is closed.destinations["cap"].level_said


def test_the_ids_that_are_remembered_are_few_bytes_and_what_is_forgotten_counts(make: Any, now: Any) -> None:
    state, told = often(make, now, 300)
    kept = state.destinations["cap"].later_delivery_ids

    assert kept is not None
    assert 256 * 8 == len("".join(kept))
    for delivery_id in (told[1], told[-1]):
        closed = answered(make, state, Level.RESOLVED, now, delivery_id=delivery_id).state
        assert Level.RESOLVED is closed.destinations["cap"].level_said


def test_an_update_by_way_of_another_agency_is_told_under_the_first_and_its_answer_counts(make: Any, now: Any) -> None:
    state = raised(make, now)
    press = make.alert(event_id=EVENT, action=AlertAction.UPDATE, agency_id="another agency")
    step = states.change(state, press, DECISIONS, now)
    told = {notification.event.header.agency_id for notification in step.notifications}

    assert {state.header.agency_id} == told
    (agency,) = told
    taken = answered(make, step.state, Level.ACKNOWLEDGED, now, referred_agency_id=agency)
    assert Level.ACKNOWLEDGED is taken.state.destinations["cap"].level_said


def test_an_incidents_answer_is_judged_by_mode_and_agency_too(make: Any, now: Any) -> None:
    event = make.incident(incident_id="inc", mode=Mode.ACTUAL)
    memory = take(None, event, [Decision("cap", "all")], now).memory
    real = make.receipt(event.header.event_id, "cap", Level.ACKNOWLEDGED, incident_id="inc", mode=Mode.ACTUAL)
    exercise = real.model_copy(update={"header": real.header.model_copy(update={"mode": Mode.EXERCISE})})
    foreign = real.model_copy(update={"referred_agency_id": "another agency"})
    found = [receive(memory, receipt, now) for receipt in (exercise, foreign, real)]

    assert [MODE_DIFFERS, NOT_ITS_OWN, "risen"] == [taken.outcome for taken in found]
    assert [True, True, False] == [taken.memory is None for taken in found]


def test_an_incidents_answer_refers_to_what_that_destination_was_told_of_it(make: Any, now: Any) -> None:
    opened = make.incident(event_id="e", incident_id="inc")
    update = make.incident(event_id="e", incident_id="inc", action=IncidentAction.UPDATED)
    memory = take(None, opened, [Decision("cap", "all")], now).memory
    memory = take(memory, update, [Decision("cap", "all")], now).memory

    def outcome(event_id: str, destination: str, delivery_id: str | None) -> str:
        said = make.receipt(event_id, destination, Level.ACKNOWLEDGED, incident_id="inc", delivery_id=delivery_id)
        return receive(memory, said, now).outcome

    first, later = new_id("e", "cap"), later_id("e", "cap", update.header.message_id)
    assert ["risen"] * 3 == [outcome("e", "cap", told) for told in (None, first, later)]
    assert {NOT_ITS_OWN} == {
        outcome("e", "cap", "invented"), outcome("e", "tak", None), outcome("e", "tak", first),
        outcome("another of the incident", "cap", None),
    }  # fmt: skip


def test_a_room_that_acknowledges_all_it_gets_comes_to_rest(make: Any, now: Any) -> None:
    """It does so in a drill's name, so the hub tells it that this counts for nothing, and it acknowledges that too."""
    state = raised(make, now)
    received = CapFormat().write(_told_first(state), now).message
    told = 0
    while received is not None and told < 5:
        (ack,) = CapFormat().read(_acknowledged(received), now).events
        answer = ack.model_copy(update={"destination": "cap"})
        known = state if answer.header.event_id == state.header.event_id else None
        outcome = heard.receive(known, answer, set(), DECISIONS, now).outcome
        received = None
        if outcome in REFUSED:
            told += 1
            received = CapFormat().write(refusal_delivery(answer, outcome, now), now).message

    assert 1 == told


def _told_first(state: AlertState) -> Delivery:
    header = state.header.model_copy(update={"message_id": new_id(EVENT, "cap")})
    return Delivery(
        header=header, destination="cap", kind=DeliveryKind.ALERT, reason=DeliveryReason.NEW, alert=state.alert
    )


def _acknowledged(message: bytes, status: str = "Test") -> bytes:
    root = etree.fromstring(message)
    sender, identifier, sent = (root.findtext(f"{{*}}{name}") for name in ("sender", "identifier", "sent"))
    return (
        '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>auto</identifier><sender>room</sender>'
        f"<sent>{sent}</sent><status>{status}</status><msgType>Ack</msgType><scope>Private</scope>"
        f"<references>{sender},{identifier},{sent}</references></alert>"
    ).encode()


# On a broker.


@pytest.fixture(scope="module")
def streams(configured: Callable[..., Any], running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = running(configured(tmp_path_factory.mktemp("tables"), receipt_takers=["cap"]))
    yield found
    found.stop()


def test_a_refused_answer_is_dead_lettered_its_sender_told_and_the_right_one_counts(
    streams: Any, topics: Any, make: Any
) -> None:
    alert = make.alert("device-of-answers")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(destination_topic("cap"), Delivery, lambda d: d.header.event_id == event_id)
    of_its_kind = partial(REGISTRY.get_sample_value, "hub_dead_letters_total")
    counted = [of_its_kind({"stage": "receipts", "code": code}) or 0 for code in (MODE_DIFFERS, NOT_ITS_OWN)]
    test = make.receipt(event_id, "cap", Level.RESOLVED, mode=Mode.TEST)
    topics.put(RECEIPTS, test)
    letter = topics.wait_found(dead_letter_topic("receipts"), lambda f: f.value == topics.codec.encode(test))
    (told,) = topics.wait(
        destination_topic("cap"), Delivery,
        lambda d: d.kind is DeliveryKind.RECEIPT and d.header.event_id == event_id,
    )  # fmt: skip
    other = make.receipt(event_id, "cap", Level.RESOLVED, referred_agency_id="another agency")
    topics.put(RECEIPTS, other)
    topics.wait_found(dead_letter_topic("receipts"), lambda f: f.value == topics.codec.encode(other))
    topics.put(RECEIPTS, *(make.receipt(event_id, "cap", level) for level in (Level.ACKNOWLEDGED, Level.RESOLVED)))
    states_there = topics.wait(
        STATE_ALERTS, AlertState, lambda s: s.header.event_id == event_id and s.status is AlertStatus.RESOLVED
    )

    counted_now = [of_its_kind({"stage": "receipts", "code": code}) for code in (MODE_DIFFERS, NOT_ITS_OWN)]
    assert [number + 1 for number in counted] == counted_now
    assert MODE_DIFFERS.encode() == letter.headers["bondmate.error.code"]
    assert (MODE_DIFFERS, DeliveryReason.NEW, "cap") == (told.receipt.code, told.reason, told.destination)
    assert Level.RESOLVED is states_there[-1].destinations["cap"].level_said


def test_who_offers_to_nobody_that_was_told_hears_it_and_what_it_says_beside_counts(
    streams: Any, topics: Any, make: Any
) -> None:
    alert = make.alert("device-offered")
    event_id = alert.header.event_id
    topics.put(DEVICE_ALERTS, alert)
    topics.wait(destination_topic("cap"), Delivery, lambda d: d.header.event_id == event_id)
    offer = make.receipt(
        event_id,
        "cap",
        Level.UNKNOWN,
        response=Response.ASSIGNED,
        unit="7",
        ownership=Ownership.OFFERED,
        offered_to="pd-nowhere",
    )
    topics.put(RECEIPTS, offer)

    letter = topics.wait_found(dead_letter_topic("receipts"), lambda f: f.value == topics.codec.encode(offer))
    (told,) = topics.wait(
        destination_topic("cap"), Delivery,
        lambda d: d.kind is DeliveryKind.RECEIPT and d.header.event_id == event_id,
    )  # fmt: skip
    stands = topics.wait(
        STATE_ALERTS, AlertState, lambda s: s.header.event_id == event_id and s.status is AlertStatus.ACKNOWLEDGED
    )
    assert NO_OFFER.encode() == letter.headers["bondmate.error.code"]
    assert NO_OFFER == told.receipt.code
    assert "7" == stands[-1].destinations["cap"].unit


def test_a_room_answers_an_incident_of_ours_by_the_references_of_cap_alone(
    streams: Any, topics: Any, make: Any, now: Any
) -> None:
    """Its Ack reaches the incident, whatever that one's id, and so does its end that names only the Ack."""
    report = make.incident(event_id="report", incident_id="incident-of-answers", title="of answers")
    topics.put(INCIDENTS, report)
    (ack,) = CapFormat().read(_acknowledged(_written(topics, "of answers", now), "Exercise"), now).events

    def stands(level: Level) -> IncidentState:
        found: list[IncidentState] = topics.wait(
            STATE_INCIDENTS, IncidentState,
            lambda state: state.event.title == "of answers" and state.destinations["cap"].level_said is level,
        )  # fmt: skip
        return found[-1]

    def by(name: str) -> DeliveryReceipt:
        answer: DeliveryReceipt = ack.model_copy(
            update={"destination": name, "header": ack.header.model_copy(update={"source": name})}
        )
        return answer

    topics.put(RECEIPTS, by("tak"))
    letter = topics.wait_found(dead_letter_topic("receipts"), lambda f: f.value == topics.codec.encode(by("tak")))
    topics.put(RECEIPTS, by("cap"))
    acknowledged = stands(Level.ACKNOWLEDGED)
    topics.wait_found(changelog_topic("links"), lambda f: f.key == ack.said_in.encode() and f.value)
    topics.put(INCIDENTS, make.incident(
        event_id=ack.said_in, incident_id=ack.said_in, refers_to=(ack.said_in,), action=IncidentAction.CANCELLED,
        reply_level=Level.RESOLVED, source="cap",
    ))  # fmt: skip
    resolved = stands(Level.RESOLVED)

    assert NOT_ITS_OWN.encode() == letter.headers["bondmate.error.code"]
    assert "incident-of-answers" == acknowledged.header.incident_id
    assert Level.UNKNOWN is resolved.destinations["tak"].level_said
    assert not resolved.closed


def _written(topics: Any, title: str, now: Any) -> bytes:
    """Return what the room that speaks CAP is told of an incident."""

    def is_it(found: Any) -> bool:
        delivery = topics.codec.decode(found.value, Delivery)
        return delivery.incident is not None and delivery.incident.title == title

    found = topics.wait_found(destination_topic("cap"), is_it)
    written: bytes = CapFormat().write(topics.codec.decode(found.value, Delivery), now).message
    return written


def test_an_incident_of_one_connector_is_ended_by_no_other_whose_room_can_name_its_messages(
    streams: Any, topics: Any, make: Any, now: Any
) -> None:
    """Both speak CAP, signed. Who is refused hears that of the hub, by its own message, and the owner still ends it."""
    theirs, cap = Authority("theirs", "agency-1"), Authority("cap", "agency-2")
    alert = "theirs@example.org,owned,2026-05-01T12:00:00-00:00"
    topics.put(INCIDENTS, *_said(theirs, _cap("theirs@example.org", "owned", "Alert"), now))
    topics.wait(destination_topic("tak"), Delivery, lambda d: d.reason is DeliveryReason.NEW and _is_owned(d))

    (forged,) = _said(cap, _cap("cap@example.org", "forged", "Cancel", alert), now)
    topics.put(INCIDENTS, forged)
    letter = topics.wait_found(dead_letter_topic("incidents"), lambda f: f.value == topics.codec.encode(forged))
    (told,) = topics.wait(
        destination_topic("cap"), Delivery, lambda d: bool(d.receipt) and d.receipt.sender_message_id == "forged"
    )
    topics.put(INCIDENTS, *_said(theirs, _cap("theirs@example.org", "ending", "Cancel", alert), now))
    topics.wait(
        STATE_INCIDENTS, IncidentState, lambda state: state.event.header.source == "theirs" and state.closed
    )  # fmt: skip

    ends = [d for d in topics.records(destination_topic("tak"), Delivery) if _is_owned(d)]
    assert NOT_ITS_OWN.encode() == letter.headers["bondmate.error.code"]
    assert "cap@example.org,forged,2026-05-01T12:00:00-00:00" == etree.fromstring(
        CapFormat().write(told, now).message
    ).findtext("{*}references")
    assert [(DeliveryReason.NEW, "theirs"), (DeliveryReason.CANCEL, "theirs")] == [
        (d.reason, d.incident.header.source) for d in ends
    ]


def _is_owned(delivery: Delivery) -> bool:
    return delivery.incident is not None and delivery.incident.header.source in {"theirs", "cap"}


def _said(authority: Authority, message: bytes, now: Any) -> list[Any]:
    """Return what the hub takes of a signed message that came by a connector."""
    events = CapFormat().read(message, now).events
    records = [record for event in events for record in records_of(event, RepliesConfig(), authority.name)]
    return [authority.admit(record, Proof.SIGNED) for record in records]


def _cap(sender: str, identifier: str, kind: str, references: str = "") -> bytes:
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier>'
        f"<sender>{sender}</sender><sent>2026-05-01T12:00:00-00:00</sent><status>Exercise</status>"
        f"<msgType>{kind}</msgType><scope>Public</scope>"
        f"{f'<references>{references}</references>' * bool(references)}<info><category>Fire</category>"
        "<event>fire</event><urgency>Past</urgency><severity>Minor</severity><certainty>Observed</certainty></info>"
        "</alert>"
    ).encode()
