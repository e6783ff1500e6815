"""What people at the other rooms of an alert said, as parameters: `bondmate:other`, one a room.

Its value is pairs `name=value` apart by `; `, in this order, those left out that are not known or not shown: `agency`,
`said` (seen, declined, responding, resolved, cancelled, or as rooms say it themselves: assigned, en_route, on_scene,
withdrawn), `at`, `validity`, `unit`, `eta`, `by`, `words`. In a value `%`, `;` and line ends are percent-encoded.
`bondmate:others_only` says that nothing else is new, `bondmate:others_cause` by which statement, and
`bondmate:others_hops` how many answers to such news led to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from bondmate_schemas.enums import Level, Response, Validity
from bondmate_schemas.models import Delivery, OtherRoom

_ENCODED: Final = re.compile(r"[%;\x00-\x1f\x7f\u2028\u2029]")


def parameters_of_others(delivery: Delivery) -> Iterator[tuple[str, str]]:
    """Yield names and values of the parameters."""
    others = delivery.others
    if others is None:
        return
    for room in others.rooms:
        yield "other", "; ".join(f"{name}={_encoded(value)}" for name, value in _pairs(room) if value)
    if others.only_news:
        yield "others_only", "true"
    if others.cause:
        yield "others_cause", others.cause
        yield "others_hops", str(others.hops)


def _pairs(room: OtherRoom) -> Iterator[tuple[str, str]]:
    yield "agency", room.agency
    yield "said", _said(room)
    yield "at", _time(room.said_at)
    yield "validity", "" if room.validity is Validity.UNSTATED else room.validity.value.lower()
    yield "unit", room.unit or ""
    yield "eta", _time(room.eta_at)
    yield "by", room.by_ref or ""
    yield "words", room.words


def _said(room: OtherRoom) -> str:
    if room.response is not Response.UNSTATED:
        return room.response.value.lower()
    return "seen" if room.level is Level.ACKNOWLEDGED else room.level.value.lower()


def _time(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="seconds")


def _encoded(text: str) -> str:
    return _ENCODED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
