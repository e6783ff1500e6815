"""An emergency that a control room started: its officer sees it, but for a silent one, until the officer presses."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.enums import AlertStatus
from bondmate_schemas.flags import STARTED_BY_ROOM
from bondmate_schemas.models import AlertState

from tests.connectors.bondmate_gateway.events import state


def started(*own: str, silent: bool) -> AlertState:
    found = state(AlertStatus.ROUTED, "started", own=own)
    header = found.header.model_copy(update={"flags": (STARTED_BY_ROOM,)})
    alert = found.alert.model_copy(update={"header": header, "silent": silent})
    return found.model_copy(update={"alert": alert})


@pytest.mark.parametrize(
    ("own", "silent", "shown"),
    [((), False, ["started"]), ((), True, []), (("a-1",), True, ["started"])],
)
async def test_a_silent_one_is_shown_once_its_officer_has_pressed(
    bench: Any, own: tuple[str, ...], silent: bool, shown: list[str]
) -> None:
    await bench.see(STATE_ALERTS, "started", started(*own, silent=silent))
    _, news = await bench.device().get("/v1/messages")

    assert shown == [one["event_id"] for one in news["alerts"]]
