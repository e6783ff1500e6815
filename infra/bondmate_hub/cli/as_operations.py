"""What operations say of alerts, as the command line does it: looked up, written into the audit trail, said."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import in_words, opened, show

if TYPE_CHECKING:
    from bondmate_schemas.models import AlertState, DeliveryReceipt

    from bondmate_hub.operations.incidents import Order

Alert = Annotated[str, typer.Argument(help="Event id or incident id of an alert.")]


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
    from bondmate_schemas.catalogue import RECEIPTS
    from bondmate_schemas.codec import SchemaUnavailableError
    from bondmate_schemas.enums import AuditAction
    from bondmate_streams.logic.audit import AuditEntry

    from bondmate_hub.admin.trail import Trail, TrailError
    from bondmate_hub.operations.incidents import Order, OrderError, states

    if not reason.strip():
        raise typer.BadParameter("--reason: say why; it stands in the audit trail")
    who = operator or getpass.getuser()
    with in_words(OrderError, TrailError, SchemaUnavailableError):
        _, kafka, codec = opened(config)
        receipts = said(states(kafka, codec), Order(who, reason, datetime.now(UTC)))
        # Written down before it is done: what nobody answers for is not done.
        Trail(kafka, "hub-incidents").record(
            *(AuditEntry(AuditAction.OTHER, who, f"alert/{one.header.event_id}", fields=(what,), purpose=reason)
              for one in receipts)
        )  # fmt: skip
        envelopes = Envelopes(codec)
        packed = [envelopes.pack(RECEIPTS, one.header.event_id, one) for one in receipts]
        codes = BlockingWriter(kafka, "hub-incidents").write(packed)
    for receipt, code in zip(receipts, codes, strict=True):
        outcome = code or what.rpartition(".")[2]
        show({"event_id": receipt.header.event_id, "outcome": outcome, "number": receipt.platform_id},
             f"{receipt.header.event_id}: {outcome}", as_json=as_json)  # fmt: skip
    sys.exit(1 if any(codes) else 0)
