"""`hub alerts`: how far each has come; one that no room can close, closed by operations, audited."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bondmate_hub.cli.as_operations import Alert, as_operations
from bondmate_hub.cli.options import Config, Json, Operator, show

app = typer.Typer(help="Alerts: list them, close one that no room can close.", no_args_is_help=True)


@app.command("list")
def list_(
    is_open: Annotated[bool, typer.Option("--open", help="Only those that nobody has closed.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the alerts that the hub remembers, the oldest first, with the level of each destination; no person in it.

    Exit 1 when an alert is open. Who raised it, and the whole way of one: `hub trace`.

    Example: hub alerts list --open --config hub.yaml
    """
    from datetime import UTC, datetime

    from bondmate_kafka.errors import BrokerError
    from bondmate_kafka.registry import RegistrySchemaIds
    from bondmate_schemas.codec import Codec, SchemaUnavailableError

    from bondmate_hub.operations.alert_list import rows, text
    from bondmate_hub.operations.incidents import states
    from bondmate_hub.settings import load

    kafka = load(config).kafka.config()
    try:
        known = states(kafka, Codec(RegistrySchemaIds.of(kafka)))
    except (BrokerError, SchemaUnavailableError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    found = rows(known.values(), datetime.now(UTC), only_open=is_open)
    for row in found:
        show(row, text(row), as_json=as_json)
    sys.exit(1 if any(row["open"] for row in found) else 0)


@app.command("close")
def close(
    alert: Alert,
    reason: Annotated[
        str, typer.Option(help="Why; the officer, the audit trail and rooms whose agreement says so read it.")
    ],
    false_alarm: Annotated[bool, typer.Option(help="There was no emergency.")] = False,
    operator: Operator = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End an alert as a whole, whoever owns it: every room that was told hears of it, and so does the officer.

    Only for what no room of its owner can close any more. Duress goes on: `hub devices duress-end` ends that.

    Example: hub alerts close 7f0c1d --reason "officer safe, seen by unit 7; the room is closed down" --config hub.yaml
    """
    from bondmate_hub.operations.incidents import closings

    as_operations(
        config, operator, reason, "alert.closed",
        lambda known, order: closings(known, alert, order, false_alarm=false_alarm), as_json=as_json,
    )  # fmt: skip
