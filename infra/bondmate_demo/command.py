"""`hub demo`: everything on this machine, counted at the far ends.

The hub finds the command by its entry point in `bondmate_hub.commands`, and knows nothing else of the demo.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def demo(
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="How long the fleet makes load.")] = 30,
    cap_dir: Annotated[
        Path | None, typer.Option(help="Folder of recorded CAP alerts to bring in.", exists=True)
    ] = None,
    devices: Annotated[int, typer.Option(min=10, max=20_000, help="Simulated devices.")] = 2000,
    alerts: Annotated[float, typer.Option(min=0, max=500, help="Alerts a second.")] = 50,
    positions: Annotated[float, typer.Option(min=0, max=5000, help="Positions a second.")] = 500,
    keep: Annotated[Path | None, typer.Option(help="Folder to leave logs and books in.")] = None,
    metrics_targets: Annotated[
        Path | None, typer.Option(help="Write where /metrics of each role is, as Prometheus file_sd JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Last line: the summary as one JSON object.")] = False,
) -> None:
    """Run broker, registry, gateway, streams and runner, a fleet of devices, a TAK server and a CAP control room.

    Everything is EXERCISE. What the far ends wrote down is held against what the devices got a 202 for; exit 1 when
    anything is lost.

    Example: hub demo --seconds 30 --json
    """
    from bondmate_hub.roles.fast_loop import run_fast

    from bondmate_demo.main import run_demo
    from bondmate_demo.plan import DemoPlan

    plan = DemoPlan(seconds=seconds, cap_dir=cap_dir, devices=devices, alerts_a_second=alerts,
                positions_a_second=positions, keep=keep, metrics_targets=metrics_targets)  # fmt: skip
    try:
        summary = run_fast(run_demo(plan))
    except asyncio.CancelledError:
        print("interrupted: everything is stopped, nothing was counted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    if as_json:
        print(json.dumps(summary.as_json()), flush=True)
    sys.exit(1 if summary.lost else 0)
