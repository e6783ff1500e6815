"""The YAML file of settings, with the place of every value; `!file PATH` stands for the text of a file, for secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bondmate_schemas.marked_yaml import Marked, MarkedLoader, YamlProblem, YamlRefused, compose, read_text

PREFIX = "BONDMATE__"
_FILE_TAG = "!file"


class SettingsError(Exception):
    """The settings are wrong: every error at once, a line each, `place: setting: what is allowed`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Document:
    """A YAML file with the place of every value in it."""

    def __init__(self, name: str, values: dict[str, Any], marked: Marked, folder: Path = Path()) -> None:
        self.name = name
        self.values = values
        self.marked = marked
        self._folder = folder

    @classmethod
    def empty(cls) -> Document:
        """Return the document of a hub without a file."""
        return cls("settings", {}, Marked(None))

    @classmethod
    def read(cls, path: Path, unreadable: str | None = None) -> Document:
        """Read `path`; `unreadable` as in `load`.

        Raises:
            SettingsError: it is not there, not YAML, or not a mapping.
        """
        try:
            marked = compose(read_text(path))
            document = cls(str(path), {}, marked, path.parent)
            if unreadable is None and (problems := document.unreadable_files()):
                raise SettingsError([problem.told(str(path)) for problem in problems])
            values = marked.values(_loader(path.parent, unreadable))
        except YamlRefused as error:
            raise SettingsError([error.problem.told(str(path))]) from None
        if values is not None and not isinstance(values, dict):
            raise SettingsError([f"{path}:1:1: the file must hold settings by name"])
        if nameless := [str(name) for name in values or () if not isinstance(name, str)]:
            raise SettingsError(
                [f"{path}:{':'.join(map(str, marked.at((nameless[0],))))}: {nameless[0]}: no such setting"]
            )
        document.values = values or {}
        return document

    def problem(self, loc: tuple[str | int, ...], message: str) -> str:
        """Word an error at `loc`: file, line, column, setting, what is allowed."""
        path = tuple(str(part) for part in loc)
        variable = f"{PREFIX}{'__'.join(path).upper()}"
        if path not in self.marked.places and variable in os.environ:
            return f"environment: {variable}: {message}"
        line, column = self.marked.at(path)
        where = f"{self.name}:{line}:{column}" if line else self.name
        return f"{where}: {'.'.join(path)}: {message} (or {variable} in the environment)"

    def files(self) -> Iterator[tuple[SettingFile, yaml.Mark]]:
        """Yield each file whose text stands for a setting (`!file`), with its place."""
        for where, tagged in _tagged(self.marked.node, ()):
            yield SettingFile(where, self._folder / str(tagged.value)), tagged.start_mark

    def unreadable_files(self) -> list[YamlProblem]:
        """Return a problem for each `!file` that cannot be read, without its name: it may be a secret by mistake."""
        return [
            YamlProblem(mark.line + 1, mark.column + 1, self._cannot_be_read(why), file.setting)
            for file, mark in self.files()
            if (why := _why_unreadable(file.path))
        ]

    def _cannot_be_read(self, why: str) -> str:
        return (
            f"the file named behind `!file` cannot be read: {why}; create it, or correct its path, which goes from the"
            f" folder of {Path(self.name).name}"
        )


def _why_unreadable(path: Path) -> str:
    try:
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return type(error).__name__
    return ""


class _SettingsLoader(MarkedLoader):
    """Safe YAML with `!file PATH`, the path meant from `folder`."""

    folder = Path()
    unreadable: str | None = None


def _loader(folder: Path, unreadable: str | None) -> _SettingsLoader:
    loader = _SettingsLoader("")
    loader.folder = folder
    loader.unreadable = unreadable
    return loader


def _file_tag(loader: _SettingsLoader, node: yaml.ScalarNode) -> str:
    path = loader.folder / str(loader.construct_scalar(node))
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if loader.unreadable is not None:
            return loader.unreadable
        raise yaml.constructor.ConstructorError(None, None, type(error).__name__, node.start_mark) from None


_SettingsLoader.add_constructor(_FILE_TAG, _file_tag)


@dataclass(frozen=True, slots=True)
class SettingFile:
    """A file that a setting names."""

    setting: tuple[str, ...]
    path: Path

    def __str__(self) -> str:
        return f"{'.'.join(self.setting)}: {self.path}"


def files_named(path: Path) -> tuple[SettingFile, ...]:
    """Return the files whose text stands for settings (`!file`) in the YAML file at `path`; none when it is no YAML."""
    try:
        document = Document(str(path), {}, compose(read_text(path)), path.parent)
    except YamlRefused:
        return ()
    return tuple(file for file, _ in document.files())


def _tagged(node: yaml.Node | None, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Yield each `!file` with the path of its setting."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _tagged(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _tagged(item, (*path, str(number)))
    elif isinstance(node, yaml.ScalarNode) and node.tag == _FILE_TAG:
        yield path, node
