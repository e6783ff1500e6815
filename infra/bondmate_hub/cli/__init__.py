"""The command `hub`: exit 0 done, 1 found something, 2 usage or settings.

Every command has `--help` with an example, and `--json` where it prints. A command imports what it needs when it runs,
so that each process of a role holds only its own libraries. A package above the hub, such as the demo, brings its
command by an entry point in `bondmate_hub.commands`.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points

import typer

from bondmate_hub.cli import (
    alerts,
    build,
    connectors,
    devices,
    dlq,
    docs,
    doctor,
    drill,
    first_hour,
    ids,
    incidents,
    lint,
    pages,
    roles,
    routes,
    routes_apply,
    schemas,
    status,
    steering,
    topics,
    trace,
    translate,
)

app = typer.Typer(
    name="hub",
    help="BondMate integration hub: from officers' devices to every control room that must know, and back.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(help=app.info.help)(build.common)


def add_outside_command(to: typer.Typer, entry: EntryPoint) -> None:
    """Add the command of another package, or one in its place that says why there is none.

    What is wrong with one package must not stop `hub run`.
    """
    try:
        to.command(entry.name)(entry.load())
    except Exception as error:  # noqa: BLE001  # somebody else's module may raise anything and must fail alone
        reason = f"hub {entry.name}: {entry.value} cannot be imported ({type(error).__name__})"

        def absent() -> None:
            """Not there: its package cannot be imported."""
            print(f"{reason}; install its package again, or remove it", file=sys.stderr)
            sys.exit(2)

        to.command(entry.name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(absent)


for entry in entry_points(group="bondmate_hub.commands"):
    add_outside_command(app, entry)
app.command("run")(roles.run)
app.command("translate")(translate.translate)
app.command("trace")(trace.trace)
app.command("lint")(lint.lint)
app.command("init")(first_hour.init)
app.command("sample")(first_hour.sample)
app.command("check")(connectors.check)
app.command("doctor")(doctor.doctor)
app.command("drill")(drill.drill)
app.command("status")(status.status)
app.command("docs")(docs.docs)
for command in (steering.restart, steering.pause, steering.resume):
    connectors.app.command(command.__name__)(command)
for name, group in {
    "alerts": alerts.app,
    "route": routes.app,
    "routes": routes_apply.app,
    "topics": topics.app,
    "schemas": schemas.app,
    "secrets": first_hour.secrets,
    "devices": devices.app,
    "connectors": connectors.app,
    "dlq": dlq.app,
    "ids": ids.app,
    "incidents": incidents.app,
    "pages": pages.app,
}.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; wrong settings and absent programs are told in words, not in traces."""
    try:
        app()
    except Exception as error:
        status = _told(error)
        if status is None:
            raise
        sys.exit(status)


def _told(error: Exception) -> int | None:
    """Print what a person is to mend, and return the exit code; None of an error that is none of a person's."""
    # Only now: they bring half of the hub's libraries, which a command that goes well may do without.
    from bondmate_streams.logic.routes_yaml import RoutesError

    from bondmate_hub.broker import BrokerError
    from bondmate_hub.settings import SettingsError

    if isinstance(error, SettingsError | RoutesError):
        print("\n".join(error.problems), file=sys.stderr)
        return 2
    if isinstance(error, BrokerError):
        print(error, file=sys.stderr)
        return 1
    return None
