"""The audit trail of this worker: its chain goes on where it stood, and no record of it is ever left out."""

from __future__ import annotations

import asyncio

from bondmate_kafka.records import Envelopes, Outgoing, utc_now
from bondmate_schemas.catalogue import AUDIT

from bondmate_streams.errors import BrokerUnavailableError
from bondmate_streams.faust_adapter.back_off import BackOff
from bondmate_streams.faust_adapter.record_writer import RecordWriter
from bondmate_streams.logic.audit import AuditEntry, Chain


class AuditWriter:
    """Writes entries in the order of their chain; many at a time, so that nobody waits for others' round trips."""

    def __init__(self, chain: Chain, writer: RecordWriter, envelopes: Envelopes) -> None:
        """Go on with `chain`."""
        self._chain = chain
        self._writer = writer
        self._envelopes = envelopes
        self._waiting: list[tuple[tuple[AuditEntry, ...], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()

    def write(self, *entries: AuditEntry) -> asyncio.Future[None]:
        """Log `entries`; the future ends when the broker has their records."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if entries:
            self._waiting.append((entries, done))
            self._wake.set()
        else:
            done.set_result(None)
        return done

    async def run(self) -> None:
        """Write what is waiting, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken, self._waiting = self._waiting, []
            await self._send([self._next(entry) for entries, _ in taken for entry in entries])
            for _, done in taken:
                if not done.done():
                    done.set_result(None)

    def _next(self, entry: AuditEntry) -> Outgoing:
        self._chain, record = self._chain.append(entry, utc_now())
        return self._envelopes.pack(AUDIT, record.writer, record)

    async def _send(self, records: list[Outgoing]) -> None:
        # The same records again, never new ones: a missing number in a chain would look like a record removed.
        back_off = BackOff("audit")
        while True:
            try:
                await self._writer.send(*records)
            except BrokerUnavailableError as error:
                await back_off.wait("audit waits", str(error))
            else:
                return
