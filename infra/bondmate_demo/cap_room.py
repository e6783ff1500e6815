"""A control room that speaks CAP 1.2 over signed HTTP, for demos: takes alerts, answers as a person would.

It is a far end: it shares no code with the hub, so that what it wrote down can be held against what the hub claims.
Each alert becomes one record however often it is posted; later it is acknowledged (Ack), then resolved (Cancel).
Signatures are Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from aiohttp import web
from bondmate_hub.roles.fast_loop import run_fast
from lxml import etree

from bondmate_demo.posts import Posts

CAP = "urn:oasis:names:tc:emergency:cap:1.2"
SENDER = "control-room@demo.example"
_ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="{ns}"><identifier>{identifier}</identifier><sender>{sender}</sender><sent>{sent}</sent>\
<status>{status}</status><msgType>{kind}</msgType><scope>Private</scope><addresses>{to}</addresses>\
<note>{note}</note><references>{references}</references>{info}</alert>"""
_ON_ITS_WAY = """<info><category>Security</category><event>Answer</event><urgency>Immediate</urgency>\
<severity>Severe</severity><certainty>Observed</certainty><parameter><valueName>bondmate:response</valueName>\
<value>en_route</value></parameter></info>"""


@dataclass(slots=True)
class ControlRoom:
    """The room's book and its line back to the hub."""

    secret: bytes
    hub: str
    out: TextIO
    acknowledge_after_seconds: float
    resolve_after_seconds: float
    records: dict[str, str] = field(default_factory=dict)
    answers: set[asyncio.Task[None]] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    posts: Posts | None = None

    async def take(self, request: web.Request) -> web.Response:
        """Take one document: 401 for a wrong signature, 400 for what is not CAP, else 201 with our number for it."""
        body = await request.read()
        if not signed(self.secret, request.headers, body):
            return web.json_response({"status": "error"}, status=401)
        try:
            alert = _fields(body)
        except (etree.XMLSyntaxError, KeyError):
            return web.json_response({"status": "error"}, status=400)
        number = self.records.get(alert["identifier"])
        repeated = number is not None
        if number is None:
            number = self.records[alert["identifier"]] = f"CR-{next(self.numbers)}"
        self.note("received", alert, repeated=repeated)
        if not repeated and alert["msgType"] == "Alert" and alert["scope"] != "Public":
            task = asyncio.create_task(self.answer(alert))
            self.answers.add(task)
            task.add_done_callback(self.answers.discard)
        return web.json_response({"id": number}, status=201)

    async def answer(self, alert: dict[str, str]) -> None:
        """Acknowledge, then resolve, as a dispatcher would."""
        await asyncio.sleep(self.acknowledge_after_seconds)
        if await self.post("Ack", alert, "A unit is on its way"):
            self.note("acknowledged", alert)
        await asyncio.sleep(self.resolve_after_seconds)
        if await self.post("Cancel", alert, "Resolved on scene"):
            self.note("resolved", alert)

    async def post(self, kind: str, alert: dict[str, str], note: str) -> bool:
        """Post one answer until the hub has it; True when it took it."""
        identifier = f"{SENDER}-{alert['identifier']}-{kind}"
        body = _ANSWER.format(
            ns=CAP, identifier=escape(identifier), sender=SENDER, kind=kind, to=escape(alert["sender"]), note=note,
            sent=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00"), status=alert["status"],
            references=escape(f"{alert['sender']},{alert['identifier']},{alert['sent']}"),
            info=_ON_ITS_WAY if kind == "Ack" else "",
        ).encode()  # fmt: skip
        for attempt in range(60):
            try:
                status = await self._send(identifier, body)
            except OSError:
                status = 503
            if status < 500:  # noqa: PLR2004
                return status == 200  # noqa: PLR2004
            await asyncio.sleep(min(0.2 * 2**attempt, 2))
        return False

    async def _send(self, identifier: str, body: bytes) -> int:
        stamp = str(int(time.time()))
        headers = {"webhook-id": identifier, "webhook-timestamp": stamp, "content-type": "application/cap+xml",
                   "webhook-signature": signature(self.secret, identifier, stamp, body)}  # fmt: skip
        url = urlsplit(self.hub)
        if self.posts is None:
            self.posts = Posts(url.hostname or "", url.port or 0, timeout_seconds=10)
        status, _, _ = await self.posts.ask("POST", url.path, headers, body)
        return status

    def note(self, what: str, alert: dict[str, str], **more: bool) -> None:
        """Write one line into the book."""
        self.out.write(json.dumps({"what": what, "at": time.time(), **alert, **more}) + "\n")


def signature(secret: bytes, identifier: str, stamp: str, body: bytes) -> str:
    """Sign as Standard Webhooks 1.0.0 says: HMAC-SHA-256 over `id.timestamp.body`."""
    mac = hmac.new(secret, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def signed(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures in the header is ours."""
    wanted = signature(secret, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body)
    return any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split())


def _fields(body: bytes) -> dict[str, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(body, parser)
    wanted = ("identifier", "sender", "sent", "status", "msgType", "scope", "references")
    found = {name: root.findtext(f"{{{CAP}}}{name}") or "" for name in wanted}
    if not found["identifier"]:
        raise KeyError("identifier")
    return found


async def run(room: ControlRoom, host: str, port: int) -> None:
    """Serve until cancelled."""
    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/cap", room.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        await asyncio.Event().wait()
    finally:
        for task in room.answers:
            task.cancel()
        await asyncio.gather(*room.answers, return_exceptions=True)
        if room.posts:
            room.posts.close()
        await runner.cleanup()


def main(arguments: list[str]) -> None:
    """Run the room as a process of its own."""
    parser = argparse.ArgumentParser(prog="cap_room", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hub", required=True, help="where the hub takes CAP back")
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--acknowledge-after-seconds", type=float, default=1.0)
    parser.add_argument("--resolve-after-seconds", type=float, default=4.0)
    given = parser.parse_args(arguments)
    with given.out.open("a", buffering=1, encoding="utf-8") as out:
        room = ControlRoom(given.secret_file.read_bytes().strip(), given.hub, out, given.acknowledge_after_seconds,
                    given.resolve_after_seconds)  # fmt: skip
        run_fast(run(room, "127.0.0.1", given.port))


if __name__ == "__main__":
    main(sys.argv[1:])
