"""A configured connector, as the hub's settings describe it; importing this loads nothing that runs one."""

from __future__ import annotations

from dataclasses import dataclass

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec
from bondmate_connectors.runtime.authority import Authority


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured connector: `name` is the destination or source in topics, metrics and health."""

    name: str
    spec: ConnectorSpec
    config: ConnectorConfig
    agency_id: str = ""
    """The one agency that the platform speaks for; empty: no agency is taken from what it says."""

    @property
    def accepts(self) -> frozenset[str]:
        """The Delivery kinds it takes with the settings it has."""
        return self.spec.accepts if self.config.delivers else frozenset()

    @property
    def authority(self) -> Authority:
        """What it may say, of all that it says."""
        return Authority(self.name, self.agency_id, self.spec.speaks_for, self.spec.emits)
