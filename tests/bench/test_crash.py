"""The points at which a role is made to die are places that its code really has."""

from __future__ import annotations

import importlib

import pytest

from bench.chaos.crash import POINTS


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_point_is_a_method_of_the_role(point):
    module, owner, name, when = POINTS[point]

    assert callable(getattr(getattr(importlib.import_module(module), owner), name))
    assert when in {"before", "after"}
