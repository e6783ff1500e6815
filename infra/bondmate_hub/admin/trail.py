"""The audit trail of what people do to connectors: written before it is done, one hash chain an endpoint."""

from __future__ import annotations

import asyncio
import socket

from bondmate_kafka.client import KafkaException
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.producer import BlockingWriter
from bondmate_kafka.records import Envelopes, utc_now
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.catalogue import AUDIT
from bondmate_schemas.codec import Codec, SchemaUnavailableError
from bondmate_schemas.enums import AuditAction
from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.logic.audit import AuditEntry, Chain

_WRITE_SECONDS = 5.0


class TrailError(Exception):
    """The record is not in the audit trail: do not do what it is about."""


class Trail:
    """Writes who did what to which connector, and why."""

    def __init__(self, kafka: KafkaConfig, name: str) -> None:
        # The host's name is in it: two machines of one hub would break each other's chain.
        self._name = f"{name}-{socket.gethostname()}"
        self._kafka = kafka
        self._codec = Codec(RegistrySchemaIds.of(kafka))
        self._chain: Chain | None = None
        self._one_at_a_time = asyncio.Lock()

    async def write(self, operator: str, what: str, connector: str, reason: str) -> None:
        """Write one record.

        Raises:
            TrailError: it cannot be written now.
        """
        entry = AuditEntry(AuditAction.OTHER, operator, f"connector/{connector}", fields=(what,), purpose=reason)
        async with self._one_at_a_time:
            await asyncio.to_thread(self._write, entry)

    def record(self, *entries: AuditEntry) -> None:
        """Write records of anything else that people do; raises as `write`."""
        for entry in entries:
            self._write(entry)

    def _write(self, entry: AuditEntry) -> None:
        try:
            chain = self._chain or chain_so_far(self._kafka, self._codec, self._name)
            # After a failure nobody knows whether the broker has the record: the chain is looked up again.
            self._chain = None
            chain, record = chain.append(entry, utc_now())
            packed = Envelopes(self._codec).pack(AUDIT, record.writer, record)
            code = BlockingWriter(self._kafka, f"bondmate-{self._name}", wait_seconds=_WRITE_SECONDS).write([packed])[0]
        except (KafkaException, SchemaUnavailableError, KeyError) as error:
            raise TrailError(type(error).__name__) from error
        if code is not None:
            raise TrailError(code)
        self._chain = chain
