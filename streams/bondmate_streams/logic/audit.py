"""The audit trail: one hash chain a writer, so that a record that was changed, removed or added shows.

What is logged and why it must be: Directive (EU) 2016/680, article 25.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache

from bondmate_schemas.enums import AuditAction
from bondmate_schemas.ids import pseudonym, pseudonyms
from bondmate_schemas.models import AuditRecord, Payload
from bondmate_schemas.unvalidated import unvalidated

_SCOPE = "audit"
_REPEATS_KNOWN = 10_000
_NAMES_KEPT = 50_000
_pseudonym = lru_cache(_NAMES_KEPT)(pseudonym)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is to be logged, before it has its place in a chain."""

    action: AuditAction
    recipient: str | None = None
    event_id: str | None = None
    subjects: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    event_count: int = 1
    purpose: str = ""
    legal_basis: str = ""


def disclosure(event: Payload, recipient: str, fields: Sequence[str], secret: bytes) -> AuditEntry:
    """Log that `recipient` gets `event`, of which it sees `fields` beside the envelope."""
    handling = event.header.handling
    return AuditEntry(
        action=AuditAction.DISCLOSURE,
        recipient=recipient,
        event_id=event.header.event_id,
        subjects=subjects_of(event, secret),
        fields=tuple(fields),
        purpose=handling.purpose,
        legal_basis=handling.legal_basis,
    )


def together(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    """Return entries in which what is alike but for event and people is one; of several events it names none."""
    alike: dict[tuple[object, ...], AuditEntry] = {}
    for entry in entries:
        place = (entry.action, entry.recipient, entry.fields, entry.purpose, entry.legal_basis)
        known = alike.get(place)
        alike[place] = entry if known is None else _added(known, entry)
    return list(alike.values())


def _added(known: AuditEntry, entry: AuditEntry) -> AuditEntry:
    return replace(
        known,
        event_id=known.event_id if known.event_id == entry.event_id else None,
        subjects=tuple(dict.fromkeys((*known.subjects, *entry.subjects))),
        event_count=known.event_count + entry.event_count,
    )


def subjects_of(event: Payload, secret: bytes) -> tuple[str, ...]:
    """Name the people concerned by keyed pseudonyms that only the audit trail uses."""
    known = (getattr(event, "device_id", None), getattr(event, "officer_ref", None))
    return tuple(audit_name(secret, value) for value in known if value)


def audit_name(secret: bytes, person: str) -> str:
    """Return the pseudonym of a device or officer in the audit trail."""
    return _pseudonym(secret, _SCOPE, person)


def audit_names(secret: bytes) -> Callable[[str], str]:
    """Return a function that computes those pseudonyms, for callers that name many people and keep what was named."""
    return pseudonyms(secret, _SCOPE)


_OF_AN_ENTRY = tuple(field.name for field in fields(AuditEntry))


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a writer's chain stands."""

    writer: str
    sequence: int = 0
    head: str = ""
    """Hash of the last record, hex; empty before the first."""

    def append(self, entry: AuditEntry, now: datetime) -> tuple[Chain, AuditRecord]:
        """Return the chain after the next record, and that record."""
        record = unvalidated(
            AuditRecord,
            {
                "writer": self.writer,
                "sequence": self.sequence + 1,
                "recorded_at": now,
                **{name: getattr(entry, name) for name in _OF_AN_ENTRY},
                "previous_hash": self.head,
                "hash": "",
                "signature": None,
            },
        )
        record = record.model_copy(update={"hash": hash_of(record)})
        return Chain(self.writer, record.sequence, record.hash), record

    def after(self, record: AuditRecord) -> Chain:
        """Return the chain that goes on after `record`, when it is this writer's and further on."""
        if record.writer != self.writer or record.sequence <= self.sequence:
            return self
        return Chain(self.writer, record.sequence, record.hash)


def hash_of(record: AuditRecord) -> str:
    """Return the SHA-256, hex, over the record without `hash` and `signature`."""
    values = record.model_dump(mode="json", exclude={"hash", "signature"})
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def breaks(records: Iterable[AuditRecord]) -> list[str]:
    """Find where chains are broken: `writer/sequence: what is wrong`, for records in the order of their topic.

    A record that came a short while before, the very same, is a repeated delivery and no break.
    """
    found: list[str] = []
    recent: dict[str, dict[int, AuditRecord]] = {}
    for record in records:
        known = recent.setdefault(record.writer, {})
        if known.get(record.sequence) == record:
            continue
        if fault := _fault(record, known):
            found.append(f"{record.writer}/{record.sequence}: {fault}")
        known[record.sequence] = record
        if len(known) > _REPEATS_KNOWN:
            del known[next(iter(known))]
    return found


def _fault(record: AuditRecord, known: Mapping[int, AuditRecord]) -> str | None:
    if record.hash != hash_of(record):
        return "changed"
    if not known:
        return None
    before = known.get(record.sequence - 1)
    if record.sequence in known or before is None:
        return f"follows {max(known)}"
    return None if record.previous_hash == before.hash else "does not continue the record before"
