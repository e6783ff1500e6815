"""`hub topics`: what the catalogue wants of the broker, and making it so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from bondmate_hub.cli.options import Config, Json, show

if TYPE_CHECKING:
    from bondmate_kafka.provisioning import Change

app = typer.Typer(help="Topics, provisioned from the catalogue.", no_args_is_help=True)


@app.command()
def diff(config: Config = None, as_json: Json = False) -> None:
    """Show what `hub topics apply` would change; exit 1 when it would change anything.

    Example: hub topics diff --config hub.yaml
    """
    from bondmate_hub.settings import load
    from bondmate_hub.wanted import plan

    changes = plan(load(config))
    _print(changes, as_json=as_json)
    _say_where_nothing_is(changes)
    sys.exit(1 if changes else 0)


@app.command()
def apply(config: Config = None, as_json: Json = False) -> None:
    """Create and change topics, and register schemas, as the catalogue wants them; a second run changes nothing.

    Example: hub topics apply --config hub.yaml
    """
    from bondmate_hub.settings import load
    from bondmate_hub.wanted import carry_out

    changes, registrations = carry_out(load(config))
    _print(changes, as_json=as_json)
    _say_where_nothing_is([*changes, *(made for made in registrations if made.new)])
    for made in registrations:
        if made.new:
            show(asdict(made), f"schema {made.subject}: version {made.version}, id {made.schema_id}", as_json=as_json)
    sys.exit(1 if any(change.action == "conflict" for change in changes) else 0)


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """List the topics of this hub: key, record, retention.

    Example: hub topics list --json
    """
    from bondmate_hub.settings import load
    from bondmate_hub.wanted import wanted

    for topic in wanted(load(config)):
        show(asdict(topic), f"{topic.name}  key {topic.key}  {topic.record or 'bytes'}  {topic.doc}", as_json=as_json)


def _say_where_nothing_is(done: Sequence[object]) -> None:
    if not done:
        print("nothing to change", file=sys.stderr)


def _print(changes: list[Change], *, as_json: bool) -> None:
    for change in changes:
        text = f"{change.action} {change.topic}: {change.what} {change.now} -> {change.wanted}"
        text = f"{text}; {change.hint}" if change.hint else text
        # `mend` is what `hint` was called until release 0.2; it goes with 0.3.
        show({**asdict(change), "mend": change.hint}, text, as_json=as_json)
