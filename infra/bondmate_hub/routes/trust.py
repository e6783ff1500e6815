"""What the hub has to trust today, in words for `hub lint` and `hub doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from bondmate_connectors.contract import Proof
from bondmate_connectors.runtime.instance import Instance
from bondmate_schemas.catalogue import INCIDENTS, MESSAGES, RECEIPTS
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import DeliveryReceipt

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
    protocol = settings.kafka.client.security().protocol
    who = _WHO.get(protocol, "everybody whom it lets in")
    return (
        "whoever can write to the broker (`kafka.bootstrap`) can speak for a control room: acknowledge an"
        f" alert, write to officers, end an incident ({RECEIPTS}, {MESSAGES}, {INCIDENTS}). Without access rules it is"
        f" {who}. Mend: let the broker ask for TLS and a login (`kafka.client`), and give write access to these topics"
        " by ACLs to the hub's own logins only; a CAD that writes to Kafka itself is trusted like the hub until it has"
        " an inbox of its own"
    )


def answers_that_do_not_count(instances: Iterable[Instance]) -> list[str]:
    """Word what of the answers of each control room cannot count as its connector is set, and what mends it."""
    return [
        f"connectors.{each.name}.{problem}"
        for each in instances
        if DeliveryReceipt.__name__ in each.spec.emits and not each.spec.speaks_for
        for problem in _problems(each)
    ]


def _problems(instance: Instance) -> Iterator[str]:
    mode = getattr(instance.config, "mode", None)
    proof = getattr(instance.config, "proof", Proof.SIGNED)
    if not instance.agency_id:
        yield (
            "agency: not set: its answers count for this destination alone, and no agency is taken from what it says."
            " Mend: name the one agency whose control room it is"
        )
    if mode is Mode.UNKNOWN:
        yield (
            "settings.mode: UNKNOWN: no answer from there counts, since an unknown mode speaks of no alert, and without"
            " mutual TLS nothing written there reaches an officer."
            f" Mend: one of {', '.join(each.value for each in Mode if each is not Mode.UNKNOWN)}"
        )
    elif mode is Mode.ACTUAL and proof in {Proof.LOOPBACK, Proof.NONE}:
        yield (
            "settings.tls: nothing proves who answers there, so in mode ACTUAL no answer counts and nothing written"
            " there reaches an officer."
            " Mend: mutual TLS, with `certificate_file` and `key_file`"
        )
