"""Strangers who write the hub's topics themselves, with clients of their own, while something happens to the hub."""

from __future__ import annotations

import asyncio
import time

from bondmate_schemas.models import AlertState

from bench.chaos.bite import BACK_SECONDS, Fault, must
from bench.chaos.cad import Cad
from bench.chaos.checker import LEVELS
from bench.chaos.lab import MAP, Lab


def acknowledges_astray(meanwhile: Fault) -> Fault:
    """Let the map's people acknowledge every alert in Kafka, with a foreign partitioner, while something is done.

    Each acknowledgement must count, in the one state that its alert has, and no level may fall.
    """

    async def do(lab: Lab) -> None:
        cad = await asyncio.to_thread(Cad, lab.broker.bootstrap, lab.codec, MAP, lab.book, lab.outside)
        with cad:
            await meanwhile(lab)
        wanted, end = cad.acknowledged, time.monotonic() + BACK_SECONDS
        must(cad.astray > len(wanted) / 4, f"only {cad.astray} of {len(wanted)} receipts went astray")
        while (unheard := wanted - set(await asyncio.to_thread(_heard, lab))) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        if unheard:
            raise AssertionError(f"{len(unheard)} of {len(wanted)} acknowledgements were not heard")
        if twofold := await asyncio.to_thread(_twofold, lab):
            raise AssertionError(f"{len(twofold)} alerts have states that contradict each other")
        lab.evidence.append(f"{len(wanted)} acknowledgements, {cad.astray} of them astray, each heard once")

    return do


def _heard(lab: Lab) -> list[str]:
    """Return the alerts of which the map's people are known to have taken them up."""
    return [kept[-1][1].header.event_id for kept in lab.states().values() if _rank(kept[-1][1]) >= _TAKEN_UP]


def _twofold(lab: Lab) -> list[bytes]:
    """Return the alerts with states in two partitions, or with one that went back."""
    found = []
    for key, kept in lab.states().items():
        ranks = [_rank(state) for _, state in kept]
        if len({partition for partition, _ in kept}) > 1 or ranks != sorted(ranks):
            found.append(key)
    return found


def _rank(state: AlertState) -> int:
    at = state.destinations.get(MAP)
    return LEVELS.index(at.level.value) if at is not None and at.level.value in LEVELS else 0


_TAKEN_UP = LEVELS.index("ACKNOWLEDGED")
