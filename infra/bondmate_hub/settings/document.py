"""The YAML file of settings, with the place of every value; `!file PATH` stands for the text of a file, for secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bondmate_streams.yaml_marks import Places, at, not_yaml, places_of, values

PREFIX = "BONDMATE__"
_FILE_TAG = "!file"


class SettingsError(Exception):
    """The settings are wrong: every error at once, a line each, `place: setting: what is allowed`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Document:
    """A YAML file with the place of every value in it."""

    def __init__(self, name: str, values: dict[str, Any], places: Places) -> None:
        self.name = name
        self.values = values
        self._places = places

    @classmethod
    def read(cls, path: Path, unreadable: str | None = None) -> Document:
        """Read `path`; `unreadable` as in `load`.

        Raises:
            SettingsError: it is not there, not YAML, or not a mapping.
        """
        try:
            node = yaml.compose(path.read_text(encoding="utf-8"), _SettingsLoader)
            if unreadable is None and (problems := list(_unreadable(node, path))):
                raise SettingsError(problems)
            found = _constructed(node, path.parent, unreadable) if node else {}
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}: cannot be read: {type(error).__name__}"]) from None
        except yaml.MarkedYAMLError as error:
            raise SettingsError([not_yaml(str(path), error)]) from None
        if not isinstance(found, dict):
            raise SettingsError([f"{path}:1:1: the file must hold settings by name"])
        return cls(str(path), found, places_of(node))

    def problem(self, loc: tuple[str | int, ...], message: str) -> str:
        """Word an error at `loc`: file, line, column, setting, what is allowed."""
        variable = f"{PREFIX}{'__'.join(map(str, loc)).upper()}"
        return f"{at(self.name, loc, self._places)}: {message} (or {variable} in the environment)"


def _unreadable(node: yaml.Node | None, path: Path) -> Iterator[str]:
    """Yield a problem for each `!file` whose file cannot be read, without its name: it may be a secret by mistake."""
    for where, tagged in _tagged(node):
        try:
            (path.parent / str(tagged.value)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            mark, setting = tagged.start_mark, ".".join(where)
            yield (
                f"{path}:{mark.line + 1}:{mark.column + 1}: {setting}: the file named behind `!file` cannot be read:"
                f" {type(error).__name__}; create it, or correct its path, which goes from the folder of {path.name}"
            )


class _SettingsLoader(yaml.SafeLoader):
    """Safe YAML with `!file PATH`, the path meant from `folder`."""

    folder = Path()
    unreadable: str | None = None


def _constructed(node: yaml.Node, folder: Path, unreadable: str | None) -> Any:
    loader = _SettingsLoader("")
    loader.folder = folder
    loader.unreadable = unreadable
    return loader.construct_document(node)


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
        node = yaml.compose(path.read_text(encoding="utf-8"), _SettingsLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ()
    return tuple(SettingFile(where, path.parent / str(tagged.value)) for where, tagged in _tagged(node))


def _tagged(node: yaml.Node | None) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Yield each `!file` with the path of its setting."""
    for path, _, value in values(node):
        if isinstance(value, yaml.ScalarNode) and value.tag == _FILE_TAG:
            yield path, value
