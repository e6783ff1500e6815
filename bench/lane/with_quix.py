"""The work as a Quix Streams application, as its documentation has it: a StreamingDataFrame with state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bondmate_kafka.config import KafkaConfig
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, LAST_LOCATION, locations_topic
from quixstreams import Application, State
from quixstreams.models import Serializer

from bench.lane.plain import Avro, Work
from bench.lane.world import World

GROUP: Final = "bench-quix"


class _Last(Serializer):  # type: ignore[misc]  # published without type information
    """Writes the last part of a value, which is bytes already."""

    def __call__(self, value: Any, ctx: Any) -> Any:  # noqa: ARG002  # Quix's signature
        return value[-1]


def run(kafka: KafkaConfig, world: World, folder: Path, ready: Callable[[], None]) -> None:
    """Take positions until killed; the last fix of each device is written to its topic, its state is Quix's."""
    app = Application(
        broker_address=kafka.bootstrap, consumer_group=GROUP, auto_offset_reset="earliest", commit_interval=1.0,
        state_dir=folder / "quix", loglevel="WARNING", auto_create_topics=True,
        producer_extra_config={"partitioner": "murmur2_random"},
    )  # fmt: skip
    work, read, write = Work(world), Avro("DeviceLocation"), Avro("Delivery")
    came = app.topic(DEVICE_LOCATIONS, key_deserializer="bytes", value_deserializer="bytes")
    raw: dict[str, Any] = {"key_serializer": "bytes", "value_serializer": "bytes"}

    def judged(value: bytes, state: State) -> tuple[dict[str, Any] | None, bytes]:
        told, known = work.judge(read.read(value), state.get("device"))
        state.set("device", known)
        return told, value

    def told_of(fix: dict[str, Any]) -> list[tuple[str, str, bytes]]:
        return [(name, key, write.write(delivery)) for name, key, delivery in work.deliveries(fix)]

    fixes = app.dataframe(came).apply(judged, stateful=True)
    fixes = fixes[fixes.apply(lambda each: each[0] is not None)]
    fixes.apply(lambda each: each[1]).to_topic(app.topic(LAST_LOCATION, **raw))
    told = fixes.apply(lambda each: told_of(each[0]), expand=True)
    for destination in world.routes().destinations:
        mine = told[told.apply(lambda each, name=destination: each[0] == name)]
        topic = app.topic(locations_topic(destination), key_serializer="bytes", value_serializer=_Last())
        mine.to_topic(topic, key=lambda each: each[1].encode())
    ready()
    app.run()
