"""The thin edge between core, disk and network: nothing is decided here."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bondmate_device.core import Core
from bondmate_device.gateway import Gateway
from bondmate_device.listener import DownlinkListener
from bondmate_device.model import EventKind, HubLink, Item, RaisedAlert, RefusedEvent
from bondmate_device.outbox import Sending
from bondmate_device.settings import Settings
from bondmate_device.store import REFUSALS_KEPT, Kept, QueueStore, StoreError

_SEQUENCES_AT_ONCE: Final = 1000
_DISK_SECONDS: Final = 1.0
"""How long an alert waits for a slow disk before it is sent without."""


class ClientEngine:
    """Carries out what the core of one device decides, from `start` to `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.core = Core(settings.pace, random.random)
        self.refusals: deque[RefusedEvent] = deque(maxlen=REFUSALS_KEPT)
        self._settings = settings
        self._gateway = Gateway(settings.url, settings.token, tls=settings.tls, clock=settings.clock)
        self._store = QueueStore(settings.queue_file)
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._change = asyncio.Event()
        self._disk_state = "ok"
        self._thinned = 0
        self._sequence = self._reserved = 0

    async def start(self) -> None:
        """Read what is on disk, and begin to send and to listen.

        Raises:
            StoreInUseError: another process has the queue file.
        """
        self._disk_thread = ThreadPoolExecutor(1, "bondmate-device-disk")
        try:
            self._begin(await self._in_thread(self._store.open))
        except StoreError:
            self._begin(Kept((), (), self.core.inbox, (), None, renewed=False))
            self._disk_state = "failing"
        except BaseException:
            self._disk_thread.shutdown()
            raise
        self._listener = DownlinkListener(self._gateway, self.core, self._settings.patience, self._hear, self._notify)
        await self._gateway.__aenter__()
        await self._group.__aenter__()
        self._run(self._send())
        if self._settings.listen:
            self._run(self._listener.run())
            self._run(self._listener.ask_now_and_then())

    async def stop(self, cancelled: asyncio.CancelledError | None) -> None:
        """End: what is being written gets written; a request on its way is cut off, and made again after a start."""
        for task in self._running:
            task.cancel()
        try:
            # The group must know of a cancellation, which may be its own; whatever else happened is not its matter.
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        finally:
            await self._gateway.__aexit__()
            await self._in_thread(self._store.close)
            self._disk_thread.shutdown()

    async def keep(self, item: Item, status: RaisedAlert | None = None) -> None:
        """Write an event to disk, then let it be sent; the caller's end does not come between the two."""
        await asyncio.shield(self._group.create_task(self._keep_and_add(item, status)))

    async def number_a_fix(self) -> int:
        """Return the next number of a fix."""
        self._sequence = sequence = self._sequence + 1
        if sequence > self._reserved:
            self._reserved = sequence + _SEQUENCES_AT_ONCE
            await self._disk(self._store.reserve, self._reserved)
        return sequence

    async def shown(self, message_id: str) -> None:
        """Note that a message was shown."""
        await self._disk(self._store.shown, message_id, self.core.inbox.shown(message_id))
        self._notify()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds."""
        while not condition():
            await self._change.wait()

    def hurry(self) -> None:
        """Try at once, and not after the wait that failures brought about."""
        self.core.outbox.hurry()
        self._listener.hurry()
        self._work.set()

    @property
    def link(self) -> HubLink:
        """How this device and the hub get on."""
        return HubLink(
            enrolled=self.core.enrolled,
            listening=self._listener.how,
            current=self._listener.is_current,
            waiting=len(self.core.outbox),
            fixes_thinned=self._thinned,
            disk=self._disk_state,
        )

    def _begin(self, kept: Kept) -> None:
        if kept.renewed:
            self._disk_state = "renewed"
        self.core = Core(self._settings.pace, random.random, items=kept.items, statuses=kept.statuses, inbox=kept.inbox)
        self.refusals.extend(kept.refusals)
        # Seconds since 1970 at first: a file that was lost had counted no faster.
        start = int(self._settings.clock().timestamp()) if kept.sequence is None else kept.sequence
        self._sequence = self._reserved = start

    async def _keep_and_add(self, item: Item, status: RaisedAlert | None) -> None:
        writing = asyncio.ensure_future(self._disk(self._store.keep, [item], [status] if status else []))
        await asyncio.wait({writing}, timeout=_DISK_SECONDS if item.kind is EventKind.ALERT else None)
        await self._add([item])

    async def _add(self, items: Sequence[Item]) -> None:
        given_up = [old for item in items for old in self.core.outbox.add(item)]
        self._work.set()
        self._notify()
        if given_up:
            self._thinned += len(given_up)
            await self._disk(self._store.settle, given_up)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while sending := self.core.outbox.next(loop.time()):
                self._run(self._post(sending))
            self._work.clear()
            wake_at = self.core.outbox.wake_at()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(wake_at):
                    await self._work.wait()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that ends with this client."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _post(self, sending: Sending) -> None:
        told = await self._gateway.post(sending)
        outcome = self.core.answered(sending, told, asyncio.get_running_loop().time())
        self.refusals.extend(outcome.refusals)
        self._work.set()
        self._notify()
        if outcome.done:
            statuses = [outcome.status] if outcome.status else []
            await self._disk(self._store.settle, outcome.done, statuses, outcome.refusals)

    async def _hear(self, news: dict[str, Any]) -> None:
        heard = self.core.heard(news, self._settings.clock())
        if heard.messages or heard.statuses:
            await self._disk(self._store.hear, heard.messages, heard.receipts, heard.statuses)
        if gone := self.core.statuses.forget():
            await self._disk(self._store.forget_alerts, gone)
        await self._add(heard.receipts)

    async def _disk(self, what: Callable[..., None], *arguments: Any) -> None:
        """Do something on disk. One that fails is told and holds nothing up; one that recovers gets what it missed."""
        try:
            await self._in_thread(what, *arguments)
            if self._disk_state == "failing":
                await self._in_thread(self._store.keep, list(self.core.outbox), list(self.core.statuses))
                self._disk_state = "ok"
        except StoreError:
            self._disk_state = "failing"

    async def _in_thread(self, what: Callable[..., Any], *arguments: Any) -> Any:
        # What was begun is done, also for a task that a leaving client cancels.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._disk_thread, what, *arguments))

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
