"""The gateway: how officers' devices reach the hub, over HTTPS; the connector `device_http`.

It is a connector like any other to its runner (`gateway`), and a product of its own in three parts. `enrolment` knows
which devices there are, `mailbox` keeps what waits for each, `http` is the API itself. `handover` holds an answer back
until the runner has stored what a request brought.
"""

from __future__ import annotations

from bondmate_connectors.contract import imported
from bondmate_connectors.replay import ReplaySpec
from bondmate_schemas.catalogue import CHECK_INS, DEVICE, DEVICE_MARKS, MESSAGES, RECEIPTS, STATE_ALERTS
from bondmate_schemas.enums import Level

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.error_codes import GATEWAY_CODES

__all__ = ["CONNECTOR", "GatewayConfig"]

CONNECTOR = ReplaySpec(
    name="device_http",
    summary="Officers' devices over HTTPS: alerts, positions, reports up; messages and alert levels down.",
    stability="alpha",
    owner="BondMate hub developers",
    config=GatewayConfig,
    emits=frozenset(
        {
            "DeviceAlert",
            "DeviceLocation",
            "DeviceMessage",
            "DeviceStatus",
            "IncidentEvent",
            "DeliveryReceipt",
            "CheckIn",
        }
    ),
    replays=(MESSAGES, RECEIPTS, STATE_ALERTS, DEVICE_MARKS, CHECK_INS),
    proves=Level.DELIVERED,
    refusals={
        "not_authenticated": "at once: 401",
        "mode_differs": "never: the mode is that of the device's enrolment",
        "not_its_own": "at once: 404 or 409, for a message that the device was not sent",
        "no_offer": "never: a device owns no alert",
    },
    speaks_for=DEVICE,
    error_codes=GATEWAY_CODES,
    build=imported("bondmate_gateway.gateway:DeviceGateway"),
    waivers={
        "check_tells_bad_credentials": "devices bring their credentials to the gateway; it has none of its own",
        "refusal_passes": "devices call the gateway: it asks nobody who could refuse it",
    },
)
