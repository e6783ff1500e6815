"""A table of settings in Markdown, made from the model that checks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

_HEAD = "| setting | type | default | what it is |\n|---|---|---|---|\n"


def settings_table(model: type[BaseModel]) -> str:
    """Return a row for every setting of `model`, nested ones as `outer.inner`, in the order of the model."""
    schema = model.model_json_schema()
    rows = list(_rows(schema, schema.get("$defs", {}), ""))
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) if rows else "There is nothing to set.\n"


def _rows(schema: dict[str, Any], known: dict[str, Any], prefix: str) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        default = _default(found, required=name in required)
        yield f"`{path}`", _cell(_type(found, known)), default, _cell(found.get("description", ""))
        for suffix, inner in _nested(found, known):
            yield from _rows(inner, known, f"{path}{suffix}.")


def _nested(found: dict[str, Any], known: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the models inside a setting: itself, its items, or the values under any name."""
    for part in found.get("anyOf", [found]):
        for suffix, place in (("", part), ("[]", part.get("items")), (".<name>", part.get("additionalProperties"))):
            target = _resolved(place, known)
            if "properties" in target:
                yield suffix, target


def _resolved(place: Any, known: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(place, dict):
        return {}
    found: dict[str, Any] = known[place["$ref"].rpartition("/")[2]] if "$ref" in place else place
    return found


def _type(found: dict[str, Any], known: dict[str, Any]) -> str:
    if "anyOf" in found:
        return " or ".join(_type(part, known) for part in found["anyOf"] if part.get("type") != "null")
    target = _resolved(found, known)
    if "enum" in target or "const" in target:
        return ", ".join(f"`{value}`" for value in target.get("enum", [target.get("const")]))
    kind = str(target.get("type", "any"))
    if kind == "array":
        return f"list of {_type(target.get('items', {}), known)}"
    if kind == "object":
        return "section" if "properties" in target else "mapping"
    kind = {"password": "secret"}.get(str(target.get("format")), kind)
    return " ".join([kind, *_limits(target)])


def _limits(target: dict[str, Any]) -> Iterator[str]:
    words = {
        "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "minLength": "length ≥",
        "maxLength": "length ≤",
    }  # fmt: skip
    yield from (f"{word} {target[key]}" for key, word in words.items() if key in target)
    if "pattern" in target:
        yield f"`{target['pattern']}`"


def _default(found: dict[str, Any], *, required: bool) -> str:
    if required:
        return "**required**"
    value = found.get("default")
    if value is None or isinstance(value, dict):
        return "-"
    return f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
