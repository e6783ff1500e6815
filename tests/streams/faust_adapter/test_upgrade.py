"""Old and new workers have one alert in turns: what a hub of before the statements reads, writes and makes of it."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from bondmate_schemas import compatibility_check
from bondmate_schemas.codec import Codec, LocalSchemaIds, schema_text
from bondmate_schemas.enums import AlertStatus, Level, Response
from bondmate_schemas.models import AlertState, DeliveryReceipt

from tests.streams.logic.test_statements import ASSIGNED, SEEN, Played, told

OLD: Any = fastavro.parse_schema(json.loads(compatibility_check.released("AlertState")[2]))
OLD_RECEIPT: Any = fastavro.parse_schema(json.loads(compatibility_check.released("DeliveryReceipt")[2]))


NEW: Any = fastavro.parse_schema(json.loads(schema_text("AlertState")))
CODEC = Codec(LocalSchemaIds())
FRAME = 5


def read(data: bytes, written: Any, wanted: Any) -> dict[str, Any]:
    found: Any = fastavro.schemaless_reader(io.BytesIO(data), written, wanted)
    return dict(found)


def written(record: dict[str, Any], schema: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, record)
    return buffer.getvalue()


def as_old(state: AlertState) -> dict[str, Any]:
    """Return what a worker of before reads of a state."""
    return read(CODEC.encode(state)[FRAME:], NEW, OLD)


def by_an_old_worker(state: AlertState, **changed: Any) -> AlertState:
    """Return a state after a worker of before read it, changed something, and wrote it."""
    return AlertState.model_validate(read(written({**as_old(state), **changed}, OLD), OLD, NEW))


def test_what_an_old_worker_gives_back_keeps_what_was_shown_and_starts_nothing() -> None:
    played = Played()
    played.says("county", **ASSIGNED)
    shown = played.state.status
    played.state = by_an_old_worker(played.state)

    assert (0, AlertStatus.ACKNOWLEDGED, shown) == (played.state.rules, played.state.status, shown)
    assert played.due() is None
    assert ((), ()) == (played.wait(9_999).notifications, played.wait(1).pages)


def test_help_can_be_taken_back_after_an_old_worker_had_the_alert() -> None:
    played = Played()
    played.says("county", id="c-1", **ASSIGNED)
    played.state = by_an_old_worker(played.state)
    played.seconds = 60
    again = played.says("county", id="c-1", at=0, **ASSIGNED)
    back = played.says("county", response=Response.WITHDRAWN)

    assert "stated" == again.outcome, "its id is forgotten, and it says the same"
    assert ("unanswered_again", 1) == (back.outcome, played.state.rules)


def test_what_an_old_hub_closed_is_closed_and_what_it_left_open_ends_by_the_rules_of_now() -> None:
    closed, left = Played(), Played()
    closed.state, closed.seconds = by_an_old_worker(closed.state, status="RESOLVED"), 10
    left.state = by_an_old_worker(left.state)

    assert "reopened" == closed.press(press_count=2).outcome
    assert {"county"} == told(left.says("north", Level.RESOLVED)).keys()


ENDS_FOR_AN_OLD_WORKER = {"RESOLVED", "CANCELLED"}
"""It takes the furthest level of any room for the status of the whole, at whatever receipt it reads next."""


def test_an_old_worker_does_not_take_a_part_that_was_closed_for_the_end() -> None:
    played = Played(to=("north", "county", "south"))
    played.says("north", SEEN)
    for room, closing in (("county", Level.RESOLVED), ("south", Level.CANCELLED)):
        played.says(room, **ASSIGNED)
        played.says(room, closing)
    levels = {name: at["level"] for name, at in as_old(played.state)["destinations"].items()}
    assert {"north": "ACKNOWLEDGED", "county": "DECLINED", "south": "DECLINED"} == levels
    assert not {*levels.values(), as_old(played.state)["status"]} & ENDS_FOR_AN_OLD_WORKER

    assert [Level.RESOLVED, Level.CANCELLED] == [
        played.state.destinations[name].level_said for name in ("county", "south")
    ]
    played.says("north", Level.RESOLVED)
    levels = {name: at["level"] for name, at in as_old(played.state)["destinations"].items()}
    assert {"north": "RESOLVED", "county": "RESOLVED", "south": "CANCELLED"} == levels


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"level": SEEN}, Level.ACKNOWLEDGED),
        (ASSIGNED, Level.ACKNOWLEDGED),
        ({"response": Response.ON_SCENE}, Level.RESPONDING),
        ({"response": Response.WITHDRAWN}, Level.DECLINED),
    ],
)
def test_an_old_reader_of_a_state_sees_the_nearest_level_it_knows(given: dict[str, Any], level: Level) -> None:
    played = Played()
    played.says("county", **{"level": Level.UNKNOWN, **given})
    assert level.value == as_old(played.state)["destinations"]["county"]["level"]


def test_a_receipt_of_an_old_runner_is_read_as_it_was_meant() -> None:
    played = Played()
    sent = DeliveryReceipt(header=played.header(source="county"), destination="county", level=Level.RESPONDING)
    new: Any = fastavro.parse_schema(json.loads(schema_text("DeliveryReceipt")))
    old = written(read(CODEC.encode(sent)[FRAME:], new, OLD_RECEIPT), OLD_RECEIPT)
    receipt = DeliveryReceipt.model_validate(read(old, OLD_RECEIPT, new))
    played.says("county", receipt.level, response=receipt.response)

    assert AlertStatus.RESPONDING is played.state.status
