"""An operator at a TAK client: drives `operator/operator.mjs`, keeps what its server sends it."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bondmate_hub.broker import BrokerFailed
from bondmate_hub.broker.child import wait_until
from tak_servers.authority import Enrolled
from tak_servers.environments import OPERATOR

_SECONDS: Final = 20.0
_HEARD_SECONDS: Final = 12.0
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is on the network."""

    uid: str
    callsign: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as node-cot read it; `place` is its GeoJSON geometry."""

    uid: str
    type: str
    callsign: str
    place: Mapping[str, Any] | None
    event: Mapping[str, Any]

    @property
    def detail(self) -> Mapping[str, Any]:
        found = self.event.get("detail") or {}
        assert isinstance(found, dict)
        return found

    @property
    def text(self) -> str:
        """Remarks: what a chat line says."""
        remarks = self.detail.get("remarks", "")
        return str(remarks.get("_text", "")) if isinstance(remarks, dict) else str(remarks)

    def attribute(self, element: str, name: str) -> str:
        """Return an attribute of a direct child of the detail, empty when there is none."""
        return str(self.detail.get(element, {}).get("_attributes", {}).get(name, ""))


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client makes itself known to a server: what it writes first, its ping or who it is, and when the other.

    `drops_empty_elements`: node-cot refuses whole events for some empty elements that a server puts in; other clients
    do not mind them.
    """

    first: str = "ping"
    pause_seconds: float = 0.0
    drops_empty_elements: bool = False


class NodeProgram:
    """A program on node-cot. It reads all the time, so nothing waits in a socket; `events` only grows."""

    def __init__(self, name: str, script: str) -> None:
        self.name = name
        self.events: list[Seen] = []
        self.unreadable: list[str] = []
        self._script = script
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        process = subprocess.Popen(
            OPERATOR.command(self._script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True,
        )  # fmt: skip
        self._process = process
        self._reading = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reading.start()

    def close(self) -> None:
        """End it; safe twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            self._reading.join()
            process.communicate()

    def of(self, kind: str, matches: Callable[[Seen], bool] = lambda _: True) -> list[Seen]:
        """Return what was seen of a type, in order."""
        return [event for event in self.events if event.type == kind and matches(event)]

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = _SECONDS) -> None:
        """Block until `condition` holds; for fixtures, tests await."""
        wait_until(lambda: bool(condition()), deadline_seconds=seconds, what=f"{self.name}: {what}")

    def order(self, order: Mapping[str, object]) -> None:
        """Have it do something."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def take(self, told: dict[str, Any]) -> None:
        """Keep what it tells."""
        if told["is"] == "event":
            self.events.append(Seen(told["uid"], told["type"], told["callsign"], told.get("place"), told["event"]))
        elif told["is"] == "unreadable":
            self.unreadable.append(f"{told['why']}: {told['data']}")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.take(json.loads(line))


class Operator(NodeProgram):
    """One person at a client."""

    def __init__(self, uid: str, callsign: str, host: str, port: int, manners: Manners) -> None:
        super().__init__(callsign, "operator.mjs")
        self.uid, self.callsign = uid, callsign
        self.certificate: Enrolled | None = None
        self.lost: list[str] = []
        self._to_connect = {
            "do": "connect", "host": host, "port": port, "uid": uid, "callsign": callsign, "first": manners.first,
            "pause_ms": int(manners.pause_seconds * 1000), "drop_empty": manners.drops_empty_elements,
        }  # fmt: skip
        self._pause = manners.pause_seconds
        self._said: queue.Queue[tuple[str, str]] = queue.Queue()

    def connect(self) -> None:
        """Start the client and have it connect; returns when it has said who it is."""
        self.start()
        mine = self.certificate
        files = {"cert": mine.certificate, "key": mine.key, "ca": mine.ca} if mine else {}
        tls = {"tls": {name: file.read_text() for name, file in files.items()}} if files else {}
        self.order(self._to_connect | tls)
        time.sleep(self._pause)

    def says_in_room(self, text: str) -> tuple[str, str]:
        """Write into All Chat Rooms; returns the uid and the message id of the line."""
        self.order({"do": "room", "text": text})
        return self._said.get(timeout=_SECONDS)

    def says_to(self, person: Person, text: str) -> tuple[str, str]:
        """Write to one contact; returns the uid and the message id of the line."""
        self.order({"do": "direct", "to": {"uid": person.uid, "callsign": person.callsign}, "text": text})
        return self._said.get(timeout=_SECONDS)

    def announce(self) -> None:
        """Say again who this is."""
        self.order({"do": "announce"})

    def take(self, told: dict[str, Any]) -> None:
        """Keep what it tells, what it has said too."""
        if told["is"] == "said":
            self._said.put((told["uid"], told["message"]))
        elif told["is"] == "lost":
            self.lost.append(told["why"])
        super().take(told)


class ProtobufServer(NodeProgram):
    """A server that offers TAK protocol 1 and reads and writes it as node-cot does."""

    def __init__(self) -> None:
        super().__init__("node-cot server", "tak_server.mjs")
        self.port = 0
        self.protocols: list[str] = []

    def says_in_room(self, person: Person, text: str) -> None:
        """Pass on a line of somebody."""
        self.order({"do": "room", "uid": person.uid, "callsign": person.callsign, "text": text})

    def take(self, told: dict[str, Any]) -> None:
        """Keep what it tells, its port and protocol too."""
        if told["is"] == "port":
            self.port = told["port"]
        elif told["is"] == "spoken":
            self.protocols.append(told["protocol"])
        super().take(told)


def acquaint(one: Operator, other: Operator) -> None:
    """Connect both and block until what each writes into the room reaches the other, so that the server knows both.

    A server may fail to take a client up; then the client connects again, as a person would.
    """
    for _ in range(_TRIES):
        for person in (one, other):
            person.close()
            person.connect()
        with contextlib.suppress(BrokerFailed):
            _hears(one, other)
            _hears(other, one)
            return
    raise AssertionError(f"after {_TRIES} connects, {one.callsign} and {other.callsign} do not hear each other")


def keep_acquainted(one: Operator, other: Operator) -> None:
    """Connect both anew unless they hear each other: a server may forget a client without telling it."""
    try:
        _hears(one, other)
        _hears(other, one)
    except BrokerFailed:
        acquaint(one, other)


def _hears(writer: Operator, reader: Operator) -> None:
    said: set[str] = set()

    def heard() -> bool:
        said.add(writer.says_in_room(f"{writer.callsign} is here")[0])
        with contextlib.suppress(BrokerFailed):
            reader.wait_for(lambda: reader.of("b-t-f", lambda event: event.uid in said), "the other's line", 1.0)
            return True
        writer.announce()
        return False

    reader.wait_for(heard, "hears the other", _HEARD_SECONDS)
