"""Subjects, versions, ids and levels, and the rules among them; on disk, no network.

An id belongs to a content: the same schema under two subjects has one id, and an id once given is answered for ever,
since records carry it. Every change is on disk before it is seen.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bondmate_schemas.compatibility import Compatibility, InvalidSchemaError, incompatibilities, validate

from bondmate_hub.registry.errors import IncompatibleError, NotFoundError, StoreDamagedError, UnprocessableError
from bondmate_hub.registry.journal import Journal

__all__ = ["DEFAULT_LEVEL", "SchemaStore", "Version"]

DEFAULT_LEVEL = Compatibility.FULL_TRANSITIVE
_LATEST = -1
_VERSION_NUMBER = re.compile(r"-1|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Version:
    """One schema as registered under one subject."""

    subject: str
    number: int
    schema_id: int
    text: str
    deleted: bool = False


@dataclass(slots=True)
class _Subject:
    versions: dict[int, Version] = field(default_factory=dict)
    last_number: int = 0

    def live(self, *, deleted: bool = False) -> list[Version]:
        return [version for version in self.versions.values() if deleted or not version.deleted]


class SchemaStore:
    """Keep schemas in `directory`; safe to call from several threads, one process at a time.

    Raises:
        StoreDamagedError: when opened, if another process has it open or a line cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = threading.RLock()
        self._subjects: dict[str, _Subject] = {}
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._levels: dict[str | None, Compatibility] = {None: DEFAULT_LEVEL}
        self._journal = Journal(directory / "schemas.jsonl")
        try:
            for entry in self._journal.read():
                self._replay(entry)
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Release the directory; safe twice."""
        self._journal.close()

    # --- reading -----------------------------------------------------------------------------------------------------

    def subjects(self, *, deleted: bool = False) -> list[str]:
        """Name the subjects that have a version, in order; with `deleted` also those whose versions are all deleted."""
        with self._lock:
            return sorted(name for name, subject in self._subjects.items() if subject.live(deleted=deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """Return the versions of a subject, oldest first.

        Raises:
            NotFoundError: it has none.
        """
        with self._lock:
            found = self._subjects[subject].live(deleted=deleted) if subject in self._subjects else []
        if not found:
            raise NotFoundError.subject(subject)
        return found

    def version(self, subject: str, number: int | str, *, deleted: bool = False) -> Version:
        """Return one version, by number or `latest`.

        Raises:
            NotFoundError: no such subject or version.
            UnprocessableError: neither a number from 1 nor `latest`.
        """
        wanted = _version_number(number)
        found = self.versions(subject, deleted=deleted)
        if wanted == _LATEST:
            return found[-1]
        for version in found:
            if version.number == wanted:
                return version
        raise NotFoundError.version(wanted)

    def text(self, schema_id: int) -> str:
        """Return the schema of an id, also when every version of it was deleted.

        Raises:
            NotFoundError: the id was never given.
        """
        with self._lock:
            if schema_id not in self._texts:
                raise NotFoundError.schema()
            return self._texts[schema_id]

    def uses(self, schema_id: int, *, deleted: bool = False) -> list[Version]:
        """Return the versions that have this id.

        Raises:
            NotFoundError: the id was never given.
        """
        self.text(schema_id)
        with self._lock:
            every = [
                version for name in sorted(self._subjects) for version in self._subjects[name].live(deleted=deleted)
            ]
        return [version for version in every if version.schema_id == schema_id]

    def find(self, subject: str, text: str, *, deleted: bool = False) -> Version:
        """Return the version of `subject` that holds this schema.

        Raises:
            NotFoundError: no such subject, or not this schema.
            UnprocessableError: the text is not Avro.
        """
        content = _content(text)
        for version in reversed(self.versions(subject, deleted=deleted)):
            if _content(version.text) == content:
                return version
        raise NotFoundError.schema()

    def faults(self, subject: str, text: str, number: int | str | None = None) -> list[str]:
        """Return what forbids `text` to become the next version of `subject`; nothing when it may, or is the first.

        Args:
            subject: its name.
            text: the schema asked about.
            number: compare with this version only; None compares with those the level names.

        Raises:
            NotFoundError: a number was given and there is no such version.
            UnprocessableError: the text is not Avro, or the number means nothing.
        """
        _content(text)
        with self._lock:
            if number is not None:
                earlier = [self.version(subject, number)]
            else:
                earlier = self._subjects[subject].live() if subject in self._subjects else []
            return incompatibilities(text, [version.text for version in earlier], self.level(subject, inherit=True))

    def level(self, subject: str | None = None, *, inherit: bool = False) -> Compatibility:
        """Return the level of a subject, or the general one.

        Raises:
            NotFoundError: the subject has none of its own, unless `inherit`.
        """
        with self._lock:
            if subject in self._levels:
                return self._levels[subject]
            if inherit:
                return self._levels[None]
        raise NotFoundError(40408, f"Subject '{subject}' does not have subject-level compatibility configured")

    # --- changing ----------------------------------------------------------------------------------------------------

    def register(self, subject: str, text: str) -> Version:
        """Make `text` the next version of `subject`; the same schema again gives the version it has.

        Raises:
            IncompatibleError: the subject's level forbids it.
            UnprocessableError: the text is not Avro.
        """
        with self._lock:
            try:
                return self.find(subject, text)
            except NotFoundError:
                pass
            if faults := self.faults(subject, text):
                raise IncompatibleError(subject, self.level(subject, inherit=True), faults)
            self._keep(
                op="register",
                subject=subject,
                version=self._subjects[subject].last_number + 1 if subject in self._subjects else 1,
                id=self._ids.get(_content(text), len(self._texts) + 1),
                schema=text,
            )
            return self.version(subject, "latest")

    def delete(self, subject: str, number: int | str | None = None, *, permanent: bool = False) -> list[int]:
        """Hide a version, or all of a subject; `permanent` forgets what was hidden before. Ids stay known.

        Returns:
            The numbers deleted.

        Raises:
            NotFoundError: no such subject or version.
            UnprocessableError: permanent, but not hidden before.
        """
        with self._lock:
            if number is None:
                doomed = self.versions(subject, deleted=permanent)
            else:
                doomed = [self.version(subject, number, deleted=permanent)]
            if permanent and not all(version.deleted for version in doomed):
                raise NotFoundError(
                    40407, f"Subject '{subject}' was not deleted first before being permanently deleted"
                )
            numbers = [version.number for version in doomed]
            self._keep(op="delete", subject=subject, versions=numbers, permanent=permanent)
            return numbers

    def set_level(self, subject: str | None, level: str) -> Compatibility:
        """Set the level of a subject, or with None of every subject without its own.

        Raises:
            UnprocessableError: no such level.
        """
        try:
            wanted = Compatibility(level)
        except ValueError as error:
            allowed = ", ".join(Compatibility)
            raise UnprocessableError(42203, f"Invalid compatibility level. Valid values are {allowed}") from error
        with self._lock:
            self._keep(op="level", subject=subject, level=wanted.value)
        return wanted

    def clear_level(self, subject: str | None) -> Compatibility:
        """Take a subject's own level away, or reset the general one; give what it was.

        Raises:
            NotFoundError: the subject has none.
        """
        with self._lock:
            was = self.level(subject)
            self._keep(op="level", subject=subject, level=None)
        return was

    # --- one way in, live and at replay ------------------------------------------------------------------------------

    def _keep(self, **entry: Any) -> None:
        self._journal.append(entry)
        self._replay(entry)

    def _replay(self, entry: Mapping[str, Any]) -> None:
        apply: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "register": self._registered,
            "delete": self._deleted,
            "level": self._levelled,
        }
        try:
            apply[entry["op"]](entry)
        except (KeyError, TypeError, ValueError, UnprocessableError) as error:
            raise StoreDamagedError(f"schemas.jsonl: an entry cannot be read ({type(error).__name__})") from error

    def _registered(self, entry: Mapping[str, Any]) -> None:
        version = Version(entry["subject"], entry["version"], entry["id"], entry["schema"])
        subject = self._subjects.setdefault(version.subject, _Subject())
        subject.versions[version.number] = version
        subject.last_number = max(subject.last_number, version.number)
        self._texts.setdefault(version.schema_id, version.text)
        self._ids.setdefault(_content(version.text), version.schema_id)

    def _deleted(self, entry: Mapping[str, Any]) -> None:
        versions = self._subjects[entry["subject"]].versions
        for number in entry["versions"]:
            if entry["permanent"]:
                del versions[number]
            else:
                hidden = versions[number]
                versions[number] = Version(hidden.subject, number, hidden.schema_id, hidden.text, deleted=True)

    def _levelled(self, entry: Mapping[str, Any]) -> None:
        subject, level = entry["subject"], entry["level"]
        if level is not None:
            self._levels[subject] = Compatibility(level)
        elif subject is None:
            self._levels[None] = DEFAULT_LEVEL
        else:
            del self._levels[subject]


def _content(text: str) -> str:
    """Reduce a schema to what makes it the same: not white space, not the order of attributes."""
    try:
        validate(text)
    except InvalidSchemaError as error:
        raise UnprocessableError(42201, f"Invalid schema: {error}") from error
    return json.dumps(_plain(json.loads(text)), sort_keys=True, separators=(",", ":"))


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        if set(node) == {"type"} and isinstance(node["type"], str):
            return node["type"]
        return {key: value if key == "default" else _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _version_number(number: int | str) -> int:
    if number == "latest":
        return _LATEST
    if not _VERSION_NUMBER.fullmatch(str(number)):
        raise UnprocessableError(42202, "The specified version is not a valid version id: from 1 up, or 'latest'")
    return int(number)
