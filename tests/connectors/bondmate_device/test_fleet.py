"""The demo's fleet drives the same core: what it counts as accepted is what the gateway took, each once by its ids."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from bondmate_connectors.errors import Transient
from bondmate_demo.fleet import Fleet, Rates
from bondmate_gateway.enrolment.commands import token_hash

pytestmark = pytest.mark.timeout(60)
DEVICES = {f"bm-{number}": f"token-{number}" for number in range(40)}


async def test_a_fleet_that_met_503s_and_a_gateway_that_was_away_counts_what_was_taken(place, until):
    told = json.loads(place.device_file.read_text())
    (entry,) = told["devices"].values()
    told["devices"] = {device: {**entry, "token_sha256": [token_hash(token)]} for device, token in DEVICES.items()}
    place.device_file.write_text(json.dumps(told))
    fleet = Fleet(place.url, DEVICES, Rates(alerts=10, positions=80, reports=4, listeners=2))

    def failures() -> int:
        return sum(device.core.outbox._alerts.attempts for device in fleet.devices)

    # Long enough for a busy machine: what is refused after the load ends nobody sends again.
    running = asyncio.create_task(fleet.run(5))
    await until(lambda: failures() > 2)  # nothing listens yet
    place.error = Transient("kafka")
    async with place.up():
        before = failures()
        await until(lambda: failures() > before + 3)
        place.error = None
        await running
    kinds = Counter(type(event).__name__ for event in place.events)

    assert 0 == fleet.refused.total()
    assert 0 == sum(len(device.core.outbox) for device in fleet.devices)
    taken = {event.header.event_id for event in place.events if type(event).__name__ != "DeviceLocation"}
    assert {one.event_id for one in fleet.accepted} == taken
    assert kinds["DeviceLocation"] == fleet.counts["position"] > 100
    assert kinds["DeviceAlert"] == fleet.counts["alert"] >= 15
    assert kinds["IncidentEvent"] == fleet.counts["report"] >= 5
