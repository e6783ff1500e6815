"""What `hub lint` finds in settings, routes, map, device files and secrets: all of it at once, each with its place.

An error is what cannot work, or a route that can deliver nothing; all else is a warning. What is only found here stops
no hub that runs: `load` and `load_routes` refuse no more than they ever did.

`read` reads what can be read, `of_settings`, `of_files` and `of_routes` hold the rules, `finding` is what they find.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bondmate_hub.lint.finding import LintFinding, Severity, in_order
from bondmate_hub.settings.document import PREFIX

__all__ = ["DEFAULT_CONFIG", "LintFinding", "Severity", "has_settings", "lint"]
DEFAULT_CONFIG = Path("hub.yaml")


def lint(config: Path | None, routes: Path | None) -> list[LintFinding]:
    """Return all that is found in the files, in order of their places.

    Args:
        config: the settings; None where there are none, but what the environment says.
        routes: the file of routes; None: the one of the settings.
    """
    return in_order(_all(config, routes))


def has_settings(config: Path | None) -> bool:
    """Whether there are settings to look at: a file, or what the environment says."""
    return config is not None or any(name.startswith(PREFIX) for name in os.environ)


def _all(config: Path | None, routes: Path | None) -> Iterator[LintFinding]:
    # The libraries of all that is configured come after the first look at the files.
    from bondmate_hub.lint import of_files, of_routes, of_settings  # noqa: PLC0415
    from bondmate_hub.lint.read import read_routes, read_settings  # noqa: PLC0415

    hub = read_settings(config) if has_settings(config) else None
    if hub is not None:
        yield from hub.findings
        yield from of_settings.found(hub)
        yield from of_files.found(hub)
    table = read_routes(hub, routes)
    if table is not None:
        yield from table.findings
        yield from of_routes.found(table, hub)
