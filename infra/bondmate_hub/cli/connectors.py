"""`hub connectors` and `hub check`: what can be connected, and whether it would work now."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer

from bondmate_hub.cli.options import Config, Json, show

app = typer.Typer(help="Connectors: what the hub can join.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the installed connectors.

    Example: hub connectors list
    """
    from bondmate_connectors.contract import ConnectorSpec

    from bondmate_hub.instances import registered

    for name, spec in registered():
        summary = spec.summary if isinstance(spec, ConnectorSpec) else f"broken: {spec.reason}"
        show({"name": name, "summary": summary}, f"{name}: {summary}", as_json=as_json)


@app.command()
def describe(name: Annotated[str, typer.Argument(help="A connector, as `list` shows it.")]) -> None:
    """Print the JSON Schema of a connector's settings.

    Example: hub connectors describe tak
    """
    from bondmate_connectors.contract import ConnectorSpec

    from bondmate_hub.instances import registered

    spec = dict(registered()).get(name)
    if not isinstance(spec, ConnectorSpec):
        raise typer.BadParameter(f"no such connector: {name}")
    print(json.dumps(spec.config.model_json_schema(), indent=2))


def check(
    name: Annotated[str | None, typer.Argument(help="One connector of the settings; default: all.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Prove endpoint, credentials and privilege of the configured connectors without creating anything there.

    Example: hub check tak-main --config hub.yaml
    """
    from bondmate_hub.instances import check_connectors
    from bondmate_hub.settings import load

    results = asyncio.run(check_connectors(load(config), name))
    for result in results:
        show(result, f"{result['name']}: {result['outcome']}", as_json=as_json)
    sys.exit(0 if all(result["outcome"] == "ok" for result in results) else 1)
