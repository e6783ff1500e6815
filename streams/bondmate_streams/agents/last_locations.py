"""The last location of every device, as the location lane wrote it; no alert waits for it."""

from __future__ import annotations

from collections.abc import Callable

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import See, Seen, TopicView
from bondmate_schemas.catalogue import LAST_LOCATION, changelog_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.agents.context import decoded
from bondmate_streams.agents.known_devices import KnownDevices

_DEVICES = changelog_topic("devices")


class LastLocations:
    """Keeps the bytes and decodes when asked: there are a thousand fixes for each alert."""

    def __init__(
        self, kafka: KafkaConfig, instance: str, codec: Codec, known: KnownDevices, heard: See = lambda _: None
    ) -> None:
        """Read the topic once started; `known` hears of every device seen, `heard` of every fix."""
        self._heard = heard
        self.view = TopicView(kafka, f"bondmate-last-locations-{instance}", (LAST_LOCATION, _DEVICES), self._see)
        self._codec = codec
        self._known = known
        self._fixes: dict[str, bytes] = {}
        self.on_fix: Callable[[str], None] = lambda _: None
        """Called in the thread of the view with the device of each fix, once that is known."""

    def of(self, device_id: str) -> DeviceLocation | None:
        """Return the last location of a device, when one is known and readable."""
        value = self._fixes.get(device_id)
        return None if value is None else decoded(self._codec, value, DeviceLocation)

    def devices(self) -> list[str]:
        """Return the devices that have a last location: those on shift."""
        return list(self._fixes)

    def _see(self, seen: Seen) -> None:
        self._known.add(seen.key)
        if seen.topic != LAST_LOCATION:
            return
        self._heard(seen)
        if seen.value is None:
            self._fixes.pop(seen.key, None)
        else:
            self._fixes[seen.key] = seen.value
            self.on_fix(seen.key)
