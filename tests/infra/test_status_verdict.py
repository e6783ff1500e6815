"""Where an alert would stop: each fact that stops one, alone, and that it does so no more once it is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bondmate_hub.status.facts import ConnectorFact, Facts, LagFact, RoleFact, ServiceFact
from bondmate_hub.status.lines import lines
from bondmate_hub.status.verdict import Stop, judge
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_LOCATIONS, destination_topic
from bondmate_schemas.models import ConnectorStatus

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def role(name: str, *, instance: str = "hub-1", heard: float | None = 1.0, waits: str = "", ended: bool = False):
    return RoleFact(
        name,
        instance,
        heard_seconds=heard,
        ready=not waits,
        waits_for=(waits,) if waits else (),
        ended=ended,
    )


def connector(name: str, status: str = "OK", *, by: str = "hub-1-runner", silent: bool = False, **more):
    said = ConnectorStatus(connector=name, reported_by=by, reported_at=NOW, since=NOW, status=status, **more)
    return ConnectorFact(said, silent)


ROLES = tuple(role(name) for name in ("gateway", "streams", "lane", "runner"))
CONNECTORS = (connector("devices", by="hub-1-gateway"), connector("room"))
WELL = Facts(
    at=NOW,
    broker=ServiceFact("127.0.0.1:9092"),
    registry=ServiceFact("http://127.0.0.1:8081"),
    expected={"gateway": ("devices",), "streams": (), "lane": (), "runner": ("room",)},
    roles=ROLES,
    connectors=CONNECTORS,
    lags=(LagFact("streams", DEVICE_ALERTS, 0, 0.0),),
    destinations={"room": frozenset({"ACTUAL"}), "reader": frozenset({"ACTUAL"}), "school": frozenset({"EXERCISE"})},
    direct=frozenset({"reader", "school"}),
)


def without(name: str, *instead: RoleFact) -> Facts:
    return replace(WELL, roles=(*(each for each in ROLES if each.role != name), *instead))


def saying(*said: ConnectorFact) -> Facts:
    names = {each.said.connector for each in said}
    kept = (each for each in CONNECTORS if each.said.connector not in names)
    return replace(WELL, connectors=(*kept, *said))


def test_all_is_well() -> None:
    verdict = judge(WELL)

    assert verdict.ok
    assert {"reader": None, "room": None, "school": None} == verdict.stops
    assert "ACTUAL alerts reach every destination" == lines(WELL, verdict)[-1]


@pytest.mark.parametrize(
    ("facts", "at", "why"),
    [
        (replace(WELL, broker=ServiceFact("b:1", "does not answer at b:1")), "broker", "does not answer at b:1"),
        (without("gateway", role("gateway", waits="devices: port taken")), "gateway", "hub-1-gateway: devices: port"),
        (saying(connector("devices", "RECOVERABLE_ERROR", by="hub-1-gateway", reason="no port")), "gateway", "no port"),
        (without("streams", RoleFact("streams", "")), "streams", "no process of it is heard of"),
        (without("streams", role("streams", heard=7)), "streams", "not heard of for 7 s"),
        (without("streams", role("streams", ended=True)), "streams", "no process of it"),
        (without("streams", role("streams", waits="broker: gone")), "streams", "broker: gone"),
        # A worker that fell silent just now holds its share, though another works.
        (without("streams", role("streams"), role("streams", instance="hub-2", heard=7)), "streams", "hub-2-streams"),
        (replace(WELL, lags=(LagFact("streams", DEVICE_ALERTS, 3, 6.0),)), "streams", "3 records of bondmate.device"),
    ],
)
def test_what_stops_an_alert_for_everybody(facts: Facts, at: str, why: str) -> None:
    verdict = judge(facts)

    assert not verdict.ok
    for stop in verdict.stops.values():
        assert stop is not None
        assert (at, True) == (stop.at, why in stop.why), stop
    assert "ACTUAL alerts do NOT reach reader, room" == lines(facts, verdict)[-1]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (without("runner", role("runner", heard=9)), "hub-1-runner: not heard of for 9 s"),
        (saying(connector("room", silent=True)), "connector room: hub-1-runner has gone silent; it said OK last"),
        (saying(connector("room", "PERMANENT_ERROR", reason="url: no such host")), "PERMANENT_ERROR: url: no such"),
        (saying(connector("room", "PAUSED", reason="paused until noon")), "PAUSED: paused until noon"),
        (saying(connector("room", breaker="open")), "OK: its platform is tried open"),
        (saying(connector("room", refused_since=NOW)), "connector room"),
        # Two processes share its topic: one that fails holds its part of it.
        (saying(connector("room"), connector("room", "FATAL_ERROR", by="hub-2-runner")), "FATAL_ERROR"),
        (replace(WELL, connectors=CONNECTORS[:1]), "connector room has never reported"),
        (replace(WELL, lags=(LagFact("runner", destination_topic("room"), 7, 81.0),)), "the oldest for 81 s"),
    ],
)
def test_what_stops_an_alert_for_one_destination_alone(facts: Facts, why: str) -> None:
    verdict = judge(facts)

    assert not verdict.ok
    assert {"reader", "school"} == {name for name, stop in verdict.stops.items() if stop is None}
    stop = verdict.stops["room"]
    assert stop is not None
    assert ("runner", True) == (stop.at, why in stop.why), stop


@pytest.mark.parametrize(
    "facts",
    [
        replace(WELL, registry=ServiceFact("r:1", "does not answer")),  # who works has learnt what it asks it for
        without("lane", RoleFact("lane", "")),  # positions do not come, alerts do
        without("streams", role("streams"), role("streams", instance="hub-2", heard=60)),  # its share was taken over
        without("streams", role("streams"), role("streams", instance="hub-2", ended=True)),
        saying(connector("room"), connector("room", "STOPPED", by="hub-2-runner")),
        saying(connector("room"), connector("room", by="hub-2-runner", silent=True)),
        replace(WELL, lags=(LagFact("streams", DEVICE_ALERTS, 900, 0.4), LagFact("lane", DEVICE_LOCATIONS, 9, 99.0))),
        replace(WELL, lags=(LagFact("streams", DEVICE_ALERTS, 1, None),)),
    ],
)
def test_what_is_shown_and_stops_no_alert(facts: Facts) -> None:
    assert judge(facts).ok


def test_a_destination_that_takes_no_real_alert_is_shown_and_fails_nobody() -> None:
    facts = replace(saying(connector("room", "PAUSED")), destinations={"room": frozenset({"EXERCISE"})})
    verdict = judge(facts)

    assert verdict.ok
    assert verdict.stops["room"] == Stop("runner", "connector room: PAUSED")
    assert "no destination takes alerts of mode ACTUAL" == lines(facts, verdict)[-1]
