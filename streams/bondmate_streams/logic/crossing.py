"""Rooms that an open alert comes to: its device crosses into where rules tell them of alerts. The old ones stay.

A room joins when two fixes `APART` from each other are surely there, and none between them is surely not: a fix of
unknown accuracy, or whose accuracy does not fit between the border and itself, says nothing. So nobody flaps at a
border. At most `MOST_ROOMS` join an alert; then operations are paged, and decide. Of an alert that nobody knows of,
since it had no place, all are told that its first place asks for. Source: 3GPP TS 23.280, 10.10.3 (who comes into an
emergency area is told of it).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bondmate_schemas.flags import CAME_HERE
from bondmate_schemas.models import AlertState, OthersTold

from bondmate_streams.logic.late_rooms import told_late
from bondmate_streams.logic.pages import PageReason, page_of
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, remembering

APART: Final = timedelta(seconds=10)
MOST_ROOMS: Final = 3


def seen(
    since: Mapping[str, datetime], surely: Collection[str], perhaps: Collection[str], at: datetime
) -> tuple[dict[str, datetime], list[str]]:
    """Take a fix that a device had at `at`.

    Args:
        since: rooms to which earlier fixes have come, and when the first of them did.
        surely: rooms that this fix is surely at.
        perhaps: rooms that it may be at, those among them.
        at: when its device had it.

    Returns:
        What `since` is now, and the rooms that join.
    """
    stay = {name: began for name, began in since.items() if name in perhaps}
    found = {**dict.fromkeys(surely, at), **stay}
    return found, [name for name in surely if at - found[name] >= APART]


def crossed(state: AlertState, decisions: Sequence[Decision], held: Sequence[str], now: datetime) -> Step:
    """Have the rooms of `decisions` join, as many as may; where some may not, a person is paged once."""
    told = state.others or OthersTold()
    new = [one for one in decisions if one.destination not in state.destinations]
    is_first = not state.destinations
    joining = new if is_first else new[: max(0, MOST_ROOMS - len(told.crossed))]
    left_out = len(joining) < len(new) and not told.crossing_paged
    rules = {one.route for one in joining}
    others = told.model_copy(
        update={
            "crossed": (*told.crossed, *(one.destination for one in joining if not is_first)),
            "held": tuple(dict.fromkeys((*told.held, *(rule for rule in held if rule in rules)))),
            "crossing_paged": told.crossing_paged or left_out,
        }
    )
    after = state if others == told else state.model_copy(update={"others": others})
    step = told_late("crossed", after, joining, now, CAME_HERE)
    pages = (page_of(state, PageReason.CROSSING, now),) if left_out else ()
    return remembering(replace(step, pages=pages))
