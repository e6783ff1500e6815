"""What a role says of itself to all others: on `bondmate.role.status`, and once in the log when it begins to wait."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from typing import Final

import structlog
from bondmate_kafka.beacon import Beacon
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import Envelopes
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_monitoring.build import version_of_hub
from bondmate_monitoring.health import RoleHealth
from bondmate_schemas.catalogue import ROLE_STATUS
from bondmate_schemas.codec import Codec, SchemaUnavailableError
from bondmate_schemas.models import RoleStatus

__all__ = ["INTERVAL_SECONDS", "RoleReporter"]

INTERVAL_SECONDS: Final = 1.5
_LOOK_SECONDS: Final = 0.25
_ASK_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 1.0
_LOG_AFTER_SECONDS: Final = 2.0
"""What is over sooner is how every start begins, and no news."""
_log = structlog.get_logger(__name__)


class RoleReporter:
    """Asks whether the broker answers, and tells how the role is every 1.5 seconds, and at once when that changes.

    It runs on the role's event loop on purpose: when that is frozen, it falls silent.
    """

    def __init__(self, health: RoleHealth, kafka: KafkaConfig, instance: str, endpoint: str) -> None:
        self._health = health
        self._kafka = kafka
        self._instance = instance
        self._endpoint = endpoint
        self._version = version_of_hub()
        self._host = socket.gethostname()
        self._codec = Codec(RegistrySchemaIds.of(kafka))
        self._envelopes = Envelopes(self._codec)
        self._beacon = Beacon(kafka, f"{instance}-{health.role}-status")
        self._waits: dict[str, str] | None = None
        self._since = datetime.now(UTC)
        self._due = 0.0
        self._log_at: float | None = None
        self._learnt = False

    async def run(self) -> None:
        """Ask and tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_the_broker())
            group.create_task(self._learn())
            group.create_task(self._tell())

    async def farewell(self) -> None:
        """Report that the role ends by order."""
        if self._learnt:
            self._send(ended=True)
            await asyncio.to_thread(self._beacon.flush, _FAREWELL_SECONDS)

    async def _ask_the_broker(self) -> None:
        while True:
            why = await asyncio.to_thread(self._beacon.why_absent)
            self._health.report("broker", ok=not why, reason=why)
            await asyncio.sleep(_ASK_SECONDS)

    async def _learn(self) -> None:
        """Wait for the registry: what the role is can be written then, and not before."""
        while not self._learnt:
            try:
                await asyncio.to_thread(self._codec.learn, RoleStatus.__name__)
            except SchemaUnavailableError as error:
                self._health.report("registry", ok=False, reason=f"{error} ({self._kafka.registry_url})")
                await asyncio.sleep(_ASK_SECONDS)
            else:
                self._health.report("registry", ok=True)
                self._learnt = True

    async def _tell(self) -> None:
        while True:
            waits = self._health.ready().reasons
            if waits != self._waits:
                self._changed(waits)
            self._log(waits)
            if self._learnt and time.monotonic() >= self._due:
                self._due = time.monotonic() + INTERVAL_SECONDS
                self._send()
            await asyncio.sleep(_LOOK_SECONDS)

    def _changed(self, waits: dict[str, str]) -> None:
        if self._waits is None or bool(self._waits) != bool(waits):
            self._since = datetime.now(UTC)
        self._waits, self._due = waits, 0.0
        self._log_at = time.monotonic() + (_LOG_AFTER_SECONDS if waits else 0.0)

    def _log(self, waits: dict[str, str]) -> None:
        if self._log_at is None or time.monotonic() < self._log_at:
            return
        self._log_at = None
        if waits:
            _log.warning("role waits", role=self._health.role, waits_for=_lines(waits))
        else:
            _log.info("role is ready", role=self._health.role, endpoint=self._endpoint)

    def _send(self, *, ended: bool = False) -> None:
        waits = self._waits or {}
        status = RoleStatus(
            role=self._health.role,
            instance=self._instance,
            host=self._host,
            endpoint=self._endpoint,
            version=self._version,
            reported_at=datetime.now(UTC),
            interval_seconds=INTERVAL_SECONDS,
            since=self._since,
            ready=not waits and not ended,
            waits_for=tuple(_lines(waits)),
            ended=ended,
        )
        self._beacon.send(self._envelopes.pack(ROLE_STATUS, status.process, status))


def _lines(waits: dict[str, str]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in sorted(waits.items())]
