"""How much consumers have not settled, and how old it is, as metrics that are computed when somebody looks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from bondmate_kafka.consumer_lag import LagThread, Reads
from bondmate_monitoring import metrics

__all__ = ["show_lag"]


def show_lag(consumer: str, lag: LagThread, reads: Iterable[Reads]) -> None:
    """Show what `lag` knows of each topic; of what it does not know, no number is shown."""
    for each in reads:
        labels = consumer, each[1]
        metrics.CONSUMER_LAG_EVENTS.labels(*labels).set_function(partial(_events, lag, each))
        metrics.CONSUMER_LAG_SECONDS.labels(*labels).set_function(partial(_seconds, lag, each))


def _events(lag: LagThread, reads: Reads) -> float:
    events = lag.events([reads])
    return math.nan if events is None else events


def _seconds(lag: LagThread, reads: Reads) -> float:
    known = lag.events([reads]) is not None
    return lag.oldest_seconds([reads], datetime.now(UTC)) if known else math.nan
