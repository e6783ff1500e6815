"""What strangers' messages did to the reader in November 2026, and its kind: each is read right, or told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bondmate_connectors.contract import Reading, Refusal
from bondmate_connectors.error_table import error_table
from bondmate_connectors.formats.cap import FORMAT, our_identifier
from bondmate_connectors.formats.cap import codes as cap_codes
from bondmate_connectors.formats.cap.references import references_in
from bondmate_connectors.formats.cap.values import read_time
from bondmate_connectors.translate import translate
from bondmate_schemas.enums import IncidentAction
from bondmate_schemas.error_codes import UNLISTED
from bondmate_schemas.flags import NAMED_BESIDE
from lxml import etree

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIRST, SECOND = "wx@example.org,a,2026-03-01T09:00:00-00:00", "wx@example.org,b,2026-03-01T09:30:00-00:00"


def alert(kind="Alert", more="", sent="2026-03-01T10:00:00+01:00", identifier="x", sender="wx@example.org"):
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier><sender>{sender}'
        f"</sender><sent>{sent}</sent><status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>{more}</alert>"
    )


def info(severity="Severe", urgency="Immediate", event="Storm", more=""):
    return (
        f"<info><category>Met</category><event>{event}</event><urgency>{urgency}</urgency><severity>{severity}</severity>"
        f"<certainty>Observed</certainty>{more}</info>"
    )


def area(shape, description="here"):
    return f"<area><areaDesc>{description}</areaDesc>{shape}</area>"


def read(text):
    return FORMAT.read(text.encode(), NOW)


def taken(text):
    reading = read(text)
    assert isinstance(reading, Reading), reading
    return reading


def codes(reading):
    return [remark.code for remark in reading.warnings]


def lost(reading):
    return [each.path for each in reading.lost]


class TestAnswers:
    """What says a thing and its contrary acknowledges nothing and ends nothing; what help it says is read, or told."""

    OURS = f"<references>bondmate:police-a,{our_identifier('e', 'd')},2026-03-01T09:00:00-00:00</references>"

    def said(self, **values):
        pairs = "".join(
            f"<parameter><valueName>bondmate:{name}</valueName><value>{text}</value></parameter>"
            for name, texts in values.items()
            for text in texts.split("|")
        )
        return info(more=pairs)

    @pytest.mark.parametrize("kind", ["Ack", "Error", "Cancel"])
    @pytest.mark.parametrize(
        "again",
        ["<status>Exercise</status>", "<msgType>Alert</msgType>", "<sender>z</sender>", "<identifier>y</identifier>"],
    )
    def test_an_answer_that_contradicts_itself_is_refused(self, kind, again):
        message = alert(kind, again + self.OURS)
        refused = read(message)

        assert isinstance(refused, Refusal)
        assert cap_codes.REPEATED == refused.code
        assert refused.path.startswith("alert/")
        assert isinstance(read(alert(kind, "<status>Actual</status>" + self.OURS)), Reading), "the same twice is told"
        assert isinstance(read(alert("Alert", again)), Reading), "an alert is never lost to it"

    @pytest.mark.parametrize("kind", ["Ack", "Cancel"])
    def test_of_two_things_said_of_help_neither_counts(self, kind):
        refused = read(alert(kind, self.OURS + self.said(response="en_route|withdrawn")))

        assert (cap_codes.REPEATED, "alert/info/parameter[2]") == (refused.code, refused.path)
        assert isinstance(read(alert(kind, self.OURS + self.said(response="en_route|EN-ROUTE"))), Reading)

    @pytest.mark.parametrize(
        ("eta", "minute"),
        [("2026-03-01T10:05:00z", 5), ("2026-03-01T10:04:60Z", 5), ("2026-03-01T10:05Z", 5), ("2026-W09-7T10:05:00Z", None),
         ("2026-03-01T10:05:00", None), ("soon", None)],
    )  # fmt: skip
    def test_when_help_comes_is_read_as_all_times_are_or_told(self, eta, minute):
        reading = taken(alert("Ack", self.OURS + self.said(eta=eta)))
        (receipt,) = reading.events

        assert minute == (receipt.eta_at and receipt.eta_at.minute)
        told = [remark.path for remark in reading.warnings if remark.code == cap_codes.WORD]
        assert ([] if minute else ["bondmate:eta"]) == told


class TestReferences:
    """S8: every alert that is named ends, and what names none is told."""

    def references(self, text):
        return alert("Cancel", f"<references>{text}</references>")

    def events(self, text):
        return taken(self.references(text)).events

    @pytest.mark.parametrize("between", ["</references><references>", ";", " ; ", ";\n"])
    def test_however_references_are_set_apart_each_ends(self, between):
        whole, parted = (self.events(one) for one in (f"{FIRST} {SECOND}", f"{FIRST}{between}{SECOND}"))

        assert {event.header.event_id for event in whole} == {event.header.event_id for event in parted}

    def test_a_cancel_of_two_alerts_ends_both(self):
        first = taken(alert(identifier="a", sent="2026-03-01T09:00:00-00:00")).events[0].header
        second = taken(alert(identifier="b", sent="2026-03-01T09:30:00-00:00")).events[0].header
        events = self.events(f"{SECOND} {FIRST}")

        assert [first.event_id, second.event_id] == [event.header.event_id for event in events]
        assert {IncidentAction.CANCELLED} == {event.action for event in events}
        assert 2 == len({event.header.message_id for event in events})
        assert [(), (NAMED_BESIDE,)] == [event.header.flags for event in events]

    def test_an_update_of_several_continues_the_first_and_names_the_others(self):
        (event,) = taken(alert("Update", f"<references>{SECOND} {FIRST}</references>{info()}")).events
        ends = {one.refers_to[0] for one in self.events(f"{FIRST} {SECOND}")}

        assert event.header.event_id == event.refers_to[0]
        assert ends == set(event.refers_to)

    def test_our_alert_and_theirs_named_together_both_end(self):
        ours = f"bondmate:x,{our_identifier('e', 'd')},2026-03-01T09:00:00-00:00"
        events = self.events(f"{ours} {FIRST}")

        assert ["e", self.events(FIRST)[0].header.event_id] == [event.header.event_id for event in events]
        assert self.events(FIRST)[0].header.message_id == events[1].header.message_id

    @pytest.mark.parametrize("text", [
        "wx@example.org, a, 2026-03-01T09:00:00-00:00", "wx@example.org ,a ,2026-03-01T09:00:00-00:00",
        "\n\twx@example.org,a,\n2026-03-01T09:00:00-00:00\n", "wx@example.org,a,2026-03-01T11:00:00+02:00",
        "wx@example.org,a,2026-03-01T09:00:00z", "wx@example.org,a,2026-03-01T09:00",
    ])  # fmt: skip
    def test_the_same_alert_however_it_is_written(self, text):
        assert self.events(FIRST)[0].header.event_id == self.events(text)[0].header.event_id
        assert [] == codes(taken(self.references(text)))

    @pytest.mark.parametrize(("sender", "identifier"), [
        ("Met Office", "a"), ("a,b", "c"), ("x&amp;y", "a&lt;b"), ("wx@example.org", "an id, with both"),
        ("urn:oid:2.49.0.0.1", "2026-03-01T10:00:00-05:00:77"),
    ])  # fmt: skip
    def test_odd_senders_and_identifiers_are_found_again(self, sender, identifier):
        begun = taken(alert(sender=sender, identifier=identifier, sent="2026-03-01T09:00:00-00:00")).events[0]
        events = self.events(f"{sender},{identifier},2026-03-01T09:00:00-00:00 {SECOND}")

        assert begun.header.event_id in {event.header.event_id for event in events}
        assert self.events(SECOND)[0].header.event_id in {event.header.event_id for event in events}

    @pytest.mark.parametrize("between", [" ", "\n", "\t\n  ", ",", ", "])
    def test_however_they_are_set_apart(self, between):
        assert 2 == len(references_in(f"{FIRST}{between}{SECOND}").found)

    def test_part_that_cannot_be_read_is_told_and_the_rest_ends(self):
        reading = taken(self.references(f"nonsense {FIRST} more"))

        assert self.events(FIRST)[0].header.event_id == reading.events[0].header.event_id
        assert ["cap_references"] == codes(reading)
        assert ["alert/references"] == lost(reading)

    @pytest.mark.parametrize("more", ["", "<note>cancelled</note>", "<references> </references>",
                                      "<references>nonsense</references>", "<references>a,b</references>"])  # fmt: skip
    def test_a_cancel_that_names_nothing_is_refused_with_its_place(self, more):
        assert Refusal("cap_references", "alert/references") == read(alert("Cancel", more))

    def test_a_reference_whose_time_is_none_is_told(self):
        assert ["cap_references"] == codes(taken(self.references("wx@example.org,a,yesterday")))

    def test_an_update_that_names_nothing_is_news_of_its_own_and_told(self):
        reading = taken(alert("Update", info()))

        assert ["cap_references"] == codes(reading)
        assert reading.events[0].header.event_id == reading.events[0].header.message_id


class TestBlocks:
    """S9 and F8: what the first block says is not given to the area of another."""

    def test_the_gravest_counts_with_its_own_area(self, cases):
        reading = FORMAT.read((cases / "cap04_two_infos_one_language.xml").read_bytes(), NOW)
        (event,) = reading.events

        assert ("RED: tornado in the south", "Extreme", "Immediate", "Take shelter now.") == (
            event.title, event.severity, event.urgency, event.instruction)  # fmt: skip
        assert ["South"] == [one.description for one in event.areas]
        assert datetime(2026, 3, 1, 19, tzinfo=UTC) == event.header.expires_at
        assert [("cap_blocks_differ", "alert/info")] == [(each.code, each.path) for each in reading.warnings]
        assert ["alert/info"] == lost(reading)

    @pytest.mark.parametrize(("one", "other"), [
        (info("Minor"), info("Extreme")), (info(urgency="Future"), info()), (info("Unknown"), info("Minor")),
        (info("Extreme", more="<parameter><valueName>a</valueName><value>b</value></parameter>").replace(
            "<urgency>", "<responseType>AllClear</responseType><urgency>"), info("Minor", "Future")),
    ])  # fmt: skip
    def test_whichever_comes_first(self, one, other):
        grave = taken(alert(more=other)).events[0]
        for blocks in (one + other, other + one):
            event = taken(alert(more=blocks)).events[0]

            assert (grave.severity, grave.urgency) == (event.severity, event.urgency)

    @pytest.mark.parametrize("languages", [("de", "en-GB"), ("en-GB", "en-gb"), ("en_gb", "en-GB"), ("", "de")])
    def test_the_gravest_counts_whatever_its_language(self, languages):
        mild, grave = (
            info(severity, more=area(f"<circle>{circle}</circle>", where)).replace("<info>", f"<info>{tag}")
            for (severity, circle, where), tag in zip(
                [("Minor", "52,4 1", "north"), ("Extreme", "51,4 1", "south")],
                [f"<language>{one}</language>" if one else "" for one in languages],
                strict=True,
            )
        )
        for blocks, left in ((mild + grave, "alert/info"), (grave + mild, "alert/info[2]")):
            reading = taken(alert(more=blocks))
            (event,) = reading.events

            assert ("Extreme", ["south"]) == (event.severity, [one.description for one in event.areas])
            assert ("cap_blocks_differ", left) == (reading.warnings[-1].code, reading.warnings[-1].path)
            assert [left] == lost(reading)

    @pytest.mark.parametrize(("german", "english", "remarked"), [
        ("<circle>52,4 1</circle>", "<circle>52,4\n1</circle>", False), ("<circle>52,4 1</circle>", "<circle>51,4 1</circle>", True),
        ("<polygon>50,4 50,5 51,5 50,4</polygon>", "", False), ("", "", False), ("", "<circle>52,4 1</circle>", True),
        ("<geocode><valueName>a</valueName><value>1</value></geocode>", "<geocode><valueName>a</valueName><value>2</value></geocode>", True),
    ])  # fmt: skip
    def test_a_translation_is_no_other_event_unless_it_is_of_another_place(self, german, english, remarked):
        one = info(more=area(german, "hier")).replace("<info>", "<info><language>de</language>")
        other = info(event="Sturm", more=area(english, "here")).replace("<info>", "<info><language>en-GB</language>")
        reading = taken(alert(more=one + other))

        assert "de" == reading.events[0].header.language
        assert (["cap_blocks_differ"] if remarked else []) == codes(reading)
        assert ["alert/info[2]"] == lost(reading)

    def test_blocks_of_one_kind_are_one_event_with_all_areas(self):
        blocks = info(more="<headline>one</headline>" + area("", "north")) + info(
            more="<headline>two</headline><web>https://example.org/2</web>" + area("", "south")
        )
        reading = taken(alert(more=blocks))

        assert ["north", "south"] == [one.description for one in reading.events[0].areas]
        assert ["alert/info[2]/headline", "alert/info[2]/web"] == lost(reading)
        assert ["cap_blocks_differ"] == codes(reading)

    @pytest.mark.parametrize(
        ("one", "other", "expires"), [("10", "12", 12), ("12", "10", 12), ("12", "", None), ("", "12", None)]
    )
    def test_what_stands_for_all_areas_ends_with_the_last_of_them(self, one, other, expires):
        def block(hour, where):
            end = f"<expires>2026-03-01T{hour}:00:00-00:00</expires>" if hour else ""
            return info(more=end + area("", where))

        reading = taken(alert(more=block(one, "north") + block(other, "south")))
        end = reading.events[0].header.expires_at

        assert expires == (end and end.hour)
        assert "cap_blocks_differ" in codes(reading)
        assert lost(reading)

    def test_what_a_block_does_not_say_is_told(self):
        blocks = info(more="<instruction>hide</instruction>" + area("", "north")) + info(more=area("", "south"))

        assert ["cap_blocks_differ"] == codes(taken(alert(more=blocks)))

    def test_what_is_past_is_milder_than_what_comes(self):
        over, now = info("Extreme", urgency="Past"), info("Minor", urgency="Expected")

        assert "Minor" == taken(alert(more=over + now)).events[0].severity

    def test_a_block_in_another_language_is_named(self, cases):
        reading = FORMAT.read((cases / "cap03_two_languages.xml").read_bytes(), NOW)

        assert "es-ES" == reading.events[0].header.language
        assert [("alert/info[2]", "an event has one language, and this is en-GB")] == [
            (each.path, each.why) for each in reading.lost
        ]


class TestPlaces:
    """F1 and F8: a shape is what its sender drew, or it is told that it is not."""

    def shaped(self, shape):
        reading = taken(alert(more=info(more=area(shape))))
        return reading.events[0].areas[0], reading

    @pytest.mark.parametrize(("ring", "text"), [
        ("50,4,0 50,5,0 51,5,0 50,4,0", "50,4 50,5 51,5 50,4"),
        ("50,4,10 50,5,11 51,5,12 51,4,13 50,4,14", "50,4 50,5 51,5 51,4 50,4"),
        ("50, 4, 0  50, 5, 0  51, 5, 0  50, 4, 0", "50,4 50,5 51,5 50,4"),
        ("50,4,0\n50,5,0\n51,5,0", "50,4 50,5 51,5 50,4"),
    ])  # fmt: skip
    def test_altitudes_are_left_out_and_told(self, ring, text):
        found, reading = self.shaped(f"<polygon>{ring}</polygon>")

        assert (text,) == found.polygons
        assert "cap_geometry" == codes(reading)[0]
        assert ["alert/info/area/polygon"] == lost(reading)

    @pytest.mark.parametrize("ring", ["50,4,0 50,5 51,5,0 50,4,0", "50 4 0 50 5 0 51 5 0 50 4 0", "50,4,0,50,5,0,51,5,0,50,4,0",
                                      "50,4,1,2 50,5,1 51,5,1 50,4", "50 4 0 51 4 0 51 5 0 52 5 0",
                                      "50,4,0,51,4,0,51,5,0,52,5,0", "50 4 50 5 51 5-51 4",
                                      "50,4,10,1 50,5,10,1 51,5,10,1 50,4,10,1", "50,4,50,5 51,5,51,4 50,4,50,5",
                                      "50,4,10,1,50,5,10,1,51,5,10,1,50,4,10,1"])  # fmt: skip
    def test_what_may_be_either_is_no_polygon(self, ring):
        found, reading = self.shaped(f"<polygon>{ring}</polygon>")

        assert () == found.polygons
        assert ["cap_geometry"] == codes(reading)
        assert ["alert/info/area/polygon"] == lost(reading)

    @pytest.mark.parametrize("ring", ["50 4 50 5 51 5 51 4 50 4", "50,4, 50,5, 51,5, 51,4, 50,4", "50.0,4.00 50,5 51,5 51,4 50,4",
                                      "50,4;50,5;51,5;51,4;50,4"])  # fmt: skip
    def test_other_notations_of_pairs_are_that_polygon(self, ring):
        found, reading = self.shaped(f"<polygon>{ring}</polygon>")

        assert ("50,4 50,5 51,5 51,4 50,4",) == found.polygons
        assert [] == codes(reading)

    @pytest.mark.parametrize(("ring", "crosses"), [
        ("10,10 12,12 10,12 12,10 10,10", True), ("0,0 0,2 2,2 2,0 0,0", False),
        ("0,179 0,-179 1,-179 1,179 0,179", False), ("0,179 1,-179 0,-179 1,179 0,179", True),
        ("0,0 0,4 4,4 4,0 1,0 1,3 3,3 3,-1 0,0", True),
    ])  # fmt: skip
    def test_a_ring_that_crosses_itself_is_told(self, ring, crosses):
        _, reading = self.shaped(f"<polygon>{ring}</polygon>")

        assert (["cap_ring_crosses"] if crosses else []) == codes(reading)

    def test_nowhere_is_no_place(self):
        _, reading = self.shaped("<circle>0.0,0.0 0</circle>")

        assert (None, (), ["cap_geometry"]) == (
            reading.events[0].position,
            reading.events[0].areas[0].circles,
            codes(reading),
        )
        assert ["alert/info/area/circle"] == lost(reading)
        assert self.shaped("<circle>0,0 1</circle>")[1].events[0].position is not None

    def test_a_ring_that_was_left_open_is_closed_and_told(self):
        found, reading = self.shaped("<polygon>50,4 50,5 51,5</polygon>")

        assert ("50,4 50,5 51,5 50,4",) == found.polygons
        assert ["cap_ring_open"] == codes(reading)

    @pytest.mark.parametrize(("radius", "large"), [("50000", True), ("20039", True), ("20000", False), ("0", False)])
    def test_a_circle_larger_than_the_earth_is_told_and_no_accuracy(self, radius, large):
        found, reading = self.shaped(f"<circle>48.2,16.3 {radius}</circle>")
        accuracy_m = reading.events[0].position.accuracy_m

        assert (f"48.2,16.3 {radius}",) == found.circles
        assert (["cap_circle_too_large"] if large else []) == codes(reading)
        assert (None if large or radius == "0" else float(radius) * 1000) == accuracy_m


class TestTimes:
    """F2: what is a time is taken, what the schema does not allow is a remark."""

    @pytest.mark.parametrize(("text", "time", "remarked"), [
        ("2026-02-28T24:00:00+01:00", datetime(2026, 2, 28, 23, tzinfo=UTC), False),
        ("2026-12-31T24:00:00-00:00", datetime(2027, 1, 1, tzinfo=UTC), False),
        ("2016-12-31T23:59:60-00:00", datetime(2017, 1, 1, tzinfo=UTC), True),
        ("2026-03-01T10:00:00z", datetime(2026, 3, 1, 10, tzinfo=UTC), True),
        ("2026-03-01t10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC), True),
        ("2026-03-01 10:00:00+01:00", datetime(2026, 3, 1, 9, tzinfo=UTC), True),
        ("2026-03-01T10:00+01:00", datetime(2026, 3, 1, 9, tzinfo=UTC), True),
    ])  # fmt: skip
    @pytest.mark.parametrize("place", ["sent", "effective", "onset", "expires"])
    def test_wherever_it_stands(self, place, text, time, remarked):
        more = info(more=f"<{place}>{text}</{place}>") if place != "sent" else ""
        reading = taken(alert(more=more, **({"sent": text} if place == "sent" else {})))
        event = reading.events[0]
        found = {"sent": event.header.occurred_at, "effective": event.effective_at, "onset": event.onset_at,
                 "expires": event.header.expires_at}[place]  # fmt: skip

        assert time == found
        assert remarked == ("cap_value" in codes(reading))
        assert [] == lost(reading)

    @pytest.mark.parametrize("text", ["2026-03-01T24:00:01Z", "2026-03-01T24:01:00Z", "2026-03-01T25:00:00Z",
                                      "2026-03-01T10:00:61Z", "0001-01-01T00:00:00+01:00", "9999-12-31T24:00:00Z",
                                      "9999-12-31T23:59:59-10:00", "2026-03-01T10"])  # fmt: skip
    def test_what_is_no_time_raises_nothing(self, text):
        assert None is read_time(text)
        reading = taken(alert(more=info(more=f"<expires>{text}</expires>")))

        assert None is reading.events[0].header.expires_at
        assert ["alert/info/expires"] == lost(reading)
        assert ["cap_value"] == codes(reading) or "24:00:00" in text


class TestWrittenAgain:
    """F4: what one room says in CAP another reads in CAP."""

    def again(self, message):
        result = translate("a", message, FORMAT, FORMAT, NOW)
        (output,) = result["outputs"]
        root = etree.fromstring(output.encode())
        return result, {child.tag.rpartition("}")[2]: child for child in root.find("{*}info")}, root

    def test_nothing_of_the_recorded_kind_is_lost(self, cases):
        result, found, root = self.again((cases / "cap18_onset_eventcode.xml").read_bytes())
        texts = {name: (found[name].text or "").strip() for name in found}

        assert {
            "category": "Met", "event": "Flood", "effective": "2026-03-01T17:00:00-00:00",
            "onset": "2026-03-02T05:00:00-00:00", "expires": "2026-03-02T17:00:00-00:00",
            "senderName": "River Agency", "web": "https://example.org/a", "contact": "+32 2 000 00 00",
        }.items() <= texts.items()  # fmt: skip
        assert ["SAME", "FLW"] == [one.text for one in found["eventCode"]]
        assert ["map", "image/png", "https://example.org/m.png"] == [one.text for one in found["resource"]]
        assert ["awareness_level", "4; red; Extreme"] == [one.text for one in root.findall("{*}info/{*}parameter")[-1]]
        assert not [each for each in result["lost"] if each["path"].startswith("attributes")]

    def test_what_the_schema_forbids_is_named_and_what_comes_out_is_sound(self, corpus):
        more = (
            "<category>Odd</category><event>Storm</event><responseType>Odd</responseType><urgency>Past</urgency>"
            "<severity>Minor</severity><certainty>Likely</certainty><audience>all</audience><web>no url</web>"
            "<resource><resourceDesc>x</resourceDesc><mimeType>y</mimeType><size>big</size><uri>no url</uri></resource>"
        )
        head = "<source>desk</source><restriction>staff only</restriction><code>profile</code>"
        text = alert(more=head + f"<info>{more}</info>").replace("Public", "Restricted")
        result, found, root = self.again(text.encode())
        schema = etree.XMLSchema(etree.parse(corpus / "cap/schema/CAP-v1.2.xsd"))

        assert schema.validate(root), schema.error_log
        assert "all" == found["audience"].text
        assert {f"attributes[cap.{name}]" for name in (
            "source", "restriction", "code", "category", "responseType", "web", "resource[1].size", "resource[1].uri",
        )} == {each["path"] for each in result["lost"] if each["path"].startswith("attributes")}  # fmt: skip

    def test_a_file_inside_the_message_is_named(self):
        resource = "<resource><resourceDesc>x</resourceDesc><mimeType>y</mimeType><derefUri>AAAA</derefUri></resource>"
        reading = taken(alert(more=info(more=resource)))

        assert ["alert/info/resource/derefUri"] == lost(reading)

    def test_every_recorded_alert_is_written_soundly_again(self, corpus):
        schema = etree.XMLSchema(etree.parse(corpus / "cap/schema/CAP-v1.2.xsd"))
        count = 0
        for path in sorted((corpus / "cap/alerts").rglob("*.*")):
            for output in translate("a", path.read_bytes(), FORMAT, FORMAT, NOW)["outputs"]:
                count += 1
                assert schema.validate(etree.fromstring(output.encode())), (path.name, schema.error_log)
        assert count > 100

    def test_read_and_written_twice_says_the_same(self, cases):
        once = FORMAT.read((cases / "cap18_onset_eventcode.xml").read_bytes(), NOW).events[0]
        output = translate("a", (cases / "cap18_onset_eventcode.xml").read_bytes(), FORMAT, FORMAT, NOW)["outputs"][0]
        twice = FORMAT.read(output.encode(), NOW).events[0]
        kept = {(one.system, one.value) for one in once.attributes}

        assert isinstance(FORMAT.read(output.encode(), NOW), Reading)
        assert kept <= {(one.system, one.value) for one in twice.attributes}
        assert (once.effective_at, once.onset_at, once.areas, once.title) == (
            twice.effective_at, twice.onset_at, twice.areas, twice.title)  # fmt: skip


def test_every_remark_stands_in_the_table_of_codes():
    remarks = {value for name, value in vars(cap_codes).items() if name.isupper() and str(value).startswith("cap_")}

    assert len(remarks) > 20
    assert not [code for code in remarks if error_table().find(code) is UNLISTED]


def test_a_cancel_of_a_thousand_alerts_ends_each_and_its_events_do_not_hold_each_others_names() -> None:
    """Each event held the references of all: 37 MB of one document of 40 kB."""
    names = [f"room@example.org,alert-{number},2026-03-01T10:00:00-00:00" for number in range(1_000)]
    cancel = (
        '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>c-1</identifier><sender>room@example.org'
        "</sender><sent>2026-03-01T10:05:00-00:00</sent><status>Actual</status><msgType>Cancel</msgType>"
        f"<scope>Private</scope><addresses>hub</addresses><references>{' '.join(names)}</references></alert>"
    )
    reading = FORMAT.read(cancel.encode(), datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert isinstance(reading, Reading)
    sizes = [len(event.model_dump_json()) for event in reading.events]

    assert 1_000 == len({event.header.event_id for event in reading.events})
    assert {(name,) for name in names[1:]} == {event.references for event in reading.events[1:]}
    assert max(sizes[1:]) < 2_500
    assert sum(sizes) < 3_000_000
