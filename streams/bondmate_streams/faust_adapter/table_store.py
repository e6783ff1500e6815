"""The tables' store on disk: open for every partition, those of other workers too, which `copies` keeps up to date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import rocksdict
from faust.stores import rocksdb
from faust.streams import current_event
from faust.types import TP


class TableStore(rocksdb.Store):
    """faust's RocksDB store, which neither closes nor opens partitions while alerts wait for a rebalance."""

    def revoke_partitions(self, table: Any, tps: Any) -> None:
        """Leave the partitions open: somebody else writes their changelog now, and our copy follows it."""

    def _del(self, key: bytes) -> None:
        """Take a key out of the partition at hand; faust would look for it in others' partitions too."""
        event = current_event()
        assert event is not None, "a table is written in the context of an event"
        self._db_for_partition(event.message.partition).delete(key)

    def copied_until(self, partition: int) -> int | None:
        """Return the last offset of the changelog that the partition has; None where it has nothing."""
        found = self._db_for_partition(partition).get(self.offset_key)
        return None if found is None else int(found)

    def take(self, partition: int, records: Iterable[tuple[bytes, bytes | None]], until: int) -> None:
        """Write records of the changelog, in its order, and that the partition now has all `until` there."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in records:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(until).encode())
        self._db_for_partition(partition).write(batch)

    def lying(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield partition, key and value of all there is, of others' partitions too."""
        for partition, db in list(self._dbs.items()):
            for key, value in self._visible_items(db):
                yield partition, key, value

    def is_ours(self, partition: int) -> bool:
        """Whether this worker has a partition, rather than a copy of it."""
        topic: str = self.table.changelog_topic_name  # type: ignore[attr-defined]  # of every table there is
        return TP(topic, partition) in self.app.assignor.assigned_actives()

    def at(self, partition: int, key: bytes) -> bytes | None:
        """Return what lies under a key in a partition, wherever the key belongs."""
        found: bytes | None = self._db_for_partition(partition).get(key)
        return found

    def close(self) -> None:
        """Close every partition; they are opened again when asked for."""
        self._dbs.clear()
