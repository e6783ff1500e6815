"""What people write back, in the forms of real clients: which alert it answers, what it raises, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bondmate_connectors.errors import Rejected
from bondmate_connectors.formats.cot.alert_code import LONGEST, code_of, codes_in, short_code
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.formats.cot.types import alert_uid
from bondmate_connectors.formats.cot.words import callsign_of
from bondmate_connectors.platforms.tak.answers import FrameContents, Terms, understand
from bondmate_connectors.platforms.tak.open_alerts import TakOpenAlerts
from bondmate_connectors.platforms.tak.wording import LineMeaning, Words
from bondmate_connectors.testing import another, eventually, sos, update_of
from bondmate_demo.taky import TakyServer
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    DeliveryKind,
    DeliveryReason,
    Level,
    MessageDirection,
    Mode,
    Response,
)
from bondmate_schemas.error_codes import MODE_DIFFERS, NOT_ITS_OWN
from bondmate_schemas.labels import Labels
from bondmate_schemas.models import AlertWhole, Delivery, DeliveryReceipt, DeviceLocation, DeviceMessage, IncidentEvent
from bondmate_schemas.refusals import refusal_delivery, said_by
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.connectors.tak.clients import ALL, DIRECT_FORMS, ROOM_FORMS, Said, atak, itak, node_cot, takpacket
from tests.connectors.tak.stand_ins import StandIn
from tests.connectors.tak.test_tak_link import connected

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
US = {"to_uid": "bondmate-hub-tak", "to_callsign": "BondMate-tak"}


class Network:
    """What the hub knows of one TAK network, and what it makes of a line. Time is a number, and passes when told."""

    def __init__(self, **terms: Any) -> None:
        from bondmate_connectors.formats.cot.options import Contact  # noqa: PLC0415

        self.now = 1000.0
        self.alerts = TakOpenAlerts(lambda: self.now, settled_after=1000.0)
        contact = Contact(US["to_uid"], US["to_callsign"])
        values: dict[str, Any] = {"words": Words(), "emit": frozenset(), "contact": contact}
        self.terms = Terms("tak", Mode.ACTUAL, "", **(values | terms))
        self.events: list[Delivery] = []

    def raised(self, number: int = 1, **alert: Any) -> Delivery:
        event = another(sos("tak"), number)
        assert event.alert is not None
        event = event.model_copy(update={"alert": event.alert.model_copy(update=alert)})
        self.told(event)
        self.alerts.delivered(event.header.event_id)
        return event

    def told(self, event: Delivery) -> None:
        assert event.alert is not None
        self.now += 1
        self.alerts.told(event, event.alert)

    def closed(self, event: Delivery) -> None:
        assert event.alert is not None
        alert = event.alert.model_copy(update={"action": AlertAction.CANCEL})
        self.told(event.model_copy(update={"alert": alert, "reason": DeliveryReason.CANCEL}))

    def hears(self, said: Said | str, form: Callable[[Said], str] = atak) -> FrameContents:
        self.now += 1
        line = said if isinstance(said, str) else form(said)
        return understand(Frame(line.encode()), self.terms, self.alerts, NOW)


def reference(event: Delivery) -> str:
    return short_code(event.header.event_id)


def fix(device: str, callsign: str | None) -> Delivery:
    """A position that shows a device under a callsign."""
    event = sos("tak")
    assert event.alert is not None
    assert event.alert.position is not None
    location = DeviceLocation(header=event.header, device_id=device, callsign=callsign, position=event.alert.position)
    return event.model_copy(update={"kind": DeliveryKind.LOCATION, "alert": None, "location": location})


def only(heard: FrameContents) -> Any:
    (record,) = heard.records
    return record


# Which alert.


def test_what_the_hub_asks_back_is_in_the_language_of_the_network() -> None:
    network = Network(labels=Labels("es"))
    first, second = network.raised(1), network.raised(2)
    asked = network.hears(Said("ack", "m-1", **US)).reply
    passed_on = network.hears(Said(f"quien es? {reference(first)}", "m-2", **US)).reply

    assert asked is not None
    assert asked.text.startswith(f"¿Qué alerta? Escriba por ejemplo: ack {reference(second)}. Abiertas: ")
    assert passed_on is not None
    assert f"Transmitido. Nadie ha acusado recibo: escriba ack {reference(first)}" == passed_on.text


@pytest.mark.parametrize("form", ROOM_FORMS)
@pytest.mark.parametrize(
    "words", ["ack {}", "#{} roger", "Roger {}, unit 12 goes", "COPY THAT {}", "{} ack", "ack #{}!"]
)
def test_a_reference_in_a_room_says_which_alert_is_acknowledged(form: Callable[[Said], str], words: str) -> None:
    network = Network()
    network.raised(1)
    meant = network.raised(2)
    heard = network.hears(Said(words.format(reference(meant).lower()), "m-1"), form)

    assert (Level.ACKNOWLEDGED, meant.header.event_id, "ANDROID-op1") == (
        only(heard).level, only(heard).header.event_id, only(heard).by_ref,
    )  # fmt: skip
    assert heard.reply is None


@pytest.mark.parametrize("form", DIRECT_FORMS)
def test_a_line_to_us_alone_is_understood_in_each_clients_form(form: Callable[[Said], str]) -> None:
    network = Network()
    first, second = network.raised(1), network.raised(2)
    named = network.hears(Said(f"ack {reference(second)}", "m-1", **US), form)
    network.closed(first)
    ambiguous = network.hears(Said("ack", "m-2", **US), form)
    network.closed(second)
    third = network.raised(3)
    bare = network.hears(Said("ack", "m-3", **US), form)

    assert (Level.ACKNOWLEDGED, second.header.event_id) == (only(named).level, only(named).header.event_id)
    assert () == ambiguous.records, "the first was open after the second was delivered"
    assert (Level.ACKNOWLEDGED, third.header.event_id) == (only(bare).level, only(bare).header.event_id)


def test_without_a_reference_and_with_several_open_the_sender_alone_is_asked_which() -> None:
    network = Network()
    events = network.raised(1), network.raised(2)
    heard = network.hears(Said("ack", "m-1", **US))

    assert () == heard.records
    assert heard.reply is not None
    assert ("ANDROID-op1", "OPS") == (heard.reply.to.uid, heard.reply.to.callsign)
    assert all(reference(event) in heard.reply.text for event in events)


@pytest.mark.parametrize("known", ["not delivered", "not all known yet", "none"])
def test_a_bare_line_means_the_only_alert_where_that_is_sure_and_else_its_sender_is_asked(known: str) -> None:
    network = Network()
    if known == "not delivered":
        network.told(another(sos("tak"), 1))
    elif known == "not all known yet":
        network.alerts = TakOpenAlerts(lambda: network.now, settled_after=5000.0)
        network.raised(1)
    heard = network.hears(Said("ack", "m-1", **US))

    assert () == heard.records
    assert heard.reply is not None


@pytest.mark.parametrize("said", [Said("ack", "m-1"), Said("ack", "m-1", to_uid="ANDROID-2", to_callsign="ELSE")])
def test_a_bare_line_in_a_room_or_to_somebody_else_is_no_answer(said: Said) -> None:
    network = Network()
    network.raised(1)

    assert FrameContents() == network.hears(said)


@pytest.mark.parametrize("form", DIRECT_FORMS)
def test_what_one_person_quotes_to_another_is_no_answer(form: Callable[[Said], str]) -> None:
    network = Network()
    event = network.raised(1)
    said = Said(f"ack {reference(event)}", "m-1", to_uid="ANDROID-2", to_callsign="ELSE")

    # TAKPacket-SDK asks no server to pass it on to somebody: then all hear it.
    assert (FrameContents() == network.hears(said, form)) is (form is not takpacket)


def test_the_writer_is_known_by_the_source_whatever_kind_of_client_stands_before_it() -> None:
    network = Network()
    event = network.raised(1)
    for kind in ("BAO.F.ATAK.", "BAO.F.WinTAK.", "BAO.F.MESH.", ""):
        heard = network.hears(
            f'<event uid="c-{kind}" type="b-t-f" time="2026-03-01T12:00:00Z"><detail><remarks source="{kind}op-1"'
            f' to="bondmate-hub-tak">ack {reference(event)}</remarks></detail></event>'
        )

        assert "op-1" == only(heard).by_ref


def test_a_reference_that_nobody_has_is_not_taken_for_the_only_open_alert() -> None:
    network = Network()
    event = network.raised(1)
    wrong = "A2A2" if reference(event) != "A2A2" else "B3B3"
    heard = network.hears(Said(f"ack {wrong}", "m-1", **US))

    assert () == heard.records
    assert heard.reply is not None
    assert reference(event) in heard.reply.text


@pytest.mark.parametrize("uid", ["bondmate-device-1", "bondmate-hub-other", "bondmate-hub-tak"])
def test_what_a_device_of_ours_or_a_hub_says_acknowledges_nothing(uid: str) -> None:
    network = Network()
    event = network.raised(1)

    assert FrameContents() == network.hears(Said(f"ack {reference(event)}", "m-1", by_uid=uid, **US))
    assert FrameContents() == network.hears(Said("ack", "m-2", by_uid=uid, **US))


@pytest.mark.parametrize(
    "detail",
    [
        '<link uid="op-1"/><remarks to="bondmate-hub-tak">{}</remarks>',
        '<link uid="op-1"/><remarks>{}</remarks><marti><dest callsign="BondMate-tak"/></marti>',
        '<link uid="op-1"/><remarks>{}</remarks><marti><dest uid="bondmate-hub-tak"/></marti>',
        (
            '<__chat parent="RootContactGroup" groupOwner="true" chatroom="BondMate-tak" id="BondMate-tak"/><link uid="op-1"/>'
            "<remarks>{}</remarks>"
        ),
        '<__chat id="bondmate-hub-tak"><chatgrp uid0="op-1"/></__chat><remarks source="BAO.F.ATAK.op-1">{}</remarks>',
    ],
)
def test_a_line_to_us_is_one_by_whatever_it_names_us(detail: str) -> None:
    network = Network()
    event = network.raised(1)
    for number, text in enumerate(("ack", f"ack {reference(event)}")):
        heard = network.hears(
            f'<event uid="c-{number}" type="b-t-f" time="2026-03-01T12:00:00Z"><detail>{detail.format(text)}</detail></event>'
        )

        assert (Level.ACKNOWLEDGED, "op-1") == (only(heard).level, only(heard).by_ref)


async def test_a_text_that_the_hub_does_not_pass_on_is_told_to_its_writer_alone() -> None:
    async with StandIn().running() as server, connected(server) as tak:
        server.say(atak(Said("come home", "m-1", to_uid="bondmate-p7", to_callsign="KILO-7")).encode())
        incoming = await tak.receive()
        await incoming.settle(Rejected("not_authenticated"))
        await tak.send(sos("tak"))
    told = etree.fromstring(next(line for line in server.of_type("b-t-f") if "<marti>" in line).encode())

    assert "Not passed on: not authenticated" == told.findtext("detail/remarks")
    assert [{"callsign": "OPS"}, {"uid": "ANDROID-op1"}] == [
        dict(dest.attrib) for dest in told.iterfind("detail/marti/dest")
    ]


LINKED = '<link uid="ANDROID-op1" type="a-f-G-U-C" parent_callsign="OPS" relation="p-p"/>'
CREATED = '<creator uid="ANDROID-op1" callsign="OPS" type="a-f-G-U-C"/><link uid="p-1" type="b-m-p-w" relation="c"/>'


def marker(detail: str) -> bytes:
    return (
        '<event version="2.0" uid="m-1" type="b-m-p-s-m" how="h-g-i-g-o" time="2026-03-01T12:00:00Z"'
        ' start="2026-03-01T12:00:00Z" stale="2026-03-02T12:00:00Z"><point lat="52.5" lon="13.4" hae="0" ce="9" le="9"/>'
        f'<detail><contact callsign="Spot"/>{detail}</detail></event>'
    ).encode()


@pytest.mark.parametrize("code", [MODE_DIFFERS, NOT_ITS_OWN])
@pytest.mark.parametrize("detail", [LINKED, CREATED])
async def test_who_placed_a_marker_that_does_not_count_is_told_alone(detail: str, code: str) -> None:
    async with StandIn().running() as server, connected(server, emit=("IncidentEvent",), mode="ACTUAL") as tak:
        server.say(marker(detail))
        incoming = await tak.receive()
        await incoming.settle(None)
        assert isinstance(incoming.event, IncidentEvent)
        receipt = await tak.send(refusal_delivery(said_by(incoming.event), code, NOW))
    told = etree.fromstring(server.of_type("b-t-f")[0].encode())

    assert Level.DELIVERED is receipt.level
    assert f"What you placed does not count: {code.replace('_', ' ')}" == told.findtext("detail/remarks")
    assert [{"callsign": "OPS"}, {"uid": "ANDROID-op1"}] == [
        dict(dest.attrib) for dest in told.iterfind("detail/marti/dest")
    ]


@pytest.mark.parametrize("detail", ["", '<link uid="bondmate-p7" relation="p-p"/>', '<creator callsign="OPS"/>'])
async def test_of_a_marker_that_nobody_is_known_to_have_placed_nobody_is_told(detail: str) -> None:
    async with StandIn().running() as server, connected(server, emit=("IncidentEvent",), mode="ACTUAL") as tak:
        server.say(marker(detail))
        incoming = await tak.receive()
        await incoming.settle(None)
        assert isinstance(incoming.event, IncidentEvent)
        receipt = await tak.send(refusal_delivery(said_by(incoming.event), MODE_DIFFERS, NOW))
        after = await tak.send(sos("tak"))

    assert [Level.UNKNOWN, Level.DELIVERED] == [receipt.level, after.level]
    assert not [line for line in server.of_type("b-t-f") if "<marti>" in line]


def test_a_servers_welcome_and_small_talk_are_nobodys_business() -> None:
    network = Network()
    talk = network.hears(Said("good morning", "m-1", **US))
    network.raised(1)
    welcome = network.hears(Said("Welcome to this server", "m-2", by_uid="SERVER-UID", by_callsign="server", **US))

    assert [FrameContents(), FrameContents()] == [talk, welcome]


def test_several_references_answer_each_and_an_alert_that_is_over_is_still_told() -> None:
    network = Network()
    one, other = network.raised(1), network.raised(2)
    network.closed(one)
    heard = network.hears(Said(f"ack {reference(one)} {reference(other)}", "m-1"))

    assert {one.header.event_id, other.header.event_id} == {record.header.event_id for record in heard.records}
    assert 2 == len({record.header.message_id for record in heard.records})


def test_two_alerts_never_share_a_reference_and_what_was_shown_before_a_restart_is_not_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = iter(["K2K2A3B4C5D6", "K2K2E7F8G9H2"] * 2)
    monkeypatch.setattr("bondmate_connectors.platforms.tak.open_alerts.code_of", lambda _: next(codes))
    network = Network()
    one, other = network.raised(1), network.raised(2)
    shown = [alert.reference for alert in network.alerts.open()]
    answered = [only(network.hears(Said(f"ack {each}", each))).header.event_id for each in shown]
    restarted = Network()
    for event in (other, one):
        restarted.told(event.model_copy(update={"reason": DeliveryReason.REFRESH}))

    assert ["K2K2", "K2K2E7"] == shown
    assert [one.header.event_id, other.header.event_id] == answered
    assert () == restarted.hears(Said("ack K2K2", "m-9", **US)).records


@given(st.text(max_size=60))
def test_no_alerts_reference_is_a_word(text: str) -> None:
    assert LONGEST == len(code_of(text))
    assert (short_code(text),) == codes_in(f"ack {short_code(text).lower()}, thanks")
    assert all(any(character.isdigit() for character in code) for code in codes_in(text))


# Whom a line is to, where it says so by callsign alone.

_BARE = '<event uid="c" type="b-t-f" time="2026-03-01T12:00:00Z"><detail>{}<remarks{}>come home</remarks>{}</detail></event>'
KILO_7 = callsign_of(sos().header, "KILO-7")
"""As maps show it: the mode stands before it."""
_LINK = '<link uid="op-1"/>'
CALLED = [
    *(form(Said("come home", "m-1", to_uid="bondmate-p7", to_callsign=KILO_7)) for form in DIRECT_FORMS),
    _BARE.format(_LINK, f' to="{KILO_7}"', ""),
    _BARE.format(_LINK, "", f'<marti><dest callsign="{KILO_7}"/></marti>'),
    _BARE.format('<__chat id="op-1" chatroom="OPS"/>' + _LINK, "", f'<marti><dest callsign="{KILO_7}"/></marti>'),
]


@pytest.mark.parametrize("line", CALLED, ids=[f"form {number}" for number in range(len(CALLED))])
@pytest.mark.parametrize("shown_by", ["alert", "position"])
def test_a_text_to_an_officer_reaches_it_by_whichever_name_the_client_has(line: str, shown_by: str) -> None:
    network = Network()
    network.raised(1, callsign="KILO-7", device_id="p7")
    if shown_by == "position":
        network = Network()
        network.alerts.contacts.wrote(fix("p7", callsign="KILO-7"))

    assert ("p7", MessageDirection.TO_DEVICE, "come home", Mode.ACTUAL) == (
        only(network.hears(line)).device_id, only(network.hears(line)).direction, only(network.hears(line)).text,
        only(network.hears(line)).header.mode,
    )  # fmt: skip


@pytest.mark.parametrize("form", DIRECT_FORMS)
def test_a_line_to_an_alert_answers_it_by_whichever_name_the_client_has(form: Callable[[Said], str]) -> None:
    network = Network()
    meant, _ = network.raised(1, callsign="KILO-7"), network.raised(2, callsign="KILO-8")
    uid = alert_uid(meant.header.event_id)
    heard = network.hears(Said("ack", "m-1", to_uid=uid, to_callsign=f"{KILO_7}-Alert"), form)

    assert (Level.ACKNOWLEDGED, meant.header.event_id) == (only(heard).level, only(heard).header.event_id)


def test_a_callsign_of_two_is_asked_back_and_one_that_moved_names_who_has_it_now() -> None:
    network = Network()
    for device in ("p7", "p8"):
        network.alerts.contacts.wrote(fix(device, callsign="KILO-7"))
    line = Said("come home", "m-1", to_uid=KILO_7, to_callsign=KILO_7)
    asked = network.hears(line)
    network.now += 1000
    network.alerts.contacts.wrote(fix("p8", callsign="KILO-7"))
    moved = network.hears(line)
    network.alerts.contacts.wrote(fix("p8", callsign="KILO-9"))

    assert ((), "ANDROID-op1") == (asked.records, asked.reply and asked.reply.to.uid)
    assert "p8" == only(moved).device_id
    assert "p7" == only(network.hears(line)).device_id
    assert "p8" == only(network.hears(replace(line, to_uid=KILO_7[:-1] + "9"))).device_id


def test_what_is_to_another_of_the_same_callsign_is_nothing_to_us() -> None:
    network = Network()
    network.alerts.contacts.wrote(fix("p7", callsign="KILO-7"))
    network.alerts.contacts.wrote(fix("p8", callsign=None))

    assert FrameContents() == network.hears(Said("come home", "m-1", to_uid="ANDROID-other", to_callsign=KILO_7))
    assert FrameContents() == network.hears(Said("come home", "m-1", to_uid="BondMate", to_callsign="BondMate"), itak)


def test_what_nobody_is_named_as_the_writer_of_raises_nothing() -> None:
    network = Network()
    event = network.raised(1)
    line = '<event uid="c" type="b-t-f"><detail><remarks to="bondmate-hub-tak">ack{}</remarks></detail></event>'
    heard = [only(network.hears(line.format(said))) for said in ("", f" {reference(event)}")]

    assert all(isinstance(record, DeviceMessage) for record in heard), "a note, which acknowledges nothing"


# What it means.


@pytest.mark.parametrize(
    "text",
    [
        "ack", "ACK", "ack.", "Acknowledged!", "roger", "roger that", "copy that", "copy, K-12 is on its way", "10-4",
        "wilco - two minutes", "  ack  ", "ack...", "ack !", "ack-K7Q2", "roger! two minutes", "ack; two minutes",
        "K7Q2 - ack", "copy that – unit 12",  # noqa: RUF001
    ],
)  # fmt: skip
def test_words_that_acknowledge(text: str) -> None:
    assert LineMeaning.ACKNOWLEDGED is Words().meaning_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "ok", "ack?", "copy machine is broken", "who is that", "not acknowledged", "no ack", "acknowledging is hard",
        "rogers is here", "ack, unable to send", "I copy", "roger roger roger who", "copy-machine is broken",
        "copy-paste this", "copy -paste", "received-nothing", "received.txt", "roger/dodger", "10-4-2", "ack,nack",
        "copy’s here", "copy—paste", "copy's here", "unable-bodied", "acknowledged:not",  # noqa: RUF001
    ],
)  # fmt: skip
def test_any_other_text_raises_nothing(text: str) -> None:
    assert LineMeaning.NOTE is Words(decline=("unable",)).meaning_of(text)


@pytest.mark.parametrize("asked", ["ack？", "ack؟", "¿ack", "ack, are you there？", "ack;", "ack\u037e", "ack K7Q2;",  # noqa: RUF001
    "ack; K7Q2", "ack ❓", "ack‽", "ack՞", "ack፧", "ack⁉",
])  # fmt: skip
def test_what_asks_in_any_script_acknowledges_nothing(asked: str) -> None:
    assert LineMeaning.NOTE is Words().meaning_of(asked)


def test_a_word_that_is_part_of_another_neither_declines_nor_means_all() -> None:
    words = Words(decline=("no",))
    parts = ("no-show at the school", "no’s", "no.5 is free")  # noqa: RUF001

    assert [LineMeaning.DECLINED] * 3 == [words.meaning_of(text) for text in ("no", "no unit free", "no, sorry")]
    assert [LineMeaning.NOTE] * 3 == [words.meaning_of(text) for text in parts]
    assert [None, None, "ack  "] == [
        words.without_together(text) for text in ("ack both-sided", "not-both", "ack both")
    ]


RESPONSES = {
    LineMeaning.ASSIGNED: ("assigned", "unit sent"), LineMeaning.EN_ROUTE: ("en route",), LineMeaning.ON_SCENE: ("on scene",),
    LineMeaning.WITHDRAWN: ("not coming",), LineMeaning.RESOLVED: ("closed",), LineMeaning.CALLED_OFF: ("false alarm",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "level", "response"),
    [
        ("ack {}", Level.ACKNOWLEDGED, Response.UNSTATED), ("assigned {}", Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("{} unit sent, 5 min", Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("en route {}", Level.RESPONDING, Response.EN_ROUTE), ("on scene {}", Level.RESPONDING, Response.ON_SCENE),
        ("{}: not coming", Level.DECLINED, Response.WITHDRAWN), ("closed {}", Level.RESOLVED, Response.UNSTATED),
        ("false alarm {}", Level.CANCELLED, Response.UNSTATED),
    ],
)  # fmt: skip
def test_what_else_is_said_is_said_by_words_of_the_settings(text: str, level: Level, response: Response) -> None:
    network, bare = Network(words=Words(responses=RESPONSES)), Network()
    heard = network.hears(Said(text.format(reference(network.raised())), "m-1"))
    plain = bare.hears(Said(text.format(reference(bare.raised())), "m-1"))

    assert (level, response) == (only(heard).level, only(heard).response)
    assert (level is Level.ACKNOWLEDGED and text.startswith("ack")) or not isinstance(only(plain), DeliveryReceipt)


@pytest.mark.parametrize("text", ["en route? {}", "the on scene unit {}", "assigned parking {}", "closed road {}"])
def test_no_free_text_says_any_of_it(text: str) -> None:
    network = Network(words=Words(responses=RESPONSES))

    assert not isinstance(only(network.hears(Said(text.format(reference(network.raised())), "m-1"))), DeliveryReceipt)


def test_answers_of_clients_with_other_clocks_count_in_the_order_they_come() -> None:
    network = Network()
    answer = only(network.hears(Said(f"ack {reference(network.raised())}", "m-1")))

    assert answer.header.occurred_at == answer.header.received_at == NOW


def test_the_words_are_a_setting() -> None:
    words = Words(("verstanden",), ("geht nicht",))

    assert [LineMeaning.ACKNOWLEDGED, LineMeaning.DECLINED, LineMeaning.NOTE] == [
        words.meaning_of(text) for text in ("Verstanden, Wagen 3", "Geht nicht: kein Wagen frei", "ack")
    ]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("noted K7Q2", LineMeaning.NOTE), ("Now on scene, ack K7Q2", LineMeaning.NOTE), ("negligible delay, ack", LineMeaning.NOTE),
        ("K7Q2 north gate", LineMeaning.NOTE), ("no1 goes K7Q2", LineMeaning.NOTE), ("Nö K7Q2", LineMeaning.NOTE),
        ("ack K7Q2, now on scene", LineMeaning.ACKNOWLEDGED), ("no", LineMeaning.DECLINED), ("NO K7Q2", LineMeaning.DECLINED),
        ("K7Q2: no unit free", LineMeaning.DECLINED), ("Neg, K7Q2", LineMeaning.DECLINED), ("no.", LineMeaning.DECLINED),
    ],
)  # fmt: skip
def test_only_a_whole_word_declines(text: str, meaning: LineMeaning) -> None:
    assert meaning is Words(decline=("no", "neg")).meaning_of(text)


@pytest.mark.parametrize(("silent", "flags"), [({}, ()), ({"kind": AlertKind.DURESS}, ("silent",))])
def test_any_other_text_about_an_alert_goes_to_its_officer_and_its_writer_is_told_that_nothing_was_raised(
    silent: dict[str, Any], flags: tuple[str, ...]
) -> None:
    network = Network()
    event = network.raised(1, **silent)
    heard = network.hears(Said(f"{reference(event)} where exactly are you", "m-1"))
    note = only(heard)
    assert event.alert is not None

    assert isinstance(note, DeviceMessage)
    assert (event.alert.device_id, event.header.event_id, MessageDirection.TO_DEVICE, flags) == (
        note.device_id, note.alert_id, note.direction, note.header.flags,
    )  # fmt: skip
    assert heard.reply is not None
    assert f"write ack {reference(event)}" in heard.reply.text


@pytest.mark.parametrize("kind", ["b-t-f-r", "b-t-f-d"])
def test_a_receipt_of_a_client_raises_nothing(kind: str) -> None:
    network = Network()
    event = network.raised(1)
    line = atak(Said(f"ack {reference(event)}", "m-1", **US)).replace('type="b-t-f"', f'type="{kind}"')

    assert FrameContents() == network.hears(
        line.replace("__chat ", "__chatreceipt ").replace("/__chat>", "/__chatreceipt>")
    )


# What reaches nobody else, and what never vanishes.


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-45T99:00:00Z", "0001-01-01T00:00:00+14:00", "1772366400"])
@pytest.mark.parametrize("to", ["bondmate-p7", US["to_uid"]])
def test_a_text_with_an_odd_time_never_vanishes(time: str, to: str) -> None:
    network = Network()
    event = network.raised(1)
    callsign = US["to_callsign"] if to == US["to_uid"] else "KILO-7"
    said = Said(f"ack {reference(event)}" if to == US["to_uid"] else "go home", "m-1", to_uid=to, to_callsign=callsign)
    heard = network.hears(replace(said, time=time))

    assert NOW == only(heard).header.occurred_at
    assert ["time_unreadable"] == [warning.code for warning in heard.warnings]


def test_the_recorded_text_with_a_bad_time_is_kept() -> None:
    path = Path(__file__).resolve().parents[4] / "shared" / "cases" / "2026-11" / "cot_badtime.xml"
    if not path.is_file():
        pytest.skip(f"no small inputs at {path.parent}")
    heard = Network(emit=frozenset({"DeviceMessage"})).hears(path.read_text())

    assert heard.records


def test_what_a_receipt_needs_is_kept_with_the_line() -> None:
    said = Said("go home", "m-1", by_uid="me@city.example", to_uid="bondmate-p7", to_callsign="KILO-7")
    message = only(Network().hears(said, node_cot))

    assert {
        "cot:message": "m-1", "cot:writer": "me@city.example", "cot:callsign": "OPS",
    }.items() <= {ref.system: ref.id for ref in message.header.external_refs}.items()  # fmt: skip


# On the public server.


async def test_people_see_the_hub_as_a_contact_write_to_it_and_are_asked_alone(taky: TakyServer, operator: Any) -> None:
    async with connected(taky, pong_timeout_seconds=2, stale_seconds=0.01) as tak:  # type: ignore[arg-type]
        contact, *_ = await operator.seen("a-f-G-U-C")
        operator.announce("op-1", "OPS")
        us = {"to_uid": contact.get("uid"), "to_callsign": contact.find("detail/contact").get("callsign")}
        one, other = another(sos("tak"), 1), another(sos("tak"), 2)
        await tak.send(one)
        operator.say(Said("ack", "m-1", "op-1", "OPS", **us))
        first = (await tak.receive()).event
        await tak.send(other)
        operator.say(Said("ack", "m-2", "op-1", "OPS", **us))
        await eventually(lambda: any(_is_to(line, "op-1") for line in operator.of_type("b-t-f")), "the question")

    assert isinstance(first, DeliveryReceipt)
    assert (Level.ACKNOWLEDGED, one.header.event_id) == (first.level, first.header.event_id)
    question = next(line for line in operator.of_type("b-t-f") if _is_to(line, "op-1"))
    assert question.findtext("detail/remarks").startswith("Which alert?")
    assert [{"callsign": "OPS"}, {"uid": "op-1"}] == [
        dict(dest.attrib) for dest in question.iterfind("detail/marti/dest")
    ]


async def test_what_becomes_of_a_line_is_told_to_its_writer_alone(taky: TakyServer, operator: Any) -> None:
    other = type(operator)(taky.host, taky.port)
    await other.connect()
    async with connected(taky, pong_timeout_seconds=2) as tak:  # type: ignore[arg-type]
        operator.announce("op-1", "OPS")
        other.announce("op-2", "OTHER")
        await operator.seen("a-f-G-U-C", count=2)
        operator.answer("bondmate-pseudonym7", "return to base")
        said = (await tak.receive()).event
        assert isinstance(said, DeviceMessage)
        for level in (Level.DELIVERED, Level.ACCEPTED, Level.EXPIRED):
            header = said.header.model_copy(update={"message_id": f"d-{level}"})
            told = DeliveryReceipt(header=header, destination="device", level=level, device_id="pseudonym7")
            await tak.send(Delivery(header=header, destination="tak", kind=DeliveryKind.RECEIPT, receipt=told))
        (delivered,) = await operator.seen("b-t-f-d")
        (read,) = await operator.seen("b-t-f-r")
        await operator.seen("b-t-f")
        await tak.send(another(sos("tak"), 1))
        await other.seen("a-u-G")
    await other.close()

    by_hub = [
        event for event in other.of_type("b-t-f", "b-t-f-d", "b-t-f-r") if event.find("detail/bondmate") is not None
    ]
    assert 1 == len(by_hub), "more than the alert's line"
    message = read.get("uid")
    assert f"{message}.d" == delivered.get("uid")
    assert message == delivered.find("detail/__chatreceipt").get("messageId")


async def test_one_person_is_told_at_most_so_often_whatever_answers_at_the_other_end() -> None:
    async with StandIn().running() as server, connected(server) as tak:

        def replies() -> list[str]:
            return [line for line in server.of_type("b-t-f") if "<marti>" in line]

        for number in range(20):
            server.say(atak(Said("ack", f"m-{number}", **US)).encode())
        await tak.send(sos("tak"))
        await eventually(lambda: bool(replies()), "the question")
        await tak.send(another(sos("tak"), 2))

    assert 1 == len(replies())


async def test_an_update_and_a_refresh_keep_the_reference_and_a_late_answer_finds_its_alert() -> None:
    event = sos("tak")
    async with StandIn().running() as server, connected(server) as tak:
        for told in (event, update_of(event, 1), event.model_copy(update={"reason": DeliveryReason.REFRESH})):
            await tak.send(told)
        server.say(atak(Said(f"ack {short_code(event.header.event_id)}", "m-1")).encode())
        async with asyncio.timeout(5):
            answer = (await tak.receive()).event
    lines = [etree.fromstring(line.encode()).findtext("detail/remarks") for line in server.of_type("b-t-f")]

    assert isinstance(answer, DeliveryReceipt)
    assert event.header.event_id == answer.header.event_id
    assert all(short_code(event.header.event_id) in str(line) for line in lines)


def _is_to(line: etree._Element, uid: str) -> bool:
    chat = line.find("detail/__chat")
    return chat is not None and chat.get("id") == uid != ALL


def heard_of(heard: FrameContents) -> list[tuple[str, Any]]:
    return [(record.header.event_id, getattr(record, "level", None)) for record in heard.records]


def test_both_helps_all_of_one_event_and_who_closes_names_each() -> None:
    """Scenario 15: "both" by a room helps both; closing an incident closes only the alerts named (EMERGENCY)."""
    network = Network(words=Words(responses={LineMeaning.RESOLVED: ("closed",)}))
    first, apart = network.raised(1), network.raised(2)
    second = network.raised(3, whole=AlertWhole(group_id="number", linked_to=first.header.event_id))
    one, other = first.header.event_id, second.header.event_id

    assert [(one, Level.ACKNOWLEDGED), (other, Level.ACKNOWLEDGED)] == heard_of(
        network.hears(Said(f"ack {reference(first)} both", "m-1"))
    )
    assert {one, other} == {each for each, _ in heard_of(network.hears(Said(f"ack both {reference(second)}", "m-2")))}
    assert [(one, Level.RESOLVED)] == heard_of(network.hears(Said(f"closed {reference(first)}", "m-3")))
    assert [one] == [each for each, _ in heard_of(network.hears(Said(f"closed {reference(first)}, both", "m-4")))]
    assert () == network.hears(Said("ack both", "m-5", **US)).records, "another is open too: which?"
    network.closed(apart)
    assert {one, other} == {each for each, _ in heard_of(network.hears(Said("ack both", "m-6", **US)))}
    assert () == network.hears(Said("ack both", "m-7")).records, "in a room only a reference tells"


def test_both_of_an_alert_alone_is_that_alert() -> None:
    network = Network()
    event = network.raised(1)

    assert [(event.header.event_id, Level.ACKNOWLEDGED)] == heard_of(
        network.hears(Said(f"ack {reference(event)} both", "m-1"))
    )


def test_by_words_of_the_settings_one_alert_is_linked_to_another_and_taken_out_again() -> None:
    network, bare = (Network(words=words) for words in (Words(link=("same",), unlink=("apart",)), Words()))
    (first, second), _ = ([each.raised(number) for number in (1, 2)] for each in (network, bare))
    both = f"same {reference(second)} {reference(first)}"
    linked = only(network.hears(Said(both, "m-1")))
    apart = only(network.hears(Said(f"apart {reference(second)}", "m-2")))
    unclear = network.hears(Said(f"same {reference(second)}", "m-3"))
    asked = network.hears(Said(f"{both}?", "m-4"))

    assert (second.header.event_id, first.header.event_id) == (linked.header.event_id, linked.link_to)
    assert (second.header.event_id, "", Level.UNKNOWN, None) == (
        apart.header.event_id, apart.link_to, apart.level, apart.note,
    )  # fmt: skip
    assert () == unclear.records
    assert unclear.reply is not None
    assert unclear.reply.text.startswith("Not linked")
    for heard in (asked, bare.hears(Said(both, "m-5"))):
        assert all(getattr(record, "link_to", None) is None for record in heard.records)
