"""Reference client of a BondMate device: queues on disk, sends until the hub has it, shows the level that is true.

It needs Python 3.11 and aiohttp, and nothing of the hub: copy this folder into a device's own software. `Client` is the
whole of it for most; `Core` makes the same decisions without disk, network and clock.
"""

from bondmate_device import bodies
from bondmate_device.client import Client
from bondmate_device.core import Core
from bondmate_device.listener import Patience
from bondmate_device.model import (
    Answer,
    Cancel,
    Item,
    Kind,
    Level,
    Link,
    Message,
    Position,
    Refusal,
    Standing,
)
from bondmate_device.outbox import Pace
from bondmate_device.settings import Settings
from bondmate_device.store import StoreInUseError

__all__ = [
    "Answer",
    "Cancel",
    "Client",
    "Core",
    "Item",
    "Kind",
    "Level",
    "Link",
    "Message",
    "Pace",
    "Patience",
    "Position",
    "Refusal",
    "Settings",
    "Standing",
    "StoreInUseError",
    "bodies",
]
