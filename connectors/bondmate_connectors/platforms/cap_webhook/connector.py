"""The connector: both directions of one control room, sharing one life cycle."""

from __future__ import annotations

from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Context, Incoming, Receipt
from bondmate_connectors.errors import EndOfStream, Misconfigured, NotConnected
from bondmate_connectors.platforms.cap_webhook.config import CapWebhookConfig
from bondmate_connectors.platforms.cap_webhook.sink import CapSink
from bondmate_connectors.platforms.cap_webhook.source import CapSource


class CapWebhook:
    """A control room that takes CAP by POST, posts CAP back, or both."""

    def __init__(self, config: CapWebhookConfig, context: Context) -> None:
        self._sink = CapSink(config.deliver, context) if config.deliver else None
        self._source = CapSource(config.listen, config.replies, context) if config.listen else None
        self._connected = False

    @property
    def port(self) -> int:
        """The TCP port it listens on; of use when the setting was 0.

        Raises:
            NotConnected: it does not listen.
        """
        if self._source is None:
            raise NotConnected("not listening")
        return self._source.port

    async def connect(self) -> None:
        """Make the session and listen; idempotent. Raises as `Link.connect`."""
        if self._sink:
            await self._sink.open()
        if self._source:
            await self._source.open()
        self._connected = True

    async def check(self) -> None:
        """Prove that the room answers and takes our signature, and that we could listen. Raises as `Link.check`."""
        if self._source:
            self._source.check()
        if self._sink:
            await self._sink.check()

    async def close(self) -> None:
        """Stop listening, close every connection."""
        self._connected = False
        try:
            if self._source:
                await self._source.close()
        finally:
            if self._sink:
                await self._sink.close()

    async def send(self, event: Delivery) -> Receipt:
        """Post one event. Raises as `Sink.send`."""
        return await self._open_sink().send(event)

    async def send_lean(self, event: Delivery) -> Receipt:
        """Post an alert in its leanest form. Raises as `Sink.send`."""
        return await self._open_sink().send_lean(event)

    def _open_sink(self) -> CapSink:
        if not self._connected:
            raise NotConnected("not connected")
        if self._sink is None:
            raise Misconfigured("deliver: must be set, since events are routed here")
        return self._sink

    async def receive(self) -> Incoming:
        """Wait for one event of the control room. Raises as `Source.receive`."""
        if self._source is None:
            raise EndOfStream("not listening")
        return await self._source.receive()
