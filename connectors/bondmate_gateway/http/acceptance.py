"""Answers a device 202 only when all that it sent is durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import orjson
from aiohttp import web
from bondmate_connectors.errors import ConnectorError, Rejected, Transient
from bondmate_connectors.transports.http_server import trace_of
from bondmate_monitoring import metrics
from bondmate_monitoring.step_log import LoggedStep
from bondmate_monitoring.tracing import TRACEPARENT
from bondmate_schemas.models import DeviceAlert, Record
from prometheus_client import Counter, Histogram

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.handover import HandoverQueue
from bondmate_gateway.http.problems import ProblemKind, Refused


class Acceptance:
    """Hands over what a request says, and waits for it within `settle_timeout_seconds`."""

    def __init__(self, config: GatewayConfig, queue: HandoverQueue) -> None:
        self._config = config
        self._queue = queue

    async def settle(
        self, request: web.Request, records: Sequence[Record], started: float, *, urgent: bool = False
    ) -> None:
        """Wait until the hub has every event; raises Refused, to be sent again, when it has not."""
        try:
            async with asyncio.timeout(self._config.settle_timeout_seconds):
                with _step(request, records) as step:
                    await self._queue.hand_over(records, urgent=urgent, traceparent=step.traceparent)
        except Rejected:
            raise Refused(ProblemKind.rejected) from None
        except (ConnectorError, TimeoutError) as error:
            raise self._not_durable(error) from None
        accepted, seconds = _measures(type(records[0]).__name__)
        accepted.inc(len(records))
        seconds.observe(time.perf_counter() - started)

    def _not_durable(self, error: Exception) -> Refused:
        wait = self._config.retry_after_seconds
        if isinstance(error, Transient) and error.retry_after is not None:
            wait = max(1, round(error.retry_after))
        return Refused(ProblemKind.not_durable, headers={"Retry-After": str(wait)})


def _step(request: web.Request, records: Sequence[Record]) -> LoggedStep | _NoStep:
    """Begin the step by which a device's alert is accepted; of anything else there is none here."""
    told = trace_of(request)
    alert = records[0] if records else None
    if not isinstance(alert, DeviceAlert):
        return _NoStep(told)
    cause = ((TRACEPARENT, told.encode()),) if told else ()
    return LoggedStep("alert accepted", alert.header.event_id, cause, begins=True)


class _NoStep(nullcontext["_NoStep"]):
    """Stands for a step where there is none: the trace goes on as the device named it."""

    def __init__(self, traceparent: str | None) -> None:
        super().__init__(self)
        self.traceparent = traceparent


def accepted(record: Any, *remarks: str) -> web.Response:
    """Return the answer for a record that is durable."""
    header = record.header
    return json_response(
        {
            "message_id": header.message_id,
            "event_id": header.event_id,
            "incident_id": header.incident_id,
            "flags": (*header.flags, *remarks),
        },
        202,
    )


def json_response(value: Any, status: int) -> web.Response:
    """Return an answer of JSON."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


@cache
def _measures(name: str) -> tuple[Counter, Histogram]:
    return metrics.ACCEPTED.labels(name), metrics.ACCEPT_SECONDS.labels(name)
