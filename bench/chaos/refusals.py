"""A room that refuses us for a while, one document that it never takes, and one at which it cuts the line."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus

from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import PAGES, dead_letter_topic
from bondmate_schemas.models import OperationsPage

from bench.chaos.bite import BACK_SECONDS, Fault, must
from bench.chaos.lab import NEAR, Lab
from bench.chaos.room import Odd

_MOST_ASKED = 48
"""Those under way when it begins (32), and probes of a minute that come after 1, 2, 4 … 60 s."""
_OFFERS = 3


def answers(status: HTTPStatus, seconds: float) -> Fault:
    """Let the near room refuse every document for so long; it must be asked seldom, and one page come."""

    async def do(lab: Lab) -> None:
        room, began = lab.rooms[NEAR], datetime.now(UTC)
        room.status = status
        await asyncio.sleep(seconds)
        room.status = HTTPStatus.CREATED
        await _held(lab, began, room.troubled, f"{status.value}")

    return do


def wrong_certificate(seconds: float) -> Fault:
    """Let a stranger answer where the near room was, for so long."""

    async def do(lab: Lab) -> None:
        room, began = lab.rooms[NEAR], datetime.now(UTC)
        before = lab.proxy.connections
        lab.proxy.lead_to(room.stranger_port)
        await asyncio.sleep(seconds)
        asked = lab.proxy.connections - before
        lab.proxy.lead_to(room.port)
        await _held(lab, began, asked, "a wrong certificate")

    return do


def wrong_password(seconds: float) -> Fault:
    """Let the near room know another password for so long, then have a person say that it is mended."""

    async def do(lab: Lab) -> None:
        room, began = lab.rooms[NEAR], datetime.now(UTC)
        room.locked = True
        await asyncio.sleep(seconds)
        room.locked = False
        must(room.troubled > 0, "the room was not asked")
        if room.troubled > _OFFERS:
            raise AssertionError(f"the password was offered {room.troubled} times")
        paged = await _pages(lab, began)
        command = ("connectors", "restart", NEAR, "--operator", "lab", "--reason", "the password is right again")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bondmate_hub", *command, "--config", str(lab.folder / "hub.yaml"),
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        must(await child.wait() == 0, "the restart was not done")
        lab.evidence.append(f"offered {room.troubled} times in {seconds:g} s, {paged} page; taken after `restart`")

    return do


def odd_one(odd: Odd, code: str) -> Fault:
    """Have the near room never take one document: it must end as a dead letter under `code`, all others arrive."""

    async def do(lab: Lab) -> None:
        room, began = lab.rooms[NEAR], time.monotonic()
        room.odd = odd
        while not (codes := await asyncio.to_thread(_codes, lab)):
            must(time.monotonic() < began + 2 * BACK_SECONDS, "it is no dead letter")
            await asyncio.sleep(1)
        if codes != {code: 1}:
            raise AssertionError(f"dead letters: {dict(codes)}")
        lab.evidence.append(f"{odd} {room.troubled} times, {code} after {time.monotonic() - began:.0f} s")

    return do


async def _held(lab: Lab, began: datetime, asked: int, what: str) -> None:
    must(asked > 0, "the room was not asked")
    if asked > _MOST_ASKED:
        raise AssertionError(f"a room that refuses was asked {asked} times")
    must(not lab.supervisor.restarts, "a role was started again")
    lab.evidence.append(f"{what} {asked} times, {await _pages(lab, began)} page, no restart")


async def _pages(lab: Lab, began: datetime) -> int:
    """Wait for the page of the near room; gives how many there were, which must be one."""
    end = time.monotonic() + BACK_SECONDS
    while not (found := await asyncio.to_thread(_paged, lab, began)):
        must(time.monotonic() < end, "operations were not paged")
        await asyncio.sleep(1)
    if len(found) > 1:
        raise AssertionError(f"one outage, {len(found)} pages")
    return len(found)


def _paged(lab: Lab, began: datetime) -> set[str]:
    found = stored({"bootstrap.servers": lab.broker.bootstrap}, [PAGES])
    pages = [lab.codec.decode(message.value(), OperationsPage) for message in found]
    return {p.page_id for p in pages if (p.subject, p.reason) == (NEAR, "connector_refused") and p.raised_at >= began}


def _codes(lab: Lab) -> Counter[str]:
    letters = stored({"bootstrap.servers": lab.broker.bootstrap}, [dead_letter_topic(NEAR)])
    return Counter(str(dict(letter.headers() or ())["bondmate.error.code"], "ascii") for letter in letters)  # type: ignore[arg-type]  # the hub's own are bytes
