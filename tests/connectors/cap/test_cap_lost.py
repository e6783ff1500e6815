"""Nothing of a message vanishes: each text of it is in an event, or its place is named in the reading's `lost`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from bondmate_connectors.contract import Reading
from bondmate_connectors.formats.cap import CapFormat, codes
from bondmate_connectors.formats.cap.elements import alert_texts
from bondmate_connectors.formats.cap.flat import sound_texts
from bondmate_connectors.formats.cap.geometry import read_circle, read_ring, ring_of, write_circle, write_ring
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.soundness import is_sound
from bondmate_connectors.formats.cap.structure import breaches
from bondmate_connectors.formats.cap.values import read_time
from bondmate_connectors.formats.xml import XmlRefused, parse_xml
from bondmate_schemas.models import DeliveryReceipt, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from properties import examples

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FORMAT, TO_OFFICERS = CapFormat(), CapFormat(to_officers=True)
ALERTS = tuple(f"{{{namespace}}}alert" for namespace in codes.NAMESPACES)
MAPPED = {"msgType", "status", "scope", "language"}
"""Said in other words: action or level, mode, classification; a hyphen in the language."""


def leaves(element, path):
    """Each element without children that says something, with its path as remarks spell it."""
    seen = {}
    for child in element:
        name = etree.QName(child).localname
        seen[name] = seen.get(name, 0) + 1
        here = f"{path}/{name}" + (f"[{seen[name]}]" if seen[name] > 1 else "")
        text = (child.text or "").strip()
        if text:
            yield here, name, text
        yield from leaves(child, here)


def said_by(value):
    """Each text, time and number that a record holds."""
    if isinstance(value, Record):
        for name in type(value).model_fields:
            yield from said_by(getattr(value, name))
    elif isinstance(value, tuple):
        for one in value:
            yield from said_by(one)
    elif isinstance(value, datetime):
        yield value
    elif value is not None:
        yield str(value)


class Said:
    def __init__(self, events):
        self.values = {one for event in events for one in said_by(event)}
        self.texts = {one for one in self.values if isinstance(one, str)}
        self.joined = "\n".join(self.texts)

    def holds(self, name, text):
        if text in self.texts:
            return True
        if (time := read_time(text)) and time[0] in self.values:
            return True
        if name in {"polygon", "circle"}:
            return written(name, text) in self.texts
        if name in {"valueName", "parameter", "eventCode", "geocode"}:  # the name of an attribute
            return text in self.joined or text.partition("=")[2].strip() in self.texts
        if name in {"references", "incidents", "addresses"}:
            return all(part in self.joined for part in re.split(r"[\s,\"]+", text) if part and read_time(part) is None)
        return text in self.joined


def written(name, text):
    if name == "polygon":
        ring = read_ring(text)
        return write_ring(ring) if ring else None
    circle = read_circle(text)
    return write_circle(*circle) if circle else None


def vanished(message, reader=FORMAT, mapped=MAPPED):
    """Places of texts that are neither in an event nor in `lost`."""
    reading = reader.read(message, NOW)
    if not isinstance(reading, Reading):
        return []
    root = parse_xml(message)
    alerts = [one for one in root.iter(*ALERTS) if not any(up.tag in ALERTS for up in one.iterancestors())]
    lost = {each.path for each in reading.lost}
    said = Said(reading.events)
    found = []
    if alerts[0] is not root and f"/{etree.QName(root).localname}" not in lost:
        found.append("what is around")
    for number, alert in enumerate(alerts, 1):
        start = "alert" if len(alerts) == 1 else f"alert[{number}]"
        if f"{start}/" in lost:
            continue
        for path, name, text in leaves(alert, start):
            steps = path.split("/")
            above = {"/".join(steps[:end]) for end in range(1, len(steps) + 1)}
            if not (above & lost or name in mapped or said.holds(name, text)):
                found.append(path)
    return found


def test_nothing_of_a_recorded_message_vanishes(corpus):
    messages = {path: path.read_bytes() for path in sorted((corpus / "cap/alerts").rglob("*.*"))}
    found = {path.name: gone for path, message in messages.items() if (gone := vanished(message))}

    assert {} == found


def test_nothing_of_a_small_input_of_november_vanishes(cases):
    found = {path.name: gone for path in sorted(cases.glob("cap*")) if (gone := vanished(path.read_bytes()))}

    assert {} == found


def test_what_stands_in_no_element_is_named_too(cases):
    message = (cases / "cap03_two_languages.xml").read_bytes()
    added = message.replace(b"<info>", b'words<info xml:lang="de">', 1)

    lost = {each.path for each in FORMAT.read(added, NOW).lost} - {each.path for each in FORMAT.read(message, NOW).lost}
    assert {"alert/text()", "alert/info/@*"} == lost


texts = st.text("abcäöü &<>,;=:/0123456789", min_size=1, max_size=12)
words = st.text("abcdefgh0123456789", min_size=1, max_size=6)
names = st.sampled_from(["language", "category", "event", "responseType", "urgency", "severity", "certainty", "audience",
                         "effective", "onset", "expires", "senderName", "headline", "description", "instruction", "web",
                         "contact", "unheard"])  # fmt: skip
values = st.one_of(
    texts,
    st.sampled_from([*codes.CATEGORIES, *codes.URGENCIES, *codes.SEVERITIES, *codes.CERTAINTIES, "Very Likely", "en-GB",
                     "sv-SE", "2026-03-01T10:00:00+01:00", "2026-03-01T24:00:00Z", "2026-03-01T10:00"]),
)  # fmt: skip


def element(name, content, namespace=None):
    found = etree.Element(f"{{{codes.CAP_12}}}{name}" if namespace is None else f"{{{namespace}}}{name}")
    if isinstance(content, str):
        found.text = content
    else:
        found.extend(content)
    return found


singles = st.builds(element, names, values)
pairs = st.builds(
    lambda kind, parts: element(kind, [element(name, text) for name, text in parts]),
    st.sampled_from(["parameter", "eventCode"]),
    st.lists(st.tuples(st.sampled_from(["valueName", "value"]),
                       st.one_of(texts, st.just("bondmate:press_count"), st.just("bondmate:action"))), max_size=4),
)  # fmt: skip
resources = st.lists(
    st.builds(
        element, st.sampled_from(["resourceDesc", "mimeType", "size", "uri", "derefUri", "digest", "odd"]), texts
    ),
    max_size=5,
).map(lambda children: element("resource", children))
shapes = st.sampled_from(["50,4 50,5 51,5 51,4 50,4", "50,4,0 50,5,0 51,5,0 50,4,0", "10,10 12,12 10,12 12,10 10,10",
                          "50,4 50,5 51,5", "nonsense", "50.0,4.50 50,5 51,5 51,4 50,4.5"])  # fmt: skip
circles = st.sampled_from(["50,4 3", "50,4 50000", "50,4", "x"])
areas = st.lists(
    st.one_of(
        st.builds(element, st.just("areaDesc"), texts),
        st.builds(element, st.just("polygon"), shapes),
        st.builds(element, st.just("circle"), circles),
        st.builds(element, st.sampled_from(["altitude", "ceiling", "odd"]), texts),
        st.builds(lambda key, value: element("geocode", [element("valueName", key), element("value", value)]),
                  texts, texts),
    ),
    max_size=5,
).map(lambda children: element("area", children))  # fmt: skip
infos = st.lists(st.one_of(singles, pairs, resources, areas), max_size=9).map(lambda found: element("info", found))
references = st.one_of(
    st.sampled_from(["s,a,2026-03-01T10:00:00+01:00", "s, a, 2026-03-01T10:00:00z", "nonsense", "s,a,never",
                     "s,a,2026-03-01T10:00:00+01:00\n s,b,2026-03-01T10:00:00+01:00",
                     "bondmate:x,e_d,2026-03-01T10:00:00+01:00 s,a,2026-03-01T10:00:00+01:00"]),
)  # fmt: skip
heads = st.lists(
    st.one_of(
        st.builds(element, st.sampled_from(["source", "restriction", "code", "note", "password", "odd"]), texts),
        st.builds(element, st.just("references"), references),
        st.builds(element, st.just("incidents"), st.sampled_from(["i-1", 'i-1 "i 2"'])),
        st.builds(element, st.just("addresses"), st.sampled_from(["bob", "area", 'agency:x "unit 4"'])),
        st.builds(element, st.just("Signature"), texts, st.just(codes.XMLDSIG)),
    ),
    max_size=5,
)  # fmt: skip


@st.composite
def messages(draw):
    alert = element("alert", [
        element("identifier", draw(words)), element("sender", draw(st.sampled_from(["s", "bondmate:x"]))),
        element("sent", draw(st.sampled_from(["2026-03-01T10:00:00+01:00", "2026-03-01T10:00:00"]))),
        element("status", draw(st.sampled_from([*codes.STATUSES, "odd"]))),
        element("msgType", draw(st.sampled_from(codes.MSG_TYPES))),
        element("scope", draw(st.sampled_from([*codes.SCOPES, "odd"]))),
    ])  # fmt: skip
    alert.extend(draw(heads))
    alert.extend(draw(st.lists(infos, max_size=3)))
    return etree.tostring(alert)


@settings(deadline=None, max_examples=examples(200))
@given(messages())
def test_nothing_of_any_message_vanishes(message):
    assert [] == vanished(message)
    assert [] == vanished(message, TO_OFFICERS, MAPPED | {"addresses", "urgency"})


def test_what_counts_in_place_of_an_empty_element_is_named_where_it_stands(cases):
    message = (cases / "cap03_two_languages.xml").read_bytes()
    message = re.sub(rb"<urgency>[^<]*</urgency>", b"<urgency> </urgency><urgency>odd</urgency>", message)

    assert "alert/info/urgency[2]" in {each.path for each in FORMAT.read(message, NOW).lost}


def test_in_the_head_too_what_counts_is_named_where_it_stands():
    twice = [element("source", " "), element("source", "desk 4"), element("note", " "), element("note", "hello")]
    alert = element("alert", [
        element("identifier", "a"), element("sender", "s"), element("sent", "2026-03-01T10:00:00-00:00"),
        element("status", "Actual"), element("msgType", "Alert"), *twice, element("scope", "Private"),
        element("addresses", "bob"), element("info", [element("headline", "come")]),
    ])  # fmt: skip

    lost = {each.path for each in TO_OFFICERS.read(etree.tostring(alert), NOW).lost}
    assert {"alert/source[2]", "alert/note[2]"} <= lost


def test_a_geocode_of_no_area_is_named(cases):
    geocode = b"<geocode><valueName>a</valueName><value>b</value></geocode></info>"
    message = (cases / "cap03_two_languages.xml").read_bytes().replace(b"</info>", geocode, 1)

    assert "alert/info/geocode" in {each.path for each in FORMAT.read(message, NOW).lost}


def test_an_answer_names_what_a_receipt_has_no_place_for():
    message = etree.tostring(element("alert", [
        element("identifier", "a"), element("sender", "s"), element("sent", "2026-03-01T10:00:00-00:00"),
        element("status", "Actual"), element("msgType", "Ack"), element("source", "desk 4"), element("scope", "Private"),
        element("addresses", "bondmate:x"), element("references", "bondmate:x,e_d,2026-03-01T09:00:00-00:00"),
        element("info", [element("headline", "thanks")]),
    ]))  # fmt: skip
    reading = FORMAT.read(message, NOW)

    assert isinstance(reading.events[0], DeliveryReceipt)
    assert {"alert/source", "alert/scope", "alert/addresses", "alert/info"} == {each.path for each in reading.lost}


# The two ways to read an alert


def alerts_of(corpus):
    for path in sorted((corpus / "cap/alerts").rglob("*.*")):
        try:
            root = parse_xml(path.read_bytes())
        except XmlRefused:
            continue
        yield from root.iter(*ALERTS)


def read_by(way, alert):
    notes = Notes()
    return way(alert, "alert", notes), sorted(notes.lost, key=lambda each: each.path)


def test_a_sound_alert_is_read_in_one_pass_as_level_by_level(corpus):
    sound = [alert for alert in alerts_of(corpus) if is_sound(alert)]

    assert len(sound) > 100
    for alert in sound:
        assert read_by(alert_texts, alert) == read_by(sound_texts, alert)


@settings(deadline=None, max_examples=examples(200))
@given(messages())
def test_what_is_sound_has_no_breach_and_reads_the_same_both_ways(message):
    alert = parse_xml(message)
    if is_sound(alert):
        assert [] == list(breaches(alert, "alert"))
        assert read_by(alert_texts, alert) == read_by(sound_texts, alert)


@pytest.mark.parametrize("inside", ["info", "alert"])
def test_what_stands_inside_a_signature_is_not_part_of_the_alert(inside):
    hidden = f'<{inside} xmlns="{codes.CAP_12}"><event>hidden</event></{inside}>'
    message = (
        f'<alert xmlns="{codes.CAP_12}"><identifier>a</identifier><sender>s</sender><sent>2026-03-01T10:00:00-00:00</sent>'
        "<status>Actual</status><msgType>Alert</msgType><scope>Public</scope><info><category>Met</category><event>Storm"
        "</event><urgency>Past</urgency><severity>Minor</severity><certainty>Likely</certainty></info>"
        f'<Signature xmlns="{codes.XMLDSIG}"><Object>{hidden}</Object></Signature></alert>'
    ).encode()
    (event,) = FORMAT.read(message, NOW).events

    assert is_sound(parse_xml(message))
    assert "Storm" == event.title
    assert "hidden" not in str(event)


# Not two empty numbers: a comma between ` , ` alone may join the pairs on both sides of it, so that no polygon is right
# there; between spaces of `0,0 0,7` it joins none.
numbers = st.sampled_from(["0", "-0", "-0.0", "7", "+7", "07", "7.", ".7", "7.50", "-7.1234567", "7.12345678", "-1e-9",
                           "7-1", "--7", "", "\u0667", "1e1", "95"])  # fmt: skip


@settings(deadline=None, max_examples=examples(500))
@given(st.lists(st.tuples(numbers, numbers).filter(any), min_size=2, max_size=5))
def test_a_polygon_is_read_the_same_by_the_short_way_as_by_the_long_one(pairs):
    pairs = [*pairs, pairs[0]]
    short, long = (ring_of(" ".join([comma.join(pair) for pair in pairs])) for comma in (",", " , "))

    assert (short is None) == (long is None)
    if short and long:
        assert (long.text, long.points) == (short.text, short.points)
        assert write_ring(short.points) == short.text
