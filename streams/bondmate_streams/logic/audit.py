"""The audit trail: one hash chain a writer, so that a record that was changed, removed or added shows.

What is logged and why it must be: Directive (EU) 2016/680, article 25.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bondmate_schemas.enums import AuditAction
from bondmate_schemas.ids import pseudonym
from bondmate_schemas.models import AuditRecord, Payload

_SCOPE = "audit"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be logged, before it has its place in a chain."""

    action: AuditAction
    recipient: str | None = None
    event_id: str | None = None
    subjects: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    event_count: int = 1
    purpose: str = ""
    legal_basis: str = ""


def disclosure(event: Payload, recipient: str, fields: Sequence[str], secret: bytes) -> Entry:
    """Log that `recipient` gets `event`, of which it sees `fields` beside the envelope."""
    handling = event.header.handling
    return Entry(
        action=AuditAction.DISCLOSURE,
        recipient=recipient,
        event_id=event.header.event_id,
        subjects=subjects_of(event, secret),
        fields=tuple(fields),
        purpose=handling.purpose,
        legal_basis=handling.legal_basis,
    )


def subjects_of(event: Payload, secret: bytes) -> tuple[str, ...]:
    """Name the people concerned by keyed pseudonyms that only the audit trail uses."""
    known = (getattr(event, "device_id", None), getattr(event, "officer_ref", None))
    return tuple(pseudonym(secret, _SCOPE, value) for value in known if value)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a writer's chain stands."""

    writer: str
    sequence: int = 0
    head: str = ""
    """Hash of the last record, hex; empty before the first."""

    def append(self, entry: Entry, now: datetime) -> tuple[Chain, AuditRecord]:
        """Give the next record and the chain after it."""
        record = AuditRecord(
            writer=self.writer,
            sequence=self.sequence + 1,
            recorded_at=now,
            action=entry.action,
            event_id=entry.event_id,
            subjects=entry.subjects,
            recipient=entry.recipient,
            fields=entry.fields,
            event_count=entry.event_count,
            purpose=entry.purpose,
            legal_basis=entry.legal_basis,
            previous_hash=self.head,
            hash="",
        )
        record = record.model_copy(update={"hash": hash_of(record)})
        return Chain(self.writer, record.sequence, record.hash), record

    def after(self, record: AuditRecord) -> Chain:
        """Give the chain that goes on after `record`, when it is this writer's and further on."""
        if record.writer != self.writer or record.sequence <= self.sequence:
            return self
        return Chain(self.writer, record.sequence, record.hash)


def hash_of(record: AuditRecord) -> str:
    """Give the SHA-256, hex, over the record without `hash` and `signature`."""
    values = record.model_dump(mode="json", exclude={"hash", "signature"})
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def breaks(records: Iterable[AuditRecord]) -> list[str]:
    """Find where chains are broken: `writer/sequence: what is wrong`, for records in the order of their topic.

    The same record twice in a row of its writer is a repeated delivery and no break.
    """
    found: list[str] = []
    last: dict[str, AuditRecord] = {}
    for record in records:
        before = last.get(record.writer)
        if before is not None and record == before:
            continue
        place = f"{record.writer}/{record.sequence}"
        if record.hash != hash_of(record):
            found.append(f"{place}: changed")
        if before is not None and record.sequence != before.sequence + 1:
            found.append(f"{place}: follows {before.sequence}")
        elif before is not None and record.previous_hash != before.hash:
            found.append(f"{place}: does not continue the record before")
        last[record.writer] = record
    return found
