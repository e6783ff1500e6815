"""An Alert, Update or Cancel as an event of an incident."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from bondmate_schemas import sayings
from bondmate_schemas.enums import IncidentAction, IncidentCategory, Priority, StatementNature
from bondmate_schemas.models import Code, EventHeader, IncidentEvent, Statement
from bondmate_schemas.unvalidated import unvalidated, unvalidated_all

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.areas import FIXED_AT, METHOD
from bondmate_connectors.formats.cap.content import Content
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.receipts import note_unread, sayings_of
from bondmate_connectors.formats.cap.texts import Attribute
from bondmate_connectors.formats.cap.values import read_time

_STATEMENT: Final = "statement."
_LISTS: Final = {"urgency": codes.URGENCIES, "severity": codes.SEVERITIES, "certainty": codes.CERTAINTIES}
_TIMES: Final = ("effective", "onset", "expires")
_FIELDS: Final = frozenset({"language", "event", "headline", "description", "instruction", *_LISTS, *_TIMES})
"""Elements that have a field of their own."""
_OWN: Final = frozenset({"occurred_at", "action", "category", "priority", FIXED_AT, METHOD})
"""Our own parameters that are taken back, besides statements."""
_OF_A_HUB: Final = "a hub's own word for what its event said; an incident has no field for it"
_NOTHING: Final = {name: field.default for name, field in IncidentEvent.model_fields.items()}
E = TypeVar("E", IncidentAction, IncidentCategory, Priority)


def incident_event(
    header: EventHeader,
    action: IncidentAction,
    content: Content,
    *,
    more: tuple[tuple[str, str], ...],
    references: tuple[str, ...],
    refers_to: tuple[str, ...],
    note: str | None,
) -> IncidentEvent:
    """Build the event: a public warning, unless our own parameters say otherwise.

    `more` is what the message says beside its blocks and has no field.
    """
    text, urgency = content.first.texts.get, _from_list(content, "urgency")
    return unvalidated(
        IncidentEvent,
        {
            **_NOTHING,
            "header": header,
            "action": _own(content, "action", action),
            "category": _own(content, "category", IncidentCategory.PUBLIC_WARNING),
            "incident_type": _incident_type(content),
            "priority": _own(content, "priority", codes.PRIORITY_OF.get(urgency or "", Priority.UNKNOWN)),
            "urgency": urgency,
            "severity": _from_list(content, "severity"),
            "certainty": _from_list(content, "certainty"),
            "title": text("headline") or text("event"),
            "description": text("description"),
            "instruction": text("instruction"),
            "statements": tuple(_statements(content)) if content.ours else (),
            "position": content.position,
            "areas": content.areas,
            "references": references,
            "note": note,
            "effective_at": content.time("effective"),
            "onset_at": content.time("onset"),
            "attributes": _attributes(content, more),
            "refers_to": refers_to,
        },
    )


def _own(content: Content, name: str, default: E) -> E:
    if not content.ours:
        return default
    kind = type(default)
    value = content.own(name)
    return kind(value) if value in kind.__members__ else default


def _from_list(content: Content, name: str) -> str | None:
    """Return the value of the list; None when there is no info, `Unknown` when it says nothing that is listed."""
    if not content.texts:
        return None
    text = content.text(name)
    values = _LISTS[name]
    if text in values:
        return text
    if text.casefold() == "very likely":  # CAP 1.0's, which CAP 1.1 says to take as Likely
        return "Likely"
    return next((value for value in values if value.casefold() == text.casefold()), "Unknown")


def _incident_type(content: Content) -> Code | None:
    event = content.text("event")
    return unvalidated(Code, {"system": codes.EVENT_CODES, "value": event}) if event else None


def _statements(content: Content) -> Iterator[Statement]:
    for own in content.ours:
        if _nature(own) in StatementNature.__members__:
            yield Statement(nature=StatementNature(_nature(own)), text=own.text)


def _nature(own: Attribute) -> str:
    return own.name.removeprefix(_STATEMENT).upper() if own.name.startswith(_STATEMENT) else ""


def _attributes(content: Content, more: tuple[tuple[str, str], ...]) -> tuple[Code, ...]:
    rows = [{"system": name, "value": text} for name, text in more]
    rows += [
        {"system": f"{codes.ATTRIBUTE}{name}", "value": text}
        for name, text in content.texts.items()
        if name not in _FIELDS
    ]
    rows += [{"system": name, "value": text} for name, text, _, _, _ in content.attributes]
    rows += sayings.as_attributes(sayings_of(content.ours))
    return unvalidated_all(Code, rows)


def note_what_is_lost(content: Content, event: IncidentEvent, notes: Notes) -> None:
    """Note what of the blocks `event` does not carry, and what of it was let pass."""
    texts = content.first.texts
    for name in _LISTS:
        if name in texts and texts[name] != getattr(event, name):
            _lose(content.paths(name), "not one of the values of CAP 1.2", notes)
    for name in _TIMES:
        if name in texts:
            _note_time(name, content, notes)
    if not content.ours:
        return
    last = {own.name: own for own in content.ours}
    for own in content.ours:
        taken = own is last[own.name] and (
            own.name in sayings.NAMES or (own.name in _OWN and _is_taken(own, content, event))
        )
        if not taken and _nature(own) not in StatementNature.__members__:
            notes.lose(content.first.path_of(own), _OF_A_HUB)
    note_unread(sayings_of(last.values()), notes)


def _note_time(name: str, content: Content, notes: Notes) -> None:
    time = read_time(content.text(name))
    if time is None:
        _lose(content.paths(name), "not a time", notes)
    elif not time[1]:
        notes.remark(codes.OFFSET, content.paths(name)[0], "taken as UTC")


def _lose(paths: list[str], why: str, notes: Notes) -> None:
    for path in paths:
        notes.lose(path, why)


def _is_taken(own: Attribute, content: Content, event: IncidentEvent) -> bool:
    if own.name in {"action", "category", "priority"}:
        return own.text == str(getattr(event, own.name).value)
    if own.name in {FIXED_AT, METHOD}:
        return event.position is not None
    return content.is_ours and read_time(own.text) is not None
