"""Members of JSON objects that are said more than once: a parser keeps the last, and nobody hears of the others."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bondmate_connectors.contract import Lost
from bondmate_connectors.formats.geojson.geometry import pointer

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_WHY: Final = "said more than once; the last is taken"


class _Members(dict[str, Any]):
    """An object, and which of its names stand in it more than once."""

    repeated: tuple[str, ...] = ()


def repeated(message: bytes, document: Any) -> list[Lost]:
    """Name the members of `document`, which is the JSON in `message`, of which an earlier one is lost."""
    # Outside of strings a colon stands in each member, and nowhere else.
    if _STRING.sub(b"", message).count(b":") == _members_in(document):
        return []
    return [*_repeated(json.loads(message, object_pairs_hook=_members), ())]


def _members_in(document: Any) -> int:
    found, left = 0, [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            found += len(value)
            left += value.values()
        elif isinstance(value, list):
            left += [each for each in value if isinstance(each, dict | list)]
    return found


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    found = _Members(pairs)
    if len(pairs) > len(found):
        found.repeated = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return found


def _repeated(value: Any, place: tuple[str, ...]) -> Iterator[Lost]:
    if isinstance(value, _Members):
        yield from (Lost(pointer("", *place, name), _WHY) for name in value.repeated)
        for name, each in value.items():
            yield from _repeated(each, (*place, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _repeated(each, (*place, str(number)))
