"""A record that was not validated is the record that validation would have given."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bondmate_schemas.models import EventHeader, ExternalRef
from pydantic import ValidationError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def header(**values):
    return EventHeader(
        **{"message_id": "m", "event_id": "e", "agency_id": "a", "source": "s", "occurred_at": NOW, "received_at": NOW}
        | values
    )


def test_a_changed_record_equals_one_validated_with_the_changes_and_leaves_its_origin_alone():
    origin = header()
    changes = {"published_at": NOW, "hops": ("s",), "external_refs": (ExternalRef(system="x", id="1"),)}
    found = origin.model_copy(update=changes)

    assert header(**changes) == found
    assert header() == origin
    assert header(**changes).model_dump_json() == found.model_dump_json()
    assert found.model_copy(update={"flags": ("late",)}) == header(**changes, flags=("late",))
    assert found == origin.model_copy(update=changes)


def test_a_changed_record_is_frozen_and_has_no_other_fields():
    with pytest.raises(ValidationError):
        header().model_copy().event_id = "other"
    with pytest.raises(TypeError, match="no field"):
        header().model_copy(update={"unheard_of": 1})
