"""The local hand-off of a new alert: told by the worker that took it, where that has the alert's partition too.

The topic between the two agents is there because a device and its alert may lie with different workers. Where they do
not, it would only cost the alert a produce and a fetch. Only the first change of an alert goes here: nothing of it can
be on the topic yet, so that the order of its changes stays what its device made it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bondmate_kafka.records import Headers
from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.models import DeviceAlert

from bondmate_streams.faust_adapter.owned_partitions import OwnedPartitions

Take = Callable[[DeviceAlert, Headers], Awaitable[str]]
"""Takes an alert and the headers of what led to it; returns the outcome, for the metrics."""


class LocalHandoff:
    """Hands new alerts to the agent of the next stage without its topic."""

    def __init__(self, owned: OwnedPartitions, stage: str, take: Take) -> None:
        """Hand to `take`, which is that of `stage`, for the partitions of its topic that are `owned`."""
        self._owned = owned
        self._stage = stage
        self._take = take

    async def hand_over(self, alert: DeviceAlert, cause: Headers) -> bool:
        """Hand over a new alert; False, and nothing done, where its partition is another worker's.

        Raises:
            NotNowError: it may have been told in part; handing it over again tells the same under the same ids.
        """
        with self._owned.in_partition_of(alert.header.event_id) as is_ours:
            if is_ours:
                AGENT_EVENTS.labels(self._stage, await self._take(alert, cause)).inc()
            return is_ours
