"""Routes from the YAML a person wrote; errors name the place, never the value."""

from __future__ import annotations

from collections.abc import Mapping

import yaml
from pydantic import ValidationError

from bondmate_streams.logic.routing import Routes, lint
from bondmate_streams.yaml_marks import at, not_yaml, places_of


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
        raise RoutesError([not_yaml(name, error)]) from None
    except yaml.YAMLError:
        raise RoutesError([f"{name}: not YAML"]) from None
    try:
        return Routes.model_validate(values)
    except ValidationError as error:
        found, places = error.errors(include_input=False, include_url=False, include_context=False), places_of(node)
        raise RoutesError([f"{at(name, item['loc'], places)}: {item['msg']}" for item in found]) from None


def marks(text: str) -> dict[str, tuple[int, int]]:
    """Return line and column of every place in a file of routes, by the name that findings give it."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return {}
    return {".".join(path): place for path, place in places_of(node).items()}


def placed(finding: str, name: str, places: Mapping[str, tuple[int, int]]) -> str:
    """Put file, line and column before a finding, as far as its place is known."""
    place = finding.partition(":")[0]
    while place and place not in places:
        place = place.rpartition(".")[0]
    line, column = places.get(place, (0, 0))
    return f"{name}:{line}:{column}: {finding}" if line else f"{name}: {finding}"
