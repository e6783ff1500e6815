"""A drill at each installed connector: the message is marked as a test as its specification says, or none is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import entry_points

import pytest
from bondmate_connectors.contract import ConnectorSpec, Writing
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot.options import Options
from bondmate_connectors.formats.cot.write import Composed, companions, compose
from bondmate_connectors.runtime.registry import GROUP, load
from bondmate_connectors.testing import sos
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Mode
from bondmate_schemas.models import Delivery
from lxml import etree

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAP_NS = "{urn:oasis:names:tc:emergency:cap:1.2}"


def drill(kind: AlertKind, reason: DeliveryReason) -> Delivery:
    event = sos("room")
    assert event.alert is not None
    header = event.header.model_copy(update={"mode": Mode.TEST})
    action = AlertAction.CANCEL if reason is DeliveryReason.CANCEL else AlertAction.RAISE
    update = {"drill": "room", "header": header, "kind": kind, "action": action}
    return event.model_copy(update={"reason": reason, "header": header, "alert": event.alert.model_copy(update=update)})


def is_cap_test(event: Delivery) -> bool:
    written = CAP.write(event, NOW)
    assert isinstance(written, Writing)
    return "Test" == etree.fromstring(written.message).findtext(f"{CAP_NS}status")


def is_cot_test(event: Delivery) -> bool:
    written = compose(event, NOW)
    assert isinstance(written, Composed)
    root = etree.fromstring(written.documents[0])
    beside = companions(event, written, NOW, Options())
    chat = [each for each in map(etree.fromstring, beside) if each.get("type") == "b-t-f"]
    named = [root.find("detail/contact").get("callsign"), root.findtext("detail/remarks")]
    lines = [line.findtext("detail/remarks") for line in chat]
    assert lines
    is_named = all(text.startswith("TEST ") for text in (*named, *lines))
    return root.get("type") in {"a-u-G", "t-x-d-d"} and is_named


MARKED: dict[str, Callable[[Delivery], bool]] = {"cap_webhook": is_cap_test, "tak": is_cot_test}
SINKS = [name for name in sorted({point.name for point in entry_points(group=GROUP)}) if load(name).is_sink]


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("reason", [DeliveryReason.NEW, DeliveryReason.CANCEL])
@pytest.mark.parametrize("kind", [AlertKind.OTHER, AlertKind.SOS])
def test_a_drill_is_marked_as_a_test_from_its_beginning_to_its_end(
    name: str, kind: AlertKind, reason: DeliveryReason
) -> None:
    spec = load(name)

    assert isinstance(spec, ConnectorSpec)
    assert spec.marks_test, f"{name} marks no test: take it out of MARKED, and no drill goes there"
    assert MARKED[name](drill(kind, reason)), spec.marks_test


def test_a_connector_that_says_nothing_marks_none() -> None:
    fields = ConnectorSpec.__dataclass_fields__

    assert "" == fields["marks_test"].default
