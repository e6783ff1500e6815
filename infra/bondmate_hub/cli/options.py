"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="BONDMATE_CONFIG", help="The hub's settings, a YAML file.", dir_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def show(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print one finding, as JSON or as text."""
    print(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)
