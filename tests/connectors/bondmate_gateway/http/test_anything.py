"""Any JSON, and any bytes, to any route: never an error of the server, and never a value of the device in an answer."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_gateway.enrolment.device_file import Profile
from bondmate_gateway.enrolment.directory import EnrolledDevice, token_hash
from bondmate_gateway.http.body import digest
from bondmate_gateway.http.records.arrival import Arrival
from bondmate_gateway.http.records.locations import locations
from bondmate_gateway.http.requests import (
    AlertRequest,
    LocationsRequest,
    MessageRequest,
    ReceiptRequest,
    ReportRequest,
    Request,
    StatusRequest,
)
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import DeviceLocation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from properties import examples

ROUTES: dict[str, type[Request]] = {
    "/v1/alerts": AlertRequest,
    "/v1/locations": LocationsRequest,
    "/v1/reports": ReportRequest,
    "/v1/messages": MessageRequest,
    "/v1/status": StatusRequest,
    "/v1/receipts": ReceiptRequest,
}
CANARY = "canary-c0ffee"
TIMES = ["2026-11-23T06:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00.5Z"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8)
    | st.sampled_from(["", *TIMES, "SOS", "raise", "note", "read", "fact", CANARY, "\x00", "\ud800", "9" * 4000])
)
names = st.sampled_from(
    sorted(
        {name for model in ROUTES.values() for name in model.model_fields}
        | {"latitude", "longitude", "fixed_at", "nature", CANARY}
    )
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
position = st.fixed_dictionaries(
    {"latitude": st.floats() | anything, "longitude": st.floats() | anything},
    optional={"fixed_at": st.sampled_from(TIMES) | anything, "accuracy_m": st.floats() | anything},
)


@pytest.fixture
async def bench(run_gateway):
    """Give a gateway that limits nobody."""
    async with run_gateway(location_requests_per_minute=10**6, report_requests_per_minute=10**6) as found:
        yield found


def nearly(model: type[Request]) -> st.SearchStrategy[dict[str, Any]]:
    """Give objects that are close to what the model wants."""
    sound: dict[str, st.SearchStrategy[Any]] = {
        "message_id": st.text(min_size=1, max_size=5),
        "occurred_at": st.sampled_from(TIMES),
        "sent_at": st.sampled_from(TIMES),
        "text": st.text(min_size=1, max_size=5),
        "position": position,
        "fixes": st.lists(
            st.fixed_dictionaries({"position": position}, optional={"sequence": st.integers()}), max_size=3
        ),
        "level": st.sampled_from(["read", "delivered"]),
    }
    fields = {name: sound.get(name, anything) for name in model.model_fields}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if model.model_fields[name].is_required()},
        optional={
            name: field | anything for name, field in fields.items() if not model.model_fields[name].is_required()
        },
    )


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("path", ROUTES)
async def test_no_json_body_is_an_error_of_the_server_and_what_is_taken_can_be_written(bench, path, data):
    body = data.draw(anything | nearly(ROUTES[path]))
    taken = len(bench.hub.events)

    status, answer = await bench.device().post_bytes(path, json.dumps(body).encode())
    codec = Codec(LocalSchemaIds())
    for event in bench.hub.events[taken:]:
        codec.decode(codec.encode(event), type(event))

    assert status in {202, 400, 403, 404, 422}
    assert (status == 202) == (len(bench.hub.events) > taken)
    if (
        path == "/v1/alerts"
        and isinstance(body, dict)
        and isinstance(body.get("message_id"), str)
        and body["message_id"]
    ):
        assert status == 202, answer


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | st.text(max_size=20).map(lambda text: json.dumps(text).encode()))
@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/reports"])
async def test_no_bytes_are_an_error_of_the_server(bench, path, body):
    status, _ = await bench.device().post_bytes(path, body)

    assert status in {202, 400, 422}


@pytest.mark.parametrize("path", ROUTES)
async def test_no_value_of_a_device_comes_back_in_a_problem_or_gets_into_a_log_or_a_metric(bench, caplog, capsys, path):
    caplog.set_level(logging.DEBUG)
    model = ROUTES[path]
    bodies: list[Any] = [
        dict.fromkeys(model.model_fields, value) for value in (CANARY, [CANARY], {CANARY: CANARY}, 13371337)
    ]
    bodies += [{"message_id": CANARY, f"{CANARY} x": CANARY}, [CANARY], CANARY]
    bodies += [{"fixes": [{"position": {"latitude": 1337.1337, "longitude": CANARY, "fixed_at": CANARY}}]}]
    answers = [await bench.device().post(path, body) for body in bodies]
    answers.append(await bench.device().post_bytes(path, CANARY.encode()))
    answers.append(await bench.device().post_bytes(path, b"{}", **{"Content-Type": CANARY}))
    answers.append(await bench.device(CANARY).post(path, {}))
    answers.append(await bench.device().get(f"{path}/{CANARY}"))
    answers.append(await bench.device().get("/v1/messages", wait_seconds=CANARY))
    answers.append(await bench.device().post_bytes(path, b"not gzip" + CANARY.encode(), **{"Content-Encoding": "gzip"}))
    problems = [answer for status, answer in answers if status >= 400]
    told = (
        json.dumps(problems)
        + str(bench.log.lines)
        + caplog.text
        + str(capsys.readouterr())
        + generate_latest().decode()
    )

    assert len(problems) >= 6
    for canary in (CANARY, "13371337", "1337.1337", "token-smith", "dev-smith", "o-smith", "Kilo-7", "unit-7"):
        assert canary not in told


async def test_events_and_settings_do_not_show_the_officer_when_printed(bench):
    await bench.device().post("/v1/alerts", {"message_id": "m", "kind": "SOS"})
    device = bench.gateway._register.directory.holder(token_hash("token-smith"))

    assert "Kilo-7" not in repr(device)
    assert "o-smith" not in repr(device)


@given(scalars.map(lambda value: {"value": value}) | anything)
def test_the_digest_of_what_is_said_is_that_of_its_plain_json(value: Any) -> None:
    said = {name: inner for name, inner in value.items() if name != "sent_at"} if isinstance(value, dict) else value
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))

    assert hashlib.sha256(text.encode()).hexdigest() == digest(value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-14, 20))
def test_a_number_of_any_size_has_the_digest_of_its_plain_json(number: float, exponent: int) -> None:
    for value in (number, math.frexp(number)[0] * 10.0**exponent):
        assert hashlib.sha256(json.dumps(value).encode()).hexdigest() == digest(value)


whole = st.floats(0, 90)
sound_position = st.fixed_dictionaries(
    {
        "latitude": whole,
        "longitude": whole,
        "fixed_at": st.sampled_from(TIMES) | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    },
    optional={
        "altitude_hae_m": st.none() | whole,
        "accuracy_m": st.none() | whole,
        "vertical_accuracy_m": whole,
        "speed_mps": whole,
        "course_deg": whole,
        "method": st.none() | st.text("abc", min_size=1, max_size=3),
    },
)
sound_fix = st.fixed_dictionaries(
    {"position": sound_position},
    optional={
        "sequence": st.integers(0, 2**63 - 1),
        "on_duty": st.none() | st.booleans(),
        "battery_percent": st.none() | st.integers(0, 100),
    },
)


@given(st.lists(sound_fix, min_size=1, max_size=3), st.none() | st.sampled_from(TIMES))
def test_a_location_made_without_validation_is_what_validation_gives(fixes: list[Any], sent_at: str | None) -> None:
    raw = {"message_id": "b", "sent_at": sent_at, "fixes": fixes}
    device = EnrolledDevice("d", "agency", Mode.ACTUAL, Profile(language="nl"), "o", "u", "c")
    arrival = Arrival(device, datetime(2026, 11, 23, 6, 0, 0, 123456, tzinfo=UTC), "devices", "")
    made = list(locations(LocationsRequest.model_validate(raw), raw, arrival))

    assert [DeviceLocation.model_validate(one.model_dump()) for one in made] == made
    assert [DeviceLocation.model_validate_json(one.model_dump_json()) for one in made] == made
