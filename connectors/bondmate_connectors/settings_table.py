"""The table of a connector's settings, for its README: written by `hub docs`, held fresh by the contract suite."""

from __future__ import annotations

from typing import Any

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec

BEGIN = "<!-- settings: written by `hub docs` -->"
END = "<!-- /settings -->"


def settings_table(spec: ConnectorSpec) -> str:
    """Return the settings of `spec` as a Markdown table, nested blocks by dotted names, and how refusals are told."""
    rows = "\n".join(_rows(spec.config, ""))
    table = f"| setting | type | default | what it is |\n|---|---|---|---|\n{rows}"
    return f"{BEGIN}\n\n{table}\n\n{_refusals(spec)}{END}"


def _refusals(spec: ConnectorSpec) -> str:
    """Return how who answers is told that the answer does not count, as a table; nothing for what takes no answers."""
    if not spec.refusals:
        return ""
    rows = "\n".join(f"| `{code}` | {how} |" for code, how in spec.refusals.items())
    return f"An answer that does not count:\n\n| code | how its sender is told |\n|---|---|\n{rows}\n\n"


def with_settings_table(readme: str, spec: ConnectorSpec) -> str:
    """Return `readme` with its table replaced, or added at the end where it has none."""
    before, mark, rest = readme.partition(BEGIN)
    if not mark:
        return f"{readme.rstrip()}\n\n{settings_table(spec)}\n"
    return f"{before}{settings_table(spec)}{rest.partition(END)[2]}"


def _rows(config: type[ConnectorConfig], prefix: str) -> list[str]:
    found = []
    schema = config.model_json_schema()
    for name, field in config.model_fields.items():
        default = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
        kind = _kind(schema["properties"][name], schema.get("$defs", {}))
        found.append(f"| `{prefix}{name}` | {kind} | {default} | {field.description or ''} |")
        if (inner := _nested(field.annotation)) is not None:
            found += _rows(inner, f"{prefix}{name}.")
    return found


def _nested(annotation: Any) -> type[ConnectorConfig] | None:
    """Return the block of settings that `annotation` is, or may be."""
    choices = getattr(annotation, "__args__", (annotation,))
    return next((each for each in choices if isinstance(each, type) and issubclass(each, ConnectorConfig)), None)


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(_kind(choice, definitions) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "allOf" in schema:
        return _kind(schema["allOf"][0], definitions)
    kind = str(schema.get("type", "any"))
    return {"object": "block", "null": "none", "array": "list"}.get(kind, kind)


def _plain(value: object) -> str:
    if isinstance(value, ConnectorConfig):
        return "…"
    return "none" if value is None else str(getattr(value, "value", value))
