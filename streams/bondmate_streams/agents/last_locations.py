"""The last location of every device, as the location lane wrote it; no alert waits for it."""

from __future__ import annotations

from bondmate_schemas.catalogue import LAST_LOCATION, changelog_topic
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.kafka import KafkaConfig
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.views import View

_DEVICES = changelog_topic("devices")


class LastLocations:
    """Keeps the bytes and decodes when asked: there are a thousand fixes for each alert."""

    def __init__(self, kafka: KafkaConfig, instance: str, codec: Codec, known: KnownDevices) -> None:
        """Read the topic once started, and tell `known` of every device seen."""
        self.view = View(kafka, f"bondmate-last-locations-{instance}", (LAST_LOCATION, _DEVICES), self._see)
        self._codec = codec
        self._known = known
        self._fixes: dict[str, bytes] = {}

    def of(self, device_id: str) -> DeviceLocation | None:
        """Give the last location of a device, when one is known and readable."""
        value = self._fixes.get(device_id)
        if value is None:
            return None
        try:
            return self._codec.decode(value, DeviceLocation)
        except (CodecError, SchemaUnavailableError):
            return None

    def _see(self, topic: str, key: str, value: bytes | None) -> None:
        self._known.add(key)
        if topic != LAST_LOCATION:
            return
        if value is None:
            self._fixes.pop(key, None)
        else:
            self._fixes[key] = value
