"""One finding of `hub lint`: what, how grave, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bondmate_schemas.marked_yaml import Marked, YamlProblem
from bondmate_streams.logic.routes_yaml import mark_of


class Severity(StrEnum):
    """How grave a finding is."""

    ERROR = "error"
    """It cannot work."""
    WARNING = "warning"
    """It works, and somebody should look at it."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What is wrong at one place; line and column count from 1, 0 where there is none."""

    severity: Severity
    rule: str
    """Which rule found it; a constant name, for scripts."""
    file: str
    line: int
    column: int
    place: str
    """The setting, rule or agreement, its parts joined by dots."""
    message: str

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "severity": self.severity.value,
            "rule": self.rule,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "place": self.place,
            "message": self.message,
        }

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(filter(None, (where, self.place, self.message)))


def in_order(found: Iterable[LintFinding]) -> list[LintFinding]:
    """Return each finding once, file by file in the order of reading, from the top of each."""
    once = list(dict.fromkeys(found))
    files = list(dict.fromkeys(each.file for each in once))
    return sorted(once, key=lambda each: (files.index(each.file), each.line, each.column))


@dataclass(frozen=True, slots=True)
class File:
    """A file that findings are made in: its name as the person knows it, and the places in it."""

    name: str
    marked: Marked

    def error(self, rule: str, told: str) -> LintFinding:
        """Return an error that is worded `place: what`."""
        return self._at(Severity.ERROR, rule, told)

    def warning(self, rule: str, told: str) -> LintFinding:
        """Return a warning that is worded `place: what`."""
        return self._at(Severity.WARNING, rule, told)

    def of(self, problem: YamlProblem, rule: str, severity: Severity = Severity.ERROR) -> LintFinding:
        """Return a finding that has its place already."""
        place = ".".join(problem.place)
        return LintFinding(severity, rule, self.name, problem.line, problem.column, place, problem.what)

    def _at(self, severity: Severity, rule: str, told: str) -> LintFinding:
        """Word what is told of a place, whose line is that of its deepest part in the file."""
        place, colon, message = told.partition(": ")
        if not colon or " " in place:
            return LintFinding(severity, rule, self.name, 0, 0, "", told)
        line, column = mark_of(place, self.marked.named)
        return LintFinding(severity, rule, self.name, line, column, place, message)
