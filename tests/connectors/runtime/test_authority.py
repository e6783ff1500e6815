"""Who may speak for whom: destination, agency and proof, for every connector in one place (FINDINGS S4 and S6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bondmate_connectors.contract import Incoming, Proof, Refusal
from bondmate_connectors.errors import Rejected
from bondmate_connectors.runtime.authority import NOT_EMITTED, Authority
from bondmate_connectors.runtime.run import Instance
from bondmate_connectors.testing import by_label, eventually
from bondmate_schemas.catalogue import DEVICE, RECEIPTS, dead_letter_topic
from bondmate_schemas.enums import Level, MessageDirection, Mode
from bondmate_schemas.error_codes import NOT_AUTHENTICATED
from bondmate_schemas.flags import UNPROVEN
from bondmate_schemas.models import (
    DeliveryReceipt,
    DeviceAlert,
    DeviceMark,
    DeviceMessage,
    EventHeader,
    Handling,
    IncidentEvent,
)

from .test_source import Script, Settings, alerts

NOW = datetime(2026, 11, 30, 6, 0, tzinfo=UTC)
ROOM = Authority("north-room", "pd-north")
STRONG = (Proof.LOGIN, Proof.MUTUAL_TLS, Proof.SIGNED)


def header(mode=Mode.ACTUAL, **more):
    values = {"message_id": "m-1", "event_id": "e-1", "agency_id": "pd-south", "mode": mode, "occurred_at": NOW,
              "received_at": NOW, "source": "cap", **more}  # fmt: skip
    return EventHeader(**values)


def receipt(mode=Mode.ACTUAL, **more):
    return DeliveryReceipt(header=header(mode), destination="south-room", level=Level.ACKNOWLEDGED, **more)


def message(direction=MessageDirection.TO_DEVICE, mode=Mode.ACTUAL):
    return DeviceMessage(
        header=header(mode), device_id="d-1", direction=direction, sender="south-room", text="all clear"
    )


@pytest.mark.parametrize("proof", STRONG)
@pytest.mark.parametrize("mode", list(Mode))
def test_an_answer_is_of_the_destination_that_gave_it_whatever_it_says(mode, proof):
    admitted = ROOM.admit(receipt(mode), proof)

    assert ("north-room", "north-room", "pd-north") == (
        admitted.destination,
        admitted.header.source,
        admitted.header.agency_id,
    )


def test_who_acted_is_shown_as_their_claim():
    assert "pd-south" == ROOM.admit(receipt(), Proof.SIGNED).by_ref
    assert "desk 4" == ROOM.admit(receipt(by_ref="desk 4"), Proof.SIGNED).by_ref


def test_no_agency_is_taken_from_a_message_where_the_settings_name_none():
    for record in (receipt(), message(), IncidentEvent(header=header())):
        assert not Authority("north-room").admit(record, Proof.SIGNED).header.agency_id


@pytest.mark.parametrize("mode", list(Mode))
def test_an_answer_that_proves_nothing_never_counts(mode):
    assert Refusal(NOT_AUTHENTICATED) == ROOM.admit(receipt(mode), Proof.NONE)


@pytest.mark.parametrize(
    ("mode", "counts"),
    [(Mode.ACTUAL, False), (Mode.UNKNOWN, False), (Mode.EXERCISE, True), (Mode.TEST, True), (Mode.SYSTEM, True)],
)
def test_plain_loopback_counts_in_no_actual_mode(mode, counts):
    assert counts == isinstance(ROOM.admit(receipt(mode), Proof.LOOPBACK), DeliveryReceipt)
    assert counts == isinstance(ROOM.admit(message(mode=mode), Proof.LOOPBACK), DeviceMessage)


def test_a_message_to_officers_needs_a_proof_and_one_from_a_device_does_not():
    assert Refusal(NOT_AUTHENTICATED) == ROOM.admit(message(mode=Mode.EXERCISE), Proof.NONE)
    assert "north-room" == ROOM.admit(message(), Proof.SIGNED).sender
    assert isinstance(ROOM.admit(message(MessageDirection.FROM_DEVICE), Proof.NONE), DeviceMessage)


def test_the_gateway_speaks_for_the_devices_it_has_enrolled():
    gateway = Authority("devices", speaks_for=DEVICE)
    said = gateway.admit(receipt(), Proof.LOGIN)

    assert (DEVICE, "pd-south", "cap") == (said.destination, said.header.agency_id, said.header.source)
    assert message() == gateway.admit(message(), Proof.LOGIN)


@pytest.mark.parametrize(
    ("mode", "proof", "flags"),
    [
        (Mode.ACTUAL, Proof.NONE, ("late", UNPROVEN)),
        (Mode.ACTUAL, Proof.LOOPBACK, ("late", UNPROVEN)),
        (Mode.EXERCISE, Proof.LOOPBACK, ("late",)),
        *((Mode.ACTUAL, proof, ("late",)) for proof in STRONG),
    ],
)
def test_news_of_an_incident_is_taken_from_anybody_and_says_where_nothing_proves_who(mode, proof, flags):
    assert flags == ROOM.admit(IncidentEvent(header=header(mode, flags=("late",))), proof).header.flags


async def test_a_refused_answer_lies_in_the_dead_letters_its_sender_hears_and_the_next_one_counts(hub, place):
    class Answers(Script):
        async def receive(self):
            incoming = await super().receive()
            return Incoming(incoming.event, incoming.settle, proof=self.proofs.pop(0))

    said = [receipt().model_copy(update={"header": header(message_id=name, event_id=place)}) for name in ("a", "b")]
    script = Answers(*said)
    script.proofs = [Proof.NONE, Proof.SIGNED]
    spec = replace(script.spec(), emits=frozenset({"DeliveryReceipt"}))
    async with hub.running(Instance(place, spec, Settings(), "pd-north"), ok=False):
        await eventually(lambda: 2 == len(script.settled), "both settled")

    ((first, refused), (_, taken)) = sorted(script.settled, key=lambda pair: pair[0].header.message_id)
    letters = await hub.read(dead_letter_topic(place))
    published = [hub.codec.decode(m.value(), DeliveryReceipt) for m in await hub.read(RECEIPTS)]
    assert ("a", NOT_AUTHENTICATED, None) == (first.header.message_id, refused.code, taken)
    assert isinstance(refused, Rejected)
    assert [(said[0], NOT_AUTHENTICATED.encode())] == [
        (hub.codec.decode(letter.value(), DeliveryReceipt), dict(letter.headers())["bondmate.error.code"])
        for letter in letters
    ]
    assert [("b", place)] == [(r.header.message_id, r.destination) for r in published if r.header.event_id == place]


def test_a_kind_that_the_specification_does_not_name_is_refused_whatever_it_proves():
    only_news = replace(ROOM, emits=frozenset({"IncidentEvent"}))

    assert isinstance(only_news.admit(IncidentEvent(header=header()), Proof.NONE), IncidentEvent)
    for record in (receipt(), message(), alerts(1)[0]):
        assert Refusal(NOT_EMITTED) == only_news.admit(record, Proof.MUTUAL_TLS)


async def test_an_alert_of_who_says_that_it_gives_none_is_dead_lettered_counted_and_the_next_record_counts(hub, place):
    alert, news = alerts(1)[0], IncidentEvent(header=header(message_id=f"news-{place}", event_id=place))
    script = Script(alert, news)
    spec = script.spec(emits=frozenset({"IncidentEvent"}))
    async with hub.running(Instance(place, spec, Settings()), ok=False):
        await eventually(lambda: 2 == len(script.settled), "both settled")

    told = {record.header.message_id: error for record, error in script.settled}
    letters = await hub.read(dead_letter_topic(place))
    assert isinstance(told[alert.header.message_id], Rejected)
    assert None is told[news.header.message_id]
    assert [(alert, NOT_EMITTED.encode())] == [
        (hub.codec.decode(letter.value(), DeviceAlert), dict(letter.headers())["bondmate.error.code"])
        for letter in letters
    ]
    assert {NOT_EMITTED: 1} == by_label("connector_dead_lettered_events_total", place, "code")


async def test_a_record_that_no_connector_writes_is_dead_lettered_and_the_next_one_counts(hub, place):
    marks = [DeviceMark(mark_id=f"{place}-{n}", device_id="d-1", mark="COMPROMISED", since=NOW) for n in range(2)]
    foreign, news = Handling(purpose="theirs"), IncidentEvent(header=header(message_id=f"news-{place}", event_id=place))
    script = Script(*marks, foreign, news)
    spec = script.spec(emits=frozenset({"IncidentEvent"}))
    async with hub.running(Instance(place, spec, Settings()), ok=False):
        await eventually(lambda: 4 == len(script.settled), "all settled")

    letters = await hub.read(dead_letter_topic(place))
    codes = [type(error) for record, error in script.settled if record is not news]
    assert [Rejected] * 3 == codes
    assert [None] == [error for record, error in script.settled if record is news]
    assert 3 == len({dict(letter.headers())["bondmate.error.id"] for letter in letters})
    values = [letter.value() for letter in letters]
    assert {mark.mark_id for mark in marks} == {
        hub.codec.decode(value, DeviceMark).mark_id for value in values if not value.startswith(b"{")
    }
    assert [foreign] == [Handling.model_validate_json(value) for value in values if value.startswith(b"{")]
