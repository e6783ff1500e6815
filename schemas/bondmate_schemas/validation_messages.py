"""What pydantic finds wrong, in words for the person who wrote it: where, what is allowed, what was likely meant.

No value is repeated; a suggestion is one of the words that are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["MISSING", "did_you_mean", "messages"]

Loc = tuple[str | int, ...]
MISSING: Final = "required, and missing"
_FEW: Final = 12
"""So many names are listed where none is near."""
_MEMBER: Final = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""How pydantic writes a member of an enumeration; a person writes its value alone."""
_EXPECTED: Final = re.compile(r"'([^']*)'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the nearest of the known words, or nothing."""
    nearest = get_close_matches(word, [*known], n=1)
    return f"; did you mean `{nearest[0]}`?" if nearest else ""


def messages(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """Yield the place of each error in a value of `model`, and what is wrong there."""
    for item in error.errors(include_url=False):
        yield item["loc"], _message(item, model)


def _message(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    loc, given = item["loc"], item.get("input")
    if item["type"] == "extra_forbidden":
        return f"no such setting{_likely(str(loc[-1]), sorted(_fields_at(model, loc[:-1])))}"
    if item["type"] == "missing":
        return MISSING
    expected = _EXPECTED.findall(str(item.get("ctx", {}).get("expected", "")))
    suggestion = did_you_mean(given, expected) if isinstance(given, str) else ""
    told = _MEMBER.sub(r"\1", item["msg"].removeprefix("Value error, "))
    return f"{told}{suggestion}"


def _likely(word: str, known: list[str]) -> str:
    few = f"; there are {', '.join(known)}" if 0 < len(known) <= _FEW else ""
    return did_you_mean(word, known) or few


def _fields_at(model: type[BaseModel], loc: Loc) -> set[str]:
    """Return the fields that a value at this place may have."""
    kinds: list[Any] = [model]
    for part in loc:
        kinds = [inner for kind in kinds for inner in _below(kind, part)]
    return {name for kind in kinds for name in kind.model_fields}


def _below(kind: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    """Yield the models that the value of a field may be; a number or a key of a mapping leads on to the same."""
    field = kind.model_fields.get(str(part))
    if field is None:
        yield kind
    else:
        yield from _models_in(field.annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
