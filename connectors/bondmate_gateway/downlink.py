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
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import Attachment, CheckIn

from bondmate_gateway.config import Config
from bondmate_gateway.directory import UnauthenticatedError
from bondmate_gateway.mailbox import Box, Listener, Mail, Mailboxes, Standing
from bondmate_gateway.owed import names_of
from bondmate_gateway.problems import Kind, Refused
from bondmate_gateway.register import Register
from bondmate_gateway.said import Said
from bondmate_gateway.server import Caller, Ingress

_FAREWELL_SECONDS = 2.0  # how long a device may take to answer that its stream is closed
_NOTHING_TO_SAY = 4096  # largest frame read from a device's stream: it has nothing to say there


class Downlink:
    """Answers what devices ask for, until it is closed."""

    def __init__(
        self, config: Config, context: Context, register: Register, mailboxes: Mailboxes, ingress: Ingress
    ) -> None:
        self._config = config
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._ingress = ingress
        self._closing = False
        # Versions count from the start of this process: a cursor of another one means "from the beginning".
        self._instance = secrets.token_hex(4)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes of what devices ask for."""
        return [
            web.get("/v1/messages", self.poll, allow_head=False),
            web.get("/v1/stream", self.stream, allow_head=False),
            web.get("/v1/alerts/{alert_id}", self.alert, allow_head=False),
        ]

    def close(self) -> None:
        """End every stream and long poll."""
        self._closing = True
        self._mailboxes.wake_all()

    async def alert(self, request: web.Request) -> web.Response:
        """Give where an alert of this device stands."""
        caller = self._ingress.caller(request)
        asked = request.match_info["alert_id"]
        event_id = self._ingress.own_alert(caller.device, asked)
        box = self._mailboxes.box(caller.device.device_id)
        standing = box.alerts.get(event_id)
        if standing is None or self._mailboxes.is_replaced(caller.device.device_id):
            raise Refused(Kind.not_found)
        told = _alert(standing, asked if asked in standing.alert_ids else _newest_id(standing), box)
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    async def poll(self, request: web.Request) -> web.Response:
        """Give what is new, at once or as soon as there is something, within the wait that was asked for."""
        caller = self._ingress.caller(request)
        wait = self._wait_seconds(request.query.get("wait_seconds", "0"))
        after = self._after(request.query.get("after", ""))
        box = self._mailboxes.box(caller.device.device_id)
        news = self._news(box, caller, after)
        if news is None and wait > 0:
            with self._listening(box) as listener:
                news = await self._first_news(box, caller, listener, after, wait)
        body = news or self._frame(box, caller)
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Push what is new until the device leaves, is revoked, or opens too many streams."""
        caller = self._ingress.caller(request)
        socket = web.WebSocketResponse(
            heartbeat=self._config.heartbeat_seconds,
            timeout=_FAREWELL_SECONDS,
            max_msg_size=_NOTHING_TO_SAY,
            compress=False,
        )
        if not socket.can_prepare(request).ok:
            raise Refused(Kind.bad_request, "This path takes WebSocket handshakes only.")
        await socket.prepare(request)
        box = self._mailboxes.box(caller.device.device_id)
        with self._listening(box) as listener:
            async with asyncio.TaskGroup() as group:
                pushing = group.create_task(self._push(socket, box, caller, listener))
                async for _ in socket:
                    pass
                pushing.cancel()
        return socket

    async def _push(self, socket: web.WebSocketResponse, box: Box, caller: Caller, listener: Listener) -> None:
        after = 0
        try:
            while self._welcome(caller, listener):
                if news := self._news(box, caller, after):
                    after = box.version
                    await socket.send_frame(orjson.dumps(news), web.WSMsgType.TEXT)
                else:
                    await self._something_new(box, caller)
            code = WSCloseCode.GOING_AWAY if self._closing or listener.gone else WSCloseCode.POLICY_VIOLATION
            await socket.close(code=code)
        except ClientConnectionResetError:
            return  # it left; the reading side ends the stream

    async def _first_news(
        self, box: Box, caller: Caller, listener: Listener, after: int, wait: float
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
            raise Refused(Kind.unauthorized)
        return None

    def _welcome(self, caller: Caller, listener: Listener) -> bool:
        """Tell whether a listener may stay: its device may have been revoked meanwhile."""
        try:
            return not self._closing and not listener.gone and bool(self._register.holder(caller.token_hash))
        except UnauthenticatedError:
            return False

    @contextmanager
    def _listening(self, box: Box) -> Iterator[Listener]:
        listener = Listener()
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
        now, standings = self._context.clock(), box.new_standings(after)
        mails = self._mails(box, caller.device.mode, after, now)
        if not mails and not standings and box.marked_at <= after:
            return None
        return self._frame(
            box,
            caller,
            [_message(mail, box, expired=mail.is_expired(now)) for mail in mails],
            [_alert(one, own_id, box) for one in standings for own_id in one.alert_ids or (None,)],
        )

    def _frame(
        self, box: Box, caller: Caller, messages: Sequence[Any] = (), alerts: Sequence[Any] = ()
    ) -> dict[str, Any]:
        # Who holds a replaced device learns nothing; it stays as silent as it was.
        is_told = not self._mailboxes.is_replaced(caller.device.device_id)
        return {
            "cursor": self._cursor(box),
            "messages": messages,
            "alerts": alerts,
            **({"under_duress": box.is_under_duress} if is_told else {}),
            "check_ins": [_check_in(due) for due in self._mailboxes.owed(caller.device.device_id)],
        }

    def _mails(self, box: Box, mode: Mode, after: int, now: datetime) -> list[Mail]:
        """Give what is new and what is to be given again, in the order in which it was sent."""
        again = box.repeats(mode, now, time.monotonic() - self._config.acknowledge_again_seconds)
        mails = {mail.version: mail for mail in (*box.new_mails(after, mode, now), *again)}
        for mail in mails.values():
            if mail.is_wanted(now):
                box.given_at[mail.message_id] = time.monotonic()
        return [mails[version] for version in sorted(mails)]

    def _cursor(self, box: Box) -> str:
        return f"{self._instance}-{box.version}"

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
            raise Refused(Kind.invalid_parameter, "wait_seconds must be a number of seconds, 0 or more.")
        return min(seconds, self._config.long_poll_max_seconds)


def _message(mail: Mail, box: Box, *, expired: bool) -> dict[str, Any]:
    silent = box.is_silent(mail)
    return {
        "message_id": mail.message_id,
        "event_id": mail.event_id,
        "incident_id": mail.incident_id,
        # A device that does not know `silent` is silent about what it is told of its silent alert.
        "alert_id": box.duress.event_id if silent and box.is_under_duress and box.duress else mail.alert_id,
        "in_reply_to": mail.in_reply_to,
        "sender": mail.sender,
        "text": mail.text,
        "language": mail.language,
        "priority": mail.priority,
        "mode": mail.mode,
        "silent": silent,
        "requires_acknowledgement": mail.requires_acknowledgement and not silent,
        "occurred_at": mail.occurred_at,
        "expires_at": mail.expires_at,
        "expired": expired,
        "attachments": [_attachment(one) for one in mail.attachments],
    }


def _attachment(one: Attachment) -> dict[str, Any]:
    return one.model_dump(mode="json")


def _newest_id(standing: Standing) -> str | None:
    return standing.alert_ids[-1] if standing.alert_ids else None


def _alert(standing: Standing, alert_id: str | None, box: Box) -> dict[str, Any]:
    return {
        "event_id": standing.event_id,
        "alert_id": alert_id,
        "incident_id": standing.incident_id,
        "kind": standing.kind,
        "silent": standing.silent or box.is_under_duress,
        "status": standing.status,
        "cancel_requested": standing.cancel_requested,
        "destinations": dict(standing.destinations),
        "changed_at": standing.changed_at,
        "answers": {said.destination: _said(said) for said in standing.said},
        "ended_by": standing.whole.ended_by if standing.whole else "",
        "ended_why": standing.whole.ended_why if standing.whole else "",
        "ended_words": standing.whole.ended_words if standing.whole else "",
        "reopens": standing.whole.reopens if standing.whole else "",
    }


def _check_in(due: CheckIn) -> dict[str, Any]:
    return {"check_in_id": names_of(due)[0], "kind": due.alert.kind, "due_at": due.due_at}


def _said(said: Said) -> dict[str, Any]:
    return {"says": said.word, "unit": said.unit, "eta_at": said.eta_at}
