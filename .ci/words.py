"""`python .ci/words.py [--list]`: count what makes the code hard to read for a stranger; fail where a figure grew.

Counted are the packages of the wheel; tests and measurements are exempt. `LIMITS` is a ratchet: its figures only fall.
Whoever lowers a figure lowers its limit in the same commit, and nobody raises one: mend the code instead.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {
    "private words in names of modules and classes": 0,
    "docstrings that open oddly": 0,
    "class names in several modules": 4,
    "lines of the longest class": 250,
    "modules that build a Kafka client outside its packages": 0,
}
PRIVATE_WORDS = (
    "desk", "door", "edge", "grave", "letters", "office", "own_alerts", "places", "short_way", "silence", "trusted",
    "turns", "unread",
)  # fmt: skip
"""Words that meant something to their author alone; `docs/glossary.md` has those that the field uses."""
OF_THE_FIELD = ("dead_letters",)
ODD_OPENINGS = re.compile(r"(Give|Tell|Say|Know)s?\b")
"""Nobody looks for a function that tells or gives: it returns, and a question is answered by "Whether"."""
KAFKA_ROOMS = ("bondmate_kafka", "faust_adapter")
KAFKA_CLIENTS = re.compile(r"\w*(Consumer|Producer|AdminClient)")
KAFKA_LIBRARIES = ("confluent_kafka", "aiokafka")

_Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


@dataclass
class Finding:
    """What one figure counts, and where; `count` differs from the places where the figure is a size."""

    where: list[str] = field(default_factory=list)
    size: int | None = None

    @property
    def count(self) -> int:
        """Return the figure."""
        return len(self.where) if self.size is None else self.size


def packages() -> list[Path]:
    """Return the folders that the wheel is built of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [ROOT / name for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]


def findings(folders: list[Path]) -> dict[str, Finding]:
    """Return what each figure counts in these folders, by the names of `LIMITS`."""
    words, openings, twice, longest, clients = (Finding() for _ in LIMITS)
    longest.size = 0
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        tree, name = ast.parse(path.read_text(encoding="utf-8")), _short(path)
        words.where += [f"{name}: {word}" for word in _private(path.stem)]
        if not set(KAFKA_ROOMS) & set(path.parts) and (lines := list(_built_clients(tree))):
            clients.where.append(f"{name}:{lines[0]}")
        for node in ast.walk(tree):
            if isinstance(node, _Documented) and ODD_OPENINGS.match(ast.get_docstring(node) or ""):
                openings.where.append(f"{name}:{getattr(node, 'lineno', 1)}")
            if isinstance(node, ast.ClassDef):
                classes[node.name].add(name)
                words.where += [f"{name}:{node.lineno}: {word}" for word in _private(_snake(node.name))]
                if (lines_long := (node.end_lineno or 0) - node.lineno) > longest.size:
                    longest.size, longest.where = lines_long, [f"{name}:{node.lineno}: {node.name}"]
    twice.where = [f"{name}: {', '.join(sorted(paths))}" for name, paths in sorted(classes.items()) if len(paths) > 1]
    return dict(zip(LIMITS, (words, openings, twice, longest, clients), strict=True))


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _private(name: str) -> Iterator[str]:
    for known in OF_THE_FIELD:
        name = name.replace(known, "")
    yield from (word for word in PRIVATE_WORDS if f"_{word}_" in f"_{name}_")


def _built_clients(tree: ast.Module) -> Iterator[int]:
    """Yield the line of each call of a client's class that was imported from a library of Kafka."""
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in KAFKA_LIBRARIES:
            imported |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Import):
            imported |= {
                name.asname or name.name.split(".")[0]
                for name in node.names
                if name.name.split(".")[0] in KAFKA_LIBRARIES
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[0] in imported and KAFKA_CLIENTS.fullmatch(called.split(".")[-1]):
                yield node.lineno


def main() -> int:
    """Print the figures, and with `--list` what they count; return 1 when one is above its limit."""
    grown = 0
    for name, found in findings(packages()).items():
        mark = "MISSED" if found.count > LIMITS[name] else "ok    "
        print(f"{mark} {name}: {found.count} (at most {LIMITS[name]})")
        if "--list" in sys.argv:
            print("".join(f"         {place}\n" for place in found.where), end="")
        grown += found.count > LIMITS[name]
    if grown:
        print("python .ci/words.py --list shows where")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
