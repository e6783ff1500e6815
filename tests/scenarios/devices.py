"""What officers have in their hands: the reference client, that of an earlier commit, and a road that can be closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bondmate_device import Client, HubLink, Level, Message, Patience, Position, RaisedAlert, SendingPace, Settings
from earlier import EARLIER, has_earlier, unpack_earlier
from scenarios.waiting import eventually
from tcp_server import listening

HERE: Final = Position(50.8466, 4.3528, accuracy_m=8)
_PACE: Final = SendingPace(first_wait_seconds=0.2, longest_wait_seconds=1, longest_alert_wait_seconds=1)


@dataclass(slots=True)
class Officer:
    """One device, and all that it has shown, in order."""

    name: str
    client: Client
    shown: list[RaisedAlert] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, name: str, url: str, token: str, queue_file: Path, **settings: Any) -> AsyncIterator[Officer]:
        """Switch it on."""
        given = {"pace": _PACE, "patience": Patience(ask_seconds=5.0), **settings}
        async with Client(Settings(url, token, queue_file, **given)) as client:
            officer = cls(name, client)
            watching = [asyncio.create_task(officer._watch()), asyncio.create_task(officer._read())]
            try:
                yield officer
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)

    @property
    def link(self) -> HubLink:
        """How it and the hub get on."""
        return self.client.link

    async def presses(self, kind: str = "SOS", **said: Any) -> str:
        """Raise an alert; return the device's id of it."""
        return await self.client.raise_alert(kind, **said)

    def status(self, alert_id: str) -> RaisedAlert:
        """Return what is shown of an alert now."""
        return self.client.status(alert_id)

    async def shows(self, alert_id: str, what: Callable[[RaisedAlert], object], words: str) -> RaisedAlert:
        """Wait until an alert is shown so; return it."""
        try:
            await eventually(lambda: bool(what(self.status(alert_id))), f"{self.name} shows {words}")
        except AssertionError as error:
            error.add_note(f"  {self.status(alert_id)}")
            raise
        return self.status(alert_id)

    async def shows_level(self, alert_id: str, level: Level) -> RaisedAlert:
        """Wait until an alert has come so far, or back to it."""
        return await self.shows(alert_id, lambda standing: standing.level is level, level)

    async def event_id(self, alert_id: str) -> str:
        """Return the hub's id of an alert."""
        return str((await self.shows(alert_id, lambda standing: standing.event_id, "that the hub has it")).event_id)

    def levels(self, alert_id: str) -> list[Level]:
        """Return the levels of an alert that were shown, one after the other."""
        levels = [standing.level for standing in self.shown if standing.alert_id == alert_id]
        return [level for number, level in enumerate(levels) if not number or level is not levels[number - 1]]

    async def reads(self, words: str) -> Message:
        """Wait for a message that has these words in it; return it."""

        def found() -> list[Message]:
            return [message for message in self.messages if words in message.text]

        try:
            await eventually(lambda: bool(found()), f"{self.name} reads {words!r}")
        except AssertionError as error:
            error.add_note("\n".join(f"  {message.text}" for message in self.messages))
            raise
        return found()[0]

    async def _watch(self) -> None:
        known: dict[str, RaisedAlert] = {}

        def news() -> list[RaisedAlert]:
            return [one for one in self.client.statuses() if known.get(one.alert_id) != one]

        while True:
            await self.client.until(lambda: bool(news()))
            for standing in news():
                known[standing.alert_id] = standing
                self.shown.append(standing)

    async def _read(self) -> None:
        async for message in self.client.messages():
            self.messages.append(message)


@dataclass(slots=True)
class OldOfficer:
    """One device of an earlier commit in a process of its own, and what it has shown, in order."""

    name: str
    shown: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    is_old: bool = False
    _input: asyncio.StreamWriter | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, name: str, url: str, token: str, folder: Path, client: Path) -> AsyncIterator[OldOfficer]:
        """Switch it on."""
        token_file = folder / f"{name}.token"
        token_file.write_text(token, encoding="ascii")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("old_device.py")), url, str(token_file), str(folder / f"{name}.db"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(client)},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        officer = cls(name, _input=process.stdin)
        reading = asyncio.create_task(officer._read(process.stdout, client))
        try:
            await eventually(lambda: officer.is_old, f"{name} is of {EARLIER}")
            yield officer
        finally:
            process.stdin.close()
            await process.wait()
            await reading

    def does(self, verb: str, **said: Any) -> None:
        """Have the officer do something: `raise`, `cancel`."""
        assert self._input is not None
        self._input.write(json.dumps({"verb": verb, **said}).encode() + b"\n")

    def levels(self) -> list[str]:
        """Return the levels of its one alert that were shown, one after the other."""
        levels = [str(standing["level"]) for standing in self.shown]
        return [level for number, level in enumerate(levels) if not number or level != levels[number - 1]]

    async def shows(self, what: Callable[[dict[str, Any]], object], words: str) -> dict[str, Any]:
        """Wait until its one alert is shown so; return it."""
        try:
            await eventually(lambda: bool(self.shown and what(self.shown[-1])), f"{self.name} shows {words}")
        except AssertionError as error:
            error.add_note(f"  {self.shown[-1:]}")
            raise
        return self.shown[-1]

    async def _read(self, output: asyncio.StreamReader, client: Path) -> None:
        async for line in output:
            told = json.loads(line)
            if "client" in told:
                self.is_old = Path(told["client"]).is_relative_to(client)
            elif "message" in told:
                self.messages.append(told["message"])
            else:
                self.shown.append(told["standing"])


def client_of_earlier(folder: Path) -> Path | None:
    """Unpack the device's client of an earlier commit; None where the history does not reach so far."""
    if not has_earlier():
        return None
    unpack_earlier(folder, "connectors/bondmate_device")
    return folder / "connectors"


@dataclass(slots=True)
class Road:
    """The way from a device to its gateway, which is closed until somebody opens it."""

    port: int
    _gateway_port: int
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What the device takes for its gateway."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open it."""
        async with listening(self._carry, self.port):
            yield

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._gateway_port)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
