"""What is known of a hub at one moment, as plain values; nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bondmate_schemas.models import ConnectorStatus

__all__ = ["ABSENT_SECONDS", "ConnectorFact", "Facts", "LagFact", "RoleFact", "ServiceFact"]

ABSENT_SECONDS: Final = 5.0
"""A role that has said nothing for so long is absent."""


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """The broker or the schema registry: where it was asked, and why it does not answer; empty when it does."""

    address: str
    why: str = ""

    @property
    def answers(self) -> bool:
        """Whether it answers."""
        return not self.why


@dataclass(frozen=True, slots=True)
class RoleFact:
    """One process of the hub."""

    role: str
    instance: str
    host: str = ""
    endpoint: str = ""
    version: str = ""
    heard_seconds: float | None = None
    """How long ago it was heard of last; None: never."""
    ready: bool = False
    waits_for: tuple[str, ...] = ()
    ended: bool = False
    """It was told to end, and said so."""

    @property
    def process(self) -> str:
        """The name of the process, as `reported_by` of a connector names it."""
        return f"{self.instance}-{self.role}"

    @property
    def is_absent(self) -> bool:
        """Whether it says nothing any more, or never did."""
        return self.heard_seconds is None or self.heard_seconds > ABSENT_SECONDS

    @property
    def works(self) -> bool:
        """Whether it can do its work."""
        return self.ready and not self.is_absent and not self.ended

    @property
    def state(self) -> str:
        """The state in a word: READY, WAITING, ABSENT or ENDED."""
        if self.ended:
            return "ENDED"
        if self.is_absent:
            return "ABSENT"
        return "READY" if self.ready else "WAITING"

    @property
    def why(self) -> str:
        """Why it does not work; empty when it does."""
        if self.ended:
            return "it was told to end"
        if self.heard_seconds is None and self.endpoint:
            return f"it does not answer at {self.endpoint}: frozen"
        if self.heard_seconds is None:
            return "no process of it is heard of; start it with `hub run`"
        if self.is_absent:
            return f"not heard of for {self.heard_seconds:.0f} s: dead, frozen or cut off"
        return "; ".join(self.waits_for)


@dataclass(frozen=True, slots=True)
class ConnectorFact:
    """One connector in one process, as its runner said last."""

    said: ConnectorStatus
    is_silent: bool
    """Its runner has gone quiet, or its process is absent."""

    @property
    def status(self) -> str:
        """Its status, or SILENT."""
        return "SILENT" if self.is_silent else self.said.status

    @property
    def is_over(self) -> bool:
        """Whether it has ended by order: another process may do its work."""
        return self.said.status == "STOPPED"

    @property
    def ok(self) -> bool:
        """Whether it takes events now."""
        return self.status == "OK" and self.said.breaker == "closed" and self.said.refused_since is None

    @property
    def why(self) -> str:
        """Why it does not; empty when it does."""
        if self.ok:
            return ""
        if self.is_silent:
            return f"{self.said.reported_by or 'its runner'} has gone silent; it said {self.said.status} last"
        breaker = "" if self.said.breaker == "closed" else f"its platform is tried {self.said.breaker}"
        return ": ".join(filter(None, (self.status, self.said.reason or breaker)))


@dataclass(frozen=True, slots=True)
class LagFact:
    """What a consumer has not settled of a topic; `oldest_seconds` is None where its age is not known."""

    consumer: str
    topic: str
    events: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known."""

    at: datetime
    broker: ServiceFact
    registry: ServiceFact
    expected: Mapping[str, tuple[str, ...]]
    """The roles that these settings need, each with the connectors that it runs."""
    roles: tuple[RoleFact, ...]
    connectors: tuple[ConnectorFact, ...]
    """Of every process that said anything of a connector of these settings."""
    lags: tuple[LagFact, ...]
    destinations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The destinations of alerts in the routes that hold, each with the modes it takes."""
    direct: frozenset[str] = frozenset()
    """Those of them that read their topic themselves."""
    problems: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    def of_role(self, role: str) -> list[RoleFact]:
        """Return the processes of a role that are meant to run."""
        return [each for each in self.roles if each.role == role and not each.ended]

    def of_connector(self, name: str) -> list[ConnectorFact]:
        """Return what each process says of a connector, without those that ended by order where others go on."""
        mine = [each for each in self.connectors if each.said.connector == name]
        return [each for each in mine if not each.is_over] or mine

    def oldest(self, consumer: str, topics: Iterable[str]) -> LagFact | None:
        """Return what has waited longest of `topics`; None where nothing is known to wait."""
        wanted = set(topics)
        mine = [each for each in self.lags if each.consumer == consumer and each.topic in wanted and each.events]
        return max(mine, key=lambda each: each.oldest_seconds or 0.0, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return broker, registry, roles and lags as plain values."""
        return {
            "broker": {"address": self.broker.address, "ok": self.broker.answers, "why": self.broker.why},
            "registry": {"address": self.registry.address, "ok": self.registry.answers, "why": self.registry.why},
            "roles": [
                {
                    "role": each.role, "instance": each.instance, "host": each.host, "endpoint": each.endpoint,
                    "version": each.version, "state": each.state, "heard_seconds": each.heard_seconds,
                    "waits_for": list(each.waits_for), "why": each.why,
                }
                for each in self.roles
            ],
            "lag": [
                {"consumer": e.consumer, "topic": e.topic, "events": e.events, "oldest_seconds": e.oldest_seconds}
                for e in self.lags
            ],
            "problems": list(self.problems),
        }  # fmt: skip
