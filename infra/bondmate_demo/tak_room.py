"""A TAK operator for demos, on the public `pytak` client: writes down every event the server sends, answers alerts.

It is a far end: it shares no code with the hub, so that what it wrote down can be held against what the hub claims. One
JSON object a line:

| key | |
|---|---|
| `at` | when the client's socket gave it, seconds since 1970 |
| `uid`, `type`, `start` | as in the event |
| `cancel` | true: it ends an alert, or deletes a marker |
| `message`, `event`, `mode` | what the hub's own `bondmate` element says, when it is there |
| `sender_uid`, `text` | of a chat line: who speaks, and what |
| `answers` | of our own answer: the uid of the alert it is about |

With `--answer` the first chat line of each alert is answered in All Chat Rooms after a moment, as a person would:
with the words that the line says to write, the reference of the alert in them.

What was found out about `pytak`: a full queue drops its oldest item (500 in, 100 out by default), so the queues here
are large; it sleeps between items only when `PYTAK_SLEEP` or `FTS_COMPAT` is set; at the end of the stream its reader
goes on reading nothing, without a pause, so the end is watched for here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import pytak

UID = "demo-operator"
CALLSIGN = "OPERATOR"
_QUEUE_ITEMS = 100_000
_RECONNECT_SECONDS = 0.2
_ANSWER = re.compile(r"To acknowledge write: (\S+ \S+?)(?:\. |\.?$)")
_ALL_CHAT = "All Chat Rooms"
_PREFIX, _SUFFIX = "bondmate-", "-9-1-1"
_ENDS = frozenset({"b-a-o-can", "t-x-d-d"})


@dataclass(slots=True)
class TakOperator:
    """A TAK operator: the book of what came, and the alerts that were answered."""

    out: TextIO
    say: Callable[[bytes], None]
    answer_after_seconds: float | None = None
    answered: set[str] = field(default_factory=set)

    def take(self, data: bytes, at: float) -> None:
        """Write down one event; plan the answer when it is an alert's first chat line."""
        try:
            event = ET.fromstring(data)  # noqa: S314  # what our own server on this machine sends
        except ET.ParseError:
            self.note(at=at, uid="", type="unreadable")
            return
        entry = read(event)
        self.note(at=at, **entry)
        asked, alert = _ANSWER.search(entry.get("text", "")), f"{_PREFIX}{entry.get('event')}{_SUFFIX}"
        if self.answer_after_seconds is not None and asked and alert not in self.answered:
            self.answered.add(alert)
            asyncio.get_running_loop().call_later(self.answer_after_seconds, self.answer, alert, asked[1])

    def answer(self, alert_uid: str, words: str) -> None:
        """Write in All Chat Rooms what the alert's line asks for."""
        message = str(uuid.uuid4())
        self.say(chat(message, words))
        self.note(at=time.time(), uid=f"GeoChat.{UID}.{_ALL_CHAT}.{message}", type="b-t-f", answers=alert_uid)

    def note(self, **entry: object) -> None:
        """Write one line."""
        self.out.write(json.dumps(entry) + "\n")


def read(event: ET.Element) -> dict[str, Any]:
    """Return what is written down of an event."""
    kind = event.get("type", "")
    entry: dict[str, Any] = {"uid": event.get("uid", ""), "type": kind, "start": event.get("start", "")}
    own = event.find("detail/bondmate")
    if own is not None:
        entry |= {name: own.get(name) for name in ("message", "event", "mode")}
    if kind in _ENDS:
        entry["cancel"] = True
    if kind == "b-t-f":
        group, remarks = event.find("detail/__chat/chatgrp"), event.find("detail/remarks")
        entry["sender_uid"] = group.get("uid0", "") if group is not None else ""
        entry["text"] = remarks.text or "" if remarks is not None else ""
    return entry


def _event(uid: str, kind: str, detail: ET.Element) -> bytes:
    now = datetime.now(UTC)
    times = {name: f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
             for name, value in (("time", now), ("start", now), ("stale", now + timedelta(hours=1)))}  # fmt: skip
    event = ET.Element("event", {"version": "2.0", "uid": uid, "type": kind, "how": "h-g-i-g-o", **times})
    ET.SubElement(event, "point", lat="0.0", lon="0.0", hae="9999999.0", ce="9999999.0", le="9999999.0")
    for remarks in detail.iterfind("remarks"):
        remarks.set("time", times["time"])
    event.append(detail)
    return ET.tostring(event)


def hello() -> bytes:
    """Create the message by which a TAK client tells a server who it is."""
    detail = ET.Element("detail")
    ET.SubElement(detail, "takv", os="-", device="-", version="1", platform="demo")
    ET.SubElement(detail, "contact", callsign=CALLSIGN, endpoint="*:-1:stcp")
    ET.SubElement(detail, "__group", name="Cyan", role="HQ")
    return _event(UID, "a-f-G-U-C", detail)


def chat(message: str, text: str) -> bytes:
    """Create a GeoChat line to all, as ATAK sends it."""
    detail = ET.Element("detail")
    names = {"parent": "RootContactGroup", "groupOwner": "false", "messageId": message, "chatroom": _ALL_CHAT,
             "id": _ALL_CHAT, "senderCallsign": CALLSIGN}  # fmt: skip
    room = ET.SubElement(detail, "__chat", names)
    ET.SubElement(room, "chatgrp", uid0=UID, uid1=_ALL_CHAT, id=_ALL_CHAT)
    ET.SubElement(detail, "link", uid=UID, type="a-f-G-U-C", relation="p-p")
    ET.SubElement(detail, "remarks", source=f"BAO.F.ATAK.{UID}", to=_ALL_CHAT).text = text
    return _event(f"GeoChat.{UID}.{_ALL_CHAT}.{message}", "b-t-f", detail)


class _EventWriter(pytak.QueueWorker):  # type: ignore[misc]  # pytak is published without types
    """Hands what pytak received to the operator."""

    def __init__(self, queue: asyncio.Queue[bytes], config: dict[str, str], operator: TakOperator) -> None:
        super().__init__(queue, config)
        self._operator = operator

    async def handle_data(self, data: bytes) -> None:
        """Take one event."""
        self._operator.take(data, time.time())


class _StreamReader(pytak.RXWorker):  # type: ignore[misc]
    """pytak's reader, that ends when the stream does."""

    async def run_once(self) -> None:
        """Read one event."""
        await super().run_once()
        if self.reader.at_eof():
            raise ConnectionResetError


async def attend(host: str, port: int, out: TextIO, answer_after_seconds: float | None) -> None:
    """Receive and answer until cancelled; connect again whenever the server is gone."""
    config = {"COT_URL": f"tcp://{host}:{port}", "TAK_PROTO": "0"}
    to_send: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE_ITEMS)
    operator = TakOperator(out, to_send.put_nowait, answer_after_seconds)
    while True:
        with contextlib.suppress(OSError):
            await _connection(config, operator, to_send)
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _connection(config: dict[str, str], operator: TakOperator, to_send: asyncio.Queue[bytes]) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE_ITEMS)
    reader, writer = await pytak.protocol_factory(config)
    operator.say(hello())
    workers = (
        pytak.TXWorker(to_send, config, writer),
        _StreamReader(received, config, reader),
        _EventWriter(received, config, operator),
    )
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.run())
    except* (OSError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _until_told(host: str, port: int, path: Path, answer_after_seconds: float | None) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with path.open("a", buffering=1, encoding="utf-8") as out, contextlib.suppress(asyncio.CancelledError):
        await attend(host, port, out, answer_after_seconds)


def main(arguments: list[str]) -> None:
    """Run the operator until SIGTERM."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="file to append one JSON line an event to")
    parser.add_argument("--answer", action="store_true", help='answer the first chat line of each alert with "copy"')
    parser.add_argument("--answer-after", type=float, default=1.0, metavar="SECONDS")
    chosen = parser.parse_args(arguments)
    after = chosen.answer_after if chosen.answer else None
    asyncio.run(_until_told(chosen.host, chosen.port, chosen.out, after))


if __name__ == "__main__":
    main(sys.argv[1:])
