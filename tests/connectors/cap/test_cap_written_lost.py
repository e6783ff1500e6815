"""What is written carries each text of the event, or the writing's `lost` names its field."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bondmate_connectors.contract import Writing
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.formats.xml import legal_text
from bondmate_connectors.testing.strategies import codes, deliveries
from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.models import Code, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from properties import examples

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KINDS = (DeliveryKind.ALERT, DeliveryKind.INCIDENT, DeliveryKind.MESSAGE)
SAID_OTHERWISE = re.compile(
    r"attributes\[\]\.system|areas\[\]\.(polygons|circles)|header\.(event_id|agency_id|handling\.classification|mode)|category|device_id"
)
"""By the element it stands in; in identifier and sender, percent-encoded; in restriction, status, category, event; numbers as CAP writes them."""
own_attributes = st.builds(
    Code,
    system=st.sampled_from(["cap.web", "cap.category", "cap.parameter:a b", "cap.parameter:bondmate:kind", "cap.contact",
                            "cap.resource[2].uri", "cap.resource[2].size", "cap.resource[1].mimeType", "cap.eventCode:x",
                            "cap.source", "cap.responseType", "cap.senderName", "cap.", "cap.parameter:", "odd/name"]),
    value=st.one_of(st.text(max_size=12), st.sampled_from(["Met", "Avoid", "https://example.org/a", "17"])),
)  # fmt: skip


def texts(record, path=""):
    """Each text of a record that differs from its default, with its path as `lost` spells it."""
    for name, field in type(record).model_fields.items():
        value = getattr(record, name)
        if not field.is_required() and value == field.default:
            continue
        yield from of_value(value, f"{path}.{name}" if path else name)


def of_value(value, path):
    if isinstance(value, Record):
        yield from texts(value, path)
    elif isinstance(value, tuple):
        for item in value:
            if isinstance(item, Record):
                yield from texts(item, f"{path}[]")
            else:
                yield from of_value(item, path)
    elif type(value) is str and value.strip():
        # Python counts some control characters among the white space at an end, which nobody reads.
        yield path, " ".join(legal_text(value.strip()).split())


def carried(message):
    root = etree.fromstring(message)
    return "\n".join(" ".join((element.text or "").split()) for element in root.iter())


def vanished(delivery):
    written = FORMAT.write(delivery, NOW)
    if not isinstance(written, Writing):
        return []
    lost, said = {each.path for each in written.lost}, carried(written.message)
    by_attribute = any(path.startswith("attributes") for path in lost)
    return [
        path
        for path, text in texts(delivery.event)
        if text not in said and path not in lost and not SAID_OTHERWISE.fullmatch(path)
        and not (path.startswith("attributes") and by_attribute)
    ]  # fmt: skip


@settings(deadline=None, max_examples=examples(80))
@given(deliveries(KINDS), st.lists(st.one_of(own_attributes, codes), max_size=4).map(tuple))
def test_nothing_of_any_event_vanishes(delivery, attributes):
    if delivery.incident is not None:
        incident = delivery.incident.model_copy(update={"attributes": attributes})
        delivery = delivery.model_copy(update={"incident": incident})

    assert [] == vanished(delivery)
