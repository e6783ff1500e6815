"""`python .ci/labels.py [--check]`: take the hub's words into the catalogues, compile these, write what they cover.

Words are what stands in a call of `labels` or `msgid`. A new one waits in each catalogue for a translation, one that is
gone goes there too. With `--check` nothing is written: it fails where something would be. Named is what is not ready:

- a word without a translation, or with a doubtful one (`fuzzy`);
- a translation with other placeholders than the word has;
- one that equals the English, where no comment says why;
- a catalogue that does not say who of its native speakers has read it (`X-Native-Reader: no`, or the name).
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "schemas/bondmate_schemas/locale"
PAGE = ROOT / "docs/reference/languages.md"
SOURCES = ("schemas", "streams", "connectors")
MARKS = {"labels", "self._labels", "msgid"}
PLACEHOLDER = re.compile(r"\{(\w+)\}")
NATIVE_READER = re.compile(r"^# X-Native-Reader: (\S.*)$", re.MULTILINE)


class PlainCatalogue(Catalog):
    """A catalogue whose head holds what its readers need, and nothing that differs by the day or by Babel's version."""

    @property  # type: ignore[misc]  # nobody sets it
    def mime_headers(self) -> list[tuple[str, str]]:
        """The head."""
        return [("Language", str(self.locale)), ("Content-Type", "text/plain; charset=utf-8")]


def words() -> dict[str, list[str]]:
    """Return every word of the hub in the order of files and lines, with the files that it stands in."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
        for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            place, is_marked = path.relative_to(ROOT).as_posix(), ast.unparse(call.func) in MARKS
            match call.args:
                case [ast.Constant(value=str(word)), *_] if is_marked and place not in found[word]:
                    found[word].append(place)
    return dict(found)


def template() -> Catalog:
    """Return a catalogue of all words without any translation."""
    catalogue = Catalog(project="BondMate", fuzzy=False)
    for word, places in words().items():
        catalogue.add(word, locations=[(place, 0) for place in places])
    return catalogue


def languages() -> list[str]:
    """Return the languages that have a catalogue."""
    return sorted(path.parent.name for path in FOLDER.glob("*/bondmate.po"))


def catalogue_of(language: str) -> Catalog:
    """Return the catalogue of a language as it stands."""
    with (FOLDER / language / "bondmate.po").open("rb") as file:
        stored = read_po(file, locale=language)
    catalogue = PlainCatalogue(locale=language, header_comment=stored.header_comment, fuzzy=False)
    for entry in entries(stored):
        catalogue[entry.id] = entry
    return catalogue


def entries(catalogue: Catalog) -> Iterator[Message]:
    """Return the entries of a catalogue without its header."""
    return (entry for entry in catalogue if entry.id)


def native_reader(catalogue: Catalog) -> str:
    """Return which native speaker has read it, `no` where none has, nothing where it does not say."""
    found = NATIVE_READER.search(catalogue.header_comment)
    return found[1] if found else ""


def problems(catalogue: Catalog) -> Iterator[str]:
    """Name what is not ready in a catalogue."""
    if not native_reader(catalogue):
        yield "its head does not say `X-Native-Reader`"
    for entry in entries(catalogue):
        word, said = str(entry.id), str(entry.string)
        if not entry.string or entry.fuzzy:
            yield f"no translation, or a doubtful one: {word!r}"
        elif set(PLACEHOLDER.findall(word)) != set(PLACEHOLDER.findall(said)):
            yield f"other placeholders: {word!r}"
        elif word == said and not entry.user_comments:
            yield f"equals the English, and no comment says why: {word!r}"


def page(catalogues: dict[str, Catalog]) -> str:
    """Return the page of what the catalogues cover."""
    rows = "".join(map(_row, catalogues.values()))
    same = "".join(
        f"| `{language}` | {entry.id} | {' '.join(entry.user_comments).removeprefix('equals the English: ')} |\n"
        for language, catalogue in catalogues.items()
        for entry in entries(catalogue)
        if entry.id == entry.string
    )
    return (ROOT / ".ci/languages.md.in").read_text(encoding="utf-8").format(rows=rows, same=same, words=len(words()))


def _row(catalogue: Catalog) -> str:
    said = [entry for entry in entries(catalogue) if entry.string and not entry.fuzzy]
    name = catalogue.locale.get_display_name("en") if catalogue.locale else ""
    return f"| {name} | `{catalogue.locale}` | {len(said)} | {native_reader(catalogue)} |\n"


def files_of(catalogue: Catalog) -> dict[str, bytes]:
    """Return the files of a catalogue by name: what people edit, and what the hub reads."""
    text, compiled = io.BytesIO(), io.BytesIO()
    write_po(text, catalogue, width=120, ignore_obsolete=True)
    write_mo(compiled, catalogue)
    return {"bondmate.po": text.getvalue(), "bondmate.mo": compiled.getvalue()}


def main() -> int:
    """Write the files, or with `--check` compare them; return 1 when something is not ready."""
    known, catalogues = template(), {language: catalogue_of(language) for language in languages()}
    wrong: list[str] = []
    files: dict[Path, bytes] = {}
    for language, catalogue in catalogues.items():
        catalogue.update(known, no_fuzzy_matching=True, update_header_comment=False, update_creation_date=False)
        wrong += [f"{language}: {problem}" for problem in problems(catalogue)]
        files |= {FOLDER / language / name: content for name, content in files_of(catalogue).items()}
    files[PAGE] = page(catalogues).encode()
    stale = [path for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
    if "--check" in sys.argv:
        wrong += [f"{path.relative_to(ROOT)} is stale; `make docs` writes it anew" for path in stale]
    else:
        for path in stale:
            path.write_bytes(files[path])
    print("\n".join(wrong) or f"{len(known)} words in {len(catalogues)} languages beside English")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
