"""faust's Kafka driver, with a fetch that holds nobody up.

faust fixes the wait of a fetch at 1.5 s. aiokafka has one fetch at a time, without the partitions whose last records
nobody has taken yet: what comes to those next waits until that fetch ends. Measured at five alerts a second: 95 in a
hundred within 811 ms, and within 30 ms with the wait below.
"""

from __future__ import annotations

from typing import Any, Final

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

_FETCH_WAIT_MS: Final = 20


class _Thread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # noqa: SLF001  # read when it starts; no setting leads there
        return consumer


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class App(faust.App):
    """A faust app whose consumer fetches as above, and whose own statistics are off: we keep ours."""

    def on_init_dependencies(self) -> Any:
        """Give the services that start with the app; faust's monitor, a seventh of an event's cost, hears nothing."""
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        return services

    def _new_transport(self) -> Any:
        transport: Any = super()._new_transport()
        transport.Consumer = _Consumer
        return transport
