"""`hub connectors` and `hub check`: what can be connected, and whether it would work now."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bondmate_hub.cli.options import Config, Json, show

app = typer.Typer(help="Connectors: what the hub can join.", no_args_is_help=True)


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List the installed connectors, and with --config which of the configured ones are paused.

    Example: hub connectors list
    """
    from bondmate_connectors.contract import ConnectorSpec

    from bondmate_hub.connectors.instances import registered

    for name, spec in registered():
        summary = spec.summary if isinstance(spec, ConnectorSpec) else f"broken: {spec.reason}"
        show({"name": name, "summary": summary}, f"{name}: {summary}", as_json=as_json)
    if config is None:
        return
    from bondmate_hub.admin.pauses import PausedConnectors
    from bondmate_hub.settings import load

    for name, pause in PausedConnectors(load(config).data_dir).current(datetime.now(UTC)).items():
        until = pause.until.isoformat(timespec="seconds")
        fact = {"name": name, "paused_until": until, "operator": pause.operator, "reason": pause.reason}
        show(fact, f"{name}: paused until {until} by {pause.operator}: {pause.reason}", as_json=as_json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the connector and its package; hyphens become underscores.")],
    kind: Annotated[
        str, typer.Option(help="sink: to the control room. source: from it. both. format: its messages alone.")
    ] = "both",
    folder: Annotated[Path, typer.Option(help="Where the package's folder is made.", file_okay=False)] = Path(),
    as_json: Json = False,
) -> None:
    """Write a connector's package that works: code, settings, README, contract tests, example, golden files.

    It speaks JSON over HTTP; what its tests say passes at once, and stays to say what your changes broke.

    Example: hub connectors new acme-cad --kind both
    """
    from bondmate_hub.new_connector import KINDS, NewConnectorError, create

    if kind not in KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}")
    try:
        files = create(name, kind, folder)
    except NewConnectorError as error:
        raise typer.BadParameter(str(error)) from None
    for file in files:
        show({"file": str(file)}, str(file), as_json=as_json)
    if not as_json:
        package = folder / name.replace("-", "_")
        print(f"\nNext: cd {package}; pip install -e '.[test]'; pytest. Then read {package / 'README.md'}.")


@app.command()
def describe(name: Annotated[str, typer.Argument(help="A connector, as `list` shows it.")]) -> None:
    """Print the JSON Schema of a connector's settings.

    Example: hub connectors describe tak
    """
    from bondmate_connectors.contract import ConnectorSpec

    from bondmate_hub.connectors.instances import registered

    spec = dict(registered()).get(name)
    if not isinstance(spec, ConnectorSpec):
        raise typer.BadParameter(f"no such connector: {name}")
    print(json.dumps(spec.config.model_json_schema(), indent=2))


_COLUMNS = ("connector", "reported_by", "status", "breaker", "backlog_events", "oldest_seconds", "parked_keys",
            "paused_alerts", "last_sent_at", "last_received_at", "reason")  # fmt: skip


@app.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Show how the configured connectors are in each process that runs one, and what the broker holds for them.

    SILENT: its process says nothing any more, so it is dead or frozen. Exit 1 when one is not OK.

    Example: hub connectors status --config hub.yaml
    """
    from bondmate_schemas.catalogue import STATE_CONNECTORS

    from bondmate_hub.broker import BrokerError
    from bondmate_hub.connectors.status import rows
    from bondmate_hub.settings import load
    from bondmate_hub.status.gather import gather

    settings = load(config)
    facts = gather(settings)
    if not facts.broker.answers:
        raise BrokerError(f"{facts.broker.why}: is it running, and is `kafka.bootstrap` its address?")
    if missing := [problem for problem in facts.problems if STATE_CONNECTORS in problem]:
        raise BrokerError("; ".join(missing))
    found = rows(list(settings.connectors), facts)
    if as_json:
        for row in found:
            show(row, "", as_json=True)
    else:
        print(_table(found))
    sys.exit(0 if all(row["ok"] for row in found) else 1)


@app.command()
def forget(
    name: Annotated[str, typer.Argument(help="A connector that is configured no more.")], config: Config = None
) -> None:
    """Forget what a connector said that is gone for good, so that nobody is paged for its silence.

    Example: hub connectors forget old-room --config hub.yaml
    """
    from bondmate_kafka.registry import RegistrySchemaIds
    from bondmate_schemas.codec import Codec

    from bondmate_hub.connectors.status import forget as forget_status
    from bondmate_hub.settings import load

    settings = load(config)
    if name in settings.connectors:
        raise typer.BadParameter(f"{name} is in the settings: take it out there, and end its runner first")
    kafka = settings.kafka.config()
    forget_status(kafka, Codec(RegistrySchemaIds.of(kafka)), name)


def _table(rows: list[dict[str, Any]]) -> str:
    from bondmate_hub.status.lines import columns

    cells = (tuple("-" if row[name] in {None, ""} else str(row[name]) for name in _COLUMNS) for row in rows)
    return "\n".join(columns([_COLUMNS, *cells]))


def check(
    name: Annotated[str | None, typer.Argument(help="One connector of the settings; default: all.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask the platforms of the configured connectors whether they would take us, without creating anything there.

    What that proves is the connector's: see its page. One that can only POST proves credentials where a setting names
    an address to ask, as `check_url` of `cap_webhook` does.

    Example: hub check tak-main --config hub.yaml
    """
    from bondmate_hub.connectors.instances import check_connectors
    from bondmate_hub.settings import load

    results = asyncio.run(check_connectors(load(config), name))
    for result in results:
        line = ": ".join(filter(None, (result["name"], result["outcome"], result["hint"])))
        show(result, line, as_json=as_json)
    sys.exit(0 if all(result["outcome"] == "ok" for result in results) else 1)
