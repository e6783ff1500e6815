"""The agents on a broker: what goes in at one end comes out at the others."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, destination_topic
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery

pytestmark = pytest.mark.usefixtures("streams")


def test_an_alert_reaches_every_destination_that_takes_its_mode_and_no_other(topics: Any, make: Any) -> None:
    alert = make.alert("device-a", position=make.position(), text="help")
    topics.put(DEVICE_ALERTS, alert)

    event_id = alert.header.event_id
    tak = topics.wait(destination_topic("tak"), Delivery, lambda d: d.header.event_id == event_id)[0]
    cap = topics.wait(destination_topic("cap"), Delivery, lambda d: d.header.event_id == event_id)[0]

    assert derived_id("delivery", event_id, "tak") == tak.id
    assert derived_id("delivery", event_id, "cap") == cap.id
    assert [] == [d for d in topics.records(destination_topic("patrol"), Delivery) if d.header.event_id == event_id]
