"""A device with whichever client PYTHONPATH leads to: obeys lines on standard input, writes down what it shows."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bondmate_device
from bondmate_device import Client, Pace, Patience, Position, Settings


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201  # who started this reads it


async def show(device: Client) -> None:
    known: dict[str, Any] = {}
    while True:
        await device.until(lambda: any(known.get(one.alert_id) != one for one in device.standings()))
        for standing in device.standings():
            if known.get(standing.alert_id) != standing:
                known[standing.alert_id] = standing
                say(standing=asdict(standing) | {"help_is_coming": standing.help_is_coming, "closed": standing.closed})


async def read(device: Client) -> None:
    async for message in device.messages():
        say(message=asdict(message))


async def obey(device: Client) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    alert_id = ""
    async for line in lines:
        order = json.loads(line)
        if order["verb"] == "raise":
            place = Position(*order["place"], accuracy_m=8) if "place" in order else None
            alert_id = await device.raise_alert(order["kind"], position=place)
        elif order["verb"] == "cancel":
            await device.cancel(alert_id)


async def main(url: str, token_file: str, queue_file: str) -> None:
    pace = Pace(first_wait_seconds=0.2, longest_wait_seconds=1, longest_alert_wait_seconds=1)
    token = Path(token_file).read_text(encoding="ascii")
    async with Client(Settings(url, token, Path(queue_file), pace=pace, patience=Patience(ask_seconds=5.0))) as device:
        say(client=bondmate_device.__file__)
        tasks = [asyncio.create_task(show(device)), asyncio.create_task(read(device))]
        await obey(device)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
