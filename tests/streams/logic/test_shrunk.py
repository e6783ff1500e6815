"""`hub lint` names each destination that sees less since nothing means nothing, and all of what it does not see."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any
from unittest import mock

import pytest
from bondmate_connectors.testing import strategies
from bondmate_schemas.compatibility_check import released
from bondmate_schemas.enums import PositionOrigin
from bondmate_streams.logic import policy
from bondmate_streams.logic.fields import Field, fields_of, paths_of, records_in
from bondmate_streams.logic.policy import DisclosurePolicy
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import RECORD_OF, Routes
from bondmate_streams.logic.shrunk import shrunk
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from properties import examples

SECRET = b"a secret of tests"
RULES = """
routes:
  - {name: all, to: room}
  - {name: alerts, when: {record: alert}, to: quiet}
"""
EVENTS = {
    "alert": strategies.device_alerts,
    "incident": strategies.incident_events,
    "message": strategies.device_messages,
    "location": strategies.device_locations,
}


def warnings(room: str) -> list[str]:
    quiet = "{alert: {position: withheld, header.incident_id: plain, header.flags: plain}}"
    return shrunk(parse_routes(f"destinations:\n  quiet: {{fields: {quiet}}}\n  room: {{fields: {room}}}\n{RULES}"))


def test_each_destination_that_sees_less_is_named_with_the_mend() -> None:
    found = "\n".join(warnings("{alert: {position: plain}}"))

    assert (
        "destinations.room.fields.alert: not shown any more: remarks on what is withheld in `header.flags`,"
        " `position.accuracy_m`, `position_origin`, `position_age_seconds`; list each as plain, or as withheld" in found
    )
    assert "`incident_type`" in found
    assert "free words in `urgency`, free words in `severity`, free words in `certainty`" in found
    assert "destinations.room.fields.location: positions do not go there any more" in found
    assert "destinations.room.fields.message: `header.incident_id` is another at each destination now" in found
    assert "destinations.quiet.fields.alert: not shown any more: `position_origin`" in found


def test_who_has_decided_hears_nothing() -> None:
    decided = """{
      alert: {position: plain, position_origin: plain, position_age_seconds: withheld, position.accuracy_m: plain,
        header.flags: withheld, header.incident_id: withheld},
      incident: {incident_type: plain, status: plain, references: withheld, urgency: plain, severity: withheld,
        certainty: plain, header.flags: plain, header.incident_id: plain},
      message: {header.flags: withheld, header.incident_id: withheld}, location: {position: withheld}}"""

    assert not [line for line in warnings(decided) if ".room." in line]


@cache
def fields_before(record: str) -> tuple[Field, ...]:
    """The fields of a record with the marks of the schemas that 3c40877 released."""
    found: dict[str, Any] = {}
    for name in RECORD_OF.values():
        found |= records_in(json.loads(released(name)[1]))
    marks = (
        {field["name"]: field.get("bondmate:disclosure") for field in found[record]["fields"]}
        if record in found
        else {}
    )
    return tuple(
        dataclasses.replace(each, disclosure=marks.get(each.name, each.disclosure)) for each in fields_of(record)
    )


def seen_before(event: Any, record: str, listed: dict[str, str]) -> Any:
    with mock.patch.object(policy, "fields_of", fields_before):
        return DisclosurePolicy("room", {record: listed}, SECRET).of(event)


def at(value: Any, path: str) -> Any:
    """What stands at a path, in all members of lists."""
    for name in path.split("."):
        value = [found for each in _each(value) if (found := getattr(each, name, None)) is not None]
    return [each for each in _each(value) if each not in ((), None)]


def _each(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [each for one in value for each in _each(one)]
    return [] if value is None else [value]


def with_all_it_may_say(event: Any) -> Any:
    flags = ("what_nobody_knows", *event.header.flags)
    words: dict[str, Any] = {
        name: "free words" for name in ("urgency", "severity", "certainty") if name in type(event).model_fields
    }
    if place := getattr(event, "position", None):
        words["position"] = place.model_copy(update={"accuracy_m": 7.5})
    words |= {"position_origin": PositionOrigin.OWN} if hasattr(event, "position_origin") else {}
    return event.model_copy(update={**words, "header": event.header.model_copy(update={"flags": flags})})


def agreements(record: str) -> st.SearchStrategy[dict[str, str]]:
    paths = [path for path, field in paths_of(record) if field.disclosure != "always"]
    modes = st.sampled_from(["plain", "withheld"])
    blurred = st.sampled_from(["plain", "round:1", "coarse:500", "withheld"])
    return st.dictionaries(st.sampled_from(paths), modes).flatmap(
        lambda listed: st.builds(
            lambda mode: {**listed, **({"position": mode} if "position" in listed else {})}, blurred
        )
    )


@pytest.mark.parametrize("kind", sorted(RECORD_OF))
@settings(max_examples=examples(60), deadline=None, phases=(Phase.explicit, Phase.generate))
@given(data=st.data())
def test_what_a_destination_saw_and_does_not_see_is_named_or_decided(kind: Any, data: st.DataObject) -> None:
    record = RECORD_OF[kind]
    event, listed = with_all_it_may_say(data.draw(EVENTS[kind])), data.draw(agreements(record))
    routes = Routes.model_validate(
        {
            "destinations": {"room": {"fields": {kind: listed}}},
            "routes": [{"name": "r", "to": "room", "when": {"record": kind}}],
        }
    )
    told = "\n".join(shrunk(routes))
    before, now = seen_before(event, record, listed), DisclosurePolicy("room", {record: listed}, SECRET).of(event)
    if now is None:
        assert ("positions do not go there" in told) == ("position" not in listed)
        return

    for path, field in paths_of(record):
        less = [each for each in at(before, path) if each not in at(now, path)]
        if not field.record and less and not _is_decided(path, listed):
            assert any(f"`{part}`" in told for part in _prefixes(path)), path
        if f"`{path}`" in told and at(before, path):
            assert at(before, path) != at(now, path), f"{path} is named, and shows as before"


def _prefixes(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _is_decided(path: str, listed: dict[str, str]) -> bool:
    return any(listed.get(part) == "withheld" for part in _prefixes(path))
