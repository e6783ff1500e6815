"""What the runners of one sink work with, shared by those of alerts and of positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bondmate_kafka.producer import Outbox

from bondmate_connectors.contract import ConnectorSpec, Sink
from bondmate_connectors.runtime.backlog import Backlog
from bondmate_connectors.runtime.circuit_breaker import CircuitBreaker
from bondmate_connectors.runtime.envelopes import AddressedEnvelopes
from bondmate_connectors.runtime.flights import Flights
from bondmate_connectors.runtime.link import ConnectorLink
from bondmate_connectors.runtime.reports import Reports
from bondmate_connectors.runtime.settings import RunnerSettings
from bondmate_connectors.runtime.suspects import Suspects
from bondmate_connectors.runtime.watchdog import Stalls


@dataclass(frozen=True, slots=True)
class SinkTools:
    """What a sink's runner works with, shared by the runners of alerts and of positions of one connector."""

    name: str
    spec: ConnectorSpec
    sink: Sink
    link: ConnectorLink
    outbox: Outbox
    envelopes: AddressedEnvelopes
    reports: Reports
    backlog: Backlog
    settings: RunnerSettings
    clock: Callable[[], datetime]
    stalls: Stalls = field(default_factory=Stalls)
    breakers: list[CircuitBreaker] = field(default_factory=list)
    """One for alerts, one for positions; what the platform asks of one it asks of both."""
    flights: Flights = field(default_factory=Flights)
    suspects: Suspects = field(kw_only=True)
    """They outlive the connector, which may crash at one of them."""
