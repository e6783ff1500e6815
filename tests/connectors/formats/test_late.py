"""What the runner marks as late is shown as late, and never as new, by every format and for any event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from bondmate_connectors.contract import Refusal, Writing
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot import FORMAT as COT
from bondmate_connectors.formats.geojson import FORMAT as GEOJSON
from bondmate_connectors.testing import sos
from bondmate_connectors.testing.strategies import deliveries
from bondmate_schemas.enums import DeliveryKind, DeliveryReason
from bondmate_schemas.flags import DELIVERED_LATE, DROP_WHEN_LATE, MARK_WHEN_LATE
from bondmate_schemas.lateness import is_dropped_when_late, is_late, marked_late
from bondmate_schemas.models import Delivery
from hypothesis import given
from lxml import etree

NOW = datetime(2026, 5, 1, tzinfo=UTC)
INFO = "{urn:oasis:names:tc:emergency:cap:1.2}info"


@given(deliveries())
def test_cap_says_it_in_the_headline_and_gives_no_urgency(event: Delivery) -> None:
    before, after = CAP.write(event, NOW), CAP.write(marked_late(event), NOW)
    if isinstance(before, Refusal):
        assert before == after
        return
    assert isinstance(after, Writing)
    info = etree.fromstring(after.message).find(INFO)
    assert info is not None

    assert (info.findtext("{*}headline") or "").startswith("LATE")
    assert info.findtext("{*}urgency") in {"Unknown", "Past"}
    assert info.find("{*}expires") is None
    assert DELIVERED_LATE in [
        word for each in info.iterfind("{*}parameter") for word in (each.findtext("{*}value") or "").split()
    ]
    assert event.event.header.expires_at is None or "header.expires_at" in {lost.path for lost in after.lost}
    assert not (etree.fromstring(before.message).find(INFO).findtext("{*}headline") or "").startswith("LATE ")


@given(deliveries())
def test_cot_says_it_in_the_remarks_and_is_not_stale(event: Delivery) -> None:
    before, after = COT.write(event, NOW), COT.write(marked_late(event), NOW)
    if isinstance(before, Refusal):
        assert before == after
        return
    assert isinstance(after, Writing)
    document = etree.fromstring(after.message)

    assert b"LATE: no longer new" in after.message
    assert b"LATE: no longer new" not in before.message
    assert datetime.fromisoformat(document.get("stale", "")) > NOW


@given(deliveries())
def test_geojson_has_a_property_and_its_event_the_flag(event: Delivery) -> None:
    before, after = GEOJSON.write(event, NOW), GEOJSON.write(marked_late(event), NOW)
    if isinstance(before, Refusal) or isinstance(after, Refusal):
        assert before == after
        return

    assert json.loads(after.message)["properties"]["late"] is True
    assert DELIVERED_LATE in json.loads(after.message)["properties"]["event"]["header"]["flags"]
    assert "late" not in json.loads(before.message)["properties"]


@given(deliveries())
def test_only_a_position_and_what_its_route_drops_is_dropped(event: Delivery) -> None:
    if event.alert is not None:  # a drill is nothing any more when it is late: see the tests of drills
        event = event.model_copy(update={"alert": event.alert.model_copy(update={"drill": ""})})
    header = event.header.model_copy(update={"flags": (), "expires_at": NOW - timedelta(days=1)})
    own = event.event.header.expires_at

    def dropped(*flags: str) -> bool:
        changed = header.model_copy(update={"flags": flags})
        return is_dropped_when_late(event.model_copy(update={"header": changed}))

    ends_by_itself = event.kind is DeliveryKind.ALERT and own == header.expires_at
    assert (event.kind is DeliveryKind.LOCATION) == dropped()
    assert not dropped(MARK_WHEN_LATE)
    assert ends_by_itself != dropped(DROP_WHEN_LATE)


def test_a_refresh_repeats_what_is_known_and_is_never_late() -> None:
    event = sos("room")
    past = event.header.model_copy(update={"expires_at": NOW})
    event = event.model_copy(update={"header": past})

    assert is_late(event, NOW)
    assert not is_late(event, NOW - timedelta(seconds=1))
    assert not is_late(event.model_copy(update={"reason": DeliveryReason.REFRESH}), NOW)
