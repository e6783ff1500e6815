"""What a room says beside the words of CAP, by our parameters; an alert is named by its identifier there."""

from __future__ import annotations

from collections.abc import Iterable

from bondmate_schemas import sayings

from bondmate_connectors.formats.cap.texts import Attribute
from bondmate_connectors.formats.cap.values import parse_our_identifier


def sayings_of(ours: Iterable[Attribute]) -> dict[str, str]:
    """Return what our parameters say, by name; of an alert that none of our identifiers names, nothing."""
    return {one.name: _text(one) for one in ours if one.name in sayings.NAMES}


def _text(one: Attribute) -> str:
    text = one.text.strip()
    if one.name != sayings.LINK or sayings.said({sayings.LINK: text}) == {"link_to": ""}:
        return one.text
    found = parse_our_identifier(text)
    return found.event_id if found else ""
