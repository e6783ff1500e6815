"""`hub docs`: write what is generated from the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when something is stale.")] = False,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
) -> None:
    """Write the interface specifications, references, settings tables and the dashboard.

    Example: hub docs --check
    """
    from bondmate_hub.docs import stale, write

    if check:
        old = stale(root)
        for path in old:
            print(f"{path}: stale; run `make docs`")
        sys.exit(1 if old else 0)
    for path in write(root):
        print(path)
