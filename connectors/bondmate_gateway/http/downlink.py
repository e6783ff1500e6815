"""The way down to a device: its messages and the true level of its alerts, by long poll, stream or look-up."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import orjson
from aiohttp import ClientConnectionResetError, WSCloseCode, web
from bondmate_connectors.contract import Context
from bondmate_monitoring import metrics
from bondmate_monitoring.step_log import LoggedStep
from bondmate_schemas.enums import Mode

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.http import frames
from bondmate_gateway.http.authentication import Authentication, Caller
from bondmate_gateway.http.ownership import Ownership
from bondmate_gateway.http.problems import ProblemKind, Refused
from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.box import Box, DeviceListener
from bondmate_gateway.mailbox.mail import Mail
from bondmate_gateway.mailbox.mailboxes import Mailboxes

_FAREWELL_SECONDS = 2.0  # how long a device may take to answer that its stream is closed
_NOTHING_TO_SAY = 4096  # largest frame read from a device's stream: it has nothing to say there


class Downlink:
    """Answers what devices ask for, until it is closed."""

    def __init__(
        self, config: GatewayConfig, context: Context, authentication: Authentication, mailboxes: Mailboxes
    ) -> None:
        self._config = config
        self._context = context
        self._authentication = authentication
        self._mailboxes = mailboxes
        self._own = Ownership(mailboxes)
        self._closing = False
        # Versions count from the start of this process: a cursor of another one means "from the beginning".
        self._instance = secrets.token_hex(4)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of what devices ask for."""
        return [
            web.get("/v1/messages", self.poll, allow_head=False),
            web.get("/v1/stream", self.stream, allow_head=False),
            web.get("/v1/alerts/{alert_id}", self.alert, allow_head=False),
        ]

    def close(self) -> None:
        """End every stream and long poll."""
        self._closing = True
        self._mailboxes.boxes.wake_all()

    async def alert(self, request: web.Request) -> web.Response:
        """Answer where an alert of this device stands."""
        caller = self._authentication.caller(request)
        asked = request.match_info["alert_id"]
        event_id = self._own.alert(caller.device, asked)
        box = self._mailboxes.box(caller.device.device_id)
        alert = box.alerts.get(event_id)
        if alert is None or self._mailboxes.is_replaced(caller.device.device_id):
            raise Refused(ProblemKind.not_found)
        told = frames.alert_answer(
            alert, asked if asked in alert.alert_ids else next(reversed(alert.alert_ids), None), box
        )
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    async def poll(self, request: web.Request) -> web.Response:
        """Answer what is new, at once or as soon as there is something, within the wait that was asked for."""
        caller = self._authentication.caller(request)
        wait = self._wait_seconds(request.query.get("wait_seconds", "0"))
        after = self._after(request.query.get("after", ""))
        box = self._mailboxes.box(caller.device.device_id)
        news = self._news(box, caller, after)
        if news is None and wait > 0:
            with self._listening(box) as listener:
                news = await self._first_news(box, caller, listener, after, wait)
        if news is not None:
            _log(box.new_alerts(after))
        body = news or self._frame(box, caller)
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Push what is new until the device leaves, is revoked, or opens too many streams."""
        caller = self._authentication.caller(request)
        socket = web.WebSocketResponse(
            heartbeat=self._config.heartbeat_seconds,
            timeout=_FAREWELL_SECONDS,
            max_msg_size=_NOTHING_TO_SAY,
            compress=False,
        )
        if not socket.can_prepare(request).ok:
            raise Refused(ProblemKind.bad_request, "This path takes WebSocket handshakes only.")
        await socket.prepare(request)
        box = self._mailboxes.box(caller.device.device_id)
        with self._listening(box) as listener:
            async with asyncio.TaskGroup() as group:
                pushing = group.create_task(self._push(socket, box, caller, listener))
                async for _ in socket:
                    pass
                pushing.cancel()
        return socket

    async def _push(self, socket: web.WebSocketResponse, box: Box, caller: Caller, listener: DeviceListener) -> None:
        after = 0
        try:
            while self._welcome(caller, listener):
                if news := self._news(box, caller, after):
                    told, after = box.new_alerts(after), box.version
                    await socket.send_frame(orjson.dumps(news), web.WSMsgType.TEXT)
                    _log(told)
                else:
                    await self._something_new(box, caller)
            code = WSCloseCode.GOING_AWAY if self._closing or listener.gone else WSCloseCode.POLICY_VIOLATION
            await socket.close(code=code)
        except ClientConnectionResetError:
            return  # it left; the reading side ends the stream

    async def _first_news(
        self, box: Box, caller: Caller, listener: DeviceListener, after: int, wait: float
    ) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(wait):
                while self._welcome(caller, listener):
                    if news := self._news(box, caller, after):
                        return news
                    await self._something_new(box, caller)
        except TimeoutError:
            return None
        if not self._closing and not listener.gone:
            raise Refused(ProblemKind.unauthorized)
        return None

    def _welcome(self, caller: Caller, listener: DeviceListener) -> bool:
        """Whether a listener may stay: its device may have been revoked meanwhile."""
        return not self._closing and not listener.gone and self._authentication.is_good(caller)

    @contextmanager
    def _listening(self, box: Box) -> Iterator[DeviceListener]:
        listener = DeviceListener()
        box.listeners.append(listener)
        if len(box.listeners) == 1:
            metrics.DEVICES_CONNECTED.inc()
        if len(box.listeners) > self._config.listeners_per_device:
            # The newest stays: an older one is most likely a connection that died unseen.
            box.listeners.pop(0).gone = True
            box.wake()
        try:
            yield listener
        finally:
            if listener in box.listeners:
                box.listeners.remove(listener)
            if not box.listeners:
                metrics.DEVICES_CONNECTED.dec()

    async def _something_new(self, box: Box, caller: Caller) -> None:
        """Wait until something changed, or a message that must be confirmed is to be given again."""
        given = box.last_given(caller.device.mode, self._context.clock())
        wait = None if given is None else given + self._config.acknowledge_again_seconds - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await box.changed()

    def _news(self, box: Box, caller: Caller, after: int) -> dict[str, Any] | None:
        if self._mailboxes.is_replaced(caller.device.device_id):
            return None
        now, alerts = self._context.clock(), box.new_alerts(after)
        mails = self._mails(box, caller.device.mode, after, now)
        if not mails and not alerts and box.marked_at <= after:
            return None
        return self._frame(
            box,
            caller,
            [frames.message_answer(mail, box, expired=mail.is_expired(now)) for mail in mails],
            [frames.alert_answer(one, own_id, box) for one in alerts for own_id in one.alert_ids or (None,)],
        )

    def _frame(
        self, box: Box, caller: Caller, messages: Sequence[Any] = (), alerts: Sequence[Any] = ()
    ) -> dict[str, Any]:
        # Who holds a replaced device learns nothing; it stays as silent as it was.
        is_told = not self._mailboxes.is_replaced(caller.device.device_id)
        return {
            "cursor": f"{self._instance}-{box.version}",
            "messages": messages,
            "alerts": alerts,
            **({"under_duress": box.is_under_duress} if is_told else {}),
            "check_ins": [frames.check_in_answer(due) for due in self._mailboxes.owed(caller.device.device_id)],
        }

    def _mails(self, box: Box, mode: Mode, after: int, now: datetime) -> list[Mail]:
        """Return what is new and what is to be given again, in the order in which it was sent."""
        again = box.repeats(mode, now, time.monotonic() - self._config.acknowledge_again_seconds)
        mails = {mail.version: mail for mail in (*box.new_mails(after, mode, now), *again)}
        for mail in mails.values():
            if mail.is_wanted(now):
                box.given_at[mail.message_id] = time.monotonic()
        return [mails[version] for version in sorted(mails)]

    def _after(self, cursor: str) -> int:
        instance, _, version = cursor.rpartition("-")
        known = instance == self._instance and re.fullmatch(r"[0-9]{1,18}", version)
        return int(version) if known else 0

    def _wait_seconds(self, text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not seconds >= 0:
            raise Refused(ProblemKind.invalid_parameter, "wait_seconds must be a number of seconds, 0 or more.")
        return min(seconds, self._config.long_poll_max_seconds)


def _log(told: Sequence[AlertProgress]) -> None:
    """Log that a device was given where its alerts stand."""
    for alert in told:
        with LoggedStep("officer told", alert.event_id, alert.trace) as step:
            step.level = alert.status.value
