"""Every installed connector, found by its entry point, keeps the rules all connectors keep.

A connector's folder here holds `golden/` and `example.json`: settings that are right, with its secrets.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bondmate_connectors.testing.conformance import ConformanceContract

CONNECTORS = Path(__file__).resolve().parents[1]
FOLDERS = {"device_http": "bondmate_gateway"}  # a package of its own, not a folder of `platforms/`


class TestConformance(ConformanceContract):
    @pytest.fixture
    def golden_folder(self, name):
        return CONNECTORS / FOLDERS.get(name, name) / "golden"

    @pytest.fixture
    def example(self, name):
        return json.loads((CONNECTORS / FOLDERS.get(name, name) / "example.json").read_text())
