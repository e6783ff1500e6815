"""TAK protocol 1: the same event as XML and as protobuf, the bytes of other people's libraries, and hostile ones."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest
from bondmate_connectors.contract import Refusal, Writing
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.formats.cot.event import parse_event
from bondmate_connectors.formats.cot.protobuf import to_protobuf, to_xml
from bondmate_connectors.formats.cot.stream import Frame, Framer, OutOfStep
from bondmate_connectors.formats.cot.wire import fields, put_bytes
from bondmate_connectors.testing.strategies import deliveries
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.connectors.formats.test_cot_write import NOW

# Written by the public `takproto` 3.0.1, with `xml2proto(…, TAKProtoVer.STREAM)`.
TAKPROTO_POSITION = bytes.fromhex(
    "bfc90112c6010a09612d662d472d552d432a09414e44524f49442d3130f49794caca3338f49794caca3340ece198caca334a036d2d675100"
    "00000000404a4059cdcccccccccc2a4061000000000040434069000000000000124071000000e0cf1263417a670a143c7569642044726f69"
    "643d224b494c4f22202f3e12110a092a3a2d313a7374637012044b494c4f1a0a0a044379616e12024851220a0a0347505312034750532a02"
    "0853320c0a01641201701a01312201323a12090000000000000440110000000000805640"
)
TAKPROTO_CHAT = bytes.fromhex(
    "bfe1020a061a046f702d3112d6020a05622d742d662a1f47656f436861742e6f702d312e416c6c204368617420526f6f6d732e6d2d313080"
    "9494caca3338809494caca334080ccadf3ca334a09682d672d692d672d6f61000000e0cf12634169000000e0cf12634171000000e0cf1263"
    "417af0010aed013c5f5f636861742063686174726f6f6d3d22416c6c204368617420526f6f6d73222069643d22416c6c204368617420526f"
    "6f6d73222073656e64657243616c6c7369676e3d224f5053223e3c6368617467727020756964303d226f702d312220756964313d22416c6c"
    "204368617420526f6f6d73222069643d22416c6c204368617420526f6f6d7322202f3e3c2f5f5f636861743e3c6c696e6b207569643d226f"
    "702d312220747970653d22612d662d47222072656c6174696f6e3d22702d7022202f3e3c72656d61726b7320736f757263653d226f702d31"
    "223e61636b204b3751323c2f72656d61726b733e"
)


def frames(*chunks: bytes, switched: bool = False) -> list[Frame]:
    framer = Framer(takes_protobuf=True, is_switched=switched)
    return [frame for chunk in chunks for frame in framer.feed(chunk)]


def xml(message: bytes) -> etree._Element:
    document = to_xml(message)
    assert isinstance(document, bytes), document
    return etree.fromstring(document)


def same(one: etree._Element, other: etree._Element) -> bool:
    """Whether two elements say the same: attributes and text alike, children in any order."""
    mine, theirs = (sorted(each, key=lambda child: etree.tostring(child, method="c14n")) for each in (one, other))
    return (
        (one.tag, dict(one.attrib), (one.text or "").strip()) == (other.tag, dict(other.attrib), (other.text or "").strip())
        and len(mine) == len(theirs)
        and all(same(left, right) for left, right in zip(mine, theirs, strict=True))
    )  # fmt: skip


@given(event=deliveries())
@settings(deadline=None)
def test_whatever_the_hub_writes_says_the_same_in_protobuf(event: object) -> None:
    writing = FORMAT.write(event, NOW)  # type: ignore[arg-type]
    if isinstance(writing, Refusal):
        return
    assert isinstance(writing, Writing)
    back = to_xml(to_protobuf(writing.message))
    assert isinstance(back, bytes)
    one, other = parse_event(writing.message), parse_event(back)
    assert not isinstance(one, Refusal)
    assert not isinstance(other, Refusal)

    assert [(one.uid, one.type, one.how, one.time, one.start, one.stale)] == [
        (other.uid, other.type, other.how, other.time, other.start, other.stale)
    ]
    assert one.point == other.point
    # A number is a number: "2.50" comes back as 2.5.
    kept = [child for child in one.detail if child.tag not in {"track", "status"}]
    come = [child for child in other.detail if child.tag not in {"track", "status"}]
    assert same(_detail(kept), _detail(come))


def _detail(children: list[etree._Element]) -> etree._Element:
    found = etree.Element("detail")
    found.extend(children)
    return found


def test_what_another_library_writes_is_read() -> None:
    (position,), (chat,) = frames(TAKPROTO_POSITION), frames(TAKPROTO_CHAT)
    event, line = xml(position.message), xml(chat.message)

    assert ("ANDROID-1", "a-f-G-U-C", "2026-03-01T12:00:00.500Z") == tuple(
        event.get(n) for n in ("uid", "type", "time")
    )
    assert {"lat": "52.5", "lon": "13.4", "hae": "38.5", "ce": "4.5", "le": "9999999.0"} == dict(
        event.find("point").attrib
    )
    assert {"callsign": "KILO", "endpoint": "*:-1:stcp"} == dict(event.find("detail/contact").attrib)
    assert {"battery": "83"} == dict(event.find("detail/status").attrib)
    assert ("KILO", "90.0") == (event.find("detail/uid").get("Droid"), event.find("detail/track").get("course"))
    assert ("All Chat Rooms", "ack K7Q2") == (line.find("detail/__chat").get("id"), line.findtext("detail/remarks"))


def test_what_is_written_has_the_fields_that_another_library_writes() -> None:
    (frame,) = frames(TAKPROTO_POSITION)
    document = to_xml(frame.message)
    assert isinstance(document, bytes)
    theirs, ours = (dict(_event_fields(message)) for message in (frame.message, to_protobuf(document)))
    details = [dict(_numbered(each.pop(15))) for each in (theirs, ours)]

    # What is not known is 999999 by the definition's comment; takproto writes the number as XML has it.
    assert [9999999.0, 999999.0] == [struct.unpack("<d", each.pop(14))[0] for each in (theirs, ours)]
    assert theirs == ours
    assert [b'<uid Droid="KILO" />', b'<uid Droid="KILO"/>'] == [detail.pop(1) for detail in details]
    assert details[0] == details[1]


def _event_fields(message: bytes) -> list[tuple[int, int | bytes]]:
    return _numbered(dict(_numbered(message))[2])


def _numbered(message: int | bytes) -> list[tuple[int, int | bytes]]:
    assert isinstance(message, bytes)
    return [(tag, content) for tag, _, content in fields(message)]


@pytest.mark.parametrize(
    "element",
    [
        '<contact callsign="K" phone="1"/>',
        '<takv device="d" platform="p" os="1"/>',
        '<track speed="1"/>',
        '<status battery="83" readiness="true"/>',
        '<status battery="much"/>',
        '<__group name="Cyan" role="HQ" exrole="x"/>',
    ],
)
def test_an_element_that_its_message_cannot_hold_whole_stays_text(element: str) -> None:
    document = f'<event uid="u" type="a-f-G"><point lat="1" lon="2"/><detail>{element}</detail></event>'.encode()
    message = to_protobuf(document)

    assert element.encode() in message
    assert dict(etree.fromstring(element).attrib) == dict(xml(message).find("detail")[0].attrib)


def test_an_element_that_comes_in_both_ways_is_believed_as_text() -> None:
    message = to_protobuf(b'<event uid="u" type="t"><detail><contact callsign="typed"/></detail></event>')
    text = to_protobuf(b'<event uid="u" type="t"><detail><contact callsign="text" phone="1"/></detail></event>')
    both = message.replace(message[message.index(b"\x7a") :], b"") + text[text.index(b"\x7a") :]
    length = len(both) - 2
    both = bytes([0x12, length]) + both[2:]

    assert "text" == xml(both).find("detail/contact").get("callsign")


def test_an_element_whose_name_only_begins_like_another_takes_nothing_from_it() -> None:
    contact, detail, event, message = bytearray(), bytearray(), bytearray(), bytearray()
    put_bytes(contact, 2, b"HQ")
    put_bytes(detail, 1, b'<contactinfo phone="1"/>')
    put_bytes(detail, 2, bytes(contact))
    put_bytes(event, 15, bytes(detail))
    put_bytes(message, 2, bytes(event))

    assert ["contact", "contactinfo"] == [child.tag for child in xml(bytes(message))[1]]


def test_what_a_later_version_adds_costs_an_event_nothing() -> None:
    event, message = bytearray(), bytearray()
    put_bytes(event, 5, b"u-1")
    put_bytes(event, 99, b"\xff\xfe no text")
    put_bytes(message, 2, bytes(event))

    assert "u-1" == xml(bytes(message)).get("uid")


def test_only_a_message_with_an_event_is_one() -> None:
    assert Refusal("no_event") == to_xml(bytes.fromhex("0a0408011001"))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_answered(message: bytes) -> None:
    for found in (to_xml(message), to_xml(b"\x12" + bytes([len(message) % 128]) + message)):
        assert isinstance(found, Refusal | bytes)


@given(cuts=st.lists(st.integers(0, 700), max_size=12))
def test_both_kinds_are_cut_out_of_a_stream_however_it_is_split(cuts: list[int]) -> None:
    event = b'<event uid="1"><detail>\xc2\xbf</detail></event>'
    stream = event + TAKPROTO_POSITION + b"\n" + event + TAKPROTO_CHAT + TAKPROTO_POSITION
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert [False, True, False, True, True] == [frame.is_protobuf for frame in frames(*chunks)]
    assert [None] * 5 == [frame.code for frame in frames(*chunks)]


def test_before_protobuf_was_asked_for_its_bytes_are_garbage() -> None:
    (frame, event) = Framer().feed(TAKPROTO_POSITION + b'<event uid="1"/>')

    assert ("not_cot", None) == (frame.code, event.code)


@pytest.mark.parametrize("garbage", [b"\xbf" + b"\xff" * 12, b"\xbf\xff\xff\xff\x7f", b"rubbish"])
def test_a_stream_out_of_step_is_given_up_and_not_guessed_at(garbage: bytes) -> None:
    with pytest.raises(OutOfStep):
        frames(TAKPROTO_POSITION, garbage, switched=True)


def test_every_recorded_event_comes_through(corpus: Path) -> None:
    for path in sorted((corpus / "cot/examples").rglob("*.xml")):
        document = path.read_bytes()
        detail = etree.fromstring(document).find("detail")
        back = xml(to_protobuf(document)).find("detail")

        assert sorted(str(child.tag) for child in detail) == sorted(str(child.tag) for child in back), path
