"""`hub routes`: a version of the routes that every role takes, and what it would do before it does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bondmate_hub.cli.options import Config, Json, in_words, opened, show

if TYPE_CHECKING:
    from bondmate_hub.routes.versions import Plan

app = typer.Typer(help="The version of the routes that every role works by.", no_args_is_help=True)


@app.command()
def apply(
    config: Config = None,
    file: Annotated[Path | None, typer.Option(help="File of routes; default: the one in the settings.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    as_json: Json = False,
) -> None:
    """Check the file of routes, show what it does to open alerts, ask, and have every role take it.

    A file with findings changes nothing (exit 1). Rooms that the file names and that do not know an open alert are told
    of it, as of one that is open since before; a room that it names no more hears the end of what it was told.

    Example: hub routes apply --config hub.yaml
    """
    from bondmate_streams.applied_routes import Applied, applied_of
    from bondmate_streams.routes_file import load_routes

    from bondmate_hub.cli.routes import ground_of, map_of
    from bondmate_hub.lint import Severity, lint
    from bondmate_hub.routes import versions
    from bondmate_hub.settings import SettingsError

    settings, kafka, codec = opened(config)
    if settings.streams is None:
        raise SettingsError(["streams: required: name the file of routes in `streams.routes`"])
    path = file or settings.streams.routes
    if found := [each for each in lint(config, path) if each.severity is Severity.ERROR and each.file == str(path)]:
        print("\n".join(map(str, found)))
        sys.exit(1)
    routes, last = load_routes(path), versions.newest(kafka, codec)
    before = applied_of(last) if last else Applied(load_routes(settings.streams.routes))
    plan, number = (
        versions.plan(kafka, codec, before, routes, ground_of(map_of(None, config), routes)),
        before.number + 1,
    )
    _show(plan, number, as_json=as_json)
    if plan.missing:
        print(f"no topic for {', '.join(plan.missing)}: run `hub topics apply` first", file=sys.stderr)
        sys.exit(1)
    if not yes and not _agreed(number):
        print("nothing was changed", file=sys.stderr)
        sys.exit(1)
    with in_words(versions.VersionTakenError):
        version = versions.write(kafka, codec, number, path.read_text(encoding="utf-8"), plan.retired)
    show({"applied": version.number}, f"version {version.number} is applied", as_json=as_json)


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter("--yes: needed where nobody can be asked")
    return typer.confirm(f"Apply it as version {number}?", default=False)


def _show(plan: Plan, number: int, *, as_json: bool) -> None:
    if as_json:
        show({"version": number, "told_late": plan.late, "hear_the_end_only": plan.ending}, "", as_json=True)
        return
    for name, count in sorted(plan.late.items()):
        print(f"{name}: is told of {count} open alert{'s' if count > 1 else ''}")
    for name, count in sorted(plan.ending.items()):
        print(f"{name}: is named no more; hears the end of {count} open alert{'s' if count > 1 else ''}, nothing else")
    if not plan.late and not plan.ending:
        print("no open alert is told to anybody else")


@app.command("show")
def show_(config: Config = None, as_json: Json = False) -> None:
    """Show which version of the routes the roles work by; none where nobody ever applied one.

    Example: hub routes show --config hub.yaml
    """
    from bondmate_hub.routes import versions

    last = versions.newest(*opened(config)[1:])
    if last is None:
        show({"version": 0}, "the file of the settings: no version was ever applied", as_json=as_json)
        return
    value = {"version": last.number, "applied_at": last.applied_at.isoformat(), "applied_by": last.applied_by}
    show({**value, "text": last.text}, f"version {last.number}, applied {last.applied_at:%F %T} UTC", as_json=as_json)
