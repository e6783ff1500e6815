"""Takeover by a spare: a mark on the device that was replaced, which names the one that takes its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from bondmate_schemas.duress import mark_id
from bondmate_schemas.models import DeviceMark

REPLACED: Final = "replaced"
_MOST: Final = 16
"""Takeovers in a row that are followed; people may have written a circle."""


def replaced_by(device_id: str, other_device_id: str, operator: str, reason: str, now: datetime) -> DeviceMark:
    """Return the mark by which a person lets another device take the place of one; an empty id undoes it."""
    return DeviceMark(
        mark_id=mark_id(REPLACED, device_id),
        device_id=device_id,
        mark=REPLACED,
        since=now,
        operator=operator,
        justification=reason,
        other_device_id=other_device_id,
    )


def places_of(marks: Iterable[DeviceMark]) -> dict[str, str]:
    """Return the devices that have the place of another, by that other; a takeover that was undone names none."""
    return {m.device_id: m.other_device_id for m in marks if m.mark == REPLACED and m.other_device_id}


def current(device_id: str, places: Mapping[str, str]) -> str:
    """Return the device that has the place of one now; `places` are the devices that took another's, by that other."""
    for _ in range(_MOST):
        device_id, before = places.get(device_id, device_id), device_id
        if device_id == before:
            break
    return device_id


def before(device_id: str, places: Mapping[str, str]) -> list[str]:
    """Return the devices whose place one took, and those whose place they had."""
    found = [device_id]
    for spare in found:
        found += [old for old, new in places.items() if new == spare and old not in found]
    return found[1:]
