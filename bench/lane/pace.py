"""How long a position takes from a producer's hand to a destination's, at a steady pace.

The far end runs in a process of its own (`python -m bench.lane.pace BOOTSTRAP TOPIC SECONDS A_SECOND`), and so do the
contestant and the broker. What was sent when is known by device and second, and both are in the id of a position.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from bondmate_schemas.catalogue import DEVICE_LOCATIONS, destination_topic, locations_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import Delivery
from bondmate_schemas.outside_ids import OutsideIds, Unanswered
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from bench.lane.contest import Contestant, Keyed, broker_for, working
from bench.lane.floor import put
from bench.lane.plain import SECRET
from bench.lane.world import World

_TICK_SECONDS: Final = 0.005
_WARM_SECONDS: Final = 12.0
_SAMPLES_A_SECOND: Final = 500
_DRAIN_SECONDS: Final = 5.0
_NUMBER, _SECOND = slice(-12, -6), slice(-6, None)


def latencies_ms(
    contestant: Contestant, world: World, positions: Sequence[Keyed], a_second: int, seconds: float
) -> list[float]:
    """Give, sorted, the times of a sample of what was sent in `seconds`, after some seconds that do not count."""
    lasts = _WARM_SECONDS + seconds
    with broker_for(world, 4) as (broker, folder), working(contestant, world, broker.bootstrap, folder, 4):
        topic = locations_topic(next(iter(world.routes().destinations)))
        asked = (broker.bootstrap, topic, str(lasts + _DRAIN_SECONDS), str(a_second))
        far_end = subprocess.Popen([sys.executable, "-m", "bench.lane.pace", *asked], stdout=subprocess.PIPE, text=True)
        assert far_end.stdout is not None
        far_end.stdout.readline()
        begun = time.monotonic()
        sent = _send(broker.bootstrap, positions[: int(a_second * lasts)], a_second)
        arrived = json.loads(far_end.communicate(timeout=60)[0])
    counted = [(at, sent[number, second]) for number, second, at in arrived]
    return sorted((at - was) * 1000 for at, was in counted if was - begun >= _WARM_SECONDS)


def _send(bootstrap: str, positions: Sequence[Keyed], a_second: int) -> dict[tuple[int, int], float]:
    """Send at a steady pace; gives when each was sent."""
    producer = Producer({
        "bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5, "compression.type": "lz4",
        "delivery.report.only.error": True, "queue.buffering.max.messages": 1_000_000, "log_level": 0,
    })  # fmt: skip
    times = np.zeros(len(positions))
    begun, done = time.monotonic(), 0
    while done < len(positions):
        due = min(int((time.monotonic() - begun) * a_second), len(positions))
        for key, value in positions[done:due]:
            put(producer, DEVICE_LOCATIONS, value, key)
        times[done:due] = time.monotonic()
        done = due
        producer.poll(0)
        time.sleep(_TICK_SECONDS)
    producer.flush()
    return dict(zip(_places(positions), times.tolist(), strict=True))


def _places(positions: Sequence[Keyed]) -> Iterator[tuple[int, int]]:
    """Give device and second of each, which stand in its key and in how often it has come."""
    came: dict[bytes, int] = {}
    for key, _ in positions:
        came[key] = second = came.get(key, -1) + 1
        yield int(key.rpartition(b"-")[2]), second


def _receive(bootstrap: str, topic: str, seconds: float, a_second: int) -> list[tuple[int, int, float]]:
    """Take what comes for so long; gives device, second and time of a sample."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-far-end", "fetch.wait.max.ms": 100})
    # One partition of four is like the others, and leaves more of the machine to who is measured.
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    consumer.consume(1, 1.0)
    print("ready", flush=True)
    codec, step = Codec(LocalSchemaIds()), max(1, a_second // _SAMPLES_A_SECOND)
    codec.learn("Delivery")
    found: list[tuple[Any, float]] = []
    seen, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        messages, at = consumer.consume(1000, 0.01), time.monotonic()
        found += [(message.value(), at) for message in messages[-seen % step :: step]]
        seen += len(messages)
    outside = OutsideIds.of(SECRET).unanswered(topic.removeprefix(destination_topic("")).removesuffix(".locations"))
    return [(*_place(codec, value, outside), at) for value, at in found]


def _place(codec: Codec, value: bytes, outside: Unanswered) -> tuple[int, int]:
    event_id = codec.decode(value, Delivery).header.event_id
    # The floor, which cuts nothing to an agreement, passes ids on as they are.
    event_id = event_id if "-" in event_id else outside.uuid_of(event_id)
    return int(event_id[_NUMBER]), int(event_id[_SECOND])


if __name__ == "__main__":
    bootstrap_, topic_, seconds_, a_second_ = sys.argv[1:]
    print(json.dumps(_receive(bootstrap_, topic_, float(seconds_), int(a_second_))))
