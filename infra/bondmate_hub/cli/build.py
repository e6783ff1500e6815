"""`hub --version`: which build this is."""

from __future__ import annotations

from typing import Annotated

import typer


def _show(wanted: bool) -> None:
    if wanted:
        from bondmate_monitoring.build import commit, version_of_hub

        print(f"hub {version_of_hub()} (commit {commit()})")
        raise typer.Exit


def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show, is_eager=True, help="Print the version and the commit.")
    ] = False,
) -> None:
    """Carry what belongs to no single command; the text of `hub --help` is the application's."""
