"""Rules of the settings: addresses and ports, folders, roles, and what stands under an old name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from bondmate_schemas.validation_messages import did_you_mean

from bondmate_hub.lint.finding import LintFinding
from bondmate_hub.lint.read import Hub
from bondmate_hub.roles.names import ROLE_NAMES
from bondmate_hub.roles.ports import broker_port, is_here, registry_port
from bondmate_hub.routes.trust import answers_that_do_not_count, broker_is_trusted
from bondmate_hub.settings import Settings

_SERVED: Final = (*ROLE_NAMES, "supervisor")
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # compared, not listened on


def found(hub: Hub) -> Iterator[LintFinding]:
    """Yield what is found in the settings."""
    settings = hub.settings
    if settings is None:
        return
    yield from _addresses(hub, settings)
    yield from _data_dir(hub, settings)
    yield from _roles(hub, settings)
    yield from (hub.file.warning("port-twice", told) for told in ports_twice(hub, settings))
    yield from (hub.file.warning("answers-do-not-count", told) for told in answers_that_do_not_count(hub.instances))
    yield from (hub.file.warning("old-name", told) for told in settings.kafka.client.old_names)
    if settings.streams is None:
        told = "streams: not there: no routes are looked at, and the roles streams and lane cannot run by this file"
        yield hub.file.warning("no-streams", told)
    yield hub.file.warning("broker-trusted", f"kafka.bootstrap: {broker_is_trusted(settings)}")


def _addresses(hub: Hub, settings: Settings) -> Iterator[LintFinding]:
    for address in settings.kafka.bootstrap.split(","):
        host, colon, port = address.strip().rpartition(":")
        if not colon or address.strip().endswith("]"):
            told = "kafka.bootstrap: an address without a port: 9092 is taken; write host:port"
            yield hub.file.warning("no-port", told)
        elif not host or not port.isdigit() or not 0 < int(port) <= 65_535:  # noqa: PLR2004
            yield hub.file.error("address", "kafka.bootstrap: host:port, several by commas; a port is 1 to 65535")
    if urlsplit(settings.kafka.registry_url).scheme not in {"http", "https"}:
        yield hub.file.error("address", "kafka.registry_url: begins with http:// or https://")


def _data_dir(hub: Hub, settings: Settings) -> Iterator[LintFinding]:
    if settings.data_dir.exists() and not settings.data_dir.is_dir():
        told = f"data_dir: {settings.data_dir} is no folder; name another, or move away what is there"
        yield hub.file.error("data-dir", told)


def _roles(hub: Hub, settings: Settings) -> Iterator[LintFinding]:
    for section in ("monitoring", "admin"):
        for role in getattr(settings, section).ports:
            if role not in _SERVED:
                told = f"no such role, so that nobody takes this port{did_you_mean(role, _SERVED)}"
                yield hub.file.warning("unknown-role", f"{section}.ports.{role}: {told}")


def ports_twice(hub: Hub, settings: Settings) -> Iterator[str]:
    """Yield a warning for each port that two of the settings listen on; on several machines they may not meet."""
    takers: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for place, host, port in _listening(hub, settings):
        takers[port].append((place, host))
    for port, places in takers.items():
        for number, (place, host) in enumerate(places):
            other = next((name for name, there in places[:number] if port and _meet(host, there)), None)
            if other is not None:
                yield f"{place}: `{other}` listens on port {port} too; on one machine only one of them starts"


def _meet(host: str, other: str) -> bool:
    return host == other or bool({host, other} & _EVERYWHERE) or (is_here(host) and is_here(other))


def _listening(hub: Hub, settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Yield setting, host and port of all that listens."""
    local = "127.0.0.1"
    if is_here(settings.kafka.bootstrap.rpartition(":")[0]):
        yield "broker.port", local, broker_port(settings)
    if is_here(urlsplit(settings.kafka.registry_url).hostname or ""):
        yield "registry.port", settings.registry.host, registry_port(settings)
    for role, port in settings.monitoring.ports.items():
        yield f"monitoring.ports.{role}", settings.monitoring.host, port
    for role, port in settings.admin.ports.items():
        yield f"admin.ports.{role}", local, port
    for instance in hub.instances:
        for name, (host, port) in instance.config.listens.items():
            yield f"connectors.{instance.name}.settings.{name}", host, port
