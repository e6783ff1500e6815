"""A store that cannot be written or read now is waited for: its events are never taken for bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faust
import pytest
import rocksdict
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import AlertState
from bondmate_streams.errors import NotNowError, StoreUnavailableError
from bondmate_streams.faust_adapter.tables import RecordTable


class Table(dict[bytes, bytes]):
    """In place of faust's, with what its store raises."""

    error: Exception | None = None
    last_sent = None

    def get(self, key: bytes, default: Any = None) -> Any:
        self._fail()
        return super().get(key, default)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._fail()
        super().__setitem__(key, value)

    def persist(self, *_: int) -> None:
        self._fail()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def ledger() -> RecordTable[AlertState]:
    app = faust.App("test-store", broker="kafka://127.0.0.1:1", store="memory://", topic_partitions=1)
    ledger: RecordTable[AlertState] = RecordTable(app, "alerts", AlertState, Codec(LocalSchemaIds()), None)  # type: ignore[arg-type]
    ledger.table = Table()
    return ledger


def rocks_error(folder: Path) -> Exception:
    """Give what RocksDB's binding raises when it cannot write."""
    options = rocksdict.Options(raw_mode=True)
    rocksdict.Rdict(str(folder), options).close()
    store = rocksdict.Rdict(str(folder), options, access_type=rocksdict.AccessType.read_only())
    with pytest.raises(Exception, match="read only") as caught:
        store[b"key"] = b"value"
    store.close()
    return caught.value


async def test_what_the_store_cannot_do_now_is_waited_for_and_done_when_it_can(
    ledger: RecordTable[AlertState], tmp_path: Path, make: Any
) -> None:
    alert = make.alert()
    state = AlertState(header=alert.header, device_id=alert.device_id, alert=alert, changed_at=alert.header.received_at)
    ledger._agrees[0] = 7
    ledger.table.error = rocks_error(tmp_path)
    for work in (lambda: ledger.get("a"), lambda: ledger.put("a", state), ledger.persist):
        with pytest.raises(StoreUnavailableError) as caught:
            work()
        assert isinstance(caught.value, NotNowError), "the guard waits for these"

    ledger.table.error = None
    assert ledger.get("a") is None, "what was not written is not remembered as written"
    ledger.put("a", state).close()
    assert state == ledger.get("a")
    ledger.persist()
    assert not ledger._agrees


def test_a_fault_of_ours_stays_a_fault(ledger: RecordTable[AlertState]) -> None:
    ledger.table.error = AssertionError("a table is written in the context of an event")

    with pytest.raises(AssertionError, match="context"):
        ledger.get("a")
