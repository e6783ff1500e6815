"""Chains of messages: what refers to an Update alone is of the event that the Update continued.

A control room's later message may name any of its earlier ones: the alert, an Update of it, both. A format sees one
message, so an event comes here under the id of what it names (`refers_to`), which may be an Update. What that Update
belongs to is remembered under the Update's own id: one of their events, or an alert of ours that it answered.

Every step is made where the named message is at home, so that nothing waits for another partition: what is known by
now is handed on at once; what is not is taken as it is and remembered, and handed on when the message it names was
seen. So the order in which messages arrive does not matter. All of it is bounded, in number, in hops and in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.enums import IncidentAction, Level
from bondmate_schemas.flags import NAMED_BESIDE, REFERENCE_UNKNOWN
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent, IncidentLink, IncidentMemory, LinkTarget
from bondmate_schemas.sayings import said_by

from bondmate_streams.logic.headers import with_flags, with_header
from bondmate_streams.logic.ownership import ENDINGS

KEEP: Final = timedelta(days=30)
"""As long as events of incidents are kept on their topic: what refers to an older message finds nothing."""
MOST_HOPS: Final = 16
_MOST_TARGETS: Final = 16
_MOST_WAITING: Final = 16
_MOST_REFERENCES: Final = 64
_MOST_BYTES: Final = 50_000
"""Of one event that waits: a link must fit into a record of Kafka."""


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """What became of an event where the message it names is at home."""

    outcome: str = ""
    """What there is to say of it beside what becomes of it here."""
    event: IncidentEvent | None = None
    """The event to take here, None when none is."""
    link: IncidentLink | None = None
    """What is to be remembered here from now on; None: as before."""
    handed_on: tuple[IncidentLink, ...] = ()
    receipts: tuple[DeliveryReceipt, ...] = ()


def meet(
    event: IncidentEvent, memory: IncidentMemory | None, link: IncidentLink | None, hops: int, now: datetime
) -> LinkOutcome:
    """Decide what becomes of an event.

    Args:
        event: what came in, under the id of the message that it begins, continues or ends.
        memory: what is remembered of its incident.
        link: what is remembered of the message of this id.
        hops: how often it was handed on.
        now: the time of the decision.
    """
    event_id = event.header.event_id
    if memory is not None and event.header.message_id in memory.seen:
        return LinkOutcome(event=event)
    if not event.refers_to:
        return _begun(event, link)
    is_told = memory is not None and event_id in memory.told
    targets = _others(link, event_id) if hops < MOST_HOPS else ()
    on, said = tuple(_to_events(event, targets, hops)), tuple(_to_alerts(event, targets))
    # What names another's answer, or proves nothing of who says it, is of nothing here: it is shown as what it is.
    if on or said:
        # Rooms that were told of it under the id of the Update must hear the end of that too.
        here = event if is_told and event.action in ENDINGS else None
        # Remembered all the same: there may be more that it is of.
        return LinkOutcome("handed_on", here, _waiting(link, event, now), on, said)
    is_begun = memory is not None and event_id in memory.seen
    waiting = None if is_begun else _waiting(link, event, now)
    if not is_told and NAMED_BESIDE in event.header.flags:
        return LinkOutcome("waits_for_reference", None, waiting)
    if not is_told:
        flagged = with_flags(event, REFERENCE_UNKNOWN)
        return LinkOutcome("reference_unknown", flagged, waiting, tuple(_announced(event, hops)))
    return LinkOutcome("", event, waiting, tuple(_announced(event, hops)))


def _begun(event: IncidentEvent, link: IncidentLink | None) -> LinkOutcome:
    """Take what begins an event: what named it before it came is told after it."""
    if link is None or not link.events:
        return LinkOutcome(event=event)
    named = IncidentLink(message_id=link.message_id, events=link.events, hops=1)
    return LinkOutcome("", event, link.model_copy(update={"events": ()}), (named,))


def _others(link: IncidentLink | None, event_id: str) -> tuple[LinkTarget, ...]:
    return tuple(target for target in (link.targets if link else ()) if target.event_id != event_id)


def _waiting(link: IncidentLink | None, event: IncidentEvent, now: datetime) -> IncidentLink:
    kept = link.events if link else ()
    if event.header.message_id not in {one.header.message_id for one in kept}:
        kept = (*kept, *_small(event))
    targets = link.targets if link else ()
    return IncidentLink(
        message_id=event.header.event_id, targets=targets, events=kept[-_MOST_WAITING:], expires_at=now + KEEP
    )


def _small(event: IncidentEvent) -> Iterator[IncidentEvent]:
    """Return the event as it is remembered: of a large end only what ends, of another large one nothing."""
    if len(event.model_dump_json()) <= _MOST_BYTES:
        yield event
    elif event.action in ENDINGS:
        update = {name: IncidentEvent.model_fields[name].default for name in _LARGE}
        yield event.model_copy(update=update)


_LARGE: Final = (
    "title", "description", "instruction", "statements", "units", "areas", "attachments", "attributes", "note",
)  # fmt: skip


def _to_events(event: IncidentEvent, targets: Iterable[LinkTarget], hops: int) -> Iterator[IncidentLink]:
    for target in targets:
        if target.destination is None:
            incident_id = target.incident_id or target.event_id
            named = with_header(event, event_id=target.event_id, incident_id=incident_id)
            yield IncidentLink(message_id=incident_id, events=(named,), hops=hops + 1)


def _to_alerts(event: IncidentEvent, targets: Iterable[LinkTarget]) -> Iterator[DeliveryReceipt]:
    """Return what the event answers of our alerts: only whoever answered before goes on with it."""
    if event.reply_level is Level.UNKNOWN and not event.is_reply:
        return
    for target in targets:
        if target.destination is not None and target.destination == event.header.source:
            yield _receipt(event, target)


def _receipt(event: IncidentEvent, target: LinkTarget) -> DeliveryReceipt:
    message_id = derived_id("cap-reply", event.header.message_id, target.event_id)
    update = {"message_id": message_id, "event_id": target.event_id, "incident_id": None, "expires_at": None}
    return DeliveryReceipt(
        header=event.header.model_copy(update=update),
        destination=event.header.source,
        level=event.reply_level,
        delivery_id=target.delivery_id,
        note=event.note or event.description or event.title,
        code="declined" if event.reply_level is Level.DECLINED else None,
        said_in=event.header.message_id,
        **said_by(event.attributes),
    )


def _announced(event: IncidentEvent, hops: int) -> Iterator[IncidentLink]:
    """Return what makes an Update findable by its own id, and what tells the other messages that it names of it."""
    header = event.header
    if event.action is not IncidentAction.UPDATED:
        return
    if header.message_id != header.event_id:
        target = LinkTarget(event_id=header.event_id, incident_id=header.incident_id)
        yield IncidentLink(message_id=header.message_id, targets=(target,))
    if NAMED_BESIDE in header.flags or hops >= MOST_HOPS:
        return
    for reference in event.refers_to[:_MOST_REFERENCES]:
        if reference != header.event_id:
            flags = (*header.flags, NAMED_BESIDE)
            copy = with_header(event, event_id=reference, incident_id=reference, flags=flags)
            yield IncidentLink(message_id=reference, events=(copy,), hops=hops + 1)


def announced_answer(receipt: DeliveryReceipt) -> IncidentLink | None:
    """Return what makes a message that answered an alert of ours findable by its own id."""
    if receipt.said_in is None:
        return None
    target = LinkTarget(
        event_id=receipt.header.event_id, destination=receipt.destination, delivery_id=receipt.delivery_id
    )
    return IncidentLink(message_id=receipt.said_in, targets=(target,))


def announced_event(event: IncidentEvent) -> IncidentLink | None:
    """Return what makes an incident findable by the id of an event of it, where that is another id.

    A control room's answer may name nothing else.
    """
    event_id, incident_id = event.header.event_id, event.header.incident_id
    if incident_id in {None, event_id}:
        return None
    return IncidentLink(message_id=event_id, targets=(LinkTarget(event_id=event_id, incident_id=incident_id),))


def to_incident(receipt: DeliveryReceipt, link: IncidentLink | None) -> DeliveryReceipt | None:
    """Return an answer under the incident that the event which it names is of; None where that is not known."""
    event_id = receipt.header.event_id
    named = (target for target in (link.targets if link else ()) if target.event_id == event_id)
    incident_id = next((target.incident_id for target in named if target.destination is None), None)
    if incident_id is None or receipt.header.incident_id is not None:
        return None
    return with_header(receipt, incident_id=incident_id)


def learn(link: IncidentLink | None, news: IncidentLink, now: datetime) -> LinkOutcome:
    """Take what a message belongs to, and hand on what waited to know it."""
    known = link.targets if link else ()
    new = tuple(target for target in news.targets if target not in known)
    if not new:
        return LinkOutcome("known_already")
    targets = (*known, *new)[-_MOST_TARGETS:]
    waiting = link.events if link else ()
    return LinkOutcome(
        "learnt",
        link=IncidentLink(message_id=news.message_id, targets=targets, events=waiting, expires_at=now + KEEP),
        handed_on=tuple(on for event in waiting for on in _to_events(event, new, news.hops)),
        receipts=tuple(receipt for event in waiting for receipt in _to_alerts(event, new)),
    )
