"""The text of generated functions, and what is common to writing and reading a schema's types."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent
from typing import Any, Final

from bondmate_schemas import enums

_ONE_BYTE_SYMBOLS: Final = 64
_BRANCHES: Final = 2


class SourceText:
    """The text of functions, and the names it uses."""

    parameters: str

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = dict(names)
        self.text = ""
        # A type is known once its definition is complete, so that a schema that holds itself is refused.
        self.known: dict[str, Any] = {}

    def define(self, name: str, body: str) -> str:
        """Add a function and give its name."""
        if not name.isidentifier():
            raise TypeError(f"{name!r} is no name of ours")
        self.text += f"def {name}({self.parameters}):\n{indent(body, '    ')}\n"
        return name

    def compiled(self, function: str) -> Any:
        """Execute the text and give one of its functions."""
        exec(compile(self.text, f"<{function}>", "exec"), self.names)  # noqa: S102  # made of our schemas alone
        return self.names[function]

    def resolved(self, node: Any) -> tuple[str, Any]:
        """Return the kind of a type, and the type with a name that is known replaced by its definition."""
        if isinstance(node, list):
            if len(node) == _BRANCHES and node[0] == "null":
                return "union", node
        elif isinstance(node, str):
            return self.resolved(self.known[node]) if node in self.known else (node, node)
        elif "logicalType" not in node:
            return node["type"], node
        elif (node["type"], node["logicalType"]) == ("long", "timestamp-millis"):
            return "time", node
        raise unsupported(node)


def short(full_name: str) -> str:
    """Return a name without its namespace."""
    return full_name.rpartition(".")[2]


def unsupported(node: Any) -> TypeError:
    """Make the error for a type that is none of ours."""
    return TypeError(f"no record of ours has the type {node!r}; a union is null or one other type, null first")


def members(enum: Mapping[str, Any]) -> list[Any]:
    """Return the symbols of an enum as members of its Python class."""
    if len(enum["symbols"]) > _ONE_BYTE_SYMBOLS:
        raise TypeError("an enum of ours has fewer symbols, so that each is one byte")
    return [getattr(enums, short(enum["name"]))(symbol) for symbol in enum["symbols"]]
