"""A device's process that is killed: it raises, updates and reports as fast as its disk takes it, and tells each id.

What it has printed has returned from its verb, and so must reach the hub.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bondmate_device import Client, Position, SendingPace, Settings


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main(url: str, token: str, queue_file: str, events: int) -> None:
    settings = Settings(url, token, Path(queue_file), pace=SendingPace(first_wait_seconds=0.05, longest_wait_seconds=0.3,
                        longest_alert_wait_seconds=0.2))  # fmt: skip
    async with Client(settings) as device:
        for number in range(events // 4):
            alert_id = await device.raise_alert("SOS", text=f"raise {number}")
            tell("alert", alert_id, "RAISE")
            await device.update(alert_id, text=f"update {number}")
            tell("alert", alert_id, "UPDATE")
            tell("fix", await device.fix(Position(50 + number / 1e5, 4)))
            tell("report", await device.report(title=f"report {number}"))
        await device.until(lambda: not device.link.waiting)
        tell("sent")


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
