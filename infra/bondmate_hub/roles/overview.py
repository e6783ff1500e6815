"""What a supervisor shows of the roles it keeps: a table of role, readiness and address, anew when it changes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bondmate_monitoring.health import RoleHealth

from bondmate_hub.status.facts import RoleFact
from bondmate_hub.status.lines import columns
from bondmate_hub.status.local_roles import local_roles

__all__ = ["Overview"]

_LOOK_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 1.5


class Overview:
    """Asks the roles of a `data_dir` how they are; the supervisor is ready when all of them are."""

    def __init__(
        self, roles: Sequence[str], data_dir: Path, health: RoleHealth, pids: Callable[[], Mapping[str, int]]
    ) -> None:
        """Show `roles`, which run in the processes `pids`."""
        self._roles = roles
        self._data_dir = data_dir
        self._health = health
        self._pids = pids
        self._shown: list[str] = []
        for role in roles:
            health.require(role)

    async def run(self) -> None:
        """Look and show, until cancelled."""
        while True:
            asked = await asyncio.to_thread(local_roles, self._data_dir, _ANSWER_SECONDS, self._pids().values())
            found = {role.role: role for role in asked}
            for name in self._roles:
                role = found.get(name)
                self._health.report(name, ok=role is not None and role.works, reason=_why(role))
            self._show([_row(name, found.get(name)) for name in self._roles])
            await asyncio.sleep(_LOOK_SECONDS)

    def _show(self, rows: list[tuple[str, ...]]) -> None:
        lines = columns([("role", "ready", "health and metrics", "waits for"), *rows])
        if lines != self._shown:
            self._shown = lines
            sys.stdout.write("\n".join([f"hub: process {os.getpid()}", *lines, "\n"]))
            sys.stdout.flush()


def _row(name: str, role: RoleFact | None) -> tuple[str, ...]:
    return name, "yes" if role and role.works else "no", role.endpoint if role else "-", _why(role)


def _why(role: RoleFact | None) -> str:
    if role is None:
        return "its process has not come up yet"
    return "" if role.works else role.why
