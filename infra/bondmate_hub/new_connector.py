"""A connector's package of its own, written from the files in `connector_template`.

A template is a file of the package `acme_cad` for all kinds. What stands between the lines `# <tag>` and `# </tag>` is
for the kinds with that tag alone; `@a/b@` stands for the id that is derived from `a` and `b`.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bondmate_connectors.error_table import FORMATS
from bondmate_connectors.runtime.registry import GROUP as CONNECTORS
from bondmate_schemas.ids import derived_id

from bondmate_hub.docs import generate_package, write

_TEMPLATE: Final = Path(__file__).with_name("connector_template")
_TAGS: Final[Mapping[str, frozenset[str]]] = {
    "sink": frozenset({"connector", "sink", "writes", "sink-only"}),
    "source": frozenset({"connector", "source", "source-only", "reads"}),
    "both": frozenset({"connector", "sink", "writes", "source", "both-only", "reads", "answers"}),
    "format": frozenset({"writes", "reads", "answers", "format-only"}),
}
_ONLY_FOR: Final[Mapping[str, str]] = {
    "acme_cad/write.py": "writes",
    "acme_cad/read_answers.py": "answers",
    "acme_cad/read_news.py": "source-only",
    "acme_cad/config.py": "connector",
    "acme_cad/link.py": "connector",
    "acme_cad/sink.py": "sink",
    "acme_cad/source.py": "source",
    "tests/room.py": "connector",
    "tests/test_contract.py": "connector",
    "tests/example.json": "connector",
    "tests/golden/sos.platform.json": "writes",
    "tests/golden/sos.event.json": "writes",
    "tests/golden/entry.platform.json": "answers",
    "tests/golden/entry.event.json": "answers",
    "tests/golden/news.platform.json": "source-only",
    "tests/golden/news.event.json": "source-only",
}
"""The tag that a kind must have to get a file; of all kinds the others."""
KINDS: Final = tuple(_TAGS)
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST: Final = 40
_FOLDERS: Final = frozenset({"room", "tests"})
"""What the tests of the package import, or lie in."""
_MARK: Final = re.compile(r"\s*# <(/?)([a-z-]+)>")
_DERIVED: Final = re.compile(r"@([^@\s]+)@")


class NewConnectorError(Exception):
    """The package cannot be written; the message says why, and what would do."""


def create(name: str, kind: str, parent: Path) -> list[Path]:
    """Write the package `name` into a new folder of that name in `parent`, and return its files.

    Args:
        name: small letters, digits and underscores; hyphens become underscores.
        kind: one of `KINDS`.
        parent: a folder that is there.

    Raises:
        NewConnectorError: the name or the folder is not free, or none that does.
    """
    package = _package_name(name)
    folder = parent / package
    try:
        folder.mkdir()
    except FileExistsError:
        raise NewConnectorError(f"{folder} is there already: choose another name, or move it away") from None
    except OSError as error:
        raise NewConnectorError(f"{folder} cannot be made: {error.strerror}") from None
    for file, text in _files(package, _TAGS[kind]):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    if "connector" in _TAGS[kind]:
        write(folder, generate_package(folder))
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _package_name(name: str) -> str:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(package) or len(package) > _LONGEST:
        raise NewConnectorError(
            f"`{name}` is no name for a connector: small letters, digits and single hyphens or underscores, a letter"
            f" first, at most {_LONGEST} of them; as `acme-cad`"
        )
    if package in _FOLDERS:
        raise NewConnectorError(f"the package has another `{package}` of its own: choose another name")
    if any(entry_points(group=group, name=package) for group in (CONNECTORS, FORMATS)):
        raise NewConnectorError(f"`{package}` is installed already: choose another name, as `{package}_of_ours`")
    found = find_spec(package)  # of a mere folder it has no origin
    if keyword.iskeyword(package) or (found is not None and found.origin is not None):
        raise NewConnectorError(f"Python has a module `{package}` already: choose another name, as `{package}_cad`")
    return package


def _files(package: str, tags: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield each file of a kind by its path in the package's folder."""
    for template in sorted(path for path in _TEMPLATE.rglob("*") if path.is_file()):
        file = template.relative_to(_TEMPLATE).as_posix().removesuffix(".in")
        if _ONLY_FOR.get(file, "") in {"", *tags}:
            lines = template.read_text(encoding="utf-8").splitlines(keepends=True)
            text = _named("".join(_of_kind(lines, tags)), package)
            # What a kind goes without may leave more lines empty than two.
            text = re.sub(r"\n{4,}", "\n\n\n", text.rstrip("\n") + "\n") if file.endswith(".py") else text
            yield _named(re.sub(r"/read_\w+\.py$", "/read.py", file), package), text


def _of_kind(lines: Iterable[str], tags: frozenset[str]) -> Iterator[str]:
    """Yield the lines that stand between no marks, or between marks of the kind alone."""
    inside: list[str] = []
    for line in lines:
        if mark := _MARK.fullmatch(line.rstrip("\n")):
            inside = inside[:-1] if mark[1] else [*inside, mark[2]]
        elif tags.issuperset(inside):
            yield line


def _named(text: str, package: str) -> str:
    """Put the package's name in the place of the template's, and ids in the place of what they are derived from."""
    named = text.replace("acme_cad", package).replace("acme-cad", package.replace("_", "-"))
    named = named.replace("AcmeCad", "".join(part.title() for part in package.split("_")))
    return _DERIVED.sub(lambda found: derived_id(*found[1].split("/")), named)
