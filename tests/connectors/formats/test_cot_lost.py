"""What a stranger's CoT says is in the event made of it, or named as lost; and what an event says is in the CoT."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum

import pytest
from bondmate_connectors.contract import Reading, Writing
from bondmate_connectors.formats.cot import FORMAT
from bondmate_connectors.formats.cot.build import DECLARATION
from bondmate_connectors.testing.strategies import deliveries
from bondmate_schemas.models import Record
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMES = {"time": "2026-03-01T12:00:00Z", "start": "2026-03-01T12:00:00Z", "stale": "2026-03-01T12:05:00Z"}
POINT = {"lat": "50.1", "lon": "8.6", "hae": "34.7", "ce": "5.7", "le": "6.7"}
UNKNOWN = {"-1", "9999999.0"}
ALERT, PLI, MARKER, DRAWING, CHAT = "b-a-o-tbl", "a-f-G-U-C", "b-m-p-s-m", "u-d-p", "b-t-f"
CHAT_TEXT = "<remarks>text</remarks>"
CORNERS = '<link point="1,2"/><link point="1,3"/><link point="2,3"/>'


def event(kind, detail="", *, point=POINT, **more):
    root = etree.Element("event", {"version": "2.0", "uid": "u-1", "type": kind, "how": "m-g", **TIMES, **more})
    etree.SubElement(root, "point", point)
    root.append(etree.fromstring(f"<detail>{detail}</detail>") if isinstance(detail, str) else detail)
    return root


def read(root):
    return FORMAT.read(etree.tostring(root), NOW)


def lost(*args, **more):
    reading = read(event(*args, **more))
    assert isinstance(reading, Reading), reading
    return {each.path for each in reading.lost}


@pytest.mark.parametrize(("kind", "detail", "more", "path"), [
    (ALERT, "", {"opex": "e-STEADFAST"}, "event/@opex"), (ALERT, "", {"opex": "banana"}, "event/@opex"),
    (MARKER, "", {"qos": "7-r-g"}, "event/@qos"), (MARKER, "", {"qos": "high"}, "event/@qos"),
    (MARKER, "", {"stale": "tomorrow"}, "event/@stale"), (ALERT, "", {"start": "now"}, "event/@start"),
    (ALERT, "<remarks>a</remarks><remarks>b</remarks>", {}, "event/detail/remarks[2]"),
    (ALERT, '<emergency type="911 Alert">a</emergency><emergency>b</emergency>', {}, "event/detail/emergency[2]"),
    (ALERT, '<emergency type="Ring The Bell"/>', {}, "event/detail/emergency/@type"),
    (ALERT, '<emergency cancel="perhaps"/>', {}, "event/detail/emergency/@cancel"),
    (ALERT, '<link uid="a"/><link uid="b"/>', {}, "event/detail/link/@uid"),
    (PLI, '<track speed="1"/><track speed="2"/>', {}, "event/detail/track[2]"),
    (PLI, '<track course="400.5"/>', {}, "event/detail/track/@course"),
    (PLI, '<track speed="north"/>', {}, "event/detail/track/@speed"),
    (PLI, '<status battery="150"/>', {}, "event/detail/status/@battery"),
    (PLI, "words", {}, "event/detail"), (PLI, "<takv/><odd>words</odd>", {}, "event/detail/odd"),
    ("b-r-f-h-c", '<_medevac_ urgent="1"/><_medevac_ urgent="2"/>', {}, "event/detail/_medevac_[2]"),
    ("b-r-f-h-c", '<_medevac_ urgent="1">words</_medevac_>', {}, "event/detail/_medevac_"),
    ("b-r-f-h-c", '<_medevac_><odd a="1"/></_medevac_>', {}, "event/detail/_medevac_/odd/@a"),
    (MARKER, '<link point="1,2"/>', {}, "event/detail/link/@point"),
    (DRAWING, CORNERS + '<link point="91,2"/>', {}, "event/detail/link/@point"),
    (DRAWING, CORNERS + '<link point="3,3,77"/>', {}, "event/detail/link/@point"),
    (DRAWING, CORNERS + '<shape><ellipse major="5"/></shape>', {}, "event/detail/shape/ellipse"),
    ("u-d-c-c", '<shape><ellipse major="5" minor="3"/></shape>', {}, "event/detail/shape/ellipse/@minor"),
    ("u-d-c-c", '<shape><ellipse major="5" minor="5" angle="30"/></shape>', {}, "event/detail/shape/ellipse/@angle"),
    (CHAT, CHAT_TEXT + '<contact callsign="x"/>', {}, "event/detail/contact"),
    (CHAT, '<remarks sourceID="a">x</remarks><link uid="b"/>', {}, "event/detail/link/@uid"),
])  # fmt: skip
def test_what_is_not_taken_is_named(kind, detail, more, path):
    assert path in lost(kind, detail, **more)


@pytest.mark.parametrize(("point", "paths"), [
    (POINT | {"hae": "high"}, {"event/point/@hae"}), (POINT | {"ce": "-5"}, {"event/point/@ce"}),
    (POINT | {"lat": "north"}, {"event/point"}), (POINT | {"odd": "1"}, {"event/point/@odd"}),
    (POINT | {"hae": "9999999.0", "le": "9999999"}, set()),
])  # fmt: skip
def test_what_cannot_be_read_of_a_point_is_named(point, paths):
    assert paths == {path for path in lost(ALERT, point=point) if path.startswith("event/point")}


@pytest.mark.parametrize(("kind", "detail", "more"), [
    ("u-d-c-c", '<shape><ellipse major="5" minor="5"/></shape>', {}), (DRAWING, CORNERS, {}), (MARKER, "", {"qos": "7"}),
    (PLI, '<track speed="-1" course="-1"/><status battery=""/>', {}), (PLI, "", {"opex": "s-TEST"}),
    (ALERT, '<emergency type="911 Alert" cancel="false"/><track speed="1.5"/><status battery="50"/>', {}),
])  # fmt: skip
def test_what_is_taken_or_says_nothing_is_not_named(kind, detail, more):
    assert set() == lost(kind, detail, **more) - {"event/point", "event/@stale"}


def test_who_writes_the_hubs_element_hides_nothing_behind_it():
    detail = (
        '<bondmate mode="TEST" kind="SOS" odd="1"/><contact callsign="x" phone="2"/><remarks>words</remarks><new a="1"/>'
        '<marti><dest uid="a" odd="1"/></marti>'
    )
    found = lost(ALERT, detail, access="Undefined", caveat="x")

    assert {
        "event/@caveat", "event/point", "event/detail/bondmate/@odd", "event/detail/contact/@phone", "event/detail/new",
        "event/detail/marti/dest/@odd",
    } == found  # fmt: skip


@given(deliveries())
def test_of_what_the_hub_wrote_nothing_is_lost_but_where_it_drew_an_area(delivery):
    writing = FORMAT.write(delivery, NOW)
    if not isinstance(writing, Writing):
        return
    for message in filter(None, writing.message.split(DECLARATION)):
        reading = FORMAT.read(message, NOW)
        assert not isinstance(reading, Reading) or {each.path for each in reading.lost} <= {"event/point"}


_word = st.text("bcdfghjklmnpq", min_size=5, max_size=9)
_value = (
    _word
    | st.integers(10, 80).map(lambda number: f"{number}.{number}7")
    | st.sampled_from(["150", "400.5", "1.5,2.5", "3.5,4.5,77.25", *UNKNOWN])
)
_tags = st.sampled_from([
    "contact", "link", "remarks", "status", "track", "takv", "__group", "__chat", "__chatreceipt", "emergency",
    "_medevac_", "zMist", "shape", "ellipse", "uid", "marti", "dest", "chatgrp", "archive", "_flow-tags_", "point",
    "detail", "odd",
])  # fmt: skip
_names = st.sampled_from([
    "callsign", "uid", "type", "relation", "battery", "speed", "course", "point", "phone", "name", "id", "chatroom",
    "senderCallsign", "messageId", "to", "source", "sourceID", "urgent", "title", "major", "minor", "cancel", "lat",
])  # fmt: skip
_text = st.just("") | _word
_elements = st.recursive(
    st.tuples(_tags, st.dictionaries(_names, _value, max_size=4), _text, st.just([])),
    lambda inner: st.tuples(
        _tags, st.dictionaries(_names, _value, max_size=3), _text, st.lists(inner, max_size=2)
    ),
    max_leaves=6,
)  # fmt: skip


def _element(drawn):
    tag, attributes, text, inner = drawn
    element = etree.Element(tag, attributes)
    element.text = text or None
    element.extend([_element(each) for each in inner])
    return element


def _leaves(element, *paths):
    """Every value, with where it stands: the number of an element among those of its name may be left out."""
    yield from ((tuple(f"{path}/@{name}" for path in paths), value) for name, value in element.items())
    if (element.text or "").strip():
        yield paths, element.text
    for child in element:
        number = 1 + sum(each.tag == child.tag for each in child.itersiblings(preceding=True))
        inner = dict.fromkeys(f"{path}/{child.tag}{end}" for path in paths for end in ("", f"[{number}]"))
        yield from _leaves(child, *inner)


def _is_said(value, said):
    """Whether a text of the event has a value, or the number that it says."""
    try:
        number = float(value)
    except ValueError:
        return value in said
    return any(each in said for each in (value, str(number), f'_percent": {round(number)}', f"{number / 1000:g}"))


@given(
    kind=st.sampled_from([
        PLI, "a-u-G", ALERT, "b-a-o-can", "b-a-g", CHAT, "b-t-f-r", "b-t-f-d", "b-r-f-h-c", MARKER, "b-m-r", DRAWING,
        "u-d-c-c", "a-f-A-M-H-9-1-1",
    ]),
    elements=st.lists(_elements, max_size=6),
    more=st.dictionaries(st.sampled_from(["access", "qos", "opex", "caveat", "stale"]), _word, max_size=3),
    point=st.dictionaries(st.sampled_from([*POINT, "odd"]), _value, max_size=3),
)  # fmt: skip
def test_every_value_is_in_the_event_or_named_as_lost(kind, elements, more, point):
    detail = etree.Element("detail")
    detail.extend([_element(each) for each in elements])
    root = event(kind, detail, point=POINT | point, **more)
    reading = read(root)
    if not isinstance(reading, Reading):
        return
    said = json.dumps([each.model_dump(mode="json") for each in reading.events])
    named = tuple(each.path for each in reading.lost)
    for paths, value in _leaves(root, "event"):
        grammar = paths[0] in {"event/@version", "event/@type", "event/@how", "event/@time", "event/@start"}
        kept = grammar or value in UNKNOWN or _is_said(value, said) or ("event/@stale" in paths and "12:05:00" in said)

        assert kept or any(path == one or path.startswith(f"{one}/") for one in named for path in paths), (paths, value)


def _fields(value, path=""):
    """Every plain text of a record that is set, with its place; types and words of CoT stand for enumerations."""
    if isinstance(value, Record):
        for name, field in type(value).model_fields.items():
            each = getattr(value, name)
            if field.is_required() or each != field.get_default(call_default_factory=True):
                yield from _fields(each, f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _fields(each, f"{path}[{number}]")
    elif isinstance(value, str) and not isinstance(value, Enum) and value.isascii() and value.isalnum():
        yield path, value


@given(deliveries())
def test_every_text_of_an_event_is_written_or_named_as_lost(delivery):
    writing = FORMAT.write(delivery, NOW)
    if not isinstance(writing, Writing):
        return
    roots = [etree.fromstring(message) for message in writing.message.split(DECLARATION) if message]
    said = " ".join(text for root in roots for each in root.iter() for text in (each.text or "", *each.values()))
    named = tuple(each.path for each in writing.lost)
    for path, value in _fields(delivery.event):
        # Of ids of messages, that of the Delivery stands in the document.
        kept = value in said or path == "header.message_id"

        assert kept or path.startswith(named), (path, value, named)
