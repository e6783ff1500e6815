"""Reference client of a BondMate device: queues on disk, sends until the hub has it, shows the level that is true.

It needs Python 3.11 and aiohttp, and nothing of the hub: copy this folder into a device's own software. `Client` is the
whole of it for most; `Core` makes the same decisions without disk, network and clock.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from bondmate_device import bodies
from bondmate_device.client import Client
from bondmate_device.core import Core
from bondmate_device.listener import Patience
from bondmate_device.model import (
    Cancel,
    EventKind,
    HubLink,
    Item,
    Level,
    Message,
    OperatorAnswer,
    Position,
    RaisedAlert,
    RefusedEvent,
)
from bondmate_device.outbox import SendingPace
from bondmate_device.settings import Settings
from bondmate_device.store import StoreInUseError

__all__ = [
    "Cancel",
    "Client",
    "Core",
    "EventKind",
    "HubLink",
    "Item",
    "Level",
    "Message",
    "OperatorAnswer",
    "Patience",
    "Position",
    "RaisedAlert",
    "RefusedEvent",
    "SendingPace",
    "Settings",
    "StoreInUseError",
    "bodies",
]

_OLD_NAMES: Final = {
    "Answer": OperatorAnswer,
    "Kind": EventKind,
    "Link": HubLink,
    "Pace": SendingPace,
    "Refusal": RefusedEvent,
    "Standing": RaisedAlert,
}
"""Names of the release before, which devices use that were written for it. They go with release 0.3."""

if not TYPE_CHECKING:  # else mypy would let every name pass

    def __getattr__(name: str) -> Any:
        """Return what had `name` in the release before."""
        if name not in _OLD_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        new = _OLD_NAMES[name]
        warnings.warn(f"bondmate_device.{name} is now {new.__name__}", DeprecationWarning, stacklevel=2)
        return new
