"""What operations do while alerts are open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import yaml
from scenarios.devices import HERE
from scenarios.play import alerts_of, play
from scenarios.stage import Stage


async def hub(stage: Stage, *arguments: str, said: str = "") -> tuple[int, str]:
    """Run a command of the hub with its settings; return its exit code and all that it printed."""
    command = (sys.executable, "-m", "bondmate_hub", *arguments, "--config", str(stage.folder / "hub.yaml"))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    output, _ = await process.communicate(said.encode())
    return process.returncode or 0, output.decode()


def changed(stage: Stage, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the file of routes."""
    file = stage.folder / "routes.yaml"
    routes = yaml.safe_load(file.read_text())
    change({route["name"]: route for route in routes["routes"]})
    file.write_text(yaml.safe_dump(routes))


@play(
    "25", "E-25", "E-25b",
    routes=[alerts_of("E-25", to=["north"]), alerts_of("E-25b", to=["north", "south"])],
)  # fmt: skip
async def routes_changed(stage: Stage) -> None:
    """A room is added to the routes while an SOS is open: asked, applied, told as what it is; a removed one hears the end.

    EMERGENCY.md, "Who joins": a broken file leaves the old one; who was told hears the end.
    """

    def change(routes: dict[str, Any]) -> None:
        routes["of-e-25"]["to"] = ["north", "county"]
        routes["of-e-25b"]["to"] = ["north"]

    async with stage.officer("E-25") as device, stage.officer("E-25b") as other:
        await device.presses(position=HERE, text="in the yard")
        await other.presses(position=HERE)
        (at_north,) = await stage.north.reads("E-25", "^Alert ")
        (other_at_north,) = await stage.north.reads("E-25b", "^Alert ")
        await stage.south.reads("E-25b", "^Alert ")
        # The roles begin anew by it: what other scenarios time to the second is over by then.
        await asyncio.sleep(20)
        changed(stage, change)
        refused, asked = await hub(stage, "routes", "apply", said="n\n")
        before = list(stage.county.of("E-25"))
        applied, _ = await hub(stage, "routes", "apply", "--yes")
        (late,) = await stage.county.reads("E-25", "^Alert (?s:.*)in the yard(?s:.*)Open since before")
        (stage.folder / "broken.yaml").write_text("routes: [{name: x, to: [nobody]}]")
        broken, _ = await hub(stage, "routes", "apply", "--yes", "--file", str(stage.folder / "broken.yaml"))
        await device.presses(position=HERE)
        await stage.county.reads("E-25", "^Alert ", "^Update ")
        await stage.north.says("Cancel", at_north, "over")
        await stage.north.says("Cancel", other_at_north, "over")
        await stage.county.reads("E-25", "^Alert ", "^Cancel ")
        await stage.south.reads("E-25b", "^Alert ", "^Cancel ")

    assert refused != 0
    assert "county" in asked
    assert [] == before
    assert applied == 0
    assert broken != 0
    assert "SOS" == late.parameters["kind"]
