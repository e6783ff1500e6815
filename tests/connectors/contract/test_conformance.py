"""Every installed connector, found by its entry point, keeps the rules all connectors keep.

A connector's folder here holds `golden/` and `example.json`: settings that are right, with its secrets.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.error_table import error_table
from bondmate_connectors.testing import sample
from bondmate_connectors.testing.conformance import ConformanceContract
from bondmate_schemas.error_codes import ErrorCode

CONNECTORS = Path(__file__).resolve().parents[1]
FOLDERS = {"device_http": "bondmate_gateway"}  # a package of its own, not a folder of `platforms/`


class TestConformance(ConformanceContract):
    @pytest.fixture
    def golden_folder(self, name):
        return CONNECTORS / FOLDERS.get(name, name) / "golden"

    @pytest.fixture
    def example(self, name):
        return json.loads((CONNECTORS / FOLDERS.get(name, name) / "example.json").read_text())


class Outside(ConnectorConfig):
    """Settings of a connector that is not of this tree."""


def test_an_outside_connector_has_codes_of_its_own_or_the_very_rows_of_its_standard() -> None:
    of_cap = error_table().find("cap_sent")
    theirs = replace(sample.CONNECTOR, config=Outside)
    rule = TestConformance().test_error_codes_are_its_own

    for taken in (replace(of_cap, hint="Ask us."), replace(of_cap, code="acme_sent"), replace(of_cap, number=10_001)):
        with pytest.raises(AssertionError, match="is the hub's own"):
            rule(replace(theirs, error_codes=(taken,)))
    rule(replace(theirs, error_codes=(of_cap, ErrorCode("acme_busy", 10_001, "Their desk is full.", "Call them."))))
