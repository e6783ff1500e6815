"""What operations say of alerts, as the command line does it: looked up, written into the audit trail, said."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import show

if TYPE_CHECKING:
    from bondmate_schemas.models import AlertState, DeliveryReceipt

    from bondmate_hub.operations.incidents import Order

Alert = Annotated[str, typer.Argument(help="Event id or incident id of an alert.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the audit trail.")]
Name = Annotated[str | None, typer.Option("--operator", envvar="BONDMATE_OPERATOR", help="Who acts; default: you.")]


def as_operations(
    config: Any,
    operator: str | None,
    reason: str,
    what: str,
    said: Callable[[Mapping[str, AlertState], Order], list[DeliveryReceipt]],
    *,
    as_json: bool,
) -> None:
    """Publish a statement about alerts; the audit trail has it as `what` before it is published."""
    from bondmate_kafka.producer import BlockingWriter
    from bondmate_kafka.records import Envelopes
    from bondmate_kafka.registry import RegistrySchemaIds
    from bondmate_schemas.catalogue import RECEIPTS
    from bondmate_schemas.codec import Codec, SchemaUnavailableError
    from bondmate_schemas.enums import AuditAction
    from bondmate_streams.logic.audit import AuditEntry

    from bondmate_hub.admin.trail import Trail, TrailError
    from bondmate_hub.operations.incidents import Order, OrderError, states
    from bondmate_hub.settings import load

    if not reason.strip():
        raise typer.BadParameter("--reason: say why; it stands in the audit trail")
    settings = load(config)
    kafka = settings.kafka.config()
    who = operator or getpass.getuser()
    try:
        codec = Codec(RegistrySchemaIds.of(kafka))
        receipts = said(states(kafka, codec), Order(who, reason, datetime.now(UTC)))
        entries = [
            AuditEntry(AuditAction.OTHER, who, f"alert/{one.header.event_id}", fields=(what,), purpose=reason)
            for one in receipts
        ]
        # Written down before it is done: what nobody answers for is not done.
        Trail(kafka, "hub-incidents").record(*entries)
        envelopes = Envelopes(codec)
        packed = [envelopes.pack(RECEIPTS, one.header.event_id, one) for one in receipts]
        codes = BlockingWriter(kafka, "hub-incidents").write(packed)
    except (OrderError, TrailError, SchemaUnavailableError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    for receipt, code in zip(receipts, codes, strict=True):
        outcome = code or what.rpartition(".")[2]
        show({"event_id": receipt.header.event_id, "outcome": outcome, "number": receipt.platform_id},
             f"{receipt.header.event_id}: {outcome}", as_json=as_json)  # fmt: skip
    sys.exit(1 if any(codes) else 0)
