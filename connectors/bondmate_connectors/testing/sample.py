"""A small real platform and its connector, for the tests of the suite and the runner: a control room's ledger.

Over HTTP it writes down what it is told (`PUT /entries/<id>`), once for each id, and says things of its own until they
are taken or refused (`GET /said`, `POST /said/<id>/taken|refused`). Its troubles can be switched on. The connector is a
complete example of the contract, and a short one: both roles over one link.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto
from functools import partial
from typing import Any, Self

import aiohttp
from aiohttp import web
from bondmate_schemas.enums import Level, MessageDirection, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.lateness import was_marked_late
from bondmate_schemas.models import Delivery, DeliveryReceipt, DeviceMessage, EventHeader
from pydantic import Field, SecretStr

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec, Context, Incoming, Proof, Receipt
from bondmate_connectors.errors import AuthFailed, ConnectorError, NotConnected, Rejected, Throttled, Transient
from bondmate_connectors.runtime.authority import REFUSALS
from bondmate_connectors.testing.leaks import eventually

TOKEN = "open-sesame"  # noqa: S105  # of a ledger that lives in a test
BADGE = "of the room"
LONGEST_TEXT = 500
_MOVED = 302
_OK, _CREATED, _UNAUTHORIZED, _FORBIDDEN, _UNPROCESSABLE, _THROTTLED = 200, 201, 401, 403, 422, 429


# The platform.


class Trouble(Enum):
    """What the ledger does instead of its work."""

    NONE = auto()
    UNANSWERED = auto()
    """It takes what comes and never answers."""
    FALSE_SUCCESS = auto()
    """It answers 200 with a failure inside and writes nothing."""
    THROTTLED = auto()
    """It asks for a pause of `pause_seconds`."""
    REFUSES = auto()
    """It refuses everything for good, 422."""
    BROKEN = auto()
    """It answers 500."""
    LOCKED = auto()
    """It takes our token no more, 401; with `trouble_keys` for those keys only."""
    MOVED = auto()
    """It answers everything with a redirect."""
    CUTS = auto()
    """It cuts every connection it has, without an answer."""


class LedgerPlatform:
    """The control room's side; used inside one event loop, `async with LedgerPlatform() as ledger`."""

    pause_seconds = 1

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        """What it wrote down, by id, in order of arrival."""
        self.attempts: list[str] = []
        """The id of every request to write, also of those that came to nothing."""
        self.cuts = 0
        """Requests at which it cut all connections."""
        self.turned_away = 0
        """Requests it has answered with 401."""
        self.trouble = Trouble.NONE
        self.trouble_keys: frozenset[str] = frozenset()
        """Keys the trouble is limited to; empty is all."""
        self.most_at_once = 0
        self.answer_after = 0.0
        """Seconds it takes to answer a request to write."""
        self.at_once = 0
        """Requests to write that it answers now."""
        self._pauses: dict[str, int] = {}
        self._relief = asyncio.Event()
        self._transports: set[asyncio.Transport] = set()
        self._said: dict[str, dict[str, str]] = {}
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    @property
    def url(self) -> str:
        """Return its address; the same after every `open`."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listen, on the port it had before."""
        app = web.Application()
        app.add_routes([
            web.get("/", self._health),
            web.put("/entries/{id}", self._write),
            web.get("/said", self._say),
            web.post("/said/{id}/{end}", self._end),
        ])  # fmt: skip
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def shut(self) -> None:
        """Stop listening and drop every connection; what is written stays."""
        self._relief.set()
        await self._runner.cleanup()

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Be unreachable for a while."""
        await self.shut()
        try:
            yield
        finally:
            await self.open()

    @asynccontextmanager
    async def in_trouble(self, trouble: Trouble) -> AsyncIterator[int]:
        """Have a trouble for a while; yields the pause it asks for."""
        self.trouble = trouble
        self._relief.clear()
        try:
            yield self.pause_seconds
        finally:
            self.trouble = Trouble.NONE
            self._relief.set()

    async def say(self, count: int) -> Sequence[str]:
        """Have it say so many new things to officers; return their numbers."""
        numbers = [f"said-{len(self._said) + number}" for number in range(count)]
        self._said |= {number: {"id": number, "device_id": "device-1", "text": "stay there"} for number in numbers}
        return numbers

    def _admit(self, request: web.Request, key: str = "") -> None:
        if self.trouble is Trouble.MOVED:
            raise web.HTTPFound(f"{self.url}/elsewhere")
        locked = self.trouble is Trouble.LOCKED and (not self.trouble_keys or key in self.trouble_keys)
        if locked or request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.turned_away += 1
            raise web.HTTPUnauthorized

    async def answer(self, mode: Mode, badge: str) -> str:
        """Answer an alert as somebody who wears this badge; gives how the hub ended it, `taken` or `refused`."""
        number = f"said-{len(self._said)}"
        said = {"id": number, "mode": mode.value, "badge": badge, "event_id": "an alert"}
        self._said[number] = said
        await eventually(lambda: "end" in said, "the hub takes or refuses it")
        return said["end"]

    async def _health(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response({"ledger": "open"})

    async def _write(self, request: web.Request) -> web.Response:
        entry = await request.json()
        if request.transport is not None:
            self._transports.add(request.transport)
        self._admit(request, entry["key"])
        # At once: whoever sees the attempt and then asks for another pause means the next one.
        self._pauses[request.match_info["id"]] = self.pause_seconds
        self.attempts.append(request.match_info["id"])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request.match_info["id"], entry)
        finally:
            self.at_once -= 1
            self._transports.discard(request.transport)

    async def _answer(self, entry_id: str, entry: dict[str, Any]) -> web.Response:
        await asyncio.sleep(self.answer_after)
        trouble = self.trouble if not self.trouble_keys or entry["key"] in self.trouble_keys else Trouble.NONE
        match trouble:
            case Trouble.CUTS:
                self.cuts += 1
                for transport in tuple(self._transports):
                    transport.abort()
                return web.json_response({}, status=500)
            case Trouble.FALSE_SUCCESS:
                return web.json_response({"error": "the book is full"})
            case Trouble.THROTTLED:
                return web.json_response({}, status=_THROTTLED, headers={"Retry-After": str(self._pauses[entry_id])})
            case Trouble.BROKEN:
                return web.json_response({}, status=500)
        if trouble is Trouble.REFUSES or len(entry["text"]) > LONGEST_TEXT:
            return web.json_response({"error": "text_too_long"}, status=_UNPROCESSABLE)
        known = entry_id in self.entries
        self.entries.setdefault(entry_id, entry)
        if trouble is Trouble.UNANSWERED:
            await self._relief.wait()
        number = f"L-{list(self.entries).index(entry_id)}"
        return web.json_response({"number": number}, status=_OK if known else _CREATED)

    async def _say(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response([said for said in self._said.values() if "end" not in said])

    async def _end(self, request: web.Request) -> web.Response:
        self._admit(request)
        self._said[request.match_info["id"]]["end"] = request.match_info["end"]
        return web.json_response({})


# The connector.


class LedgerConfig(ConnectorConfig):
    """Settings of the ledger's connector."""

    url: str = Field(description="Address of the ledger.")
    token: SecretStr = Field(description="Bearer token the ledger gave us.")
    timeout_seconds: float = Field(default=5.0, gt=0, description="Longest wait for an answer.")
    poll_seconds: float = Field(default=0.05, gt=0, description="Time between two looks at what the ledger says.")


class LedgerConnector:
    """Sink and source over one HTTP session."""

    def __init__(self, config: LedgerConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._next: deque[dict[str, str]] = deque()
        self._in_hand: set[str] = set()

    async def connect(self) -> None:
        """Open the session when the ledger answers."""
        if self._session is not None:
            return
        session = self._new_session()
        try:
            await _call(session, "GET", "/")
        except Transient as error:
            await session.close()
            raise NotConnected("the ledger does not answer") from error
        except BaseException:
            await session.close()
            raise
        self._session = session

    async def check(self) -> None:
        """Ask for the ledger's health with our token."""
        async with self._new_session() as session:
            await _call(session, "GET", "/")

    async def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        self._next.clear()
        self._in_hand.clear()
        if session is not None:
            await session.close()

    async def send(self, event: Delivery) -> Receipt:
        """Write the event down under its id: the ledger recognises a repeat."""
        entry = {
            "key": event.key,
            "text": getattr(event.event, "text", None) or "",
            "kind": event.kind.value,
            "mode": event.header.mode.value,
            "late": was_marked_late(event),
        }
        answer = await _call(self._open_session(), "PUT", f"/entries/{event.id}", entry)
        if "number" not in answer:
            raise Transient("the ledger answered success without a number")
        return Receipt(Level.ACCEPTED, answer["number"])

    async def receive(self) -> Incoming:
        """Return what the ledger says and nobody has in hand yet."""
        while not self._next:
            said = await _call(self._open_session(), "GET", "/said")
            self._next.extend(each for each in said if each["id"] not in self._in_hand)
            if not self._next:
                await asyncio.sleep(self._config.poll_seconds)
        said = self._next.popleft()
        self._in_hand.add(said["id"])
        if "event_id" in said:
            # The ledger lies open: whoever writes an answer into it proves by the badge that he is of the room.
            proof = Proof.LOGIN if said["badge"] == BADGE else Proof.NONE
            return Incoming(self._receipt(said), partial(self._settle, said["id"]), proof=proof)
        return Incoming(self._message(said), partial(self._settle, said["id"]), proof=Proof.LOGIN)

    async def _settle(self, number: str, error: ConnectorError | None) -> None:
        try:
            if error is None or isinstance(error, Rejected):
                await _call(self._open_session(), "POST", f"/said/{number}/{'refused' if error else 'taken'}")
        finally:
            self._in_hand.discard(number)

    def _header(self, said: dict[str, str], event_id: str, mode: Mode) -> EventHeader:
        now = self._context.clock()
        return EventHeader(
            message_id=derived_id("ledger", self._context.name, said["id"], "said"),
            event_id=event_id,
            origin_message_id=said["id"],
            agency_id="ledger",
            mode=mode,
            occurred_at=now,
            received_at=now,
            source=self._context.name,
        )

    def _receipt(self, said: dict[str, str]) -> DeliveryReceipt:
        header = self._header(said, said["event_id"], Mode(said["mode"]))
        return DeliveryReceipt(header=header, destination="whoever it says", level=Level.ACKNOWLEDGED)

    def _message(self, said: dict[str, str]) -> DeviceMessage:
        header = self._header(said, derived_id("ledger", self._context.name, said["id"]), Mode.EXERCISE)
        return DeviceMessage(header=header, device_id=said["device_id"], direction=MessageDirection.TO_DEVICE,
                             sender="the ledger", text=said["text"])  # fmt: skip

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self._config.url,
            headers={"Authorization": f"Bearer {self._config.token.get_secret_value()}"},
            timeout=aiohttp.ClientTimeout(total=self._config.timeout_seconds),
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise NotConnected("connect first")
        return self._session


async def _call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    """Ask the ledger and return its answer; its errors become ours here and nowhere else."""
    with _errors_mapped():
        async with session.request(method, path, json=body, allow_redirects=False) as response:
            answer = await response.json() if response.status in {_OK, _CREATED, _UNPROCESSABLE} else {}
            _raise_for(response.status, response.headers.get("Retry-After"), answer)
            return answer


def _raise_for(status: int, retry_after: str | None, answer: Any) -> None:
    if status in {_UNAUTHORIZED, _FORBIDDEN, _MOVED}:
        raise AuthFailed(f"http_{status}", "token")
    if status == _UNPROCESSABLE:
        raise Rejected(answer["error"])
    if status == _THROTTLED:
        raise Throttled("throttled", float(retry_after) if retry_after else None)
    if status not in {_OK, _CREATED}:
        raise Transient(f"status {status}")


@contextmanager
def _errors_mapped() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
        raise NotConnected("cut") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Transient("no answer") from error


CONNECTOR = ConnectorSpec(
    name="sample",
    summary="Writes events into a control room's ledger and brings back what it says to officers.",
    stability="development",
    owner="hub",
    config=LedgerConfig,
    accepts=frozenset({"ALERT", "INCIDENT", "MESSAGE", "LOCATION"}),
    emits=frozenset({"DeviceMessage", "DeliveryReceipt"}),
    refusals=dict.fromkeys(REFUSALS, "in the ledger: its entry is marked as refused"),
    proves=Level.ACCEPTED,
    marks_test="`mode` of an entry is TEST",
    max_in_flight=8,
    build=LedgerConnector,
)


def build(url: str, context: Context, *, token: str = TOKEN, timeout_seconds: float = 5.0) -> LedgerConnector:
    """Return a connector for the ledger at `url`."""
    return LedgerConnector(LedgerConfig(url=url, token=SecretStr(token), timeout_seconds=timeout_seconds), context)
