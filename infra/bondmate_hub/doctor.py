"""`hub doctor`: everything this hub needs, looked at once, each fault with its mend. It changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bondmate_connectors.error_table import error_table
from bondmate_kafka.errors import ProvisioningError
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas.codec import RECORDS, SchemaUnavailableError
from bondmate_streams.logic.vain import vain
from bondmate_streams.routes_file import RoutesError, load_routes, placed_in

from bondmate_hub.admin.pauses import PausedConnectors
from bondmate_hub.connectors.instances import check_connectors, instances, takes
from bondmate_hub.roles.sessions import too_short
from bondmate_hub.routes.trust import broker_is_trusted
from bondmate_hub.settings import Settings, SettingsError
from bondmate_hub.status.facts import Facts
from bondmate_hub.status.gather import gather
from bondmate_hub.status.verdict import judge
from bondmate_hub.wanted import plan

_NO_CONNECTOR: Final = "no connector is configured: add one under `connectors`"


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what was looked at, whether it is well, and what to do when not."""

    check: str
    ok: bool
    hint: str = ""
    warning: str = ""
    """What is no fault, and somebody should know."""

    def __str__(self) -> str:
        """Return the finding as one line."""
        if not self.ok:
            return f"FAULT {self.check}: {self.hint}"
        return f"warn  {self.check}: {self.warning}" if self.warning else f"ok    {self.check}"


def examine(settings: Settings) -> list[Finding]:
    """Look at everything at once, within eight seconds: what depends on a broker that is away is not asked."""
    facts = gather(settings)
    with ThreadPoolExecutor() as pool:
        looks = [pool.submit(list, look) for look in _looks(settings, facts)]
        found = [finding for look in looks for finding in look.result()]
    return [*found, *_status(facts)]


def _looks(settings: Settings, facts: Facts) -> Iterator[Iterator[Finding]]:
    yield _look("settings of the connectors", lambda: "" if instances(settings) else _NO_CONNECTOR)
    yield _look("broker and topics", lambda: facts.broker.why or _topics(settings))
    if facts.broker.answers:
        yield _look("session of the streams", lambda: too_short(settings))
    yield _look("registry and schemas", lambda: facts.registry.why or _schemas(settings))
    yield _look("routes", lambda: _routes(settings))
    yield _checks(settings)
    yield _pauses(settings)
    yield iter([Finding("error codes", ok=True, warning=_codes_left_out())])
    yield iter([Finding("who is trusted", ok=True, warning=broker_is_trusted(settings))])


def _checks(settings: Settings) -> Iterator[Finding]:
    for result in asyncio.run(check_connectors(settings)):
        yield Finding(f"connector {result['name']}", result["outcome"] == "ok", str(result["hint"]))


def _status(facts: Facts) -> Iterator[Finding]:
    """Yield what `hub status` shows: every role, what connectors say of themselves, and how far an alert would come."""
    for role in facts.roles:
        if not role.ended:
            yield Finding(f"role {role.process if role.instance else role.role}", role.works, role.why)
    for fact in facts.connectors:
        if not fact.is_over:
            yield Finding(f"connector {fact.said.connector} in {fact.said.reported_by or '?'}", fact.ok, fact.why)
    verdict = judge(facts)
    for name, stop in verdict.stops.items():
        yield Finding(f"alerts to {name}", stop is None, f"one would stop at {stop}" if stop else "")


def _pauses(settings: Settings) -> Iterator[Finding]:
    for name, pause in PausedConnectors(settings.data_dir).current(datetime.now(UTC)).items():
        until = pause.until.isoformat(timespec="seconds")
        warning = f"until {until}, by {pause.operator} ({pause.reason}); to end it: hub connectors resume {name}"
        yield Finding(f"pause of {name}", ok=True, warning=warning)


def _codes_left_out() -> str:
    rows = [f"{row.code} ({row.number})" for row in error_table().left_out]
    return (
        f"left out, since others had the code or number: {', '.join(rows)}; call the package's makers" if rows else ""
    )


def _look(name: str, look: Callable[[], str]) -> Iterator[Finding]:
    try:
        hint = look()
    except (SettingsError, ProvisioningError, RoutesError, SchemaUnavailableError) as error:
        hint = str(error)
    yield Finding(name, not hint, hint)


def _topics(settings: Settings) -> str:
    changes = plan(settings)
    return f"{len(changes)} topics or settings differ: run `hub topics apply`" if changes else ""


def _schemas(settings: Settings) -> str:
    ids = RegistrySchemaIds.of(settings.kafka.config())
    for record in RECORDS:
        ids.id_of(record)
    return ""


def _routes(settings: Settings) -> str:
    if settings.streams is None:
        return "streams: required by the role `streams`"
    table = load_routes(settings.streams.routes)
    if settings.streams.districts is not None:
        from bondmate_streams.logic.districts import load_districts  # noqa: PLC0415  # tens of MiB, for who has a map

        load_districts(settings.streams.districts)
    nothing = [str(finding) for finding in vain(table, takes(settings)) if finding.is_whole]
    return "; ".join(placed_in(settings.streams.routes, nothing))
