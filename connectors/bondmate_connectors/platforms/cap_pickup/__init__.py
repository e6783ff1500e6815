"""CAP picked up from a folder or an Atom feed."""

from __future__ import annotations

from bondmate_connectors.contract import ConnectorSpec, imported
from bondmate_connectors.formats.error_codes import CAP_CODES, XML_CODES
from bondmate_connectors.platforms.cap_pickup.config import CapPickupConfig

__all__ = ["CONNECTOR", "CapPickupConfig"]

CONNECTOR = ConnectorSpec(
    name="cap_pickup",
    summary="CAP alerts from a folder or an Atom feed, also inside feeds and EDXL envelopes.",
    stability="alpha",
    owner="BondMate hub developers",
    config=CapPickupConfig,
    emits=frozenset({"IncidentEvent"}),
    refusals=dict.fromkeys(
        ("not_authenticated", "mode_differs", "not_its_own", "no_offer"),
        "cannot: a file has no sender to answer, and a feed is only read (RFC 4287, 1.1); it lies in the dead letters",
    ),
    login=lambda config: config.feed.login if config.feed else None,
    error_codes=(*XML_CODES, *CAP_CODES),
    build=imported("bondmate_connectors.platforms.cap_pickup.source:CapPickup"),
)
