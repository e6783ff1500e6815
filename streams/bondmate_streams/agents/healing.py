"""What earlier versions remembered in the partition of another key is brought home, and forgotten where it lay.

They took a record wherever a foreign client had put it, and so wrote a second state of its alert beside the first. Each
worker brings home what belongs to its partitions, from its copies of others' too; whoever has the partition in which it
lay forgets it once home has all that it said.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from bondmate_kafka.partitions import partition_of
from bondmate_schemas.codec import CodecError, SchemaUnavailableError
from bondmate_schemas.models import Record

from bondmate_streams.errors import NotNowError
from bondmate_streams.faust_adapter.cooperative_iteration import cooperatively
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions
from bondmate_streams.faust_adapter.tables import RecordTable

__all__ = ["Healing"]

_log = structlog.get_logger(__name__)
_AGAIN_SECONDS: Final = 2.0
"""How soon it is looked again while something is astray: what belongs to another worker waits for him."""
_LONGEST_SECONDS: Final = 300.0
R = TypeVar("R", bound=Record)


@dataclass(eq=False)
class Healing(Generic[R]):
    """Heals one table."""

    name: str
    """That of the table, and of its locks."""
    ledger: RecordTable[R]
    owned: OwnedPartitions
    """The partitions of the topic that goes with it."""
    locks: KeyLocks
    merge: Callable[[R, R], R]
    """Returns what is kept and what lies astray as one; see `logic.healing`."""
    take: Callable[[R], bool] = lambda _: True
    """Whether what lies astray alone is brought home."""
    note: Callable[[R], object] = lambda _: None
    """Called with what is written at home."""

    def __post_init__(self) -> None:
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Look again: partitions have been shared anew."""
        self._stirred.set()

    async def run(self) -> None:
        """Heal whenever partitions have been shared anew, and until nothing is astray, until cancelled."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            pause = _AGAIN_SECONDS
            while await self._heal() and not self._stirred.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), pause)
                pause = min(2 * pause, _LONGEST_SECONDS)

    async def _heal(self) -> int:
        """Heal what can be healed here; return how many lay astray."""
        try:
            found = [stray async for stray in cooperatively(self.ledger.strays())]
            healed = 0
            for partition, key in found:
                async with self.locks.holding(self.name, key):
                    await self._bring_home(partition, key)
                    healed += await self._forget(partition, key)
            if healed:
                _log.info("table healed", table=self.name, keys=healed)
        except (NotNowError, CodecError, SchemaUnavailableError) as error:
            _log.warning("healing waits", table=self.name, error=type(error).__name__)
            return 1
        return len(found)

    async def _bring_home(self, partition: int, key: str) -> None:
        with self.owned.in_partition_of(key) as ours:
            stray = self.ledger.at(partition, key) if ours else None
            if stray is None:
                return
            kept = self.ledger.get(key)
            healed = self.merge(kept, stray) if kept is not None else stray
            if healed != kept and (kept is not None or self.take(stray)):
                self.note(healed)
                await self.ledger.put(key, healed)

    async def _forget(self, partition: int, key: str) -> bool:
        with self.owned.in_partition_of(key, partition) as ours:
            stray = self.ledger.at(partition, key) if ours else None
            if stray is None:
                return False
            home = self.ledger.at(partition_of(key.encode(), self.ledger.partitions), key)
            is_said = home is not None and self.merge(home, stray) == home
            if is_said:
                await self.ledger.forget(key)
            return is_said
