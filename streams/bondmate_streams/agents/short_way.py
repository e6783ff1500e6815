"""The short way of a new alert: told by the worker that took it, where that has the alert's partition too.

The topic between the two agents is there because a device and its alert may lie with different workers. Where they do
not, it would only cost the alert a produce and a fetch. Only the first change of an alert goes here: nothing of it can
be on the topic yet, so that the order of its changes stays what its device made it.
"""

from __future__ import annotations

from bondmate_monitoring.metrics import AGENT_EVENTS
from bondmate_schemas.models import DeviceAlert

from bondmate_streams.agents.alert_life import AlertLife
from bondmate_streams.agents.places import Places
from bondmate_streams.envelopes import Headers


class ShortWay:
    """Hands new alerts to the agent of changes without the topic."""

    def __init__(self, places: Places, life: AlertLife) -> None:
        """Hand to `life`, for the partitions of changes that `places` has."""
        self._places = places
        self._life = life

    async def begin(self, alert: DeviceAlert, cause: Headers) -> bool:
        """Tell a new alert; False, and nothing done, where its partition is another worker's.

        Raises:
            NotNowError: it may have been told in part; telling it again tells the same under the same ids.
        """
        with self._places.standing_in(alert.header.event_id) as ours:
            if ours:
                outcome = await self._life.begin(alert, cause)
                AGENT_EVENTS.labels("alert-changes", outcome).inc()
            return ours
