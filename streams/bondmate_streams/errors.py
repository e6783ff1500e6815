"""What work on a record may fail with, named by what is to be done with the record then."""

from __future__ import annotations

import structlog
from bondmate_kafka.records import Arrived
from bondmate_monitoring.logs import raised_at

_log = structlog.get_logger(__name__)


class NotNowError(RuntimeError):
    """What the event needs does not work now: wait and try the event again."""


class BrokerUnavailableError(NotNowError):
    """The broker does not take records now."""


class StoreUnavailableError(NotNowError):
    """The store of a table takes or gives nothing now: its disk may be full."""


class BadEventError(ValueError):
    """The event decodes and can still never be handled: dead-letter it under `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def log_fault(stage: str, arrived: Arrived, error: Exception) -> None:
    """Log an error that the code should not have let happen, by where it was raised and by the record's place."""
    _log.error(
        "agent failed",
        stage=stage,
        topic=arrived.topic,
        partition=arrived.partition,
        offset=arrived.offset,
        error=type(error).__name__,
        at=raised_at(error),
    )
