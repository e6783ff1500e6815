"""The gateway as a connector: a Source of what devices send, and a Replay of what waits for them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ssl import SSLContext

from bondmate_connectors.contract import Context, Incoming
from bondmate_connectors.errors import Misconfigured, NotConnected
from bondmate_connectors.transports.http_server import server_context
from bondmate_schemas.catalogue import DEVICE, RECEIPTS
from bondmate_schemas.models import Record

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.enrolment.device_file import DeviceFileError
from bondmate_gateway.enrolment.directory import load
from bondmate_gateway.enrolment.register import DeviceRegister
from bondmate_gateway.handover import HandoverQueue
from bondmate_gateway.http.acceptance import Acceptance
from bondmate_gateway.http.application import listener
from bondmate_gateway.http.authentication import Authentication
from bondmate_gateway.http.downlink import Downlink
from bondmate_gateway.http.uplink import Uplink
from bondmate_gateway.mailbox.expiry import Expiry
from bondmate_gateway.mailbox.mailboxes import Mailboxes
from bondmate_gateway.mailbox.revocations import Revocations

_OF_A_DEVICE = bytes((2 * len(DEVICE),)) + DEVICE.encode()
"""The destination as Avro writes it: the length, zigzag, and the text (Avro 1.12, "Primitive Types")."""


class DeviceGateway:
    """Listens for devices while connected."""

    def __init__(self, config: GatewayConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._mailboxes = Mailboxes(
            config.mailbox_messages, self._mailbox_full, timedelta(seconds=config.undelivered_after_seconds)
        )
        self._register = DeviceRegister(config.device_file, context, self._mailboxes.boxes.wake_all)
        self._listening: _Listening | None = None

    @property
    def port(self) -> int:
        """The TCP port it listens on; of use when the setting was 0.

        Raises:
            NotConnected: it does not listen.
        """
        if self._listening is None:
            raise NotConnected("not listening")
        return self._listening.port

    async def connect(self) -> None:
        """Listen; idempotent.

        Raises:
            Misconfigured: plain HTTP beyond loopback, or a certificate that cannot be used.
            NotConnected: the address is taken or not ours, or the device file is missing or wrong.
        """
        if self._listening is not None:
            return
        tls = self._prepared()
        try:
            await self._register.open()
        except DeviceFileError as error:
            # It is asked for again: devices may be enrolled, or the file mended, at any time.
            raise NotConnected(self._unusable(error)) from None
        opened = _Listening(self._config, self._context, self._register, self._mailboxes)
        await opened.start(tls)
        self._listening = opened

    async def check(self) -> None:
        """Prove that settings, certificate and device file can be used; listens to nothing.

        Raises:
            Misconfigured: one of them cannot; the message names the setting.
        """
        self._prepared()
        try:
            await asyncio.to_thread(load, self._config.device_file)
        except DeviceFileError as error:
            raise Misconfigured(self._unusable(error)) from None

    async def close(self) -> None:
        """Stop listening; requests that the runner is settling get `drain_seconds` for their answer."""
        opened, self._listening = self._listening, None
        if opened is not None:
            await opened.stop()

    async def receive(self) -> Incoming:
        """Wait for one event of a device, alerts first."""
        if self._listening is None:
            raise NotConnected("not listening")
        return await self._listening.queue.get()

    async def see(self, topic: str, key: str, record: Record | None) -> None:
        """Take what waits for devices: messages, receipts, states of alerts."""
        self._mailboxes.see(topic, key, record)

    def concerns(self, topic: str, value: bytes) -> bool:
        """Of receipts only those of devices count, which hold the name; most are of control rooms."""
        return topic != RECEIPTS or _OF_A_DEVICE in value

    def _unusable(self, error: DeviceFileError) -> str:
        return f"device_file {self._config.device_file.absolute()}: {error}"

    def _prepared(self) -> SSLContext | None:
        return server_context(self._config.host, self._config.tls, "tls")

    def _mailbox_full(self) -> None:
        self._context.log.warning("mailbox_full", dropped="oldest message", limit=self._config.mailbox_messages)


class _Listening:
    """What exists between connect and close."""

    def __init__(self, config: GatewayConfig, context: Context, register: DeviceRegister, mailboxes: Mailboxes) -> None:
        self.queue = HandoverQueue(config.inbox_events)
        self._config = config
        self._register = register
        authentication = Authentication(register)
        uplink = Uplink(config, context, authentication, mailboxes, Acceptance(config, self.queue))
        self._downlink = Downlink(config, context, authentication, mailboxes)
        self._listener = listener([*uplink.routes(), *self._downlink.routes()], config, context)
        self._expiry = Expiry(context, register, mailboxes, self.queue)
        self._revocations = Revocations(context, register, mailboxes, self.queue)
        self._following: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return self._listener.port

    async def start(self, tls: SSLContext | None) -> None:
        """Listen; raises NotConnected when the address cannot be had."""
        await self._listener.start(self._config.host, self._config.port, tls)
        self._following = [
            asyncio.create_task(self._register.follow(self._config.reload_seconds)),
            asyncio.create_task(self._expiry.follow(self._config.expiry_seconds)),
            asyncio.create_task(self._revocations.follow(self._config.reload_seconds)),
        ]

    async def stop(self) -> None:
        """Take nothing new, answer what is on its way, end."""
        for task in self._following:
            task.cancel()
        if self._following:
            await asyncio.wait(self._following)
        await self.queue.close()
        self._downlink.close()
        await self._listener.stop()
