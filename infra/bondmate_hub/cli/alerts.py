"""`hub alerts`: an alert that no room can close, closed by operations; audited."""

from __future__ import annotations

from typing import Annotated

import typer

from bondmate_hub.cli.as_operations import Alert, as_operations
from bondmate_hub.cli.options import Config, Json, Operator

app = typer.Typer(help="Alerts: close one that no room can close.", no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Alerts: close one that no room can close."""


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
