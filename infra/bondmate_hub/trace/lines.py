"""A trace as a person reads it, and as another program does: one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from bondmate_kafka.topic_search import Gone
from bondmate_schemas.catalogue import topics

from bondmate_hub.operations.alert_list import whole
from bondmate_hub.trace.hops import TraceHop, standing
from bondmate_hub.trace.search import Trace

__all__ = ["lines", "parts"]

_UNTOLD: Final = ("to", "from")
_DAY_SECONDS: Final = 86_400


def parts(found: Trace, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield where each alert stands, each hop, and what is past, as plain values."""
    for event in sorted(found.events):
        yield standing(found.states[event], now) if event in found.states else {"record": "no_state", "event_id": event}
    for hop in found.hops:
        yield hop.as_json()
    for gone in found.gone:
        yield {"record": "past", "topic": gone.topic, "kept_since": gone.kept_since and gone.kept_since.isoformat()}


def lines(found: Trace, now: datetime) -> Iterator[str]:
    """Yield the lines for a terminal; no control character of anybody's gets there."""
    for line in _lines(found, now):
        yield "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)


def _lines(found: Trace, now: datetime) -> Iterator[str]:
    for event in sorted(found.events):
        yield from _of_event(found, event, now)
    yield from (f"  {line}" for line in _of_hops([hop for hop in found.hops if not hop.event_id]))
    if not found.events and not found.hops:
        yield f"nothing is kept of it; the hub keeps {_kept()}: what is older is past"
    yield from map(_past, found.gone)


def _of_event(found: Trace, event: str, now: datetime) -> Iterator[str]:
    state = found.states.get(event)
    if state is None:
        yield f"{event}  (no state of an alert: it is none, or was closed so long ago that its state is forgotten)"
    else:
        told = standing(state, now)
        yield f"{event}  {told['kind']}  {told['mode']}  device {told['device_id']}  incident {told['incident_id']}"
        yield f"  now {whole(told)}, owner {told['owner_agency_id'] or '-'}"
        for name, at in told["destinations"].items():
            number = f", their number {at['number']}" if at["number"] else ""
            yield f"  now {name}: {at['means']} ({at['level']}) since {at['since']}{number}"
    yield from (f"  {line}" for line in _of_hops([hop for hop in found.hops if hop.event_id == event]))


def _of_hops(hops: list[TraceHop]) -> Iterator[str]:
    for hop in hops:
        who = f"{hop.who} → {hop.facts['to']}" if "to" in hop.facts else hop.who
        facts = ", ".join(f"{name} {_text(value)}" for name, value in hop.facts.items() if name not in _UNTOLD)
        yield f"{hop.at:%Y-%m-%d %H:%M:%S}.{hop.at.microsecond // 1000:03d}  {who}  {hop.what}  ({facts})"


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _past(gone: Gone) -> str:
    if gone.kept_since is None:
        return f"{gone.topic}: nothing is kept any more of what it held; it is past"
    return f"{gone.topic}: kept since {gone.kept_since.astimezone(UTC):%Y-%m-%d %H:%M:%S}; what was before is past"


def _kept() -> str:
    days: dict[str, float] = {}
    for topic in topics(["…"]):
        if topic.retention_ms > 0 and topic.record in {"DeviceAlert", "DeliveryReceipt", "Delivery", "DeviceMessage"}:
            record = str(topic.record)
            days[record] = max(days.get(record, 0), topic.retention_ms / 1000 / _DAY_SECONDS)
    return ", ".join(f"{record} {kept:g} d" for record, kept in sorted(days.items()))
