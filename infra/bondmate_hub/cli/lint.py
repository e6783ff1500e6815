"""`hub lint`: all that is wrong with the files of a hub, before it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bondmate_hub.cli.options import Config, Json, show


def lint(
    config: Config = None,
    routes: Annotated[Path | None, typer.Option(help="File of routes; without --config it alone is looked at.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too; for scripts.")] = False,
    as_json: Json = False,
) -> None:
    """Check settings, routes, agreements, map, device files and secrets without starting anything; all at once.

    Each line has file, line and column. Errors go to standard output: something cannot work, or a route can deliver
    nothing; exit 1. Warnings go to standard error and leave the exit code as it is. With --json both are on standard
    output, an object a line.

    Example: hub lint --config hub.yaml
    """
    from bondmate_hub.lint import DEFAULT_CONFIG, Severity, has_settings
    from bondmate_hub.lint import lint as found_in

    if not has_settings(config) and routes is None:
        told = f"no {DEFAULT_CONFIG} in this folder: name the settings, or write first ones with `hub init`"
        raise typer.BadParameter(told, param_hint="--config")
    found = found_in(config, routes)
    for each in found:
        if as_json:
            show(each.as_json(), "", as_json=True)
        elif each.severity is Severity.ERROR:
            print(each)
        else:
            print(f"warning: {each}", file=sys.stderr)
    is_bad = any(strict or each.severity is Severity.ERROR for each in found)
    sys.exit(1 if is_bad else 0)
