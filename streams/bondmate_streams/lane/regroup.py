"""Partitions that a killed lane was handing over, given to somebody.

Cooperatively, a group takes a partition from one member in a first rebalance and gives it to another in a second, which
the first member calls for once it has let go (KIP-429). A static member that is killed between the two and started
again is given what it had, without a rebalance (KIP-345), and does not know that it owes one: those partitions would be
nobody's. So each lane that has come into its group calls for one, the only way there is: a guest joins and leaves.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any, Final

from bondmate_kafka.client import Consumer
from bondmate_kafka.consumer import open_consumer
from bondmate_schemas.catalogue import LAST_LOCATION

__all__ = ["regroup"]

_LOOK_SECONDS: Final = 0.1
_GUEST: Final[Mapping[str, Any]] = {
    "partition.assignment.strategy": "cooperative-sticky",
    # Killed, it holds up the next rebalance for as long as a broker lets a member be silent at least.
    "session.timeout.ms": 6_000,
}


def regroup(settings: Mapping[str, Any], stop: threading.Event) -> None:
    """Make the group of a consumer with `settings` share its partitions anew; others keep what they have meanwhile.

    Blocks until all members have joined again, some seconds, or until `stop` is set.
    """
    settings = {name: value for name, value in settings.items() if name != "group.instance.id"}
    joined = threading.Event()

    def assigned(guest: Consumer, _: object) -> None:
        guest.incremental_assign([])  # it reads nothing
        joined.set()

    with contextlib.closing(open_consumer({**settings, **_GUEST})) as guest:
        # Not the positions: of those it would be given its part.
        guest.subscribe([LAST_LOCATION], on_assign=assigned)
        while not joined.is_set() and not stop.is_set():
            guest.poll(_LOOK_SECONDS)
