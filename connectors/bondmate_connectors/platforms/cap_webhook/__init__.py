"""Control rooms that speak CAP 1.2 over signed HTTP, both ways."""

from __future__ import annotations

from bondmate_schemas.enums import Level

from bondmate_connectors.contract import ConnectorSpec, imported
from bondmate_connectors.formats.error_codes import CAP_CODES, XML_CODES
from bondmate_connectors.platforms.cap_webhook.config import CapWebhookConfig

__all__ = ["CONNECTOR", "CapWebhookConfig"]

CONNECTOR = ConnectorSpec(
    name="cap_webhook",
    summary="CAP 1.2 to a control room by signed POST, and its Ack, Error, Update and Cancel back the same way.",
    stability="alpha",
    owner="BondMate hub developers",
    config=CapWebhookConfig,
    accepts=frozenset({"ALERT", "INCIDENT", "MESSAGE", "RECEIPT"}),
    emits=frozenset({"DeliveryReceipt", "DeviceMessage", "IncidentEvent"}),
    proves=Level.ACCEPTED,
    marks_test="`status` is `Test` (CAP 1.2, 3.2.1: technical testing only, all recipients disregard)",
    refusals={
        "not_authenticated": "at once: 401, or 422 with the code",
        "mode_differs": "a CAP Error to the sender that refers to its answer, posted to `deliver.url`",
        "not_its_own": "a CAP Error to the sender that refers to its answer, posted to `deliver.url`",
        "no_offer": "a CAP Error to the sender that refers to its answer, posted to `deliver.url`; the rest counts",
    },
    login=lambda config: config.deliver.login if config.deliver else None,
    waivers={"source.refusal_passes": "the room calls us: the source asks nobody who could refuse it"},
    error_codes=(*XML_CODES, *CAP_CODES),
    build=imported("bondmate_connectors.platforms.cap_webhook.connector:CapWebhook"),
    max_in_flight=32,
)
