"""`hub translate`: the integrator's microscope."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bondmate_hub.cli.options import Json

if TYPE_CHECKING:
    from bondmate_connectors.contract import Format


def translate(
    files: Annotated[list[Path], typer.Argument(help="Messages, one a file.")],
    source: Annotated[str, typer.Option("--from", help="Format of the files: cap, cot, geojson.")],
    target: Annotated[str | None, typer.Option("--to", help="Format to write the events in.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the hub makes of messages: outcome, code, warnings, canonical events, and what a format loses.

    A refused file is an outcome, not an error: exit 0 unless the call itself is wrong. In `lost`, a path with a slash
    is an element of the file that no event carries; one without is a field of the event that `--to` cannot carry.
    Files are read in the order given: what goes on from a message of an earlier file is of that message's event.

    Example: hub translate alert.xml --from cap --to cot --json
    """
    from bondmate_connectors.chains import Chains
    from bondmate_connectors.translate import translate as translated

    formats, chains = _formats(name for name in (source, target) if name is not None), Chains()
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise typer.BadParameter(f"no such file: {', '.join(missing)}")
    for path in files:
        outcome = translated(
            str(path), path.read_bytes(), formats[source], formats.get(target or ""), datetime.now(UTC), chains=chains
        )
        print(json.dumps(outcome, ensure_ascii=False, default=str) if as_json else _text(outcome))


def _formats(names: Iterable[str]) -> dict[str, Format]:
    """Load the formats of these names alone: one that is broken must not stop the others."""
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group="bondmate_hub.formats")}
    wanted = list(names)
    if any(name not in points for name in wanted):
        raise typer.BadParameter(f"no format of that name; there are {', '.join(sorted(points))}")
    return {name: points[name].load() for name in wanted}


def _text(outcome: dict[str, Any]) -> str:
    lines = [f"{outcome['file']}: {outcome['outcome']} {outcome['code'] or ''}".rstrip()]
    lines += [f"  warning {w['code']} at {w['path']}: {w['detail']}" for w in outcome["warnings"]]
    lines += [f"  event {json.dumps(event, ensure_ascii=False, default=str)}" for event in outcome["events"]]
    lines += [f"  lost {lost['path']}: {lost['why']}" for lost in outcome["lost"]]
    return "\n".join([*lines, *(str(output) for output in outcome["outputs"])])
