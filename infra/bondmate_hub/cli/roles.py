"""`hub run`: run roles of the hub."""

from __future__ import annotations

from typing import Annotated

import typer

from bondmate_hub.cli.options import Config


def run(
    roles: Annotated[
        list[str], typer.Argument(help="broker, registry, gateway, streams, lane, runner, pager, drills, all.")
    ],
    config: Config = None,
) -> None:
    """Run roles until SIGTERM. Several roles, or `all`, run as children and are started again when they die.

    The pager is of `all` where `pages.steps` are set, and drills where one of `drills.rooms` has `every_seconds`.

    Example: hub run gateway runner --config hub.yaml
    """
    from bondmate_hub.roles.run import ROLES, roles_of, run_role, run_supervised
    from bondmate_hub.settings import load

    unknown = sorted({*roles} - {*ROLES, "all"})
    if unknown:
        raise typer.BadParameter(f"no such role: {', '.join(unknown)}; there are {', '.join(ROLES)} and all")
    settings = load(config)
    wanted = roles_of(settings) if "all" in roles else roles
    if len(wanted) == 1:
        run_role(wanted[0], settings)
    else:
        run_supervised(wanted, settings, config)
