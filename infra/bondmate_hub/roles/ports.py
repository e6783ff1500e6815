"""Where the hub's own broker and registry listen: where everybody else looks for them, unless the settings say more."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from bondmate_hub.settings import Settings

_BROKER_PORT: Final = 9092
_REGISTRY_PORT: Final = 8081
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


def is_here(host: str) -> bool:
    """Whether an address is this machine's own."""
    return host in _HERE


def broker_port(settings: Settings) -> int:
    """Return `broker.port` where it is set, else the port of `kafka.bootstrap` where that is one on this machine."""
    host, _, port = settings.kafka.bootstrap.strip().rpartition(":")
    looked_for = int(port) if is_here(host) and port.isdigit() else _BROKER_PORT
    return settings.broker.port or looked_for


def registry_port(settings: Settings) -> int:
    """Return `registry.port` where it is set, else the port of `kafka.registry_url` where that is on this machine."""
    address = urlsplit(settings.kafka.registry_url)
    looked_for = address.port if is_here(address.hostname or "") else None
    return settings.registry.port or looked_for or _REGISTRY_PORT


def looked_for_elsewhere(settings: Settings) -> tuple[str, ...]:
    """Return a line for each of the two that listens where no client looks for it."""
    broker, registry = settings.kafka.bootstrap.strip(), urlsplit(settings.kafka.registry_url)
    found = []
    if is_here(broker.rpartition(":")[0]) and broker.rpartition(":")[2] != str(broker_port(settings)):
        found.append("broker.port: another than in `kafka.bootstrap`, where every role looks for the broker")
    if is_here(registry.hostname or "") and registry.port not in {None, registry_port(settings)}:
        found.append("registry.port: another than in `kafka.registry_url`, where every role looks for the registry")
    return tuple(found)
