"""Duress on a map that many look at: only who is named for it learns of it, and nothing stale stays there."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_connectors.errors import Rejected
from bondmate_connectors.formats.cot.types import device_uid
from bondmate_connectors.platforms.tak.wording import Words
from bondmate_connectors.testing import another, sos
from bondmate_schemas.duress import OPEN_ROOM, SAID_UNDER_DURESS, SHOWN_SILENTLY
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryKind, DeliveryReason, Level, Mode
from bondmate_schemas.flags import SILENCE_OVER, UNDER_DURESS
from bondmate_schemas.models import Delivery, DeliveryReceipt, EventHeader, ExternalRef
from lxml import etree

from tests.connectors.tak.clients import ALL, Said
from tests.connectors.tak.stand_ins import StandIn
from tests.connectors.tak.test_tak_answers import NOW, US, Network, only, reference
from tests.connectors.tak.test_tak_link import connected

DESK = "desk-1"
CONTACTS = {"duress_contacts": {DESK: "DESK"}}
SILENT = {"kind": AlertKind.DURESS, "silent": True}


def under_duress(event: Delivery, **update: Any) -> Delivery:
    """Return an alert as it goes on once its officer is under duress."""
    assert event.alert is not None
    header = event.alert.header.model_copy(update={"flags": (UNDER_DURESS,)})
    alert = event.alert.model_copy(update={"header": header, "silent": True, "action": AlertAction.UPDATE})
    return event.model_copy(update={"alert": alert, "reason": DeliveryReason.UPDATE, **update})


@pytest.mark.parametrize("words", ["hello", "ack", "copy", "ack both", "Nobody there?"])
def test_a_bystander_who_writes_to_the_hub_learns_nothing_of_duress(words: str) -> None:
    network = Network(confidants=frozenset({DESK}))
    loud = network.raised(1)
    hidden = network.raised(2, **SILENT)
    code = reference(hidden)
    heard = network.hears(Said(words, "m-1", **US))
    quoted = network.hears(Said(f"{words} {code}", "m-2", **US))

    for each in (heard, quoted):
        assert hidden.header.event_id not in {record.header.event_id for record in each.records}  # type: ignore[union-attr]
        assert code not in (each.reply.text if each.reply else "")
        assert "DURESS" not in (each.reply.text if each.reply else "")
    network.closed(loud)
    assert () == network.hears(Said(words, "m-3", **US)).records


def test_who_is_named_for_it_answers_it() -> None:
    network = Network(confidants=frozenset({DESK}))
    network.raised(1)
    hidden = network.raised(2, **SILENT)
    asked = network.hears(Said("ack", "m-1", by_uid=DESK, **US))
    answer = only(network.hears(Said(f"ack {reference(hidden)}", "m-2", by_uid=DESK, **US)))

    assert asked.reply is not None
    assert reference(hidden) in asked.reply.text
    assert (Level.ACKNOWLEDGED, hidden.header.event_id) == (answer.level, answer.header.event_id)


def test_once_the_officer_of_a_silent_one_presses_aloud_everybody_may_answer_it_and_a_text_sounds() -> None:
    network = Network(confidants=frozenset({DESK}))
    hidden = network.raised(1, silent=True)
    assert hidden.alert is not None
    network.told(under_duress(hidden))
    code = reference(hidden)
    assert () == network.hears(Said(f"ack {code}", "m-1", **US)).records

    header = hidden.alert.header.model_copy(update={"flags": (SILENCE_OVER,)})
    loud = hidden.alert.model_copy(update={"header": header, "silent": False, "action": AlertAction.UPDATE})
    network.told(hidden.model_copy(update={"alert": loud, "reason": DeliveryReason.UPDATE}))
    answer = only(network.hears(Said(f"ack {code}", "m-2", **US)))
    text = only(network.hears(Said(f"{code} where are you?", "m-3", **US)))

    assert (Level.ACKNOWLEDGED, hidden.header.event_id) == (answer.level, answer.header.event_id)
    assert () == text.header.flags


def real(event: Delivery) -> Delivery:
    assert event.alert is not None
    header = event.alert.header.model_copy(update={"mode": Mode.ACTUAL})
    return event.model_copy(update={"alert": event.alert.model_copy(update={"header": header})})


@pytest.mark.parametrize("settings", [CONTACTS, {}])
@pytest.mark.parametrize(("event", "kind"), [(real(sos("tak")), "b-a-o-can"), (sos("tak"), "t-x-d-d")])
async def test_what_everybody_saw_before_the_duress_is_taken_off_the_map(
    settings: dict[str, Any], event: Delivery, kind: str
) -> None:
    grave = under_duress(event)
    over = under_duress(event, reason=DeliveryReason.CANCEL)
    async with StandIn().running() as server, connected(server, **settings) as tak:
        await tak.send(event)
        before = len(server.received)
        for told in (grave, grave):
            if settings:
                await tak.send(told)
            else:
                with pytest.raises(Rejected, match=OPEN_ROOM):
                    await tak.send(told)
        ended = await tak.send(over)
        open_to_all = [one for one in server.received[before:] if "<marti" not in one and 't-x-c-t"' not in one]

    assert Level.DELIVERED is ended.level
    assert 2 == len(open_to_all), "once at the duress and once at the end"
    for one in map(etree.fromstring, open_to_all):
        point = one.find("point")
        assert point is not None
        assert (kind, "0.0") == (one.get("type"), point.get("lat"))
        assert not one.findtext("detail/remarks")
        assert "kind" not in one.find("detail/bondmate").attrib  # type: ignore[union-attr]


@pytest.mark.parametrize("settings", [CONTACTS, {}])
async def test_what_nobody_saw_before_the_duress_is_never_ended_before_all(settings: dict[str, Any]) -> None:
    over = under_duress(sos("tak"), reason=DeliveryReason.CANCEL)
    async with StandIn().running() as server, connected(server, **settings) as tak:
        if settings:
            await tak.send(over)
        else:
            with pytest.raises(Rejected, match=OPEN_ROOM):
                await tak.send(over)
        open_to_all = [one for one in server.received if "b-a-o-can" in one and "<marti" not in one]

    assert [] == open_to_all


def receipt(code: str, level: Level, writer: str) -> Delivery:
    refs = tuple(
        ExternalRef(system=system, id=id_)
        for system, id_ in (("cot:message", "m-1"), ("cot:writer", writer), ("cot:callsign", "OPS"))
    )
    header = EventHeader(
        message_id="r", event_id="r", agency_id="pd-north", mode=Mode.ACTUAL, occurred_at=NOW, received_at=NOW,
        source="streams", external_refs=refs, flags=(UNDER_DURESS,),
    )  # fmt: skip
    said = DeliveryReceipt(header=header, destination="device", level=level, device_id="bm-1", code=code)
    return another(sos("tak"), 1).model_copy(
        update={"alert": None, "receipt": said, "kind": DeliveryKind.RECEIPT, "header": header}
    )


@pytest.mark.parametrize(("code", "level"), [(SHOWN_SILENTLY, Level.UNKNOWN), (SAID_UNDER_DURESS, Level.ACKNOWLEDGED)])
@pytest.mark.parametrize("writer", ["ANDROID-op1", DESK])
async def test_who_writes_to_the_officer_is_told_of_duress_where_named_for_it(
    code: str, level: Level, writer: str
) -> None:
    async with StandIn().running() as server, connected(server, **CONTACTS) as tak:
        await tak.send(receipt(code, level, writer))
        lines = server.of_type("b-t-f")

    assert (writer == DESK) is any("duress" in line for line in lines)
    if code == SAID_UNDER_DURESS:
        assert any("Confirmed" in line for line in lines)


@pytest.mark.parametrize("form", ["aloud: where are you? {}", "ALOUD, where are you? {}"])
def test_who_is_named_for_it_may_have_a_line_sound_by_a_word_that_the_officer_does_not_read(form: str) -> None:
    network = Network(confidants=frozenset({DESK}), words=Words(aloud=("aloud",)))
    code = reference(network.raised(1, **SILENT))
    said = only(network.hears(Said(form.format(code), "m-1", by_uid=DESK)))
    plain = only(network.hears(Said(f"aloud where are you {code}", "m-2", by_uid=DESK)))

    assert (True, (), f"where are you? {code}") == (said.aloud, said.header.flags, said.text)
    assert (False, ("silent",)) == (plain.aloud, plain.header.flags)


def test_nobody_else_makes_a_device_sound_nor_a_room_that_all_officers_hear() -> None:
    terms = {"confidants": frozenset({DESK}), "words": Words(aloud=("aloud",)), "rooms": {ALL: "pd-north"}}
    network = Network(**terms)
    to_device = {"to_uid": device_uid("p7"), "to_callsign": "Kilo-7"}
    bystander = only(network.hears(Said("aloud: hello", "m-1", **to_device)))
    desk = only(network.hears(Said("aloud: hello", "m-2", by_uid=DESK, **to_device)))
    to_all = only(network.hears(Said("aloud: hello", "m-3", by_uid=DESK)))

    assert [(False, "aloud: hello"), (True, "hello"), (False, "aloud: hello")] == [
        (one.aloud, one.text) for one in (bystander, desk, to_all)
    ]
