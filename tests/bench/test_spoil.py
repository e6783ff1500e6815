"""What a role is spoiled by takes the place of what its code really has."""

from __future__ import annotations

import importlib
from dataclasses import fields

import pytest

from bench.chaos.checker import Verdict
from bench.chaos.spoil import SPOILS


@pytest.mark.parametrize("name", SPOILS)
def test_what_is_spoiled_is_there_and_leads_to_a_finding(name: str) -> None:
    spoil = SPOILS[name]
    module, _, path = spoil.where.partition(":")
    found = importlib.import_module(module)
    for each in path.split("."):
        found = getattr(found, each)

    assert type(spoil.replacement(found)) is type(found)
    assert spoil.finding in {field.name for field in fields(Verdict)}
