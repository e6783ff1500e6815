"""`hub trace`: did it get through? The whole way of an event, hop by hop; audited before anything is shown."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_hub.trace.search import Trace


def trace(
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail before anything is shown.")],
    operator: Annotated[str, typer.Option(envvar="BONDMATE_OPERATOR", help="Who looks.")],
    quoted: Annotated[
        str, typer.Argument(metavar="ID", help="Event, alert, incident or device, or what a control room quotes.")
    ] = "",
    callsign: Annotated[str, typer.Option(help="Search by a callsign instead; you are asked for it again.")] = "",
    since: Annotated[
        str | None, typer.Option(help="Only since then: 90m, 2h, 7d ago, or ISO 8601 (UTC without a zone).")
    ] = None,
    positions: Annotated[bool, typer.Option("--positions", help="Also show where its device was.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the whole way of an alert, of an incident or of what a device sent: times, levels, who acknowledged.

    ID may be the hub's, the device's, or what a control room has: a CAP identifier, a CoT uid, their own number.
    Words are not shown, positions only with --positions. Exit 1 when nothing is kept of it.

    Example: hub trace 6f1b2f0e-53c5-5d0c-9c0b-0c0f7a1d8a11 --operator "inspector 4711" --reason "call of cad-north"
    """
    if not operator.strip() or not reason.strip():
        raise typer.BadParameter("--operator and --reason: who looks and why must be said")
    if bool(quoted.strip()) is bool(callsign.strip()):
        raise typer.BadParameter("name an ID, or --callsign")
    print("hub trace: looking for it; it is shown once the audit trail has who looks and why", file=sys.stderr)
    if callsign and typer.prompt("A callsign is a person. The callsign again", err=True).strip() != callsign.strip():
        raise typer.BadParameter("--callsign: it was not the same again; nothing was looked up")
    found = _found(
        config,
        since,
        operator=operator.strip(),
        reason=reason.strip(),
        quoted=quoted.strip(),
        callsign=callsign.strip(),
        positions=positions,
    )
    _show(found, as_json=as_json)
    sys.exit(0 if found.events or found.hops else 1)


def _found(config: Any, since: str | None, **of: Any) -> Trace:
    from bondmate_kafka.errors import BrokerError
    from bondmate_schemas.codec import SchemaUnavailableError

    from bondmate_hub.admin.trail import TrailError
    from bondmate_hub.dlq.model import moment
    from bondmate_hub.settings import load
    from bondmate_hub.trace.consult import Consultation, consulted

    try:
        start = moment(since, datetime.now(UTC)) if since else None
    except ValueError as error:
        raise typer.BadParameter(f"--since: {error}") from None
    try:
        return consulted(load(config), Consultation(since=start, **of))
    except TrailError as error:
        print(f"the audit trail does not take it ({error}): nothing is shown; see `hub doctor`", file=sys.stderr)
    except (BrokerError, SchemaUnavailableError) as error:
        print(error, file=sys.stderr)
    raise typer.Exit(1)


def _show(found: Trace, *, as_json: bool) -> None:
    from bondmate_hub.trace.lines import lines, parts

    now = datetime.now(UTC)
    if as_json:
        for part in parts(found, now):
            show(part, "", as_json=True)
    else:
        print("\n".join(lines(found, now)))
