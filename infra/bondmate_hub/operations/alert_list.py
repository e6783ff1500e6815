"""The alerts that the hub remembers, a row each, without anything of a person: pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bondmate_schemas.enums import Response
from bondmate_schemas.models import AlertState, DestinationState
from bondmate_streams.logic.levels import is_answered, stage_of
from bondmate_streams.logic.life_cycle import CLOSED

__all__ = ["raised_at", "row_of", "rows", "text", "whole"]


def rows(known: Iterable[AlertState], now: datetime, *, only_open: bool = False) -> list[dict[str, Any]]:
    """Return a row for each alert, the oldest first; only of those that nobody has closed where `only_open`."""
    chosen = [state for state in known if not only_open or state.status not in CLOSED]
    return [row_of(state, now) for state in sorted(chosen, key=raised_at)]


def raised_at(state: AlertState) -> datetime:
    """Return when the hub first had an alert."""
    whole = state.alert.whole
    return whole.raised_at if whole and whole.raised_at else state.header.received_at


def text(row: dict[str, Any]) -> str:
    """Return a row as one line."""
    where = ", ".join(f"{name}: {at['means']}" for name, at in row["destinations"].items()) or "nobody is told"
    age = f"{row['age_seconds']:.0f} s"
    return f"{row['event_id']}  {row['raised_at']}  {age}  {row['kind']}  {row['mode']}  {whole(row)}  {where}"


def whole(row: dict[str, Any]) -> str:
    """Return in words where an alert of a row stands as a whole."""
    state = "open" if row["open"] else row["status"].lower()
    state += ", answered" if row["answered"] else ", not answered"
    return state + (", its device asks to cancel" if row["cancel_requested"] else "")


def row_of(state: AlertState, now: datetime) -> dict[str, Any]:
    """Return the row of one alert."""
    began = raised_at(state)
    return {
        "event_id": state.header.event_id,
        "incident_id": state.header.incident_id,
        "kind": state.alert.kind.value,
        "mode": state.header.mode.value,
        "agency_id": state.header.agency_id,
        "owner_agency_id": state.owner_agency_id or state.header.agency_id,
        "status": state.status.value,
        "open": state.status not in CLOSED,
        "answered": is_answered(state),
        "cancel_requested": state.cancel_requested,
        "raised_at": began.isoformat(timespec="milliseconds"),
        "age_seconds": round((now - began).total_seconds(), 3),
        "changed_at": state.changed_at.isoformat(timespec="milliseconds"),
        "destinations": {name: _at(one) for name, one in state.destinations.items()},
    }


def _at(one: DestinationState) -> dict[str, Any]:
    return {
        "level": one.level_said.value,
        "means": stage_of(one).doc,
        "response": None if one.response is Response.UNSTATED else one.response.value,
        "since": one.changed_at.isoformat(timespec="milliseconds"),
        "code": one.code,
    }
