"""Ask the admin endpoints of the roles that run with a `data_dir`, as the command line does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from bondmate_hub.admin.discovery import Endpoint, endpoints, token

_ANSWER_SECONDS: Final = 45.0
_ASK_SECONDS: Final = 0.2
_BAD_REQUEST: Final = 400


class SteeringError(Exception):
    """Nothing was done, or not by all roles: the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Steered:
    """What became of a connector in one role."""

    name: str
    role: str
    instance: str
    status: dict[str, Any]


async def steer(
    data_dir: Path, name: str, verb: str, body: dict[str, Any], *, until: str, wait_seconds: float
) -> list[Steered]:
    """Make every role that runs connector `name` do `verb`, and wait until it reports the state `until`.

    Raises:
        SteeringError: no role runs it, a role refused, or none answers.
    """
    headers = {"Authorization": f"Bearer {token(data_dir)}"}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=False) as session:
        found = [each for each in endpoints(data_dir) if name in await _names(session, each)]
        if not found:
            raise SteeringError(
                f"{name}: no running role of {data_dir} runs a connector of this name; start it with `hub run`, on this"
                " machine and with these settings"
            )

        async def steered(role: Endpoint) -> Steered:
            await _ask(session, role, "POST" if verb == "restart" else "PUT", f"connectors/{name}/{verb}", body)
            end = time.monotonic() + wait_seconds
            while True:
                status = await _ask(session, role, "GET", f"connectors/{name}/status")
                if status["connector"]["state"] == until or time.monotonic() >= end:
                    return Steered(name, role.role, role.instance, status)
                await asyncio.sleep(_ASK_SECONDS)

        return [await steered(each) for each in found]


async def _names(session: aiohttp.ClientSession, endpoint: Endpoint) -> list[str]:
    try:
        return list(await _ask(session, endpoint, "GET", "connectors"))
    except aiohttp.ClientError as error:
        raise SteeringError(
            f"role {endpoint.role} does not answer at {endpoint.url}: {type(error).__name__}"
        ) from error


async def _ask(
    session: aiohttp.ClientSession, endpoint: Endpoint, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    url = URL(endpoint.url).joinpath(*path.split("/"))
    async with session.request(method, url, json=body, allow_redirects=False) as response:
        answer = await response.json(content_type=None) if response.content_length else None
        if response.status >= _BAD_REQUEST:
            problem = answer if isinstance(answer, dict) else {}
            said = ": ".join(str(problem[key]) for key in ("title", "detail") if key in problem)
            raise SteeringError(f"role {endpoint.role}: {said or f'HTTP {response.status}'}")
        return answer
