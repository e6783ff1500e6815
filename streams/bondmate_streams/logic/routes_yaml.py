"""Routes from the YAML a person wrote; errors name the place, never the value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml
from pydantic import ValidationError

from bondmate_streams.logic.routing import Routes, lint

Place = tuple[str | int, ...]


class RoutesError(ValueError):
    """The routes cannot be used: a line for every problem, `name:line:column: place: what is allowed`.

    Show the lines to the person; nothing was started with these routes.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_routes(text: str, name: str = "routes") -> Routes:
    """Read routes; `name` is the file as the person knows it.

    Raises:
        RoutesError: not YAML, not of the shape described by `Routes`, or a rule or agreement that means nothing.
    """
    routes = read_routes(text, name)
    problems = [line for line in lint(routes) if not line.endswith("no route leads here")]
    if problems:
        raise RoutesError([f"{name}: {problem}" for problem in problems])
    return routes


def read_routes(text: str, name: str = "routes") -> Routes:
    """Read routes of the right shape, whatever `lint` would say of them.

    Raises:
        RoutesError: not YAML, or not of the shape described by `Routes`.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text) if node else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RoutesError([f"{name}{place}: not YAML; mend the syntax here"]) from None
    except yaml.YAMLError:
        raise RoutesError([f"{name}: not YAML"]) from None
    places = dict(_places(node, ()))
    try:
        return Routes.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise RoutesError([_problem(name, item["loc"], item["msg"], places) for item in found]) from None


def marks(text: str) -> dict[str, tuple[int, int]]:
    """Return line and column of every place in a file of routes, by the name that findings give it."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return {}
    return {".".join(str(part) for part in place): mark for place, mark in _places(node, ())}


def placed(finding: str, name: str, places: Mapping[str, tuple[int, int]]) -> str:
    """Put file, line and column before a finding, as far as its place is known."""
    place = finding.partition(":")[0]
    while place and place not in places:
        place = place.rpartition(".")[0]
    line, column = places.get(place, (0, 0))
    return f"{name}:{line}:{column}: {finding}" if line else f"{name}: {finding}"


def _problem(name: str, where: Place, message: str, places: Mapping[Place, tuple[int, int]]) -> str:
    mark = next((places[where[:n]] for n in range(len(where), 0, -1) if where[:n] in places), None)
    place = f"{name}:{mark[0]}:{mark[1]}" if mark else name
    return f"{place}: {'.'.join(str(part) for part in where)}: {message}"


def _places(node: yaml.Node | None, path: Place) -> Iterator[tuple[Place, tuple[int, int]]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, (key.start_mark.line + 1, key.start_mark.column + 1)
            yield from _places(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, number), (item.start_mark.line + 1, item.start_mark.column + 1)
            yield from _places(item, (*path, number))
