"""What the roles of this machine say when they are asked themselves; one that does not answer is frozen."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from bondmate_hub.admin.discovery import Endpoint, endpoints
from bondmate_hub.status.facts import RoleFact

__all__ = ["local_roles"]


def local_roles(data_dir: Path, seconds: float, pids: Collection[int] | None = None) -> list[RoleFact]:
    """Return how each role is that runs with this `data_dir`, in one of `pids` where any are named.

    Each is asked within `seconds`.
    """
    found = [each for each in endpoints(data_dir) if each.health and (pids is None or each.pid in pids)]
    if not found:
        return []
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda endpoint: _asked(endpoint, seconds), found))


def _asked(endpoint: Endpoint, seconds: float) -> RoleFact:
    try:
        with urlopen(f"{endpoint.health}/readyz", timeout=seconds) as answer:  # noqa: S310  # our own, of this machine
            reasons = json.load(answer)["reasons"]
    except HTTPError as error:
        reasons = _reasons(error)
    except (OSError, HTTPException, ValueError, KeyError):
        return RoleFact(endpoint.role, endpoint.instance, endpoint=endpoint.health)
    waits = tuple(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
    return RoleFact(
        endpoint.role, endpoint.instance, endpoint=endpoint.health, heard_seconds=0.0, ready=not waits, waits_for=waits
    )


def _reasons(error: HTTPError) -> dict[str, str]:
    with error:
        try:
            found: dict[str, str] = json.load(error)["reasons"]
        except (ValueError, KeyError):
            return {"role": f"its endpoint answers {error.code}"}
    return found
