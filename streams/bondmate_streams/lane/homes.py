"""In which partition the fixes of each device belong: the lane remembers a device in that of its own alone."""

from __future__ import annotations

from bondmate_kafka.client import Consumer, Message
from bondmate_kafka.consumer import partitions
from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import DEVICE_LOCATIONS

from bondmate_streams.lane.row_guard import arrived
from bondmate_streams.logic.belonging import Home, moved
from bondmate_streams.misplaced import Misplaced

__all__ = ["Homes"]


class Homes:
    """The partitions of devices; until their number is known every fix is at home where it lies."""

    def __init__(self, partitions: int = 0) -> None:
        """Share devices out among so many; 0: not known."""
        self.partitions = partitions
        self._misplaced = Misplaced()

    def learn(self, consumer: Consumer, seconds: float) -> bool:
        """Ask how many partitions there are; gives whether they were more or fewer before.

        Raises:
            KafkaException: the broker does not answer within `seconds`.
        """
        known = partitions(consumer, [DEVICE_LOCATIONS], seconds)
        before, self.partitions = self.partitions, len(known)
        return before not in {0, self.partitions}

    def is_home(self, device_id: str, partition: int) -> bool:
        """Whether fixes of a device belong in a partition."""
        return not self.partitions or partition_of(device_id.encode(), self.partitions) == partition

    def moved(self, message: Message, device_id: str) -> Outgoing:
        """Return the record of a fix that is not at home, to be written again where it is.

        Raises:
            BadEventError: it was written again too often.
        """
        home, found = Home.of(device_id, self.partitions), arrived(message)
        self._misplaced.may_stay(found, home)
        return moved(found, home)
