"""The intake holds no more than its bound, and gives on what it kept back when there is room."""

from __future__ import annotations

from dataclasses import replace

from bondmate_connectors.runtime.intake import Intake
from bondmate_connectors.testing import another, eventually, sos
from bondmate_schemas.catalogue import destination_topic
from bondmate_schemas.models import Delivery


class Hoarder:
    """Takes everything and settles only when it is told to."""

    def __init__(self):
        self.taken = []

    def receive(self, batch):
        for taken in batch:
            taken.partition.tracker.take(taken.offset)
            self.taken.append(taken)

    async def give_up(self, partitions, grace_seconds):
        pass

    def settle_all(self):
        for taken in self.taken:
            if taken.offset not in taken.partition.held:
                taken.partition.held[taken.offset] = taken  # here: what has been settled
                taken.partition.tracker.settle(taken.offset)
                taken.partition.released += 1


async def test_a_partition_is_paused_at_its_bound_and_resumed_without_loss(hub, place):
    hoarder, settings = Hoarder(), replace(hub.settings, held_per_partition=10, batch=5)
    intake = Intake(
        destination_topic(place),
        hub.kafka.consumer(f"bondmate-{place}", place),
        lambda value: hub.codec.decode(value, Delivery),
        hoarder,
        settings,
    )
    events = [another(sos(place), number) for number in range(300)]
    await hub.feed(*events)
    intake.start()
    try:
        # The bound, and the batch that was on its way, of each of 4 partitions.
        await eventually(lambda: len(hoarder.taken) >= 40, "all partitions at their bound", 20)
        turn = intake._current_at
        await eventually(lambda: intake._current_at > turn + 0.5, "a few more turns of the thread")
        first = list(hoarder.taken)

        def goes_on():
            hoarder.settle_all()
            return len(hoarder.taken) == len(events)

        await eventually(goes_on, "the rest", 20)
    finally:
        hoarder.settle_all()
        await intake.stop()

    assert len(first) <= 4 * (10 + 5)
    assert [event.id for event in events if event.key == events[0].key] == [
        taken.content.id for taken in hoarder.taken if taken.content.key == events[0].key
    ]
    assert {event.id for event in events} == {taken.content.id for taken in hoarder.taken}
    assert await hub.committed(place) == {p: end for p, end in (await hub.ends(place)).items() if end}
