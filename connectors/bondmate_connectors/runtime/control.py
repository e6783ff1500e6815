"""What people and changed files ask of one connector while it runs: to be built anew, with other settings, to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bondmate_connectors.contract import ConnectorConfig


class Why(StrEnum):
    """Why a connector is built anew; values of the label `why`."""

    CRASH = "crash"
    ASKED = "asked"
    SETTINGS = "settings"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class Pause:
    """A connector rests: nothing is sent, nothing is taken, nothing is lost."""

    until: datetime
    """When it ends by itself (UTC)."""
    since: datetime
    operator: str
    reason: str


class Control:
    """The wishes that the supervision of one connector hears; used from the event loop only.

    Each wish ends the life of the connector as a stop does: what is in hand is finished, nothing is lost. What is asked
    for while nothing runs is heard at once too.
    """

    def __init__(self, config: ConnectorConfig, pause: Pause | None = None) -> None:
        self.pause = pause
        """The pause it is in, or was in last."""
        self.config = config
        """The settings of its next life."""
        self.why = Why.ASKED
        self.asked = asyncio.Event()
        self.on_restart: Callable[[], None] = lambda: None
        """Called at each wish of a person to begin anew."""
        self.is_waiting = False
        """Whether the connector stands still until its settings are mended, or until it is asked for."""

    def restart(self) -> None:
        """Have the connector built anew, at once and whatever it waits for."""
        self.on_restart()
        self._ask(Why.ASKED)

    def renew(self, config: ConnectorConfig) -> None:
        """Have the connector built anew with other settings, at once and whatever it waits for."""
        self.config = config
        self._ask(Why.SETTINGS)

    def rest(self, pause: Pause) -> None:
        """Have the connector closed until the pause is over."""
        self.pause = pause
        self._ask(Why.RESUMED)

    def resume(self) -> None:
        """End a pause, and have the connector built anew at once."""
        self.pause = None
        self._ask(Why.RESUMED)

    def paused(self, now: datetime) -> Pause | None:
        """Return the pause it is in."""
        return self.pause if self.pause is not None and now < self.pause.until else None

    def _ask(self, why: Why) -> None:
        self.why = why
        self.asked.set()


class Controls(dict[str, Control]):
    """The controls of all connectors of a process, by name; empty until they are built.

    `pauses` are those in which connectors were when the process before this one ended.
    """

    def __init__(self, pauses: Mapping[str, Pause] | None = None) -> None:
        super().__init__()
        self.pauses = dict(pauses or {})
