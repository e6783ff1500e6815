"""A view of all that some topics keep: what the hub's own gateway needs beside the contract, and no platform does.

It is between the gateway and the runner alone. The connector of a platform is a `Sink`, a `Source` or both; what it
must know again after a restart it asks its platform for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bondmate_schemas.models import Record

from bondmate_connectors.contract import ConnectorSpec, Link


@runtime_checkable
class Replay(Link, Protocol):
    """A view: sees every record of `ReplaySpec.replays` from the start of what is kept, commits nothing.

    The gateway keeps its mailboxes this way, so that they stand again after a restart and in every gateway.
    """

    async def see(self, topic: str, key: str, record: Record | None) -> None:
        """Take one record of `topic`; None is a tombstone of `key`. Must not block and must not raise.

        Called before `connect` already: the runner connects when the view has seen all that stood there at its start.
        """
        ...

    def concerns(self, topic: str, value: bytes) -> bool:
        """Whether a record may be of use, by its bytes; one that cannot be is neither decoded nor seen."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpec(ConnectorSpec):
    """The specification of a connector that is such a view: the topics it sees."""

    replays: tuple[str, ...]


def replays_of(spec: ConnectorSpec) -> tuple[str, ...]:
    """Return the topics that a connector sees all of; most see none."""
    return spec.replays if isinstance(spec, ReplaySpec) else ()
