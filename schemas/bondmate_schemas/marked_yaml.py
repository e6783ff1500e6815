"""YAML as people write it: the values, line and column of each, and why it cannot be read, in YAML's own words.

PyYAML's nodes carry the marks, and it is the parser that reads the files of a running hub: what is checked and what is
run cannot differ. No text of a value is ever in a message, since a value may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["Marked", "MarkedLoader", "YamlProblem", "YamlRefused", "compose", "read_text", "reason"]

Place = tuple[str, ...]
_MOST_BY_ALIASES: Final = 100_000
"""So many values may come of aliases; a bomb of ten lines makes thousands of millions."""
_MERGE: Final = "tag:yaml.org,2002:merge"
_NAMED: Final = re.compile(r"\b(alias|anchor|handle|tag) ['\"].*")
"""What YAML quotes of the file, beyond single characters."""
_HINTS: Final = {
    "'\\t'": "indent with spaces",
    "cannot start any token": "put the text in quotes",
    "undefined alias": "a text that begins with * stands in quotes",
    "mapping values are not allowed": "a text with a colon stands in quotes; or mend the indentation",
    "constructor for the tag": "the one tag of settings is `!file PATH`; a text that begins with ! stands in quotes",
}
_BYTE_ORDER_MARKS: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """What is wrong at one place: line and column from 1; 0 where the place is not known."""

    line: int
    column: int
    what: str
    place: Place = ()

    def told(self, name: str) -> str:
        """Word it as a problem of the file `name`: file, line, column, place, what is wrong."""
        where = f"{name}:{self.line}:{self.column}" if self.line else name
        return ": ".join(filter(None, (where, ".".join(self.place), self.what)))


class YamlRefused(ValueError):
    """The text cannot be read; `problem` says where and why, without any value."""

    def __init__(self, problem: YamlProblem) -> None:
        super().__init__(problem.what)
        self.problem = problem


class MarkedLoader(yaml.SafeLoader):
    """Safe YAML in which a value that cannot be built is told with its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # PyYAML's own
        """Build one value.

        Raises:
            yaml.constructor.ConstructorError: it is none.
        """
        try:
            return super().construct_object(node, deep)
        except ValueError:  # as 2026-02-31, which has the form of a date
            told = "found what has the form of a date or number and is none; put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark) from None


@dataclass(frozen=True)
class Marked:
    """A text of YAML that is sound."""

    node: yaml.Node | None

    def values(self, loader: MarkedLoader | None = None) -> Any:
        """Build the values; None of an empty text.

        Raises:
            YamlRefused: a tag that is not known, or a value that is none.
        """
        if self.node is None:
            return None
        try:
            return (loader or MarkedLoader("")).construct_document(self.node)
        except yaml.MarkedYAMLError as error:
            raise YamlRefused(_problem(error)) from None

    @cached_property
    def places(self) -> Mapping[Place, tuple[int, int]]:
        """Line and column of every value, by the path of keys and numbers to it."""
        return dict(_places(self.node, ()))

    @cached_property
    def named(self) -> Mapping[str, tuple[int, int]]:
        """The same by the names that findings give places: their parts joined by dots."""
        return {".".join(place): mark for place, mark in self.places.items()}

    def at(self, place: Place) -> tuple[int, int]:
        """Return line and column of a place, or of the deepest part of it that stands in the text; (0, 0) of none."""
        found = (self.places[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.places)
        return next(found, (0, 0))

    @cached_property
    def twice(self) -> tuple[YamlProblem, ...]:
        """Each key that stands in its mapping before: the last one counts, unseen."""
        return tuple(_twice(self.node, (), set()))


def compose(text: str) -> Marked:
    """Parse a text, and build nothing yet.

    Raises:
        YamlRefused: it is no YAML, is nested too deeply, or means more by its aliases than anybody writes.
    """
    try:
        node = yaml.compose(text, MarkedLoader)
        by_aliases = _size(node, {}) - _written(node)
    except yaml.MarkedYAMLError as error:
        raise YamlRefused(_problem(error)) from None
    except yaml.reader.ReaderError as error:
        line, column = _line_and_column(text, error.position)
        told = f"not YAML: character #x{int(error.character):04x} is not allowed; delete it"
        raise YamlRefused(YamlProblem(line, column, told)) from None
    except RecursionError:
        raise YamlRefused(YamlProblem(0, 0, "nested too deeply, or an anchor that holds itself")) from None
    if by_aliases > _MOST_BY_ALIASES:
        told = f"its aliases stand for more than {_MOST_BY_ALIASES:,} values; write out what is meant"
        raise YamlRefused(YamlProblem(1, 1, told))
    return Marked(node)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        YamlRefused: it cannot be read, or is no UTF-8; says why in words.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise YamlRefused(YamlProblem(0, 0, f"cannot be read: {error.strerror or type(error).__name__}")) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = _BYTE_ORDER_MARKS.get(data[:2])
        line = data[: error.start].count(b"\n") + 1
        told = f"not UTF-8 text{f', but {kind}' if kind else ''}; save it as UTF-8"
        raise YamlRefused(YamlProblem(1 if kind else line, 1, told)) from None


def reason(error: yaml.MarkedYAMLError) -> str:
    """Return YAML's own reason, in which nothing of the file is quoted."""
    problem = error.problem or "syntax"
    context = f" ({error.context}, line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
    hint = next((f"; {hint}" for words, hint in _HINTS.items() if words in problem), "")
    return _NAMED.sub(r"\1", problem) + context + hint


def _problem(error: yaml.MarkedYAMLError) -> YamlProblem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return YamlProblem(line, column, f"not YAML: {reason(error)}")


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _size(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return how many values a node stands for; one that several aliases name is counted once and added each time."""
    if node is None:
        return 0
    if id(node) not in known:
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    return known[id(node)]


def _written(node: yaml.Node | None) -> int:
    """Return how many values are written out."""
    known: dict[int, int] = {}
    _size(node, known)
    return len(known)


def _keyed(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield name, mark and value of each part: of a mapping by its keys, what is merged in too; of a list by number."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((str(number), item, item) for number, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                yield from (part for each in merged for part in _keyed(each))
            else:
                yield str(key.value), key, value


def _places(node: yaml.Node | None, path: Place) -> Iterator[tuple[Place, tuple[int, int]]]:
    for name, marked, value in _keyed(node):
        yield (*path, name), (marked.start_mark.line + 1, marked.start_mark.column + 1)
        yield from _places(value, (*path, name))


def _twice(node: yaml.Node | None, path: Place, seen: set[int]) -> Iterator[YamlProblem]:
    """Yield keys that stand twice; what aliases name is looked at where it is written."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, mark = str(key.value), key.start_mark
            if name in lines:
                told = f"stands at line {lines[name]} already, and the last one would count; take one of the two out"
                yield YamlProblem(mark.line + 1, mark.column + 1, told, (*path, name))
            lines.setdefault(name, mark.line + 1)
    for name, _, value in _keyed(node):
        yield from _twice(value, (*path, name), seen)
