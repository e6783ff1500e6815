"""How many examples a property test tries: all of them, or a quarter of them under the profile `brief`."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """Return `count`, or as large a part of it as the profile tries of Hypothesis's own hundred."""
    return count * settings().max_examples // 100
