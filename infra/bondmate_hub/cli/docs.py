"""`hub docs`: write what is generated from the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bondmate_hub.cli.options import in_words


def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when something is stale.")] = False,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    package: Annotated[
        Path | None,
        typer.Option(help="Folder of a connector's package of your own: write its README's table of settings."),
    ] = None,
) -> None:
    """Write the interface specifications, references, settings tables and the dashboard; or a package's own README.

    Example: hub docs --check
    """
    from bondmate_hub.docs import PackageError, generate, generate_package, stale, write

    folder = package or root
    with in_words(PackageError, code=2):
        texts = generate(root) if package is None else generate_package(package)
    if check:
        old = stale(folder, texts)
        for path in old:
            print(f"{path}: stale; run `{'make docs' if package is None else f'hub docs --package {package}'}`")
        sys.exit(1 if old else 0)
    for path in write(folder, texts):
        print(path)
