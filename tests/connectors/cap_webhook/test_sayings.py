"""What a CAP room says of help, beside what its message type says (docs/how-to/answer-alerts-over-cap.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_connectors.contract import Reading
from bondmate_connectors.formats.cap import FORMAT, our_identifier
from bondmate_connectors.platforms.cap_webhook.config import RepliesConfig
from bondmate_connectors.platforms.cap_webhook.replies import records_of
from bondmate_schemas.enums import Level, Ownership, Response, Validity
from bondmate_schemas.models import DeliveryReceipt
from bondmate_schemas.sayings import said_by
from bondmate_streams.logic.statements import as_said

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OURS = f"bondmate:pd-north,{our_identifier('event', 'delivery')},2026-03-01T10:00:00-00:00"


WORDS = RepliesConfig(
    words={
        "assigned": ("assigned", "ανατέθηκε"), "en_route": ("en route",), "on_scene": ("on scene",),
        "withdrawn": ("stand down", "stopped"), "false_alarm": ("false alarm",), "valid": ("all safe",),
    }
)  # fmt: skip


def said(kind: str, *, note: str = "words", replies: RepliesConfig | None = None, **parameters: str) -> DeliveryReceipt:
    written = "".join(
        f"<parameter><valueName>bondmate:{name}</valueName><value>{value}</value></parameter>"
        for name, value in parameters.items()
    )
    block = (
        "<info><category>Security</category><event>answer</event><urgency>Immediate</urgency>"
        f"<severity>Severe</severity><certainty>Observed</certainty>{written}</info>"
    )
    text = (
        '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>r-1</identifier><sender>room@example.org'
        "</sender><sent>2026-03-01T10:00:00-00:00</sent><status>Actual</status>"
        f"<msgType>{kind}</msgType><scope>Private</scope><addresses>hub</addresses><note>{note}</note>"
        f"<references>{OURS}</references>{block if parameters else ''}</alert>"
    )
    reading = FORMAT.read(text.encode(), NOW)
    assert isinstance(reading, Reading), reading
    (record,) = (found for event in reading.events for found in records_of(event, replies or RepliesConfig(), "room"))
    assert isinstance(record, DeliveryReceipt)
    return as_said(record)


@pytest.mark.parametrize(
    ("kind", "parameters", "level", "response"),
    [
        ("Ack", {}, Level.ACKNOWLEDGED, Response.UNSTATED),
        ("Update", {}, Level.UNKNOWN, Response.UNSTATED),
        ("Error", {}, Level.DECLINED, Response.UNSTATED),
        ("Cancel", {}, Level.RESOLVED, Response.UNSTATED),
        ("Ack", {"response": "assigned"}, Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("Update", {"response": "ASSIGNED"}, Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("Update", {"response": "en route"}, Level.RESPONDING, Response.EN_ROUTE),
        ("Update", {"response": "on-scene"}, Level.RESPONDING, Response.ON_SCENE),
        ("Error", {"response": "withdrawn"}, Level.DECLINED, Response.WITHDRAWN),
        ("Update", {"response": "withdrawn"}, Level.DECLINED, Response.WITHDRAWN),
        ("Cancel", {"response": "withdrawn"}, Level.DECLINED, Response.WITHDRAWN),
        # Who says no or closes, promises no help; a word that is none says nothing.
        ("Error", {"response": "assigned"}, Level.DECLINED, Response.UNSTATED),
        ("Cancel", {"response": "on_scene"}, Level.RESOLVED, Response.UNSTATED),
        ("Ack", {"response": "soon"}, Level.ACKNOWLEDGED, Response.UNSTATED),
        ("Update", {"response": "unstated"}, Level.UNKNOWN, Response.UNSTATED),
    ],
)
def test_what_is_said(kind: str, parameters: dict[str, str], level: Level, response: Response) -> None:
    receipt = said(kind, **parameters)

    assert (level, response, "words") == (receipt.level, receipt.response, receipt.note)


@pytest.mark.parametrize("parameters", [{"response": "assigned"}, {"ownership": "offered", "offered_to": "south"}])
def test_the_event_that_cap_requires_is_no_word_for_the_officer(parameters: dict[str, str]) -> None:
    assert said("Update", note="", **parameters).note is None


@pytest.mark.parametrize("kind", ["Ack", "Update"])
def test_unit_and_time_are_taken_and_a_time_without_an_offset_is_none(kind: str) -> None:
    more = {"response": "assigned", "responding_unit": "unit 7"}
    receipt, bare = (said(kind, **more, eta=eta) for eta in ("2026-03-01T13:05:00+01:00", "2026-03-01T13:05:00"))

    assert ("unit 7", datetime(2026, 3, 1, 12, 5, tzinfo=UTC), None) == (receipt.unit, receipt.eta_at, bare.eta_at)


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"validity": "false"}, {"validity": Validity.FALSE}),
        ({"validity": "valid"}, {"validity": Validity.VALID}),
        (
            {"ownership": "offered", "offered_to": "pd-south"},
            {"ownership": Ownership.OFFERED, "offered_to": "pd-south"},
        ),
        ({"ownership": "taken"}, {"ownership": Ownership.TAKEN, "offered_to": None}),
        ({"ownership": "mine"}, {"ownership": Ownership.UNSTATED}),
    ],
)
@pytest.mark.parametrize("kind", ["Ack", "Update", "Cancel"])
def test_cause_and_owner_are_said(kind: str, parameters: dict[str, str], fields: dict[str, Any]) -> None:
    receipt = said(kind, **parameters)

    assert fields == {name: getattr(receipt, name) for name in fields}


def test_a_cad_that_says_our_alert_again_begins_nothing_and_its_words_are_none_for_the_officer() -> None:
    """FINDINGS L15, scenario 23: a re-emission is known by its references and is no second emergency."""
    again, assigned = said("Alert"), said("Alert", response="assigned", responding_unit="7")

    assert ("event", "delivery", Level.UNKNOWN, None) == (
        again.header.event_id, again.delivery_id, again.level, again.note,
    )  # fmt: skip
    # By this the Updates and the Cancel of its own number find our alert.
    assert again.said_in is not None
    assert (Level.ACKNOWLEDGED, Response.ASSIGNED, "7") == (assigned.level, assigned.response, assigned.unit)


@pytest.mark.parametrize(
    ("kind", "note", "level", "response"),
    [
        ("Ack", "Assigned", Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("Ack", "assigned, unit 7", Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("Update", "Ανατέθηκε: 7", Level.ACKNOWLEDGED, Response.ASSIGNED),
        ("Update", "En route - 5 min", Level.RESPONDING, Response.EN_ROUTE),
        ("Update", "on scene.", Level.RESPONDING, Response.ON_SCENE),
        ("Error", "stand down, crashed", Level.DECLINED, Response.WITHDRAWN),
        ("Update", "stopped", Level.DECLINED, Response.WITHDRAWN),
        # No other text says any of it, nor whoever asks.
        ("Update", "assigned seats are free", Level.UNKNOWN, Response.UNSTATED),
        ("Update", "assigned?", Level.UNKNOWN, Response.UNSTATED),
        ("Update", "nobody is assigned", Level.UNKNOWN, Response.UNSTATED),
        ("Error", "assigned", Level.DECLINED, Response.UNSTATED),
        ("Cancel", "on scene", Level.RESOLVED, Response.UNSTATED),
    ],
)
def test_by_words_of_the_settings_people_say_what_a_parameter_says(
    kind: str, note: str, level: Level, response: Response
) -> None:
    found, bare = said(kind, note=note, replies=WORDS), said(kind, note=note)

    assert (level, response, note) == (found.level, found.response, found.note)
    assert Response.UNSTATED is bare.response


def test_a_parameter_counts_for_more_than_a_word_and_the_cause_is_said_in_words_too() -> None:
    both = said("Update", note="on scene", replies=WORDS, response="en_route")
    beside = said("Update", note="on scene", replies=WORDS, responding_unit="7")

    assert (Response.EN_ROUTE, Response.ON_SCENE, "7") == (both.response, beside.response, beside.unit)
    assert [Validity.FALSE, Validity.VALID, Validity.UNSTATED] == [
        said("Cancel", note=note, replies=WORDS).validity for note in ("false alarm", "All safe: met him", "over")
    ]


def test_an_update_of_an_earlier_answer_says_it_in_words_too_and_news_of_their_own_does_not() -> None:
    text = (
        '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>r-2</identifier><sender>room@example.org'
        "</sender><sent>2026-03-01T10:05:00-00:00</sent><status>Actual</status><msgType>{}</msgType><scope>Private"
        "</scope><addresses>hub</addresses><note>on scene</note>{}</alert>"
    )
    theirs = "<references>room@example.org,r-1,2026-03-01T10:00:00-00:00</references>"
    found = []
    for kind, references in (("Update", theirs), ("Alert", "")):
        reading = FORMAT.read(text.format(kind, references).encode(), NOW)
        assert isinstance(reading, Reading)
        found += [record for event in reading.events for record in records_of(event, WORDS, "room")]

    assert [{"response": Response.ON_SCENE}, {}] == [said_by(record.attributes) for record in found]  # type: ignore[attr-defined]
