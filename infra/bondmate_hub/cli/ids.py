"""`hub ids`: which of the hub's ids a control room means, and by which it knows one of the hub's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_schemas.outside_ids import OutsideIds

app = typer.Typer(help="Ids as destinations know them, and as the hub does.", no_args_is_help=True)
Destination = Annotated[str, typer.Option("--destination", "-d", help="The destination, as the routes name it.")]


@app.command()
def inside(
    text: Annotated[str, typer.Argument(help="An id that the destination was told, or a text with some in it.")],
    destination: Destination,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what a control room wrote with the hub's own ids in it; exit 1 when there is none of its in it.

    Example: hub ids inside 0-mzxw6ytboi… --destination cap-room --config hub.yaml
    """
    found = _outside_ids(config).replaced(destination, text)
    show({"destination": destination, "inside": found, "found": found != text}, found, as_json=as_json)
    sys.exit(0 if found != text else 1)


@app.command()
def outside(
    event_id: Annotated[str, typer.Argument(help="An id of the hub's: of an alert, an incident or a message.")],
    destination: Destination,
    key: Annotated[str | None, typer.Option(help="Name of the key; default: the newest.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the id by which a destination knows what the hub knows by this one.

    Example: hub ids outside 6f1b2f0e-53c5-5d0c-9c0b-0c0f7a1d8a11 --destination cap-room --config hub.yaml
    """
    ids = _outside_ids(config)
    if key is not None and key not in ids.secrets:
        raise typer.BadParameter(f"--key: one of {', '.join(ids.secrets)}")
    found = ids.of_destination(destination, key)(event_id)
    show({"destination": destination, "outside": found}, found, as_json=as_json)


def _outside_ids(config: Config) -> OutsideIds:
    from bondmate_hub.settings import SettingsError, load

    settings = load(config)
    if settings.streams is None:
        raise SettingsError(["streams: required: its secret is the key of the ids that leave"])
    return settings.streams.outside_ids()
