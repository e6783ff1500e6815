"""Alive, ready and started are three questions, and each no says why."""

from __future__ import annotations

from bondmate_monitoring.health import ProbeResult, RoleHealth


def test_a_role_is_ready_when_it_has_started_and_everything_it_needs_answers() -> None:
    health = RoleHealth("runner", requires=["broker", "registry"])

    assert ProbeResult(
        ok=False, reasons={"role": "starting", "broker": "not seen yet", "registry": "not seen yet"}
    ) == (health.ready(0))
    health.started()
    health.report("broker", ok=True)
    health.report("registry", ok=False, reason="does not answer")
    assert {"registry": "does not answer"} == health.ready(0).reasons
    health.report("registry", ok=True)
    assert health.ready(0).ok


def test_a_connector_that_is_down_is_shown_and_leaves_the_role_ready() -> None:
    health = RoleHealth("runner")
    health.started()

    health.report("tak", ok=False, status="RECOVERABLE_ERROR", reason="not connected")

    assert health.ready(0).ok
    assert health.document(0)["parts"]["tak"] == {
        "ok": False,
        "status": "RECOVERABLE_ERROR",
        "reason": "not connected",
        "required": False,
    }


def test_a_frozen_task_makes_the_role_dead_and_a_beat_brings_it_back() -> None:
    health = RoleHealth("streams")
    health.started()
    health.watch("poll", within_seconds=30, now=100)

    assert health.live(130).ok
    assert {"poll": "not seen for more than 30 s"} == health.live(130.1).reasons
    assert not health.ready(130.1).ok
    health.beat("poll", 131)
    assert health.live(160).ok
    health.unwatch("poll")
    assert health.live(1000).ok


def test_a_draining_role_is_alive_and_not_ready() -> None:
    health = RoleHealth("gateway")
    health.started()

    health.stopping()

    assert health.live(0).ok
    assert {"role": "stopping"} == health.ready(0).reasons


def test_a_broken_role_is_neither_alive_nor_ready() -> None:
    health = RoleHealth("gateway")
    health.started()

    health.broken("a connector has a bug")

    assert not health.live(0).ok
    assert not health.ready(0).ok
    assert health.startup().ok
