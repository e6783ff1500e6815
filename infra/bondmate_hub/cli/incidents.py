"""`hub incidents`: alerts of one event, linked and taken apart by operations; audited."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_schemas.models import AlertState, DeliveryReceipt

    from bondmate_hub.incidents import Order

app = typer.Typer(help="Alerts of one event: link them, take them apart.", no_args_is_help=True)
Alert = Annotated[str, typer.Argument(help="Event id or incident id of an alert.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the audit trail.")]
Name = Annotated[str | None, typer.Option("--operator", envvar="BONDMATE_OPERATOR", help="Who acts; default: you.")]


@app.command("link")
def link(
    alert: Alert,
    to: Annotated[str, typer.Argument(help="An alert of the event that it is of.")],
    reason: Reason,
    of_both_agencies: Annotated[
        bool, typer.Option(help="You are of both agencies; needed where the alerts are of two.")
    ] = False,
    operator: Name = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say that an alert, and those linked to it, are of one event with another; their rooms hear the shared number.

    Each stays an alert of its own: its levels, escalation and ending are as before.

    Example: hub incidents link 7f0c1d 91ab20 --reason "one fight, two patrols" --config hub.yaml
    """
    from bondmate_hub.incidents import links_to

    def said(known: Mapping[str, AlertState], order: Order) -> list[DeliveryReceipt]:
        return links_to(known, alert, to, order, of_both=of_both_agencies)

    _do(config, operator, reason, "incident.linked", said, as_json=as_json)


@app.command("unlink")
def unlink(
    alert: Alert, reason: Reason, operator: Name = None, config: Config = None, as_json: Json = False
) -> None:  # fmt: skip
    """Take an alert out of its event; no rule links it again.

    Example: hub incidents unlink 7f0c1d --reason "another street" --config hub.yaml
    """
    from bondmate_hub.incidents import unlinks

    _do(config, operator, reason, "incident.unlinked", lambda known, order: unlinks(known, alert, order),
        as_json=as_json)  # fmt: skip


def _do(
    config: Any,
    operator: str | None,
    reason: str,
    what: str,
    said: Callable[[Mapping[str, AlertState], Order], list[DeliveryReceipt]],
    *,
    as_json: bool,
) -> None:
    from bondmate_schemas.catalogue import RECEIPTS
    from bondmate_schemas.codec import Codec, SchemaUnavailableError
    from bondmate_schemas.enums import AuditAction
    from bondmate_schemas.kafka import KafkaConfig, RegistrySchemaIds
    from bondmate_streams.envelopes import Envelopes
    from bondmate_streams.logic.audit import Entry

    from bondmate_hub.admin.trail import Trail, TrailError
    from bondmate_hub.dlq.edge import Writer
    from bondmate_hub.incidents import LinkError, Order, states
    from bondmate_hub.settings import load

    if not reason.strip():
        raise typer.BadParameter("--reason: say why; it stands in the audit trail")
    settings = load(config)
    kafka = KafkaConfig(settings.kafka.bootstrap, settings.kafka.registry_url, settings.kafka.client)
    who = operator or getpass.getuser()
    try:
        codec = Codec(RegistrySchemaIds(kafka.registry_url))
        receipts = said(states(kafka, codec), Order(who, reason, datetime.now(UTC)))
        entries = [
            Entry(AuditAction.OTHER, who, f"alert/{one.header.event_id}", fields=(what,), purpose=reason)
            for one in receipts
        ]
        # Written down before it is done: what nobody answers for is not done.
        Trail(kafka, "hub-incidents").record(*entries)
        envelopes = Envelopes(codec)
        packed = [envelopes.pack(RECEIPTS, one.header.event_id, one) for one in receipts]
        codes = Writer(kafka, "hub-incidents").write(packed)
    except (LinkError, TrailError, SchemaUnavailableError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    for receipt, code in zip(receipts, codes, strict=True):
        outcome = code or what.removeprefix("incident.")
        show({"event_id": receipt.header.event_id, "outcome": outcome, "number": receipt.platform_id},
             f"{receipt.header.event_id}: {outcome}", as_json=as_json)  # fmt: skip
    sys.exit(1 if any(codes) else 0)
