"""`hub incidents`: alerts of one event, linked and taken apart by operations; audited."""

from __future__ import annotations

from typing import Annotated

import typer

from bondmate_hub.cli.as_operations import Alert, as_operations
from bondmate_hub.cli.options import Config, Json, Operator, Reason

app = typer.Typer(help="Alerts of one event: link them, take them apart.", no_args_is_help=True)


@app.command("link")
def link(
    alert: Alert,
    to: Annotated[str, typer.Argument(help="An alert of the event that it is of.")],
    reason: Reason,
    of_both_agencies: Annotated[
        bool, typer.Option(help="You are of both agencies; needed where the alerts are of two.")
    ] = False,
    operator: Operator = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Link an alert, and those linked to it, with another as one event; their rooms hear the shared number.

    Each stays an alert of its own: its levels, escalation and ending are as before.

    Example: hub incidents link 7f0c1d 91ab20 --reason "one fight, two patrols" --config hub.yaml
    """
    from bondmate_hub.operations.incidents import links_to

    as_operations(
        config, operator, reason, "incident.linked",
        lambda known, order: links_to(known, alert, to, order, of_both=of_both_agencies), as_json=as_json,
    )  # fmt: skip


@app.command("unlink")
def unlink(
    alert: Alert, reason: Reason, operator: Operator = None, config: Config = None, as_json: Json = False
) -> None:  # fmt: skip
    """Take an alert out of its event; no rule links it again.

    Example: hub incidents unlink 7f0c1d --reason "another street" --config hub.yaml
    """
    from bondmate_hub.operations.incidents import unlinks

    as_operations(config, operator, reason, "incident.unlinked", lambda known, order: unlinks(known, alert, order),
        as_json=as_json)  # fmt: skip
