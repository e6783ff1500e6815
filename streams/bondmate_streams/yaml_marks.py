"""Where the values of a YAML file stand, so that what is wrong with one is told by line and column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import yaml

__all__ = ["Path", "Places", "at", "not_yaml", "places_of", "values"]

Path = tuple[str, ...]
"""The names, and in a list the numbers, that lead to a value."""
Places = Mapping[Path, tuple[int, int]]
"""Line and column of each value, from 1."""


def values(node: yaml.Node | None, path: Path = ()) -> Iterator[tuple[Path, yaml.Mark, yaml.Node]]:
    """Yield every value inside a node, with its path and where it begins: in a mapping with its name."""
    found: Iterable[tuple[str, yaml.Mark, yaml.Node]] = ()
    if isinstance(node, yaml.MappingNode):
        found = ((str(key.value), key.start_mark, value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        found = ((str(number), item.start_mark, item) for number, item in enumerate(node.value))
    for name, mark, value in found:
        yield (*path, name), mark, value
        yield from values(value, (*path, name))


def places_of(node: yaml.Node | None) -> dict[Path, tuple[int, int]]:
    """Return the place of every value inside a node."""
    return {path: (mark.line + 1, mark.column + 1) for path, mark, _ in values(node)}


def at(name: str, loc: Iterable[object], places: Places) -> str:
    """Return `name:line:column: value` of the value at `loc`, with the place of what it would be in where it is not."""
    path = tuple(map(str, loc))
    found = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), None)
    return f"{name}:{found[0]}:{found[1]}: {'.'.join(path)}" if found else f"{name}: {'.'.join(path)}"


def not_yaml(name: str, error: yaml.MarkedYAMLError) -> str:
    """Word that a file is no YAML, and where."""
    mark = error.problem_mark or error.context_mark
    return f"{name}{f':{mark.line + 1}:{mark.column + 1}' if mark else ''}: not YAML; mend the syntax here"
