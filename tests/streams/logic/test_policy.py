"""Agreements: a destination sees what is listed, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from bondmate_schemas.enums import PositionOrigin, StatementNature
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import (
    Area,
    Attachment,
    Code,
    DeviceLocation,
    ExternalRef,
    Position,
    Record,
    Statement,
    UnitStatus,
)
from bondmate_streams.logic.fields import fields_of, paths_of
from bondmate_streams.logic.policy import DisclosurePolicy, check_fields
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"a secret of tests"
RECORDS = ("DeviceAlert", "DeviceLocation", "IncidentEvent", "DeviceMessage")
CANARY = "canary"


def canaries(make: Any) -> list[Any]:
    """Give an event of each kind with a canary in every field that is no envelope."""
    refs = (ExternalRef(system=CANARY, id=CANARY),)
    files = (Attachment(sha256=CANARY, size_bytes=1, media_type=CANARY, url=CANARY, description=CANARY),)
    person = {"officer_ref": CANARY, "unit": CANARY, "callsign": CANARY}
    header = {"external_refs": refs, "origin_message_id": CANARY, "content_digest": CANARY}
    place = make.position().model_copy(update={"method": CANARY, "altitude_hae_m": 77.125, "speed_mps": 77.125})
    return [
        make.alert(CANARY, **person, **header, position=place, text=CANARY, battery_percent=77, attachments=files),
        make.location(CANARY, **person, **header, position=place, battery_percent=77, on_duty=True),
        make.message(
            CANARY, sender="tak", sender_ref=CANARY, text=CANARY, callsign=CANARY, attachments=files, **header
        ),
        make.incident(
            device_id=CANARY, **person, **header, position=place, title=CANARY, description=CANARY, instruction=CANARY,
            note=CANARY, attachments=files, units=(UnitStatus(unit=CANARY, status=Code(system=CANARY, value=CANARY)),),
            areas=(Area(description=CANARY, polygons=(CANARY,)),),
            statements=(Statement(nature=StatementNature.FACT, text=CANARY, author_ref=CANARY),),
        ),
    ]  # fmt: skip


def view(fields: dict[str, dict[str, str]] | None = None, destination: str = "tak") -> DisclosurePolicy:
    return DisclosurePolicy(destination, fields or {}, SECRET)


def texts(record: Record) -> str:
    return record.model_dump_json()


def test_without_an_agreement_nothing_but_the_envelope_passes(make: Any) -> None:
    for event in canaries(make):
        seen = view().of(event)
        if isinstance(event, DeviceLocation):
            assert seen is None
            continue

        assert CANARY not in texts(seen), type(event).__name__
        assert "77.125" not in texts(seen)
        assert event.header.event_id == seen.header.event_id
        assert pseudonym(SECRET, "tak", CANARY) == seen.device_id


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_that_may_be_withheld_has_a_default_in_its_schema(record: str) -> None:
    withheld = [f for f in fields_of(record) if f.disclosure not in ("always", "pseudonym")]

    # Without its position a fix is withheld whole.
    assert (["position"] if record == "DeviceLocation" else []) == [field.name for field in withheld if field.required]


@given(data=st.data())
def test_a_canary_shows_only_in_listed_fields(make: Any, data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(canaries(make)))
    record = type(event).__name__
    paths = [path for path, _ in paths_of(record, "")]
    listed = data.draw(st.lists(st.sampled_from(paths), unique=True))
    seen = view({record: dict.fromkeys(listed, "plain")}).of(event)
    assert (seen is None) == (record == "DeviceLocation" and "position" not in listed)
    if seen is None:
        return

    allowed = {path.split(".")[0] if not path.startswith("header.") else path for path in listed}
    for name in type(event).model_fields:
        if name != "header" and name not in allowed:
            assert CANARY not in str(getattr(seen, name)), name
    for name in type(event.header).model_fields:
        if f"header.{name}" not in allowed:
            assert CANARY not in str(getattr(seen.header, name)), name
    type(event).model_validate(seen.model_dump())


def test_the_parts_of_a_listed_record_that_are_no_envelope_are_listed_by_themselves(make: Any) -> None:
    event = canaries(make)[0]
    whole = view({"DeviceAlert": {"position": "plain"}}).of(event).position
    more = view({"DeviceAlert": {"position": "plain", "position.speed_mps": "plain"}}).of(event).position

    assert event.position.latitude == whole.latitude
    assert (None, None) == (whole.speed_mps, whole.method)
    assert (77.125, None) == (more.speed_mps, more.method)


def test_a_part_alone_does_not_open_its_whole(make: Any) -> None:
    event = canaries(make)[0]

    assert None is view({"DeviceAlert": {"position.speed_mps": "plain"}}).of(event).position


def test_pseudonyms_differ_between_destinations_and_a_listed_device_is_plain(make: Any) -> None:
    event = canaries(make)[0]

    assert view().of(event).device_id != view(destination="cap").of(event).device_id
    assert CANARY == view({"DeviceAlert": {"device_id": "plain"}}).of(event).device_id
    assert pseudonym(SECRET, "tak", CANARY) == view({"DeviceAlert": {"unit": "pseudonym"}}).of(event).unit


@given(
    latitude=st.floats(-89, 89), longitude=st.floats(-180, 180), metres=st.integers(1, 100_000),
)  # fmt: skip
def test_a_coarse_position_is_near_and_says_how_near(make: Any, latitude: float, longitude: float, metres: int) -> None:
    alert = make.alert(position=make.position(latitude, longitude))
    seen = view({"DeviceAlert": {"position": f"coarse:{metres}"}}).of(alert).position

    Position.model_validate(seen.model_dump())
    assert seen.accuracy_m * 1.05 + 1 >= metres_between(alert.position, seen)


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), decimals=st.integers(0, 6))
def test_a_rounded_position_has_so_many_decimals(make: Any, latitude: float, longitude: float, decimals: int) -> None:
    alert = make.alert(position=make.position(latitude, longitude))
    seen = view({"DeviceAlert": {"position": f"round:{decimals}"}}).of(alert).position

    for true, shown in ((latitude, seen.latitude), (longitude, seen.longitude)):
        assert round(shown, decimals) == shown
        assert abs(true - shown) <= 0.5 * 10**-decimals + 1e-12


def test_all_fixes_of_one_square_look_the_same(make: Any) -> None:
    cut = view({"DeviceLocation": {"position": "coarse:1000"}})
    near = [cut.of(make.location(position=make.position(52.1 + step / 1e5, 4.3))).position for step in range(5)]

    assert 1 == len({(p.latitude, p.longitude) for p in near})


def test_an_agreement_that_means_nothing_is_refused() -> None:
    assert [("nothing", "no such field: nothing")] == check_fields("DeviceAlert", {"nothing": "plain"})
    with pytest.raises(ValueError, match=r"DeviceAlert\.text"):
        view({"DeviceAlert": {"text": "round:2"}})
    for mode in ("round:7", "coarse:0", "coarse:x", "round:", "blur", "pseudonym"):
        assert check_fields("DeviceAlert", {"position": mode}), mode


def test_what_was_disclosed_is_named(make: Any) -> None:
    seen = view({"DeviceAlert": {"position": "plain", "text": "plain", "callsign": "plain"}})

    assert ("device_id", "position", "text") == seen.disclosed(
        make.alert(position=make.position(), text="t", position_origin=PositionOrigin.OWN)
    )


def metres_between(one: Position, other: Position) -> float:
    """Return the distance on a sphere whose degree of latitude has the length that policy reckons with."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(one.longitude - other.longitude)
    half = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(across / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(half))) * 111_320


def test_an_alert_whose_position_is_withheld_says_so_and_nothing_of_it(make: Any) -> None:
    own = {"position_origin": PositionOrigin.OWN, "position_age_seconds": 0.0}
    known = make.alert(position=make.position(), flags=("position_partly_invalid", "unanswered"), **own)
    none = make.alert(header=known.header, flags=("unanswered",))
    seen, of_none = view().of(known), view().of(none)

    assert (None, PositionOrigin.NONE, None) == (seen.position, seen.position_origin, seen.position_age_seconds)
    assert ("unanswered", "position_withheld") == seen.header.flags
    # Whether the hub has a position at all does not show.
    assert seen == of_none.model_copy(update={"header": seen.header})
    assert "position" not in str(view({"DeviceAlert": {"position.speed_mps": "plain"}}).disclosed(known))


def test_a_remark_shows_with_the_field_it_tells_of(make: Any) -> None:
    of_envelope = ("late", "kind_missing", "occurred_at_invalid")
    event = make.alert(flags=("text_truncated", "message_id_reused", *of_envelope, "said_by_a_stranger"))

    assert (*of_envelope, "position_withheld") == view().of(event).header.flags
    assert "text_truncated" in view({"DeviceAlert": {"text": "plain"}}).of(event).header.flags
    assert event.header.flags == view({"DeviceAlert": {"header.flags": "plain"}}).of(event).header.flags[:6]


def test_a_remark_on_an_exact_position_does_not_go_with_a_coarse_one(make: Any) -> None:
    fix = make.location(flags=("implausible_jump", "late"))

    assert ("late",) == view({"DeviceLocation": {"position": "coarse:500"}}).of(fix).header.flags
    assert ("implausible_jump", "late") == view({"DeviceLocation": {"position": "plain"}}).of(fix).header.flags


@pytest.mark.parametrize("name", ["incident_type", "status", "references"])
def test_the_words_of_an_incidents_owner_are_listed_by_themselves(make: Any, name: str) -> None:
    code = Code(system=CANARY, value=CANARY)
    event = make.incident(incident_type=code, status=code, references=(CANARY,))

    assert CANARY not in texts(view().of(event))
    shown = view({"IncidentEvent": {name: "plain"}}).of(event)
    assert [name] == [each for each in ("incident_type", "status", "references") if getattr(shown, each)]


@pytest.mark.parametrize("name", ["urgency", "severity", "certainty"])
def test_a_code_of_cap_shows_and_free_words_in_its_place_do_not(make: Any, name: str) -> None:
    assert "Unknown" == getattr(view().of(make.incident(**{name: "Unknown"})), name)
    assert None is getattr(view().of(make.incident(**{name: CANARY})), name)
    assert CANARY == getattr(view({"IncidentEvent": {name: "plain"}}).of(make.incident(**{name: CANARY})), name)


def test_withheld_means_not_listed(make: Any) -> None:
    assert None is view({"DeviceLocation": {"position": "withheld"}}).of(make.location())
    assert check_fields("DeviceAlert", {"kind": "withheld"})
