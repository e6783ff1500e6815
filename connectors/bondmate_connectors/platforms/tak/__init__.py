"""TAK: Cursor on Target over one TCP or mutual-TLS connection to a TAK server, both ways."""

from __future__ import annotations

from bondmate_schemas.enums import Level

from bondmate_connectors.contract import ConnectorSpec
from bondmate_connectors.platforms.tak.config import TakConfig
from bondmate_connectors.platforms.tak.connector import Tak

CONNECTOR = ConnectorSpec(
    name="tak",
    summary="Alerts, positions, texts and incidents to a TAK server; operators' chat answers back.",
    stability="beta",
    owner="BondMate hub developers",
    config=TakConfig,
    accepts=frozenset({"ALERT", "LOCATION", "MESSAGE", "INCIDENT"}),
    emits=frozenset({"DeliveryReceipt", "DeviceMessage", "IncidentEvent"}),
    proves=Level.DELIVERED,
    max_in_flight=64,
    build=Tak,
)
