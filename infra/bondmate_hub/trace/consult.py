"""Hands out a trace only after it is in the audit trail who looks, at what, and why."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_search import TopicSearch
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AuditAction
from bondmate_streams.logic.audit import AuditEntry, audit_name

from bondmate_hub.admin.trail import Trail
from bondmate_hub.settings import Settings
from bondmate_hub.trace.quoted import meanings
from bondmate_hub.trace.search import Query, Trace, Tracer, destinations

__all__ = ["Consultation", "consulted"]


@dataclass(frozen=True, slots=True)
class Consultation:
    """Who looks and why, what they quote, or by which callsign they search, and how much they want to see."""

    operator: str
    reason: str
    quoted: str = ""
    callsign: str = ""
    since: datetime | None = None
    positions: bool = False


def consulted(settings: Settings, by: Consultation) -> Trace:
    """Return what is kept of what is asked for; that it was looked up is in the audit trail before this returns.

    Raises:
        TrailError: it cannot be written there; nothing may be shown.
        BrokerError: the broker does not answer.
        SchemaUnavailableError: the registry does not answer.
    """
    kafka = settings.kafka.config()
    codec = Codec(RegistrySchemaIds.of(kafka))
    outside = settings.streams.outside_ids() if settings.streams else None
    with TopicSearch.at(kafka) as search:
        names = meanings(by.quoted, outside, destinations(search.topics()))
        query = Query(names, callsign=by.callsign, since=by.since, positions=by.positions)
        found = Tracer(search, codec, outside, query).trace()
    with _alone(settings):
        Trail(kafka, f"trace-{settings.instance}").record(_entry(settings, found, by))
    return found


def _entry(settings: Settings, found: Trace, by: Consultation) -> AuditEntry:
    """Return what is logged: which events and people, under the names that only the audit trail has for them."""
    only = next(iter(found.events)) if len(found.events) == 1 else None
    seen = ("trace.callsign" if by.callsign else "trace", *(["positions"] if by.positions else []))
    return AuditEntry(
        AuditAction.CONSULTATION, by.operator, only, _subjects(settings, found, by), fields=seen,
        event_count=max(1, len(found.events)), purpose=by.reason,
    )  # fmt: skip


def _subjects(settings: Settings, found: Trace, by: Consultation) -> tuple[str, ...]:
    if settings.streams is None:
        return ()
    secret = settings.streams.pseudonym_secret.get_secret_value().encode()
    officers = {state.alert.officer_ref for state in found.states.values() if state.alert.officer_ref}
    # Whoever was asked for is a subject too where nothing was found: that somebody asked belongs in the trail.
    people = found.devices | officers or {by.quoted or by.callsign}
    return tuple(audit_name(secret, person) for person in sorted(people))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold off a second writer, which would break the audit chain."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "trace.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
