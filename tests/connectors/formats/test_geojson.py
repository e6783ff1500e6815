"""GeoJSON: RFC 7946's own cases, TAK tools' features, and canonical events there and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bondmate_connectors.contract import Ignored, Reading, Refusal, Writing
from bondmate_connectors.formats.geojson import FORMAT
from bondmate_connectors.testing import FormatContract
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
        ('{"type":"Feature","geometry":null,"properties":{"kind":"ALERT","event":{}}}', "event_invalid"),
        ('{"type":"GeometryCollection","geometries":[' * 30 + "]}" * 30, "geometry_invalid"),
    ],
)
def test_what_rfc_7946_forbids_is_refused_by_code(document: str, code: str) -> None:
    reading = FORMAT.read(document.encode(), NOW)

    assert isinstance(reading, Refusal)
    assert code == reading.code


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
