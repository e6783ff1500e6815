"""The runner's bounds, in one place; the defaults suit two cores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bondmate_schemas.outside_ids import OutsideIds

from bondmate_connectors.runtime.breaker import BreakerSettings
from bondmate_connectors.runtime.retry import Backoff, pauses


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Bounds and waits of the runner. All times in seconds."""

    outside: OutsideIds | None = None
    """Keys of the ids that leave: by them answers are written where what they name is kept. None: the streams do that,
    by writing them again."""
    backoff: Backoff = field(default_factory=Backoff)
    """Between attempts of one key, of a connection, of a dead-letter write."""
    restart: Backoff = field(default_factory=pauses)
    """Before a connector that crashed is started again."""
    restart_sound_seconds: float = 60.0
    """A connector that ran for so long before it crashed is started again as after a first crash."""
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    """When one probe at a time stands for all keys of a destination."""
    refused: Backoff = field(default_factory=pauses)
    """Between two probes of a platform that refuses us."""
    account_retry_seconds: float = 900.0
    """Between two offers of an account's secret that was refused three times: an account must not be locked."""
    accounts_dir: Path | None = None
    """Where it is kept how often an account's secret was refused, for the next process; None: nowhere."""
    refused_alone_tries: int = 5
    """How often an event may be refused while others of its kind are taken; then it is dead-lettered."""
    breaks_alone: int = 3
    """At how many breaks of the link an event may be alone on it, while others are taken; then it is dead-lettered."""
    alone_wait_seconds: float = 2.0
    """How long others are held back until nothing is under way and a suspect can go alone."""
    alone_hold_seconds: float = 15.0
    """How long others are held back while a suspect is under way alone."""
    outage_seconds: float = 1.0
    """After an outage that was longer, a device's fixes that waited in it are superseded by the newest of them."""
    fix_waits_seconds: float = 60.0
    """A fix that has waited longer, for whatever reason, is superseded by a newer one of its device."""
    retry_share: float = 0.2
    """Of a destination's first attempts, how many retries may fail beside them."""
    retry_floor_per_second: float = 2.0
    """Retries a second that may fail however few first attempts there are."""
    retries_at_once: float = 20.0
    """Retries that may fail, or be under way, before share and floor count."""
    held_per_partition: int = 1_000
    """Records taken and not settled at which a partition is paused; it goes on at half of that."""
    batch: int = 100
    """Most records handed from the poll thread to the event loop at once."""
    poll_seconds: float = 0.1
    """Longest wait of a poll; what the poll thread is told takes effect within it."""
    commit_seconds: float = 0.2
    """Shortest time between two commits of one consumer."""
    lease_seconds: float = 5.0
    """Longest pause of the process after which nothing is sent before the group has confirmed that we still belong to
    it; below the session timeout."""
    connect_seconds: float = 30.0
    """Bound of a connector's `connect`, beyond its own."""
    send_seconds: float = 60.0
    """Bound of a connector's `send`, beyond its own; after it the event counts as not sent."""
    drain_seconds: float = 6.0
    """How long work in hand may take after the order to stop."""
    close_seconds: float = 1.5
    """Bound of closing a consumer, and of closing a connector; all bounds together keep within 10 s of the order."""
    revoke_seconds: float = 5.0
    """How long a partition that is taken away waits for its work in hand; below the session timeout."""
    stall_seconds: float = 15.0
    """A call of a connector, or the consumer, that has not come back for so long raises an alarm; so does the event
    loop when it has not turned."""
    heartbeat_seconds: float = 10.0
    """Between two reports of each connector on `bondmate.state.connectors`."""
    lag_every_seconds: float = 1.0
    """Between two looks at what the broker holds for each destination."""
    pending_per_source: int = 500
    """Events of a source received and not settled; beyond it `receive` is not called."""
