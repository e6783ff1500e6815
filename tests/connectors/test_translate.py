"""What `hub translate` shows of a message."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.translate import translate
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

WARNED_SINCE = {
    "cap/alerts/capparselib/bushfire_valid.edxlde",
    "cap/alerts/capparselib/canada_errors.cap",
    "cap/alerts/google-cap-library/canada_errors.cap",
}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYS = {"file", "outcome", "code", "warnings", "events", "outputs", "lost"}
ALERT = (
    '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier><sender>s</sender>'
    "<sent>2026-03-01T10:00:00+01:00</sent><status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>"
    "{more}</alert>"
)


def shown(text, target=FORMAT):
    result = translate("a.xml", text.encode(), FORMAT, target, NOW)
    assert KEYS == set(result)
    assert result == json.loads(json.dumps(result))
    return result


def test_every_recorded_file_is_shown_with_its_outcome(corpus):
    lines = [line.split("\t") for line in (corpus / "cap/OUTCOMES.tsv").read_text().splitlines()[1:]]
    found = {name: translate(name, (corpus / name).read_bytes(), FORMAT, FORMAT, NOW) for name, _ in lines}

    # Which files are told with a warning by now, and why, stands in `cap/test_cap_read.py`.
    assert dict(lines) == {
        name: "accepted" if name in WARNED_SINCE else each["outcome"] for name, each in found.items()
    }
    assert all(len(each["outputs"]) == len(each["events"]) for each in found.values())


@pytest.mark.parametrize(
    ("kind", "more", "written"),
    [("Alert", "", "Alert"), ("Update", "<references>s,a,2026-03-01T09:00:00-00:00</references>", "Update"),
     ("Cancel", "<references>s,a,2026-03-01T09:00:00-00:00</references>", "Cancel")],
)  # fmt: skip
def test_a_life_cycle_stays_one_when_written_again(kind, more, written):
    result = shown(ALERT.format(identifier="b", kind=kind, more=more))
    root = etree.fromstring(result["outputs"][0].encode())

    assert written == root.findtext("{*}msgType")
    assert result["events"][0]["header"]["event_id"] in (
        root.findtext("{*}references") or root.findtext("{*}identifier")
    )


def test_what_is_lost_is_named_with_the_reason():
    lost = shown(ALERT.format(identifier="b", kind="Alert", more=""))["lost"]

    assert {"path": "header.received_at", "why": "CAP has one time, that of sending"} in lost


class _Forgetful:
    """Reads as CAP does, and takes nothing of a contact."""

    name, media_type, write = "forgetful", FORMAT.media_type, FORMAT.write

    def read(self, message, received_at):
        return replace(FORMAT.read(message, received_at), lost=(Lost("alert/info/contact", "no event has a place"),))


def test_what_no_event_carries_stands_before_what_the_target_loses():
    text = ALERT.format(identifier="b", kind="Alert", more="").encode()
    both = translate("a.xml", text, _Forgetful(), FORMAT, NOW)["lost"]
    reading = translate("a.xml", text, _Forgetful(), None, NOW)["lost"]

    assert [{"path": "alert/info/contact", "why": "no event has a place"}] == reading == both[:1]
    assert [path for path in (each["path"] for each in both) if "/" in path] == ["alert/info/contact"]
    assert len(both) > 1


def test_a_refusal_says_code_and_place_and_nothing_else():
    result = shown(ALERT.format(identifier="", kind="Alert", more=""))

    assert ("rejected", "cap_missing", [], []) == tuple(result[key] for key in ("outcome", "code", "events", "outputs"))
    assert ["alert/identifier"] == [warning["path"] for warning in result["warnings"]]


def test_without_a_target_nothing_is_written():
    result = shown(ALERT.format(identifier="b", kind="Alert", more="<x/>"), None)

    assert ("accepted_with_warnings", 1, [], ["alert/x"]) == (
        result["outcome"], len(result["events"]), result["outputs"], [each["path"] for each in result["lost"]])  # fmt: skip


@given(st.binary(max_size=200))
def test_any_bytes_are_shown(data):
    assert "rejected" == translate("x", data, FORMAT, FORMAT, NOW)["outcome"]
