"""Several files of one call of `hub translate`: what refers to one of them is of its event (S8)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from bondmate_connectors.chains import Chains
from bondmate_connectors.formats.cap import FORMAT, our_identifier
from bondmate_connectors.formats.cap.values import write_time
from bondmate_connectors.formats.cot import FORMAT as COT
from bondmate_connectors.formats.geojson import FORMAT as GEOJSON
from bondmate_connectors.translate import translate
from bondmate_hub.cli import app
from lxml import etree
from orjson import dumps
from typer.testing import CliRunner

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNKNOWN = "of what it names, some is in none of the files read before"


def alert(identifier, kind="Alert", *references, sender="wx@example.org"):
    named = "".join(f"{sender},{one},2026-03-01T10:00:00+01:00\n" for one in references)
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier><sender>{sender}'
        f"</sender><sent>2026-03-01T10:00:00+01:00</sent><status>Actual</status><msgType>{kind}</msgType>"
        f"<scope>Public</scope><references>{named}</references></alert>"
    ).encode()


def ended(*messages):
    """The identifiers, by the last message that began them, of the events that each message is of."""
    chains, began, found = Chains(), {}, []
    for message in messages:
        result = translate("f", message, FORMAT, FORMAT, NOW, chains=chains)
        ids = [event["header"]["event_id"] for event in result["events"]]
        for event in result["events"]:
            began.setdefault(event["header"]["event_id"], event["header"]["origin_message_id"])
        found.append([began[one] for one in ids])
    return found


def shown(cases, *names):
    paths = [str(cases / f"{name}.xml") for name in names]
    result = CliRunner().invoke(app, ["translate", *paths, "--from", "cap", "--to", "cap", "--json"])
    assert 0 == result.exit_code
    return [json.loads(line) for line in result.stdout.splitlines()]


def triples(document):
    """How others name a message, and which messages of ours it names itself."""
    root = etree.fromstring(document.encode())
    named = (root.findtext("{*}references") or "").split()
    own = ",".join(root.findtext(f"{{*}}{name}") for name in ("sender", "identifier", "sent"))
    return own, [one for one in named if one.startswith("bondmate:")]


def event_ids(result):
    return [event["header"]["event_id"] for event in result["events"]]


def test_a_cancel_of_an_update_alone_ends_the_alert(cases):
    first, update, cancel = shown(cases, "cap05a_alert", "cap05b_update_of_a", "cap05c_cancel_of_b_only")

    assert event_ids(first) == event_ids(update) == event_ids(cancel)
    assert "CANCELLED" == cancel["events"][0]["action"]
    assert {"accepted"} == {one["outcome"] for one in (first, update, cancel)}
    (written, nothing), *later = (triples(one["outputs"][0]) for one in (first, update, cancel))
    assert [[], [written], [written]] == [nothing, *(named for _, named in later)]
    assert 3 == len({written, *(own for own, _ in later)})


def test_one_cancel_ends_two_alerts(cases):
    first, second, cancel = shown(cases, "cap06a_alert", "cap06b_alert", "cap06c_cancel_both")

    assert [*event_ids(first), *event_ids(second)] == event_ids(cancel)
    written = [triples(one["outputs"][0])[0] for one in (first, second)]
    assert [[each] for each in written] == [triples(one)[1] for one in cancel["outputs"]]


def test_spaces_in_a_reference_and_none_at_all(cases):
    first, spaced, none = shown(cases, "cap16c_alert", "cap16d_cancel_spaced_triple", "cap16f_cancel_no_references")

    assert event_ids(first) == event_ids(spaced)
    assert ("rejected", "cap_references", []) == (none["outcome"], none["code"], none["events"])


def test_chains_of_any_length_and_several_alerts_at_once():
    assert [["a"]] * 5 == ended(
        alert("a"), alert("b", "Update", "a"), alert("c", "Update", "b"), alert("d", "Update", "c"),
        alert("e", "Cancel", "d"),
    )  # fmt: skip
    # An Update of two alerts: who cancels the Update ends both.
    assert [["a"], ["x"], ["a", "x"], ["a", "x"]] == ended(
        alert("a"), alert("x"), alert("b", "Update", "a", "x"), alert("c", "Cancel", "b")
    )


def test_what_goes_on_from_no_alert_is_the_first_that_is_referred_to():
    chains = Chains()
    messages = (
        alert("b", "Update", "a"),
        alert("c", "Cancel", "b").replace(b"T10:00:00+01:00</sent>", b"T11:00:00+01:00</sent>"),
    )
    update, cancel = (translate("f", each, FORMAT, FORMAT, NOW, chains=chains)["outputs"] for each in messages)

    assert [triples(update[0])[0]] == triples(cancel[0])[1]


def test_an_alert_named_with_its_update_ends_once():
    assert [["a"], ["a"], ["a"]] == ended(alert("a"), alert("b", "Update", "a"), alert("c", "Cancel", "b", "a"))


@pytest.mark.parametrize("titles", [("One", "Two"), ("One", "Two", "One", "Three")])
def test_what_shares_an_id_is_told_each_and_what_is_alike_once(titles):
    def feature(title):
        properties = {"title": title, "time": "2026-11-29T19:00:00Z"}
        return {"type": "Feature", "id": "a", "geometry": None, "properties": properties}

    alerts = [alert("a").replace(b"</alert>", f"<note>{title}</note></alert>".encode()).decode() for title in titles]
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'>{''.join(alerts)}</feed>".encode()
    collection = {"type": "FeatureCollection", "features": [feature(title) for title in titles]}
    read = [translate("f", feed, FORMAT, FORMAT, NOW), translate("f", dumps(collection), GEOJSON, GEOJSON, NOW)]

    told = [[event.get("title") or event["note"] for event in result["events"]] for result in read]
    assert [list(dict.fromkeys(titles))] * 2 == told
    assert [len(set(titles))] * 2 == [len(result["outputs"]) for result in read]


def emergency(*, kind="b-a-o-tbl", time="10:00:00", uid="U1-9-1-1", link="", says='type="911 Alert"', day="2026-03-01"):
    moment = f"{day}T{time}Z"
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{moment}" start="{moment}" stale="{moment}">'
        f'<point lat="50" lon="4" hae="0" ce="9" le="9"/><detail>{link}<emergency {says}/></detail></event>'
    ).encode()


CANCEL = {"kind": "b-a-o-can", "says": 'cancel="true"', "time": "11:00:00"}


@pytest.mark.parametrize(
    "cancel",
    [
        emergency(**CANCEL),
        emergency(**CANCEL, uid="other", link='<link uid="U1-9-1-1" type="b-a-o-tbl" relation="p-p"/>'),
    ],
)
def test_a_cot_cancel_ends_the_newest_alert_of_its_uid(cancel):
    chains = Chains()
    messages = emergency(), emergency(uid="U2-9-1-1"), emergency(time="10:30:00"), cancel, cancel
    read = [translate("f", message, COT, FORMAT, NOW, chains=chains) for message in messages]
    first, _, second, *ends = (event_ids(result)[0] for result in read)

    assert first != second
    assert [second] * 2 == ends
    assert [[triples(read[2]["outputs"][0])[0]]] * 2 == [triples(result["outputs"][0])[1] for result in read[3:]]
    assert [[], []] == [[one for one in result["lost"] if one["why"] == UNKNOWN] for result in read[3:]]


def test_a_cot_cancel_of_what_was_not_read_says_so():
    result = translate("f", emergency(**CANCEL), COT, FORMAT, NOW, chains=Chains())

    assert {"path": "event/@uid", "why": UNKNOWN} in result["lost"]


def test_what_is_written_was_sent_when_it_was_written_whatever_the_clock_of_a_device_says():
    chains = Chains()
    old, cancel = emergency(day="1970-01-01"), emergency(**CANCEL)
    first, second = (
        etree.fromstring(translate("f", each, COT, FORMAT, NOW, chains=chains)["outputs"][0].encode())
        for each in (old, cancel)
    )

    assert write_time(NOW) == first.findtext("{*}sent")
    assert f",{write_time(NOW)}" in second.findtext("{*}references")


def test_circles_end():
    assert [["a"], ["a"], ["a"]] == ended(
        alert("a", "Update", "b"), alert("b", "Update", "a"), alert("c", "Cancel", "b")
    )


def test_a_cancel_of_their_update_of_our_alert_is_of_our_alert():
    ours = our_identifier("e", "d")
    named = f"<references>bondmate:x,{ours},2026-03-01T10:00:00+01:00</references>".encode()
    update = alert("b", "Update").replace(b"<references></references>", named)
    chains = Chains()
    first = translate("f", update, FORMAT, None, NOW, chains=chains)
    second = translate("f", alert("c", "Cancel", "b"), FORMAT, None, NOW, chains=chains)

    assert ["e"] == event_ids(first) == event_ids(second)


def test_what_is_known_of_none_of_the_files_is_told():
    result = translate("f", alert("c", "Cancel", "b"), FORMAT, FORMAT, NOW, chains=Chains())

    assert {"path": "alert/references", "why": UNKNOWN} in result["lost"]
    assert UNKNOWN not in str(translate("f", alert("c", "Cancel", "b"), FORMAT, FORMAT, NOW))
