"""faust's producer as the place where records become durable."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError

from bondmate_streams.envelopes import Outgoing
from bondmate_streams.guard import BrokerUnavailableError

REFUSALS = (KafkaError, ProducerSendError, ConnectionError, TimeoutError)
"""What faust and aiokafka raise when the broker does not take a record."""


class FaustOutbox:
    """Writes through the app's producer, in the order given."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def send(self, *outgoing: Outgoing) -> None:
        """Write records and return when the broker has acknowledged every one.

        Raises:
            BrokerUnavailableError: not now; some may have been written.
        """
        try:
            waiting = [await self._begin(record) for record in outgoing]
            await asyncio.gather(*waiting)
        except REFUSALS as error:
            raise BrokerUnavailableError(type(error).__name__) from error

    async def _begin(self, record: Outgoing) -> Any:
        # Straight to the producer: a faust channel would encode again and cost as much as all the rest.
        return await self._app.producer.send(
            record.topic, record.key, record.value, partition=None, timestamp=None, headers=list(record.headers)
        )
