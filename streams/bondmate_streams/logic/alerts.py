"""An alert as it comes from its device: repeats, repeated presses, the position joined, the incident named.

Whatever is missing, doubtful or odd, a raised alert goes on: nothing here can drop one but its own repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from bondmate_schemas.device_alert_ids import alert_event_id, own_ids
from bondmate_schemas.enums import AlertAction, Mode, PositionOrigin
from bondmate_schemas.flags import FROM_REPLACED, STARTED_BY_ROOM
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import (
    AlertState,
    DeviceAlert,
    DeviceLocation,
    DeviceMemory,
    OpenAlert,
    Position,
    SeenMessage,
)

from bondmate_streams.logic import news
from bondmate_streams.logic.duress import is_said_under
from bondmate_streams.logic.grouping import Find, linked, of_officer
from bondmate_streams.logic.headers import is_pressed_there, with_flags, with_header
from bondmate_streams.logic.life_cycle import CLOSED, REQUESTS_ONLY
from bondmate_streams.logic.rounds import graver
from bondmate_streams.logic.routing import EMERGENCIES

_MESSAGES_KEPT = 64
_ALERTS_KEPT = 16


@dataclass(frozen=True, slots=True)
class PressOutcome:
    """What became of an alert: the change it makes (None: it was a repeat), and what to remember."""

    outcome: str
    memory: DeviceMemory
    change: DeviceAlert | None = None


def take(
    alert: DeviceAlert,
    memory: DeviceMemory | None,
    last: DeviceLocation | None,
    now: datetime,
    near: Find | None = None,
) -> PressOutcome:
    """Take an alert of a device.

    Args:
        alert: as the device sent it.
        memory: what is remembered of the device.
        last: the device's last location, when one is known.
        now: the time of publishing.
        near: the link of a new alert to those of others.

    Returns:
        The change under the alert's event id and incident id, with its position, and the memory after it. `outcome`
        is `repeat` without a change, or `raised`, `merged`, `updated`, `news`, `cancelled`, `cancel_requested`.
    """
    memory = memory or DeviceMemory(device_id=alert.device_id)
    if any(seen.message_id == alert.header.message_id for seen in memory.seen):
        return PressOutcome("repeat", memory)
    if STARTED_BY_ROOM in alert.header.flags and emergencies(memory, alert.header.mode):
        return PressOutcome("open_already", memory)
    if not alert.drill and (subject := news.subject_of(alert, memory)):
        told = news.as_news(alert, subject)
        change = _joined(_correlated(told, subject, now), last)
        return PressOutcome("news", _remembered(memory, alert, change, subject, news.noted(subject, alert)), change)
    known = _open_of(alert, memory)
    before = () if known else memory.open_alerts
    change = _joined(_correlated(_flagged(alert, memory), known, now), last, before)
    outcome = _outcome(alert, known)
    if outcome == "raised" and not alert.drill:
        change = linked(change, of_officer(change, memory.open_alerts) or (near and near(change)))
    kept = _still_open(alert, change, known)
    return PressOutcome(outcome, _remembered(memory, alert, change, known, kept), change)


def stand(memory: DeviceMemory | None, state: AlertState) -> DeviceMemory:
    """Remember how an alert stands: a closed one no longer takes further presses, one opened anew does."""
    memory = memory or DeviceMemory(device_id=state.device_id)
    others = tuple(known for known in memory.open_alerts if known.event_id != state.header.event_id)
    if state.status in CLOSED:
        return memory.model_copy(update={"open_alerts": others})
    if len(others) < len(memory.open_alerts):
        return memory
    return memory.model_copy(update={"open_alerts": (*others, _opened(state.alert))[-_ALERTS_KEPT:]})


def emergencies(memory: DeviceMemory | None, mode: Mode) -> list[str]:
    """Return the emergencies that a device has open in a mode."""
    known = memory.open_alerts if memory else ()
    return [k.event_id for k in known if k.kind in EMERGENCIES and k.mode is mode]


def is_any_hidden(memory: DeviceMemory | None) -> bool:
    """Whether a device has an emergency open of which nothing may sound there: a room has started it silently.

    No other open alert is remembered without its incident.
    """
    return memory is not None and any(known.incident_id is None for known in memory.open_alerts)


def is_fix(position: Position | None) -> bool:
    """Whether a position says where somebody is: 0,0 is what a receiver without a fix reports."""
    return position is not None and (position.latitude, position.longitude) != (0.0, 0.0)


def _open_of(alert: DeviceAlert, memory: DeviceMemory) -> OpenAlert | None:
    """Find the open alert this belongs to: by its id, else a further press of the same kind in the same mode."""
    event_id = alert.header.event_id
    named = [k for k in memory.open_alerts if event_id == k.event_id or event_id in k.merged_event_ids]
    if named:
        # Of an exercise that its device goes on from as real, the real one.
        return min(named, key=lambda known: known.mode is not Mode.ACTUAL)
    # A drill is an alert of its own each time.
    if alert.action is not AlertAction.RAISE or alert.drill:
        return None
    same = (k for k in reversed(memory.open_alerts) if (k.kind, k.mode) == (alert.kind, alert.header.mode))
    return next(same, None)


def _outcome(alert: DeviceAlert, known: OpenAlert | None) -> str:
    if alert.action is AlertAction.CANCEL:
        return "cancel_requested" if _request_only(alert, known) else "cancelled"
    if known is None:
        return "raised"
    return "merged" if alert.action is AlertAction.RAISE else "updated"


def _request_only(alert: DeviceAlert, known: OpenAlert | None) -> bool:
    return alert.kind in REQUESTS_ONLY or is_said_under(alert) or (known is not None and known.kind in REQUESTS_ONLY)


def _flagged(alert: DeviceAlert, memory: DeviceMemory) -> DeviceAlert:
    origin, digest = alert.header.origin_message_id, alert.header.content_digest
    reused = origin is not None and any(
        seen.origin_message_id == origin and seen.content_digest != digest for seen in memory.seen
    )
    return with_flags(alert, "message_id_reused") if reused else alert


def _correlated(alert: DeviceAlert, known: OpenAlert | None, now: datetime) -> DeviceAlert:
    header = alert.header
    event_id = known.event_id if known else header.event_id
    incident_id = (known.incident_id if known else None) or header.incident_id or derived_id("incident", event_id)
    alert = with_header(alert, event_id=event_id, incident_id=incident_id, published_at=now)
    if known and alert.action is AlertAction.RAISE:
        return alert.model_copy(update={"press_count": max(known.press_count + 1, alert.press_count)})
    return alert


@dataclass(frozen=True, slots=True)
class _LastKnown:
    """A fix of the device, and when the hub had it."""

    position: Position
    received_at: datetime
    flags: tuple[str, ...] = ()


def _joined(alert: DeviceAlert, last: DeviceLocation | None, before: Iterable[OpenAlert] = ()) -> DeviceAlert:
    """Return the alert with its position: its own fix wins; else the last known one, with its age; else none.

    The last known one may be that of an open alert `before` it: a device can say where it is in an alert alone.
    """
    own = alert.position if is_fix(alert.position) else None
    fix = None if own else max(_last_known(last, before), key=attrgetter("received_at"), default=None)
    position = own or (fix.position if fix else None)
    update: Mapping[str, object] = {
        "position": position,
        "position_origin": PositionOrigin.OWN if own else PositionOrigin.JOINED if fix else PositionOrigin.NONE,
        "position_age_seconds": _age(alert, position, fix) if position else None,
    }
    changed = alert.model_copy(update=update)
    return with_flags(changed, "no_fix") if alert.position is not None and own is None else changed


def _last_known(last: DeviceLocation | None, before: Iterable[OpenAlert]) -> Iterator[_LastKnown]:
    if last is not None and is_fix(last.position):
        yield _LastKnown(last.position, last.header.received_at, last.header.flags)
    for known in before:
        if known.fix is not None and known.fix_received_at is not None:
            yield _LastKnown(known.fix, known.fix_received_at)


def _age(alert: DeviceAlert, position: Position, fix: _LastKnown | None) -> float:
    """Return how old a position is in seconds: never less than the hub has had the fix for.

    A device's clock may be slow, or set between its fix and its press: then only the hub's own counts.
    """
    by_device = max(0.0, (alert.header.occurred_at - position.fixed_at).total_seconds())
    if fix is None:
        return by_device
    here = max(0.0, (alert.header.received_at - fix.received_at).total_seconds())
    is_wrong = "clock_skew" in (*alert.header.flags, *fix.flags)
    return here if is_wrong else max(here, by_device)


def _remembered(
    memory: DeviceMemory, alert: DeviceAlert, change: DeviceAlert, known: OpenAlert | None, kept: OpenAlert | None
) -> DeviceMemory:
    header = alert.header
    seen = SeenMessage(
        message_id=header.message_id,
        event_id=change.header.event_id,
        origin_message_id=header.origin_message_id,
        content_digest=header.content_digest,
    )
    others = tuple(item for item in memory.open_alerts if item is not known)
    open_alerts = (*others, kept)[-_ALERTS_KEPT:] if kept else others
    return memory.model_copy(update={"seen": (*memory.seen, seen)[-_MESSAGES_KEPT:], "open_alerts": open_alerts})


def _still_open(alert: DeviceAlert, change: DeviceAlert, known: OpenAlert | None) -> OpenAlert | None:
    if alert.action is AlertAction.CANCEL and not _request_only(alert, known):
        return None
    if known is None:
        return _opened(change)
    merged = known.merged_event_ids
    if alert.header.event_id not in (known.event_id, *merged):
        merged = (*merged, alert.header.event_id)[-_MESSAGES_KEPT:]
    kind = graver(known.kind, change.kind)
    press_count = max(change.press_count, known.press_count)
    update = {"kind": kind, "press_count": press_count, "merged_event_ids": merged, **_own_fix(change)}
    is_press = alert.action is not AlertAction.CANCEL and change.press_count > known.press_count
    if is_press and is_pressed_there(alert) and not alert.silent and not is_said_under(alert):
        # One that a room had started silently is its officer's own from now on.
        update["incident_id"] = known.incident_id or change.header.incident_id
    return known.model_copy(update=update)


def _own_fix(alert: DeviceAlert) -> dict[str, Any]:
    """Return what is remembered of where an alert itself says that its device is."""
    if alert.position is None or alert.position_origin is not PositionOrigin.OWN:
        return {}
    return {"fix": alert.position, "fix_received_at": alert.header.received_at}


def _meant_too(alert: DeviceAlert) -> tuple[str, ...]:
    """Return under which other ids its device means an alert: that of the ended one, and of presses that joined it."""
    ids = [alert.whole.reopens] if alert.whole and alert.whole.reopens else []
    ids += (alert_event_id(alert.device_id, own_id) for own_id in own_ids(alert))
    return tuple(dict.fromkeys(each for each in ids if each != alert.header.event_id))


def _opened(alert: DeviceAlert) -> OpenAlert:
    is_hidden = STARTED_BY_ROOM in alert.header.flags and alert.silent
    return OpenAlert(
        event_id=alert.header.event_id,
        # Without it no rule links another alert to one that its officer is not to know of; a press of it has the same.
        incident_id=None if is_hidden else alert.header.incident_id,
        kind=alert.kind,
        mode=alert.header.mode,
        press_count=alert.press_count,
        merged_event_ids=_meant_too(alert),
        group_id=alert.whole.group_id if alert.whole else "",
        from_replaced=FROM_REPLACED in alert.header.flags,
        **_own_fix(alert),
    )
