"""`hub init`, `hub sample`, `hub secrets`: what somebody needs who begins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bondmate_hub.cli.options import Json, show

secrets = typer.Typer(help="Secrets that hub and control rooms share.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="Where; it is made where it is not there.", file_okay=False)] = Path(),
    agency: Annotated[str, typer.Option(help="The agency of the devices and of their control room.")] = "pd-north",
    as_json: Json = False,
) -> None:
    """Write a first folder that works: settings, routes, secrets, an empty device file. It changes no file.

    Example: hub init my-hub --agency pd-north
    """
    from bondmate_hub.new_hub import NewHubError, create

    try:
        files = create(folder, agency)
    except NewHubError as error:
        raise typer.BadParameter(str(error)) from None
    for file in files:
        show({"file": str(file)}, str(file), as_json=as_json)
    if not as_json:
        print(f"\nNext: cd {folder}; hub lint. Then write in hub.yaml where your control room is.")


def sample(
    kind: Annotated[str, typer.Argument(help="sos: an alert. fix: a position. report: of a community concern.")],
    agency: Annotated[str, typer.Option(help="Agency of the device.")] = "pd-north",
    device: Annotated[str, typer.Option(help="The device.")] = "bm-0001",
    mode: Annotated[str, typer.Option(help="ACTUAL, EXERCISE or TEST.")] = "TEST",
    request: Annotated[
        bool, typer.Option("--request", help="What a device posts, in place of what the hub makes of it.")
    ] = False,
) -> None:
    """Print an event of now, as JSON: for `hub route explain`, or with --request for the gateway.

    Example: hub sample sos --mode ACTUAL | hub route explain -
    """
    from datetime import UTC, datetime

    from bondmate_hub.samples import KINDS, MODES, event, request_body

    if kind not in KINDS or mode not in MODES:
        raise typer.BadParameter(f"an event is one of {', '.join(KINDS)}, and --mode one of {', '.join(MODES)}")
    now = datetime.now(UTC)
    made = request_body(kind, now) if request else event(kind, now, agency=agency, device=device, mode=mode)
    print(json.dumps(made, ensure_ascii=False, indent=2))


@secrets.command()
def new(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it, for its owner alone; left out, it is printed.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="There is one: put a new one in its place.")] = False,
) -> None:
    """Make a secret that signs between hub and control room, as every Standard Webhooks library takes it.

    Example: hub secrets new secrets/cap-room
    """
    from bondmate_connectors.transports.hmac_signature import new_secret

    from bondmate_hub.new_hub import NewHubError, write_secret

    if file is None:
        print(new_secret())
        return
    try:
        write_secret(file, replace=replace)
    except NewHubError as error:
        raise typer.BadParameter(str(error)) from None
    print(f"{file}: written; give its text to the control room over a channel that you trust", file=sys.stderr)
