"""Whom the hub has to trust today, in words for `hub lint` and `hub doctor`."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.catalogue import INCIDENTS, MESSAGES, RECEIPTS

from bondmate_hub.settings import Settings

_WHO: Final = {
    "PLAINTEXT": "everybody who reaches its port",
    "SSL": "everybody with a certificate it trusts",
    "SASL_PLAINTEXT": "everybody with a login of it",
    "SASL_SSL": "everybody with a login of it",
}


def broker_is_trusted(settings: Settings) -> str:
    """Word who can speak for a control room without being one, and what mends it; a warning as long as that is so.

    A record on Kafka does not prove who wrote it, so what stands there as a receipt, message or incident of a control
    room is believed.
    """
    protocol = str(settings.kafka.client.get("security.protocol", "PLAINTEXT")).upper()
    who = _WHO.get(protocol, "everybody whom it lets in")
    return (
        "whoever can write to the broker (`kafka.bootstrap`) can speak for a control room: acknowledge an"
        f" alert, write to officers, end an incident ({RECEIPTS}, {MESSAGES}, {INCIDENTS}). Without access rules it is"
        f" {who}. Mend: let the broker ask for TLS and a login (`kafka.client`), and give write access to these topics"
        " by ACLs to the hub's own logins only; a CAD that writes to Kafka itself is trusted like the hub until it has"
        " an inbox of its own"
    )
