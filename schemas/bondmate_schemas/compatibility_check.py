"""Checks a schema change: today's schemas against every released version of them, and the project's own rules.

`released/<Record>/<version>.avsc` holds what has been released, each file complete in itself. A change passes when old
readers read new records and new readers old ones, for all versions (FULL_TRANSITIVE): a rolling upgrade needs both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bondmate_schemas.catalogue import topics
from bondmate_schemas.codec import AVRO_FOLDER, NAMESPACE, RECORDS, schema_text
from bondmate_schemas.compatibility import Compatibility, incompatibilities

RELEASED: Final = Path(__file__).parent / "released"
TAGS: Final = frozenset({"PERSONAL", "LOCATION", "FREE_TEXT"})
DISCLOSURES: Final = frozenset({"always", "pseudonym", "by_flag", "code"})


@dataclass(frozen=True, slots=True, order=True)
class Incompatibility:
    """Something that forbids the change: the record or type, the place in it, and what is wrong."""

    schema: str
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.schema}{f'.{self.path}' if self.path else ''}: {self.what}"


class ReleaseError(ValueError):
    """A version cannot be released; `findings` say why."""

    def __init__(self, findings: list[Incompatibility]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = findings


def check(folder: Path = RELEASED) -> list[Incompatibility]:
    """Return what is wrong with today's schemas, by themselves and against everything released; nothing when sound."""
    found = [fault for record in RECORDS for fault in _faults(record, list(released(record, folder).values()))]
    gone = [path.name for path in folder.glob("*") if path.is_dir() and path.name not in RECORDS]
    found += [Incompatibility(name, "", "was released and is gone: its records are still in topics") for name in gone]
    return sorted({*found, *lint()})


def released(record: str, folder: Path = RELEASED) -> dict[int, str]:
    """Return the released versions of `record`, oldest first."""
    files = sorted((folder / record).glob("*.avsc"), key=lambda path: int(path.stem))
    return {int(path.stem): path.read_text(encoding="utf-8") for path in files}


def unreleased(folder: Path = RELEASED) -> list[str]:
    """Name the records whose schema is not the one last released."""
    return [record for record in RECORDS if not _is_last(record, folder)]


def release(record: str, folder: Path = RELEASED, *, anew: bool = False) -> Path | None:
    """Write today's schema of `record` down as its next version, unless it is the last one already.

    Args:
        record: name of the record.
        folder: where the released versions are.
        anew: write the last version anew instead; only for a version that nobody else has yet.

    Returns:
        The file written, or None where today's schema is the last version already.

    Raises:
        ReleaseError: the schema may not follow what was released; change it so that it may.
    """
    versions = released(record, folder)
    last = max(versions, default=0)
    if _is_last(record, folder):
        return None
    number = last if anew and last else last + 1
    earlier = [text for version, text in versions.items() if version < number]
    if faults := _faults(record, earlier):
        raise ReleaseError(faults)
    path = folder / record / f"{number}.avsc"
    path.parent.mkdir(parents=True, exist_ok=True)
    readable = json.dumps(json.loads(schema_text(record)), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(readable, encoding="utf-8")
    return path


def lint() -> list[Incompatibility]:
    """Return where today's schemas break the project's own rules."""
    found = [finding for path in sorted(AVRO_FOLDER.glob("*.avsc")) for finding in _lint_file(path)]
    carried = {topic.record for topic in topics(destinations=("any",))}
    found += [Incompatibility(name, "", "stands on no topic") for name in RECORDS if name not in carried]
    return sorted(found)


def _is_last(record: str, folder: Path) -> bool:
    versions = released(record, folder)
    return bool(versions) and json.loads(versions[max(versions)]) == json.loads(schema_text(record))


def _faults(record: str, earlier: list[str]) -> list[Incompatibility]:
    faults = incompatibilities(schema_text(record), earlier, Compatibility.FULL_TRANSITIVE)
    return [Incompatibility(record, "", fault) for fault in faults]


def _lint_file(path: Path) -> Iterator[Incompatibility]:
    node = json.loads(path.read_text(encoding="utf-8"))
    name = str(node.get("name", ""))
    if path.stem != f"{node.get('namespace')}.{name}" or node.get("namespace") != NAMESPACE:
        yield Incompatibility(path.stem, "", "the file is not named as the type in it")
    if not node.get("doc", "").strip():
        yield Incompatibility(name, "", "is not documented")
    if node["type"] == "enum" and node.get("default") not in node["symbols"]:
        yield Incompatibility(name, "", "has no default symbol, so the next new symbol breaks every reader")
    if not _used(path.stem):
        yield Incompatibility(name, "", "is used by no record")
    for field in node.get("fields", ()):
        for what in _lint_field(field):
            yield Incompatibility(name, field["name"], what)


def _lint_field(field: dict[str, Any]) -> Iterator[str]:
    if not field.get("doc", "").strip():
        yield "is not documented"
    if not TAGS.issuperset(field.get("confluent:tags", ())):
        yield f"has a tag that is none of {', '.join(sorted(TAGS))}"
    if field.get("bondmate:disclosure", "always") not in DISCLOSURES:
        yield f"has a disclosure that is none of {', '.join(sorted(DISCLOSURES))}"
    if "logicalType" in field:
        yield "has its logicalType beside the type, where no reader sees it"
    if isinstance(field["type"], list) and (field["type"][0] != "null" or field.get("default", "") is not None):
        yield "is optional, so null comes first and is the default"


def _used(full_name: str) -> bool:
    name = full_name.rpartition(".")[2]
    return name in RECORDS or any(f'"{full_name}"' in schema_text(record) for record in RECORDS)
