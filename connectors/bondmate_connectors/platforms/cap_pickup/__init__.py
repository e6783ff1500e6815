"""CAP picked up from a folder or an Atom feed."""

from __future__ import annotations

from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.platforms.cap_pickup.config import Config
from bondmate_connectors.platforms.cap_pickup.source import CapPickup

__all__ = ["CONNECTOR", "CapPickup", "Config"]

CONNECTOR = ConnectorSpec(
    name="cap_pickup",
    summary="CAP alerts from a folder or an Atom feed, also inside feeds and EDXL envelopes.",
    stability="alpha",
    owner="BondMate hub developers",
    config=Config,
    emits=frozenset({"IncidentEvent", "DeliveryReceipt"}),
    build=CapPickup,
)
