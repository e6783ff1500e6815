"""`hub translate` of the small inputs that broke an earlier version: each has the outcome that its finding calls right."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bondmate_hub.cli import app
from typer.testing import CliRunner


class Right(NamedTuple):
    """What is right: the code of a refusal or of what is ignored, those of the warnings, and of each event some values."""

    events: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...] = ()
    code: str | None = None
    lost: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        if self.events:
            return "accepted_with_warnings" if self.warnings else "accepted"
        return "rejected" if self.code == "cap_references" else "ignored"


def one(*warnings: str, lost: tuple[str, ...] = (), **values: Any) -> Right:
    """One event with these values; of their names, two underscores lead into a part."""
    return Right(({name.replace("__", "."): value for name, value in values.items()},), warnings, lost=lost)


CAP = {
    "cap03_two_languages": one(header__language="es-ES", severity="Severe", lost=("alert/info[2]",)),
    "cap04_two_infos_one_language": one(
        "cap_blocks_differ", severity="Extreme", areas__0__description="South", lost=("alert/info",)
    ),
    "cap05a_alert": one(action="OPENED", header__origin_message_id="e-1"),
    "cap05b_update_of_a": one(action="UPDATED", severity="Extreme"),
    "cap05c_cancel_of_b_only": one(action="CANCELLED"),
    "cap06a_alert": one(action="OPENED"),
    "cap06b_alert": one(action="OPENED"),
    "cap06c_cancel_both": Right(({"action": "CANCELLED"}, {"action": "CANCELLED"})),
    "cap07_self_intersecting": one("cap_ring_crosses", areas__0__polygons=["10,10 12,12 10,12 12,10 10,10"]),
    "cap11_circle_metres": one("cap_circle_too_large", areas__0__circles=["48.2,16.3 50000"], position__accuracy_m=None),
    "cap14a_24h": one(header__occurred_at="2026-02-28T23:00:00Z"),
    "cap14b_leap_second": one("cap_value", header__occurred_at="2017-01-01T00:00:00Z"),
    "cap14c_lower_z": one("cap_value", header__occurred_at="2026-03-01T10:00:00Z"),
    "cap16c_alert": one(action="OPENED"),
    "cap16d_cancel_spaced_triple": one(action="CANCELLED"),
    "cap16f_cancel_no_references": Right((), ("cap_references",), "cap_references"),
    "cap18_onset_eventcode": one(
        header__expires_at="2026-03-02T17:00:00Z", onset_at="2026-03-02T05:00:00Z", effective_at="2026-03-01T17:00:00Z",
        attributes__4={"system": "cap.eventCode:SAME", "value": "FLW"},
    ),
    "cap21_polygon_altitude": one(
        "cap_geometry", areas__0__polygons=["50,4 50,5 51,5 50,4"], lost=("alert/info/area/polygon",)
    ),
}  # fmt: skip
COT = {
    "cot02_contact_outside": one("outside_detail", callsign="TEST1", position__latitude=50.1),
    "cot05_lower_z": one(*["time_lenient"] * 2, header__occurred_at="2026-11-29T19:00:00Z"),
    "cot11_zero_zero_ce0": Right((), (), "no_position"),
    "cot26_emergency_text_lost": one(kind="OTHER", text="Manual Alert: Gunshot", callsign="K9-1"),
    "cot_badtime": one(*["time_lenient"] * 3, text="stay where you are", callsign="OPS"),
    "cot_casevac": one(category="INCIDENT", priority="URGENT", incident_type__value="b-r-f-h-c", position__latitude=52.5),
    "cot_drone": Right((), (), "no_position"),
}  # fmt: skip
GEOJSON = {
    "gj01_null_feature": one("feature_left_out", title="X", lost=("/features/0",)),
    "gj02c_crs_rd_new_small": one("crs_not_wgs84", title="X", position=None, areas=[], lost=("/features/0/geometry",)),
    "gj11_foreign_kind_event": one(
        category="MARKER", position__latitude=50.1, lost=("/features/0/properties/kind", "/features/0/properties/event")
    ),
    "gj12_bom": one("byte_order_mark", title="X", position__latitude=50.1),
    "gj25a_time_edge": one("time_invalid", category="MARKER", position__latitude=50.1, lost=("/properties/time",)),
}
TABLE = [
    (name_of, name, right)
    for name_of, table in (("cap", CAP), ("cot", COT), ("geojson", GEOJSON))
    for name, right in table.items()
]
SAME_EVENT = [
    ("cap05a_alert", "cap05b_update_of_a"), ("cap05a_alert", "cap05c_cancel_of_b_only"),
    ("cap06a_alert", "cap06c_cancel_both"), ("cap16c_alert", "cap16d_cancel_spaced_triple"),
]  # fmt: skip


@cache
def translated(folder: Path, name_of: str) -> dict[str, dict[str, Any]]:
    """Return what one call says of all files of a format, in their order."""
    suffix = "geojson" if name_of == "geojson" else "xml"
    paths = [folder / f"{name}.{suffix}" for form, name, _ in TABLE if form == name_of]
    there = [str(path) for path in paths if path.is_file()]
    result = CliRunner().invoke(app, ["translate", *there, "--from", name_of, "--to", name_of, "--json"])
    assert 0 == result.exit_code, result.output
    shown = (json.loads(line) for line in result.stdout.splitlines())
    return {Path(each["file"]).stem: each for each in shown}


def found_in(cases: Path, name_of: str, name: str) -> dict[str, Any]:
    found = translated(cases, name_of).get(name)
    if found is None:
        pytest.skip(f"no file {name} at {cases}")
    return found


def value(event: Any, path: str) -> Any:
    for step in path.split("."):
        event = event[int(step)] if isinstance(event, list) else event[step]
    return event


@pytest.mark.parametrize(("name_of", "name", "right"), TABLE, ids=[name for _, name, _ in TABLE])
def test_each_has_its_right_outcome(cases, name_of, name, right):
    found = found_in(cases, name_of, name)

    assert (right.outcome, right.code) == (found["outcome"], found["code"])
    assert list(right.warnings) == [each["code"] for each in found["warnings"]]
    assert [*right.events] == [
        {path: value(event, path) for path in wanted}
        for wanted, event in zip(right.events, found["events"], strict=True)
    ]
    assert len(right.events) == len(found["outputs"])
    assert set(right.lost) <= {each["path"] for each in found["lost"]}


@pytest.mark.parametrize(("first", "later"), SAME_EVENT)
def test_what_goes_on_is_of_the_first_ones_event(cases, first, later):
    (begun,), going_on = (found_in(cases, "cap", name)["events"] for name in (first, later))

    assert begun["header"]["event_id"] == going_on[0]["header"]["event_id"]
