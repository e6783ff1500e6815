"""The way up from a device: its alerts, check-ins, positions, reports, texts, heartbeats and receipts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web
from bondmate_connectors.contract import Context
from bondmate_schemas.catalogue import RECEIPTS
from bondmate_schemas.check_ins import is_believed
from bondmate_schemas.enums import AlertAction
from bondmate_schemas.flags import UNDER_DURESS
from bondmate_schemas.models import Record

from bondmate_gateway.config import GatewayConfig
from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http import requests
from bondmate_gateway.http.acceptance import Acceptance, accepted, json_response
from bondmate_gateway.http.authentication import Authentication
from bondmate_gateway.http.body import digest, parse_leniently
from bondmate_gateway.http.leniency import read_alert
from bondmate_gateway.http.ownership import Ownership
from bondmate_gateway.http.problems import ProblemKind, Refused
from bondmate_gateway.http.rate_limit import RateLimit
from bondmate_gateway.http.reading import M, read_body, read_strictly, sent_at
from bondmate_gateway.http.records import alerts, locations, messages, reports
from bondmate_gateway.http.records.arrival import Arrival
from bondmate_gateway.mailbox.due_check_ins import NOTHING_DUE
from bondmate_gateway.mailbox.mailboxes import Mailboxes

_FIXES_A_TURN = 50


class Uplink:
    """Takes what devices send."""

    def __init__(
        self,
        config: GatewayConfig,
        context: Context,
        authentication: Authentication,
        mailboxes: Mailboxes,
        acceptance: Acceptance,
    ) -> None:
        self._config = config
        self._context = context
        self._authentication = authentication
        self._mailboxes = mailboxes
        self._own = Ownership(mailboxes)
        self._acceptance = acceptance
        self._locations = RateLimit(config.location_requests_per_minute, time.monotonic)
        self._reports = RateLimit(config.report_requests_per_minute, time.monotonic)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of what devices send."""
        return [
            web.post("/v1/alerts", self.alerts),
            web.post("/v1/check-ins", self.check_ins),
            web.post("/v1/locations", self.locations),
            web.post("/v1/reports", self.reports),
            web.post("/v1/messages", self.messages),
            web.post("/v1/status", self.status),
            web.post("/v1/receipts", self.receipts),
        ]

    async def alerts(self, request: web.Request) -> web.Response:
        """Take an alert: no limit, no demand on its form beyond JSON with a `message_id`."""
        started = time.perf_counter()
        device = self._authentication.caller(request).device
        value, flags = parse_leniently(await read_body(request, self._config.read_timeout_seconds))
        asked, more = read_alert(value)
        alert = alerts.alert(asked, self._arrival(request, device, value), (*flags, *more))
        alert = self._own.of_spare(alert, asked.alert_id)
        if alert.action is AlertAction.CANCEL:
            self._own.refuse_replaced(device)
        await self._acceptance.settle(request, [alert], started, urgent=True)
        if alert.action is not AlertAction.CANCEL:
            self._mailboxes.accepted(alert)
        return accepted(alert)

    async def check_ins(self, request: web.Request) -> web.Response:
        """Take a check-in that is due, or that it has come."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, requests.CheckInRequest)
        known = self._mailboxes.owed_as(device.device_id, asked.check_in_id)
        check_in = alerts.check_in(asked, self._arrival(request, device, value), known)
        # What is not believed, written under the same key, would hide what is due.
        if is_believed(known, check_in):
            await self._acceptance.settle(request, [check_in], started, urgent=True)
        is_vain = check_in.done and known is None and UNDER_DURESS not in check_in.header.flags
        return accepted(check_in, *(NOTHING_DUE,) * is_vain)

    async def locations(self, request: web.Request) -> web.Response:
        """Take a batch of positions: all of it or, on one wrong field, nothing."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        self._locations.take(device.device_id)
        asked, value = await self._strict(request, requests.LocationsRequest)
        arrival = self._arrival(request, device, None)
        fixes: list[Record] = []
        for fix in locations.locations(asked, value, arrival):
            fixes.append(fix)
            if len(fixes) % _FIXES_A_TURN == 0:
                await asyncio.sleep(0)  # an alert must not wait for 1,000 fixes
        await self._acceptance.settle(request, fixes, started)
        return json_response({"accepted": len(fixes)}, 202)

    async def reports(self, request: web.Request) -> web.Response:
        """Take a report."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        self._reports.take(device.device_id)
        asked, value = await self._strict(request, requests.ReportRequest)
        self._own.incident(device, asked.incident_id)
        arrival = self._arrival(request, device, value)
        report = reports.report(asked, arrival, self._own.named_alert(device, asked.alert_id))
        await self._acceptance.settle(request, [report], started)
        return accepted(report)

    async def messages(self, request: web.Request) -> web.Response:
        """Take an officer's text."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, requests.MessageRequest)
        answered = self._own.message(device, asked.in_reply_to, "#/in_reply_to")
        arrival = self._arrival(request, device, value)
        message = messages.message(asked, arrival, self._own.named_alert(device, asked.alert_id), answered)
        await self._acceptance.settle(request, [message], started)
        return accepted(message)

    async def status(self, request: web.Request) -> web.Response:
        """Take a heartbeat."""
        started = time.perf_counter()
        device = self._of_an_officer(request)
        asked, value = await self._strict(request, requests.StatusRequest)
        heartbeat = reports.status(asked, self._arrival(request, device, value))
        await self._acceptance.settle(request, [heartbeat], started)
        return accepted(heartbeat)

    async def receipts(self, request: web.Request) -> web.Response:
        """Take how far a message has come on the device it was addressed to."""
        started = time.perf_counter()
        device = self._in_its_place(request)
        asked, value = await self._strict(request, requests.ReceiptRequest)
        mail = self._own.message(device, asked.message_id, "#/message_id")
        if mail is None:
            nowhere = [("#/message_id", "no message to this device is known by it")]
            raise Refused(ProblemKind.not_found, fields=nowhere)
        receipt = messages.receipt(asked, self._arrival(request, device, value), mail)
        await self._acceptance.settle(request, [receipt], started)
        self._mailboxes.see(RECEIPTS, receipt.header.event_id, receipt)
        return accepted(receipt)

    def _in_its_place(self, request: web.Request) -> EnrolledDevice:
        """Return the device that calls; raises Refused where another has taken its place."""
        device = self._of_an_officer(request)
        self._own.refuse_replaced(device)
        return device

    def _of_an_officer(self, request: web.Request) -> EnrolledDevice:
        """Return the device that calls; raises Refused where it is one for drills."""
        device = self._authentication.caller(request).device
        if device.drill:
            raise Refused(ProblemKind.forbidden, "A device for drills raises alerts, and nothing else.")
        return device

    async def _strict(self, request: web.Request, model: type[M]) -> tuple[M, Any]:
        return await read_strictly(request, model, self._config.read_timeout_seconds)

    def _arrival(self, request: web.Request, device: EnrolledDevice, value: Any) -> Arrival:
        return Arrival(
            device,
            self._context.clock(),
            self._context.name,
            digest(value) if value is not None else "",
            under_duress=self._mailboxes.box(device.device_id).is_under_duress,
            sent_at=sent_at(request),
        )
