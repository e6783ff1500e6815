"""`hub drill`: does an alert reach a control room, and does its answer come back? A TEST alert goes the whole way."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_hub.drills.course import DrillHop
    from bondmate_hub.drills.sending import DrillResult

_WORDS = {
    "received": "received: the gateway has it durably",
    "routed": "routed: the streams have told the connector",
    "delivered": "delivered: the control room's system has it",
    "accepted": "accepted: its application has taken it",
    "answered": "a person there says",
    "ended": "ended",
}


class Until(StrEnum):
    """How far a drill must come."""

    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    ANSWERED = "answered"


def drill(
    destination: Annotated[str, typer.Argument(help="The control room, by its name in the routes.")],
    until: Annotated[
        Until, typer.Option(help="How far it must come; `answered` is a person's word, and nothing else is.")
    ] = Until.DELIVERED,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long to wait; the hub ends it after 60.")] = 30,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send a TEST alert the whole way to one control room, and show what came back, at which hop, how fast.

    It goes there alone and never escalates. The room needs `drill: true` in the routes, and a device of the hub's own
    under `drills.rooms` in the settings. Exit 1 when it did not come so far: it names the hop, and what to do.

    Example: hub drill cap-room --until answered --seconds 60
    """
    from bondmate_hub.drills.course import HopName
    from bondmate_hub.drills.sending import drill as sent
    from bondmate_hub.settings import load

    def seen(hop: DrillHop) -> None:
        if not as_json:
            print(_line(hop), flush=True)

    result = asyncio.run(sent(load(config), destination, until=HopName(until.value), seconds=seconds, seen=seen))
    show(result.as_json(), _verdict(result), as_json=as_json)
    sys.exit(0 if result.ok else 1)


def _line(hop: DrillHop) -> str:
    said = f" {hop.said}" if hop.said and hop.name.value == "answered" else ""
    by = f" by {hop.said}" if hop.said and hop.name.value == "ended" else ""
    return f"{hop.seconds:8.3f} s  {_WORDS[hop.name.value]}{said}{by}"


def _verdict(result: DrillResult) -> str:
    if result.ok:
        return f"{result.destination}: the drill came as far as asked"
    return f"{result.destination}: not {result.stopped_at}: {result.hint}"
