"""Ready and started are two questions, and each no says why."""

from __future__ import annotations

from bondmate_monitoring.health import ProbeResult, RoleHealth


def test_a_role_is_ready_when_it_has_started_and_everything_it_needs_answers() -> None:
    health = RoleHealth("runner", requires=["broker", "registry"])

    assert (
        ProbeResult(ok=False, reasons={"role": "starting", "broker": "not seen yet", "registry": "not seen yet"})
        == health.ready()
    )
    health.started()
    health.report("broker", ok=True)
    health.report("registry", ok=False, reason="does not answer")
    assert {"registry": "does not answer"} == health.ready().reasons
    health.report("registry", ok=True)
    assert health.ready().ok


def test_a_connector_that_is_down_is_shown_and_leaves_the_role_ready() -> None:
    health = RoleHealth("runner")
    health.started()

    health.report("tak", ok=False, status="RECOVERABLE_ERROR", reason="not connected")

    assert health.ready().ok
    assert health.document()["parts"]["tak"] == {
        "ok": False,
        "status": "RECOVERABLE_ERROR",
        "reason": "not connected",
        "required": False,
    }


def test_a_draining_role_has_started_and_is_not_ready() -> None:
    health = RoleHealth("gateway")
    health.started()

    health.stopping()

    assert health.startup().ok
    assert {"role": "stopping"} == health.ready().reasons
