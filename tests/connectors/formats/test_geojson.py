"""GeoJSON: RFC 7946's own cases, TAK tools' features, and canonical events there and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bondmate_connectors.contract import Ignored, Lost, Reading, Refusal, Writing
from bondmate_connectors.formats.geojson import FORMAT
from bondmate_connectors.testing import FormatContract, sos
from bondmate_connectors.testing.strategies import deliveries
from bondmate_schemas.enums import IncidentCategory, Mode
from bondmate_schemas.models import Delivery, IncidentEvent
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_every_valid_document_is_taken_and_every_invalid_one_refused(corpus: Path) -> None:
    folder = corpus / "geojson" / "fixtures"
    refused = {
        path.relative_to(folder): isinstance(FORMAT.read(path.read_bytes(), NOW), Refusal)
        for path in sorted(folder.rglob("*.json"))
    }

    assert 30 < len(refused)
    assert {path: path.parts[0] == "invalid" for path in refused} == refused


def test_every_feature_of_tak_tools_is_a_marker_with_its_id_time_and_position(corpus: Path) -> None:
    for path in sorted((corpus / "cot" / "geojson-fixtures").iterdir()):
        source = json.loads(path.read_bytes())
        reading = FORMAT.read(path.read_bytes(), NOW)

        assert isinstance(reading, Reading), path
        (found,) = reading.events
        assert isinstance(found, IncidentEvent)
        assert IncidentCategory.MARKER is found.category
        assert source["id"] == found.header.external_refs[0].id
        assert source["properties"]["callsign"] == found.title
        assert datetime.fromisoformat(source["properties"]["time"]) == found.header.occurred_at
        assert Mode.UNKNOWN is found.header.mode
        if source["geometry"]["type"] == "Point":
            assert found.position is not None
            assert source["geometry"]["coordinates"][:2] == [found.position.longitude, found.position.latitude]
        else:
            assert found.areas[0].polygons


@given(event=deliveries())
@settings(deadline=None)
def test_an_event_comes_back_whole(event: Delivery) -> None:
    writing = FORMAT.write(event, NOW)

    assert isinstance(writing, Writing)
    assert Reading((event.event,)) == FORMAT.read(writing.message, NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_ignored_or_refused(message: bytes) -> None:
    assert isinstance(FORMAT.read(message, NOW), Reading | Ignored | Refusal)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**60), 2**60) | st.sampled_from(["Point", "Feature", "x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "geometry", "properties", "coordinates", "id", "kind", "event", "features", "bbox"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(_json)
def test_any_json_is_read_ignored_or_refused(document: object) -> None:
    assert isinstance(FORMAT.read(json.dumps(document).encode(), NOW), Reading | Ignored | Refusal)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("[]", "not_geojson"),
        ("{", "not_json"),
        ('{"type":"Point","coordinates":[181,0]}', "coordinates_invalid"),
        ('{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}', "coordinates_invalid"),
        ('{"type":"LineString","coordinates":[[0,0]]}', "coordinates_invalid"),
        ('{"type":"Nowhere"}', "type_invalid"),
        ('{"type":"Feature","geometry":null,"properties":{"kind":"ALERT","event":{"header":{}}}}', "event_invalid"),
        ('{"type":"GeometryCollection","geometries":[' * 30 + "]}" * 30, "geometry_invalid"),
    ],
)
def test_what_rfc_7946_forbids_is_refused_by_code(document: str, code: str) -> None:
    reading = FORMAT.read(document.encode(), NOW)

    assert isinstance(reading, Refusal)
    assert code == reading.code


def read(case: str, cases: Path) -> Reading:
    reading = FORMAT.read((cases / f"{case}.geojson").read_bytes(), NOW)
    assert isinstance(reading, Reading)
    return reading


def codes(reading: Reading) -> list[tuple[str, str]]:
    return [(remark.code, remark.path) for remark in reading.warnings]


def test_one_bad_feature_costs_the_good_ones_nothing_and_is_named(cases: Path) -> None:
    reading = read("gj01_null_feature", cases)

    assert ["a"] == [event.header.external_refs[0].id for event in reading.events]
    assert [("feature_left_out", "features[0].type")] == codes(reading)
    assert [Lost("/features/0", "feature_invalid")] == list(reading.lost)


def test_a_bad_box_around_all_and_an_id_of_null_cost_the_features_nothing() -> None:
    feature = '{"type": "Feature", "id": null, "geometry": null, "properties": {"title": "One", "time": "2026-03-01T10:00:00Z"}}'
    reading = FORMAT.read(f'{{"type": "FeatureCollection", "bbox": [1, 2], "features": [{feature}]}}'.encode(), NOW)
    assert isinstance(reading, Reading)
    (event,) = reading.events

    assert "One" == event.title  # type: ignore[union-attr]
    assert () == event.header.external_refs
    assert [("bbox_invalid", "bbox"), ("id_missing", "features[0].id")] == codes(reading)
    assert Lost("/bbox", "the canonical event has no field for it") in reading.lost


def test_a_bad_box_of_a_feature_or_of_its_geometry_costs_nothing_and_is_told() -> None:
    def feature(inside: str, box: str) -> str:
        geometry = (
            f'{{"type": "GeometryCollection", "geometries": [{{"type": "Point", "coordinates": [4, 52]{inside}}}]}}'
        )
        return f'{{"type": "Feature", "id": "a", "geometry": {geometry}, "properties": {{"time": "2026-03-01T10:00:00Z"}}{box}}}'

    bad = ', "bbox": [1, 2]'
    both = FORMAT.read(
        f'{{"type": "FeatureCollection", "features": [{feature(bad, "")}, {feature("", bad)}]}}'.encode(), NOW
    )
    assert isinstance(both, Reading)

    assert 2 == len(both.events)
    assert {("bbox_invalid", "features[0].geometry.geometries[0].bbox"), ("bbox_invalid", "features[1].bbox")} <= set(
        codes(both)
    )
    assert isinstance(FORMAT.read(feature(bad, bad).encode(), NOW), Reading)


@pytest.mark.parametrize("first", [2**53 + 1, 2**64 + 1, 10**40 + 1])
def test_numbers_that_are_ids_are_told_apart_however_large(first: int) -> None:
    features = ", ".join(
        f'{{"type": "Feature", "id": {id_}, "geometry": null, "properties": {{}}}}' for id_ in (first, first + 1)
    )
    reading = FORMAT.read(f'{{"type": "FeatureCollection", "features": [{features}]}}'.encode(), NOW)
    assert isinstance(reading, Reading)

    assert [str(first), str(first + 1)] == [event.header.external_refs[0].id for event in reading.events]
    assert 2 == len({event.header.event_id for event in reading.events})


def test_coordinates_of_another_system_are_no_place_and_that_is_told(cases: Path) -> None:
    reading = read("gj02c_crs_rd_new_small", cases)
    (event,) = reading.events

    assert (None, (), "X") == (event.position, event.areas, event.title)
    assert [("crs_not_wgs84", "features[0].geometry")] == codes(reading)
    assert "/features/0/geometry" in [lost.path for lost in reading.lost]


@pytest.mark.parametrize(
    ("crs", "is_place"),
    [
        ({"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}, True),
        ({"type": "name", "properties": {"name": "EPSG:4326"}}, True),
        ({"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}}, True),
        ({"type": "name", "properties": {"name": "EPSG:3857"}}, False),
        ({"type": "link", "properties": {"href": "data.crs"}}, False),
        (None, False),
        ("", False),
    ],
)
@pytest.mark.parametrize("where", ["document", "feature", "geometry"])
def test_a_crs_says_whether_coordinates_are_degrees_wherever_it_stands(crs: object, is_place: bool, where: str) -> None:
    geometry: dict[str, object] = {"type": "Point", "coordinates": [4.1, 50.1]}
    feature: dict[str, object] = {"type": "Feature", "id": "a", "properties": {}, "geometry": geometry}
    document: dict[str, object] = {"type": "FeatureCollection", "features": [feature]}
    {"document": document, "feature": feature, "geometry": geometry}[where]["crs"] = crs
    reading = FORMAT.read(json.dumps(document).encode(), NOW)

    assert isinstance(reading, Reading)
    assert is_place == (reading.events[0].position is not None)
    assert is_place != ("crs_not_wgs84" in [remark.code for remark in reading.warnings])


def test_a_strangers_kind_and_event_are_properties_like_any_other(cases: Path) -> None:
    reading = read("gj11_foreign_kind_event", cases)
    (event,) = reading.events

    assert (IncidentCategory.MARKER, "cad-7") == (event.category, event.header.external_refs[0].id)
    assert ["/features/0/properties/kind", "/features/0/properties/event"] == [lost.path for lost in reading.lost]


def a_feature(geometry: object, properties: str = "{}") -> bytes:
    return f'{{"type":"Feature","id":"a","properties":{properties},"geometry":{json.dumps(geometry)}}}'.encode()


def taken(message: bytes) -> Reading:
    reading = FORMAT.read(message, NOW)
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize(
    ("geometry", "code", "lost"),
    [
        ({"type": "Polygon", "coordinates": [[[4, 50], [5, 51], [5, 50], [4, 51], [4, 50]]]}, "ring_crosses", []),
        ({"type": "Polygon", "coordinates": [[[4, 50], [4, 50], [4, 50], [4, 50]]]}, "geometry_not_taken",
         ["/geometry/coordinates/0"]),
        ({"type": "LineString", "coordinates": [[4, 50], [5, 51]]}, "geometry_not_taken", ["/geometry"]),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [4, 50]}]},
         "geometry_not_taken", ["/geometry/geometries/0"]),
        ({"type": "Point", "coordinates": [0, 0]}, "position_zero", []),
    ],
)  # fmt: skip
def test_a_geometry_of_which_nobody_can_be_sure_is_told(geometry: object, code: str, lost: list[str]) -> None:
    reading = taken(a_feature(geometry))

    assert code in [remark.code for remark in reading.warnings]
    assert lost == [each.path for each in reading.lost]
    assert code not in [each.code for each in taken(a_feature({"type": "Point", "coordinates": [4, 50]})).warnings]


def test_a_member_that_is_said_twice_is_told_with_its_place() -> None:
    said = '{"title":"one: \\"x\\"","title":"two","inner":[{"a.b":1,"a.b":2}]}'
    reading = taken(b'{"type":"FeatureCollection","features":[' + a_feature(None, said) + b"]}")
    once = taken(a_feature(None, '{"title":"one: \\"x\\", \\\\"}'))

    places = ["/features/0/properties/title", "/features/0/properties/inner/0/a.b"]
    assert places == [remark.path for remark in reading.warnings if remark.code == "member_repeated"]
    assert {*places} <= {lost.path for lost in reading.lost}
    assert "member_repeated" not in [remark.code for remark in once.warnings]


def test_a_feature_too_deep_to_be_written_again_is_refused_and_costs_the_others_nothing() -> None:
    deep = a_feature(None, '{"x":' + "[" * 400 + "]" * 400 + "}")
    both = taken(b'{"type":"FeatureCollection","features":[' + deep + b"," + a_feature(None) + b"]}")

    assert Refusal("too_deep", "") == FORMAT.read(deep, NOW)
    assert 1 == len(both.events)
    assert Lost("/features/0", "too_deep") in both.lost


def test_what_others_add_to_a_feature_of_the_hubs_is_named(make_own: bytes) -> None:
    feature = json.loads(make_own)
    feature["bbox"], feature["properties"]["stroke"] = [4, 50, 4, 50], "#ff0000"

    assert ["/properties/stroke", "/bbox"] == [lost.path for lost in taken(json.dumps(feature).encode()).lost]
    assert () == taken(make_own).lost


@pytest.fixture
def make_own() -> bytes:
    """A feature as the hub writes it."""
    writing = FORMAT.write(sos(), NOW)
    assert isinstance(writing, Writing)
    return writing.message


def test_a_byte_order_mark_is_remarked_and_the_document_read(cases: Path) -> None:
    reading = read("gj12_bom", cases)

    assert "X" == reading.events[0].title
    assert [("byte_order_mark", "")] == codes(reading)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+01:00", "soon", 7])
def test_a_time_that_is_none_costs_the_feature_nothing_and_is_told(text: object) -> None:
    feature = {"type": "Feature", "id": "a", "properties": {"time": text}, "geometry": None}
    reading = FORMAT.read(json.dumps(feature).encode(), NOW)

    assert isinstance(reading, Reading)
    assert NOW == reading.events[0].header.occurred_at
    assert [("time_invalid", "properties.time")] == codes(reading)
    assert [Lost("/properties/time", "not a time")] == list(reading.lost)


def test_a_time_outside_of_the_calendar_in_the_hubs_own_event_is_refused_by_its_place() -> None:
    event = json.loads(FORMAT.write(_a_delivery(), NOW).message)
    for text in ("9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+01:00"):
        event["properties"]["event"]["header"]["occurred_at"] = text

        assert Refusal("event_invalid", "properties.event.header.occurred_at") == FORMAT.read(
            json.dumps(event).encode(), NOW
        )


def _a_delivery() -> Delivery:
    return sos("room")


# What went in is in the events, or named as lost.

_NUMBERS = st.floats(-80, 80, allow_nan=False).map(lambda value: round(value, 3))
_POINTS = st.lists(_NUMBERS, min_size=2, max_size=4)
_RINGS = st.lists(_POINTS, min_size=3, max_size=5).map(lambda points: [*points, points[0]])
_SHAPES = st.one_of(
    _POINTS.map(lambda at: {"type": "Point", "coordinates": at}),
    st.lists(_POINTS, min_size=2, max_size=3).map(lambda line: {"type": "LineString", "coordinates": line}),
    st.lists(_RINGS, min_size=1, max_size=2).map(lambda rings: {"type": "Polygon", "coordinates": rings}),
    st.lists(st.lists(_RINGS, min_size=1, max_size=2), min_size=1, max_size=2).map(
        lambda polygons: {"type": "MultiPolygon", "coordinates": polygons}
    ),
)
_GEOMETRIES = st.none() | _SHAPES | st.lists(_SHAPES, max_size=3).map(
    lambda parts: {"type": "GeometryCollection", "geometries": parts}
)  # fmt: skip
_WORDS = st.text("abcdefgh", min_size=4, max_size=9)
_PROPERTIES = st.dictionaries(
    st.sampled_from(["callsign", "title", "name", "remarks", "description", "type", "kind", "event", "colour"]),
    _WORDS | _NUMBERS | st.lists(_WORDS, max_size=2) | st.dictionaries(_WORDS, _WORDS, max_size=2), max_size=9,
)  # fmt: skip
_FEATURES = st.builds(
    lambda geometry, properties, more: {"type": "Feature", "geometry": geometry, "properties": properties, **more},
    _GEOMETRIES, _PROPERTIES, st.dictionaries(st.sampled_from(["id", "bbox", "style", "links"]), _WORDS, max_size=3),
).filter(lambda feature: "bbox" not in feature)  # fmt: skip


def leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    elif value is not None:
        yield path, value


@given(st.lists(_FEATURES, min_size=1, max_size=3))
@settings(deadline=None)
def test_what_went_in_is_in_the_events_or_named_as_lost(features: list[dict[str, object]]) -> None:
    document = {"type": "FeatureCollection", "features": features, "generator": "a stranger"}
    reading = FORMAT.read(json.dumps(document).encode(), NOW)

    assert isinstance(reading, Reading)
    kept = [event.model_dump_json() for event in reading.events]
    lost = tuple(lost.path for lost in reading.lost)
    for path, value in leaves(document, ""):
        # `type` of a GeoJSON object is its grammar; of the properties it is a value.
        if path.endswith("/type") and "/properties" not in path:
            continue
        steps = path.split("/")
        number = int(steps[2]) if steps[1] == "features" else 0
        is_kept = str(value) in kept[number] or (value == 0 and "0.0" in kept[number])

        assert is_kept or path.startswith(lost), (path, value)


class TestGeoJsonFormat(FormatContract):
    format = FORMAT
    golden = Path(__file__).parent / "golden_geojson"

    def schema_errors(self, message: bytes) -> Sequence[str]:
        """RFC 7946 has no schema; section 3.2 says what a Feature is."""
        feature = json.loads(message)
        wrong = [name for name in ("type", "geometry", "properties", "id") if name not in feature]
        geometry = feature.get("geometry")
        if geometry and geometry["type"] == "Point":
            longitude, latitude, *_ = geometry["coordinates"]
            wrong += [] if -180 <= longitude <= 180 and -90 <= latitude <= 90 else ["coordinates"]
        return wrong
