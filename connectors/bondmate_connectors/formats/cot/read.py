"""From Cursor on Target to canonical events.

What a message becomes:

| message | event |
|---|---|
| `emergency` in the detail, `b-a-…`, `a-…-9-1-1` | DeviceAlert, raise or (`b-a-o-can`, `cancel="true"`) cancel |
| `a-…` that describes its sender (`takv`, `__group`), friendly atoms that no person placed | DeviceLocation |
| other atoms on the ground or placed by a person, `b-m-p-…` | IncidentEvent, MARKER |
| `b-r-?-h-c` casualty evacuation | IncidentEvent, INCIDENT, with its nine lines |
| `t-x-d-d` of what is not the hub's | IncidentEvent, MARKER, cancelled; of one that nobody knows nothing is told |
| drawings `u-d-…`, `u-r-b-…`, routes `b-m-r` | IncidentEvent, MARKER, with areas |
| `b-t-f` | DeviceMessage |
| `b-t-f-d`, `b-t-f-r` | DeliveryReceipt |
| everything else | ignored: `type_ignored` |

An alert is read whatever else is wrong with it: an unreadable time becomes the time of receipt, a position that is
none is left out, each with a warning. So is a chat line: a text to an officer never vanishes for its time. Of
everything else the time must be readable. What the hub wrote of an alert in an exercise is read as the alert it is,
though a marker.

**Life cycle of an alert.** A client gives all its alerts one uid, so the alert is (uid, start). A cancel has a start of
its own: it says whose alert ends, not which. Its `external_refs` therefore name that uid (`cot`, and `cot:alert` when
it links to another uid), and whoever keeps the state ends the newest alert so called. Alerts of the hub itself have a
uid each and give their own id back.

**Receipts.** `b-t-f-d` is a client's word that it has the message: DELIVERED. `b-t-f-r` is sent when a client shows it;
that is an application's doing, and no proof that a person understood: ACCEPTED, never ACKNOWLEDGED.

**Mode.** From `opex` (or the hub's own element); absent is UNKNOWN, the platform's setting decides for a connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from bondmate_connectors.contract import Ignored, Reading, Refusal, Remark
from bondmate_connectors.formats.cot import kinds_in, types
from bondmate_connectors.formats.cot.drawings import DRAWING
from bondmate_connectors.formats.cot.event import CotEvent, parse_event
from bondmate_connectors.formats.cot.kinds_in import ReadEvent
from bondmate_connectors.formats.cot.lost_in import lost_of
from bondmate_connectors.formats.cot.remainder import remainder_of

_EMERGENCY = re.compile(r"b-a(-.*)?|a-.*-9-1-1")
_CASEVAC = re.compile(r"b-r-\w-h-c(-.*)?")
_SELF = frozenset({"takv", "__group"})
_MARKER_SIGNS = frozenset({"archive", "usericon"})
_HUBS_OWN = frozenset({types.MARKER, types.DELETE})
_CHAT_RECEIPTS = frozenset({types.CHAT_DELIVERED, types.CHAT_READ})
_Reader = Callable[[CotEvent, datetime], ReadEvent | Ignored | Refusal]


def read(message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
    """Translate one message; never raises."""
    event = parse_event(message)
    if isinstance(event, Refusal):
        return event
    taken = _read(event, received_at)
    if not isinstance(taken, tuple):
        return taken
    record, warnings = taken
    told, not_taken = remainder_of(event, record)
    lost = (*lost_of(event, record, len(message)), *not_taken)
    return Reading((record,), (*warnings, *told), tuple(dict.fromkeys(lost)) if len(lost) > 1 else lost)


def read_event(event: CotEvent, received_at: datetime) -> Reading | Ignored | Refusal:
    """Translate one parsed event, without saying what of it is lost."""
    taken = _read(event, received_at)
    return Reading((taken[0],), taken[1]) if isinstance(taken, tuple) else taken


def _read(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored | Refusal:
    taken = _by_kind(event, received_at)
    if not (event.outside or event.time_breaches) or not isinstance(taken, tuple):
        return taken
    told = [Remark("outside_detail", f"event/{name}", "taken as if in the detail") for name in event.outside]
    if event.time_breaches:
        told.append(Remark("time_lenient", "event/@time", ", ".join(event.time_breaches)))
    return taken[0], (*taken[1], *told)


def _by_kind(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored | Refusal:
    kind, own = event.type, event.own
    if own.get("kind") is not None and kind in _HUBS_OWN:
        return kinds_in.alert(event, received_at)  # written as a marker, since it is an exercise
    if kind.startswith("t-"):
        return _deleted(event, received_at)
    if "emergency" in event.children or _is_emergency(kind):
        return kinds_in.alert(event, received_at)
    if kind == types.CHAT:
        return kinds_in.message(event, received_at)
    read_as = _reader(event)
    if read_as is None:
        return Ignored("type_ignored")
    return Refusal("time_invalid", "event/@time") if event.time is None else read_as(event, received_at)


def _is_emergency(kind: str) -> bool:
    return (kind.startswith("b-a") or kind.endswith("-9-1-1")) and _EMERGENCY.fullmatch(kind) is not None


def _reader(event: CotEvent) -> _Reader | None:
    """Return what reads an event that is worth nothing without its time; None when nothing does."""
    kind = event.type
    if kind.startswith("a-"):
        if _is_own_position(event):
            return kinds_in.location
        return kinds_in.incident if _is_marker(event) else None
    if kind in _CHAT_RECEIPTS:
        return kinds_in.receipt
    if kind.startswith("b-m-p") or DRAWING.fullmatch(kind) or _CASEVAC.fullmatch(kind):
        return kinds_in.incident
    return None


def _is_own_position(event: CotEvent) -> bool:
    if not _SELF.isdisjoint(event.children):
        return True
    return event.type.startswith("a-f-") and (_is_track(event) or not _is_placed(event))


def _is_track(event: CotEvent) -> bool:
    """Whether a machine says where a friendly thing is: a vehicle or drone; its link says only who carries it."""
    return event.how.startswith("m-") and event.child("archive") is None


def _is_placed(event: CotEvent) -> bool:
    """Whether somebody put it on the map: it names its creator, or asks to be kept, or has an icon."""
    creator = event.child("link")
    return not _MARKER_SIGNS.isdisjoint(event.children) or (creator is not None and creator.get("relation") == "p-p")


def _is_marker(event: CotEvent) -> bool:
    """Whether an atom is a point on the map; tracks of aircraft and ships that a machine made are none."""
    return event.type[3:5] == "-G" or event.how.startswith("h") or _is_placed(event)


def _deleted(event: CotEvent, received_at: datetime) -> ReadEvent | Ignored | Refusal:
    """Read the deletion of a marker: of one that the hub had written by what its own element says."""
    if event.type != types.DELETE or (event.own and not event.own.get("category")):
        return Ignored("type_ignored")
    taken = kinds_in.incident(event, received_at) if event.own else kinds_in.deletion(event, received_at)
    return taken if event.time or isinstance(taken, Ignored) else Refusal("time_invalid", "event/@time")
