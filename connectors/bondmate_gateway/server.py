"""The gateway's HTTP side: who is calling, may they, what did they say, and what do we answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar

import orjson
from aiohttp import web
from bondmate_connectors.contract import Context
from bondmate_connectors.errors import ConnectorError, Rejected, Transient
from bondmate_monitoring import metrics
from bondmate_schemas.catalogue import RECEIPTS
from bondmate_schemas.check_ins import is_believed
from bondmate_schemas.device_alert_ids import alert_event_id
from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import FROM_EXERCISE, UNDER_DURESS
from bondmate_schemas.models import DeviceAlert, Record
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from bondmate_gateway import api, events
from bondmate_gateway.body import digest, parse, parse_leniently
from bondmate_gateway.config import Config
from bondmate_gateway.directory import Device, UnauthenticatedError, token_hash
from bondmate_gateway.inbox import Inbox
from bondmate_gateway.leniency import read_alert
from bondmate_gateway.limits import RateLimit
from bondmate_gateway.mailbox import Mail, Mailboxes
from bondmate_gateway.openapi import openapi
from bondmate_gateway.owed import NOTHING_DUE
from bondmate_gateway.problems import Kind, Refused, invalid, of_http
from bondmate_gateway.register import Register

M = TypeVar("M", bound=api.Request)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_FIXES_A_TURN = 50
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A device that has proved to be itself."""

    device: Device
    token_hash: str


class Ingress:
    """Takes what devices send; answers 202 only when all of it is durable."""

    def __init__(
        self, config: Config, context: Context, register: Register, mailboxes: Mailboxes, inbox: Inbox
    ) -> None:
        self._config = config
        self._context = context
        self._register = register
        self._mailboxes = mailboxes
        self._inbox = inbox
        self._locations = RateLimit(config.location_requests_per_minute, time.monotonic)
        self._reports = RateLimit(config.report_requests_per_minute, time.monotonic)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes of what devices send."""
        return [
            web.post("/v1/alerts", self.alerts),
            web.post("/v1/check-ins", self.check_ins),
            web.post("/v1/locations", self.locations),
            web.post("/v1/reports", self.reports),
            web.post("/v1/messages", self.messages),
            web.post("/v1/status", self.status),
            web.post("/v1/receipts", self.receipts),
        ]

    def caller(self, request: web.Request) -> Caller:
        """Give the device that calls; raises Refused when its token is not good."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(Kind.unauthorized, headers={"WWW-Authenticate": "Bearer"})
        try:
            hashed = token_hash(token.strip())
            return Caller(self._register.holder(hashed), hashed)
        except UnauthenticatedError:
            raise Refused(Kind.unauthorized, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None

    async def alerts(self, request: web.Request) -> web.Response:
        """Take an alert: no limit, no demand on its form beyond JSON with a `message_id`."""
        started = time.perf_counter()
        device = self.caller(request).device
        value, flags = parse_leniently(await self._body(request))
        asked, more = read_alert(value)
        alert = self._of_spare(
            events.alert(asked, self._arrival(request, device, value), (*flags, *more)), asked.alert_id
        )
        if alert.action is AlertAction.CANCEL and self._mailboxes.is_replaced(device.device_id):
            raise Refused(Kind.forbidden)
        await self._settle(request, [alert], "DeviceAlert", started, urgent=True)
        if alert.action is not AlertAction.CANCEL:
            self._mailboxes.taken(alert)
        return _accepted(alert)

    async def check_ins(self, request: web.Request) -> web.Response:
        """Take a check-in that is due, or that it has come."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, api.CheckInRequest)
        known = self._mailboxes.owed_as(device.device_id, asked.check_in_id)
        check_in = events.check_in(asked, self._arrival(request, device, value), known)
        # What is not believed, written under the same key, would hide what is due.
        if is_believed(known, check_in):
            await self._settle(request, [check_in], "CheckIn", started, urgent=True)
        is_vain = check_in.done and known is None and UNDER_DURESS not in check_in.header.flags
        return _accepted(check_in, *(NOTHING_DUE,) * is_vain)

    async def locations(self, request: web.Request) -> web.Response:
        """Take a batch of positions: all of it or, on one wrong field, nothing."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        self._locations.take(device.device_id)
        asked, value = await self._strict(request, api.LocationsRequest)
        arrival = self._arrival(request, device, None)
        fixes: list[Record] = []
        for fix in events.locations(asked, value, arrival):
            fixes.append(fix)
            if len(fixes) % _FIXES_A_TURN == 0:
                await asyncio.sleep(0)  # an alert must not wait for 1,000 fixes
        await self._settle(request, fixes, "DeviceLocation", started)
        return _json({"accepted": len(fixes)}, 202)

    async def reports(self, request: web.Request) -> web.Response:
        """Take a report."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        self._reports.take(device.device_id)
        asked, value = await self._strict(request, api.ReportRequest)
        if asked.incident_id and not self._mailboxes.knows_incident(device.device_id, asked.incident_id):
            raise Refused(Kind.forbidden, fields=[("#/incident_id", "no message or alert of this device names it")])
        report = events.report(asked, self._arrival(request, device, value), self._own_alert(device, asked.alert_id))
        await self._settle(request, [report], "IncidentEvent", started)
        return _accepted(report)

    async def messages(self, request: web.Request) -> web.Response:
        """Take an officer's text."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, api.MessageRequest)
        answered = self._answered(device, asked.in_reply_to)
        arrival = self._arrival(request, device, value)
        message = events.message(asked, arrival, self._own_alert(device, asked.alert_id), answered)
        await self._settle(request, [message], "DeviceMessage", started)
        return _accepted(message)

    async def status(self, request: web.Request) -> web.Response:
        """Take a heartbeat."""
        started = time.perf_counter()
        device = self.caller(request).device
        asked, value = await self._strict(request, api.StatusRequest)
        status = events.status(asked, self._arrival(request, device, value))
        await self._settle(request, [status], "DeviceStatus", started)
        return _accepted(status)

    async def receipts(self, request: web.Request) -> web.Response:
        """Take how far a message has come on the device it was addressed to."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, api.ReceiptRequest)
        mail = self._answered(device, asked.message_id, pointer="#/message_id")
        if mail is None:
            raise Refused(Kind.not_found, fields=[("#/message_id", "no message to this device is known by it")])
        receipt = events.receipt(asked, self._arrival(request, device, value), mail)
        await self._settle(request, [receipt], "DeliveryReceipt", started)
        self._mailboxes.see(RECEIPTS, receipt.header.event_id, receipt)
        return _accepted(receipt)

    def _in_its_place(self, request: web.Request) -> Device:
        """Return the device that calls; raises Refused where another has taken its place."""
        device = self.caller(request).device
        if self._mailboxes.is_replaced(device.device_id):
            raise Refused(Kind.forbidden)
        return device

    def _of_spare(self, alert: DeviceAlert, alert_id: str | None) -> DeviceAlert:
        """Return an alert under the id of the one that a spare means, which the device before it raised."""
        event_id = self._mailboxes.own_event(alert.device_id, alert_id) if alert_id else None
        if event_id is None or FROM_EXERCISE in alert.header.flags:
            return alert
        header = alert.header.model_copy(update={"event_id": event_id})
        return alert.model_copy(update={"header": header})

    def own_alert(self, device: Device, alert_id: str) -> str:
        """Give the hub's id of a device's own alert, by any of its names; raises Refused for another's."""
        if event_id := self._mailboxes.own_event(device.device_id, alert_id):
            return event_id
        owner = self._mailboxes.owner(alert_id)
        if owner not in {None, device.device_id}:
            raise Refused(Kind.forbidden)
        event_id = alert_id if owner else alert_event_id(device.device_id, alert_id)
        return self._mailboxes.box(device.device_id).event_of(event_id)

    def _own_alert(self, device: Device, alert_id: str | None) -> str | None:
        return self.own_alert(device, alert_id) if alert_id else None

    def _answered(self, device: Device, message_id: str | None, pointer: str = "#/in_reply_to") -> Mail | None:
        """Give the message to this device, or None when it is no longer known; raises Refused for another's."""
        if message_id is None:
            return None
        if self._mailboxes.owner(message_id) not in {None, device.device_id}:
            raise Refused(Kind.forbidden, fields=[(pointer, "belongs to another device")])
        return self._mailboxes.box(device.device_id).mails.get(message_id)

    def _arrival(self, request: web.Request, device: Device, value: Any) -> events.Arrival:
        content = digest(value) if value is not None else ""
        under_duress = self._mailboxes.box(device.device_id).is_under_duress
        return events.Arrival(
            device, self._context.clock(), self._context.name, content,
            under_duress=under_duress, sent_at=_sent(request),
        )  # fmt: skip

    async def _strict(self, request: web.Request, model: type[M]) -> tuple[M, Any]:
        if request.content_type != "application/json":
            raise Refused(Kind.unsupported_media_type)
        value = parse(await self._body(request))
        try:
            return model.model_validate(value), value
        except ValidationError as error:
            raise invalid(error) from None

    async def _body(self, request: web.Request) -> bytes:
        try:
            if request.content.is_eof():  # nearly always it came with its head, and needs no timer
                return await request.read()
            async with asyncio.timeout(self._config.read_timeout_seconds):
                return await request.read()
        except TimeoutError:
            raise Refused(Kind.timeout) from None
        except web.RequestPayloadError:
            raise Refused(Kind.bad_request, "The body cannot be unpacked as its Content-Encoding says.") from None

    async def _settle(
        self, request: web.Request, records: list[Record], name: str, started: float, *, urgent: bool = False
    ) -> None:
        """Wait until the hub has every event; raises Refused, to be sent again, when it has not."""
        try:
            async with asyncio.timeout(self._config.settle_timeout_seconds):
                await self._inbox.hand_over(records, urgent=urgent, traceparent=_trace(request))
        except Rejected:
            raise Refused(Kind.rejected) from None
        except (ConnectorError, TimeoutError) as error:
            raise self._not_durable(error) from None
        accepted, seconds = _measures(name)
        accepted.inc(len(records))
        seconds.observe(time.perf_counter() - started)

    def _not_durable(self, error: Exception) -> Refused:
        wait = self._config.retry_after_seconds
        if isinstance(error, Transient) and error.retry_after is not None:
            wait = max(1, round(error.retry_after))
        return Refused(Kind.not_durable, headers={"Retry-After": str(wait)})


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write every refusal as a problem document, and count it."""
    try:
        return await handler(request)
    except Refused as refused:
        problem = refused
    except web.HTTPException as error:
        problem = of_http(error)
    metrics.REFUSED.labels(problem.kind.name).inc()
    return problem.response()


def documents() -> list[web.RouteDef]:
    """Give the routes that anybody may read."""
    document = orjson.dumps(openapi())

    async def interface(_: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "ok"}, 200)

    return [
        web.get("/v1/openapi.json", interface, allow_head=False),
        web.get("/healthz", health, allow_head=False),
    ]


@cache
def _measures(name: str) -> tuple[Counter, Histogram]:
    return metrics.ACCEPTED.labels(name), metrics.ACCEPT_SECONDS.labels(name)


def _trace(request: web.Request) -> str | None:
    """Give the device's trace context (W3C Trace Context), or None for one that is missing or malformed."""
    told = request.headers.get("traceparent", "")
    return told if _TRACE.fullmatch(told) else None


def _sent(request: web.Request) -> datetime | None:
    """Return when a request says that it was sent; None where it does not, or says no time."""
    try:
        told = parsedate_to_datetime(request.headers.get("Date", ""))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return told if told.tzinfo else None


def _accepted(record: Any, *remarks: str) -> web.Response:
    header = record.header
    return _json(
        {
            "message_id": header.message_id,
            "event_id": header.event_id,
            "incident_id": header.incident_id,
            "flags": (*header.flags, *remarks),
        },
        202,
    )


def _json(value: Any, status: int) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
