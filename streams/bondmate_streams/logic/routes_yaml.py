"""Routes from the YAML a person wrote; errors name the place, never the value."""

from __future__ import annotations

from collections.abc import Mapping

from bondmate_schemas.marked_yaml import Marked, YamlProblem, YamlRefused, compose
from bondmate_schemas.validation_messages import messages
from pydantic import ValidationError

from bondmate_streams.logic.routing import Routes, lint


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
        marked = compose(text)
        values = marked.values()
    except YamlRefused as error:
        raise RoutesError([error.problem.told(name)]) from None
    try:
        return Routes.model_validate({} if values is None else values)
    except ValidationError as error:
        raise RoutesError([problem.told(name) for problem in shape_problems(error, marked)]) from None


def shape_problems(error: ValidationError, marked: Marked) -> list[YamlProblem]:
    """Return what pydantic found in routes, each with its place in their text."""
    found = ((tuple(map(str, loc)), message) for loc, message in messages(error, Routes))
    return [YamlProblem(*marked.at(place), message, place) for place, message in found]


def marks(text: str) -> Mapping[str, tuple[int, int]]:
    """Return line and column of every place in a file of routes, by the name that findings give it."""
    try:
        return compose(text).named
    except YamlRefused:
        return {}


def mark_of(place: str, places: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Return line and column of the deepest part of a place that is known; (0, 0) of none."""
    while place and place not in places:
        place = place.rpartition(".")[0]
    return places.get(place, (0, 0))


def placed(finding: str, name: str, places: Mapping[str, tuple[int, int]]) -> str:
    """Put file, line and column before a finding, as far as its place is known."""
    line, column = mark_of(finding.partition(":")[0], places)
    return f"{name}:{line}:{column}: {finding}" if line else f"{name}: {finding}"
