"""`hub lint` names each destination that sees less since nothing means nothing."""

from __future__ import annotations

from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.shrunk import shrunk

RULES = """
routes:
  - {name: all, to: room}
  - {name: alerts, when: {record: alert}, to: quiet}
"""


def warnings(room: str) -> list[str]:
    return shrunk(
        parse_routes(
            f"destinations:\n  quiet: {{fields: {{alert: {{position: withheld}}}}}}\n  room: {{fields: {room}}}\n{RULES}"
        )
    )


def test_each_destination_that_sees_less_is_named_with_the_mend() -> None:
    found = "\n".join(warnings("{alert: {position: plain}}"))

    assert "destinations.room.fields.alert: not shown any more: `position_origin`, `position_age_seconds`" in found
    assert "destinations.room.fields.incident: not shown any more: `incident_type`, `status`, `references`" in found
    assert "destinations.room.fields.location: positions do not go there any more" in found
    assert "destinations.quiet" not in found


def test_who_has_decided_hears_nothing() -> None:
    decided = """{
      alert: {position: plain, position_origin: plain, position_age_seconds: withheld, position.accuracy_m: plain},
      incident: {incident_type: plain, status: plain, references: withheld}, location: {position: withheld}}"""

    assert [] == warnings(decided)
