"""The edge that brings the facts: broker, registry, roles and topics are asked at once, each within a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from bondmate_kafka.consumer_lag import ConsumerLag, Reads
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import ConnectorStatus, RoleStatus, RoutesVersion
from bondmate_streams.applied_routes import applied_of
from bondmate_streams.logic.routes_yaml import RoutesError
from bondmate_streams.logic.routing import Routes
from bondmate_streams.routes_file import load_routes

from bondmate_hub.connectors import GATEWAY
from bondmate_hub.settings import Settings
from bondmate_hub.status.facts import ABSENT_SECONDS, ConnectorFact, Facts, RoleFact, ServiceFact
from bondmate_hub.status.lag import lag_facts, look_at_lags
from bondmate_hub.status.local_roles import local_roles
from bondmate_hub.status.topics import AHEAD_SECONDS, OnTopics, decoded, read_topics

__all__ = ["gather"]

_ANSWER_SECONDS: Final = 1.5
_ALL_SECONDS: Final = 8.0
"""Each look has its own bound, far below; this one counts where the processor is taken by others."""
_LAG_SECONDS: Final = 2.2
_SUPERVISOR: Final = "supervisor"
T = TypeVar("T")


class _Asked(Generic[T]):
    """The answer of something that blocks, asked in a thread of its own; it must not hold up the exit."""

    def __init__(self, ask: Callable[[], T], otherwise: T) -> None:
        self._answer = otherwise
        self._ask = ask
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._answer = self._ask()

    def until(self, end: float) -> T:
        """Return the answer, or what stands for one when none came until `end` (monotonic seconds)."""
        self._thread.join(max(0.0, end - time.monotonic()))
        return self._answer


def gather(settings: Settings) -> Facts:
    """Ask everybody, and return what is known within three seconds. It changes nothing.

    Raises:
        RoutesError: no routes were applied, and their file cannot be read.
    """
    began = time.monotonic()
    end = began + _ALL_SECONDS
    expected = _expected(settings)
    kafka = settings.kafka.config()
    registry = RegistrySchemaIds.of(kafka)
    absent = f"the broker does not answer at {kafka.bootstrap}"
    unheard = f"the schema registry does not answer at {kafka.registry_url}"
    why_no_registry = _Asked(lambda: registry.why_absent(_ANSWER_SECONDS), unheard)
    local = _Asked[list[RoleFact]](lambda: local_roles(settings.data_dir, _ANSWER_SECONDS), [])
    lags = _Asked[dict[Reads, ConsumerLag]](lambda: look_at_lags(settings, kafka), {})
    topics = _Asked(lambda: read_topics(expected, kafka), OnTopics(absent))
    found, registry_why, roles_here = topics.until(end), why_no_registry.until(end), local.until(end)
    codec = None if registry_why else Codec(registry)
    now = datetime.now(UTC)
    roles = _roles(decoded(found.roles, RoleStatus, codec), found.heard, now)
    routes = _routes(settings, decoded(found.routes, RoutesVersion, codec).values())
    whole = _beside(roles, roles_here, expected)
    said = decoded(found.connectors, ConnectorStatus, codec).values()
    return Facts(
        at=now,
        broker=ServiceFact(kafka.bootstrap, found.why),
        registry=ServiceFact(kafka.registry_url, registry_why),
        expected=expected,
        roles=whole,
        connectors=tuple(_connectors(settings, said, whole, now)),
        lags=tuple(
            lag_facts(settings, {} if found.why else lags.until(max(began + _LAG_SECONDS, time.monotonic() + 1.0)), now)
        ),
        destinations={name: frozenset(at.modes) for name, at in routes.destinations.items() if _is_told(routes, name)},
        direct=frozenset(set(routes.destinations) - set(settings.connectors)),
        problems=found.problems,
    )


def _expected(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the roles without which these settings come to nothing, each with its connectors."""
    gateways = tuple(name for name, entry in settings.connectors.items() if entry.connector == GATEWAY)
    others = tuple(name for name in settings.connectors if name not in gateways)
    found = {"gateway": gateways} if gateways else {}
    if settings.streams is not None:
        found |= {"streams": (), "lane": ()}
    if settings.pages.steps:
        found["pager"] = ()
    if settings.drills.repeated:
        found["drills"] = ()
    return found | ({"runner": others} if others else {})


def _is_told(routes: Routes, destination: str) -> bool:
    """Whether some rule sends alerts there, at once or when nobody takes them up."""
    if routes.destinations[destination].retired:
        return False
    rules = [rule for rule in routes.routes if "alert" in (rule.when.record or ("alert",))]
    return any(destination in {*rule.to, *(name for step in rule.escalate for name in step.to)} for rule in rules)


def _roles(said: dict[bytes, RoleStatus], heard: frozenset[bytes], now: datetime) -> list[RoleFact]:
    return [
        RoleFact(
            each.role, each.instance, each.host, each.endpoint, each.version,
            heard_seconds=0.0 if key in heard else _heard_seconds(each, now),
            ready=each.ready, waits_for=each.waits_for, ended=each.ended,
        )
        for key, each in said.items()
    ]  # fmt: skip


def _heard_seconds(said: RoleStatus, now: datetime) -> float:
    """Return how long ago it spoke; one from the future was not heard although it was waited for: its clock is off."""
    seconds = (now - said.reported_at).total_seconds()
    return ABSENT_SECONDS + 1 if seconds < -AHEAD_SECONDS else max(seconds, 0.0)


def _beside(said: list[RoleFact], here: list[RoleFact], expected: Collection[str]) -> tuple[RoleFact, ...]:
    """Return the roles as they say on the topic, or here where they say it now, and those that nobody heard of."""
    found = {each.process: each for each in said}
    for each in here:
        if each.role == _SUPERVISOR:
            continue  # it works for no alert; those that it keeps say how they are
        known = found.get(each.process)
        if known is None:
            found[each.process] = each
        elif not each.is_absent:
            found[each.process] = replace(
                known, heard_seconds=0.0, ready=each.ready, waits_for=each.waits_for, ended=False
            )
    for role in set(expected) - {each.role for each in found.values() if not each.ended}:
        found[role] = RoleFact(role, "")
    return tuple(sorted(found.values(), key=lambda each: (each.role, each.instance)))


def _connectors(
    settings: Settings, said: Iterable[ConnectorStatus], roles: Iterable[RoleFact], now: datetime
) -> Iterator[ConnectorFact]:
    of_process = {each.process: each for each in roles}
    newest: dict[tuple[str, str], ConnectorStatus] = {}
    for each in sorted(said, key=lambda each: each.reported_at):
        newest[each.connector, each.reported_by] = each
    for each in newest.values():
        if each.connector in settings.connectors:
            role = of_process.get(each.reported_by)
            # Its process says every two seconds that it lives; without that its own interval counts.
            quiet = each.is_silent(now) if role is None else role.is_absent and each.status != "STOPPED"
            yield ConnectorFact(each, quiet)


def _routes(settings: Settings, versions: Iterable[RoutesVersion]) -> Routes:
    newest = max(versions, key=lambda version: version.number, default=None)
    if newest is not None:
        try:
            return applied_of(newest).routes
        except RoutesError:
            pass  # of another version of the hub; what every role does then, too
    return load_routes(settings.streams.routes) if settings.streams else Routes()
