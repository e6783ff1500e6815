"""One status a connector, told when it changes."""

from __future__ import annotations

from bondmate_connectors.contract import Status
from bondmate_connectors.runtime.health import ConnectorHealth, State


def test_a_health_board_of_parts_is_as_well_as_the_worst_and_final_errors_stay():
    health = ConnectorHealth()
    health.report("x", "connector", Status.OK)
    health.report("x", "link", Status.RECOVERABLE_ERROR, "gone")
    health.report("x", "sink", Status.OK)
    assert State(Status.RECOVERABLE_ERROR, "gone") == health.of("x")
    health.report("x", "link", Status.OK, "back")
    assert Status.OK is health.of("x").status
    health.finish("x", Status.PERMANENT_ERROR, "token")
    health.report("x", "link", Status.OK)
    health.finish("x", Status.STOPPED)
    assert {"x": State(Status.PERMANENT_ERROR, "token")} == health.snapshot()
