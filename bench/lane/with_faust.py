"""The work as a faust application, as its user guide has it: an agent, a table, `topic.send`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import faust
from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, locations_topic

from bench.lane.plain import Avro, Work
from bench.lane.world import World

GROUP: Final = "bench-faust"


def run(kafka: KafkaConfig, world: World, folder: Path, partitions: int, ready: Callable[[], None]) -> None:
    """Take positions until killed; the last fix of each device is its table's, state and all."""
    app = faust.App(
        GROUP, broker=f"kafka://{kafka.bootstrap}", store="memory://", topic_partitions=partitions,
        broker_commit_interval=1.0, web_enabled=False, datadir=str(folder / "faust"),
        consumer_auto_offset_reset="earliest",
    )  # fmt: skip
    came = app.topic(DEVICE_LOCATIONS, key_type=bytes, value_type=bytes, value_serializer="raw")
    rooms = {
        name: app.topic(locations_topic(name), key_serializer="raw", value_serializer="raw")
        for name in world.routes().destinations
    }
    last: Any = app.Table("last-fixes", partitions=partitions, key_type=str, value_type=str)
    work, read, write = Work(world), Avro("DeviceLocation"), Avro("Delivery")

    @app.agent(came)
    async def positions(stream: Any) -> None:
        async for value in stream:
            fix = read.read(value)
            device = fix["device_id"]
            known = last.get(device)
            told, state = work.judge(fix, json.loads(known)["state"] if known else None)
            if told is None:
                continue
            for destination, key, delivery in work.deliveries(told):
                await rooms[destination].send(key=key.encode(), value=write.write(delivery))
            last[device] = json.dumps({"state": state, "fix": told}, default=str)

    ready()
    faust.Worker(app, loglevel="warning").execute_from_commandline()
