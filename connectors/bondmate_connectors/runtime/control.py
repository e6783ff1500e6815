"""What people and changed files ask of one connector while it runs: to be built anew, with other settings, to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from enum import StrEnum

from bondmate_connectors.contract import ConnectorConfig


class Why(StrEnum):
    """Why a connector is built anew; values of the label `why`."""

    CRASH = "crash"
    ASKED = "asked"
    SETTINGS = "settings"


class Control:
    """The wishes that the supervision of one connector hears; used from the event loop only.

    Each wish ends the life of the connector as a stop does: what is in hand is finished, nothing is lost. What is asked
    for while nothing runs is heard at once too.
    """

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config
        """The settings of its next life."""
        self.why = Why.ASKED
        self.asked = asyncio.Event()
        self.is_waiting = False
        """Whether the connector stands still until its settings are mended, or until it is asked for."""

    def restart(self) -> None:
        """Have the connector built anew, at once and whatever it waits for."""
        self._ask(Why.ASKED)

    def renew(self, config: ConnectorConfig) -> None:
        """Have the connector built anew with other settings, at once and whatever it waits for."""
        self.config = config
        self._ask(Why.SETTINGS)

    def _ask(self, why: Why) -> None:
        self.why = why
        self.asked.set()


class Controls(Mapping[str, Control]):
    """The controls of all connectors of a process, by name; empty until they are built."""

    def __init__(self) -> None:
        self._controls: Mapping[str, Control] = {}

    def take(self, controls: Mapping[str, Control]) -> None:
        """Take over the controls of what has been built."""
        self._controls = controls

    def __getitem__(self, name: str) -> Control:
        return self._controls[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._controls)

    def __len__(self) -> int:
        return len(self._controls)
