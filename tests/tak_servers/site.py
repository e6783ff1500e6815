"""A real server with two operators at node-tak clients, and our connector beside them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from bondmate_connectors.contract import Receipt, Unreadable
from bondmate_connectors.errors import NotConnected, Transient
from bondmate_connectors.platforms.tak import CONNECTOR
from bondmate_connectors.platforms.tak.connector import Tak
from bondmate_connectors.testing import context, eventually
from bondmate_schemas.models import Delivery, DeliveryReceipt, DeviceMessage, Record
from tak_servers import environments
from tak_servers.authority import Enrolled
from tak_servers.environments import Environment, NodeEnvironment
from tak_servers.freetakserver import FreeTakServer
from tak_servers.node_operator import Manners, Operator, acquaint, keep_acquainted
from tak_servers.opentakserver import OpenTakServer
from tak_servers.takys import TakyLike

SECONDS: Final = 15.0
_SHOWN_SECONDS: Final = 10.0
_SENDS: Final = 4
_PAUSE_SECONDS: Final = 0.2
HUB_UID: Final = "bondmate-hub"
_NUMBERS: Final = itertools.count(1)


class Server(Protocol):
    """A TAK server as a child process."""

    name: str
    host: str
    port: int
    tls_port: int
    tls_name: str | None

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def stop_listener(self) -> None: ...
    def start_listener(self) -> None: ...
    def log(self) -> str: ...
    def enrol(self, name: str) -> Enrolled: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """How to make a server, what must be installed for it, and how a client makes itself known to it."""

    make: Callable[[], Server]
    needs: tuple[Environment | NodeEnvironment, ...]
    manners: Manners = field(default_factory=Manners)
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of our connector at this server."""
    connects: int = 1
    """How often to try until the server has taken our connector up, so that others see it."""
    needs_new_uid: bool = False
    """Whether each connection needs a uid of its own."""


KINDS: Final = {
    "taky": Kind(lambda: TakyLike(environments.TAKY), (environments.TAKY,)),
    "taky-ng": Kind(lambda: TakyLike(environments.TAKY_NG), (environments.TAKY_NG,)),
    # A client is bound to its queues only when it says who it is after its channel to RabbitMQ was opened, and of the
    # two queues, by callsign and by uid, the second may stay unread: so both have one name. It passes on nothing of some
    # connections: so there is a witness. See README.md.
    "OpenTAKServer": Kind(
        OpenTakServer, (environments.OPENTAKSERVER,), Manners("ping", 3.0),
        {"uid": "bondmate-hub", "callsign": "bondmate-hub", "identity_delay_seconds": 3.0, "witness": True},
        connects=4,
    ),
    # The first event of a connection, whatever it is, is who the client is; what comes with it is thrown away. Who comes
    # back within 4 s of leaving is taken for who has left. In what it passes on it puts empty elements.
    "FreeTAKServer": Kind(
        FreeTakServer, (environments.FREETAKSERVER,), Manners("announce", 3.0, drops_empty_elements=True),
        needs_new_uid=True,
    ),
}  # fmt: skip


@dataclass(slots=True)
class Site:
    """One server, and two people at it who know of each other."""

    server: Server
    operator: Operator
    colleague: Operator
    kind: Kind

    def settings(self) -> dict[str, object]:
        """Return those of our connector for one more connection."""
        own = dict(self.kind.settings)
        return own | ({"uid": f"bondmate-hub-{next(_NUMBERS)}"} if self.kind.needs_new_uid else {})


@contextlib.contextmanager
def running(name: str) -> Iterator[Server]:
    """Install what is missing, start a server, end it."""
    environments.install((*KINDS[name].needs, environments.OPERATOR))
    server = KINDS[name].make()
    try:
        server.start()
        yield server
    finally:
        (environments.ROOT / f"{name}.log").write_text(server.log())  # to be looked at afterwards
        server.stop()


@contextlib.contextmanager
def attended(
    server: Server, kind: Kind, names: tuple[str, str] = ("DISPATCH", "COLLEAGUE"), *, tls: bool = False
) -> Iterator[Site]:
    """Seat two operators at a server; their uids are their callsigns."""
    people = [
        Operator(name, name, server.host, server.tls_port if tls else server.port, kind.manners) for name in names
    ]
    if tls:
        for person in people:
            person.certificate = server.enrol(person.uid.lower())
    try:
        acquaint(*people)
        yield Site(server, people[0], people[1], kind)
    finally:
        for person in people:
            person.close()


@dataclass(slots=True)
class Hub:
    """Our connector, connected, with all that it has received since."""

    tak: Tak
    received: list[Record | Unreadable] = field(default_factory=list)

    def receipts(self, event_id: str) -> list[DeliveryReceipt]:
        """Return what operators have answered to an alert."""
        return [
            each for each in self.received if isinstance(each, DeliveryReceipt) and each.header.event_id == event_id
        ]

    def messages(self) -> list[DeviceMessage]:
        """Return the texts that were written to officers."""
        return [each for each in self.received if isinstance(each, DeviceMessage)]

    async def send(self, event: Delivery) -> Receipt:
        """Send, and again on another connection where this one turns out to be lost, as the runner does."""
        for _ in range(_SENDS):
            with contextlib.suppress(NotConnected, Transient):
                await self.tak.connect()
                return await self.tak.send(event)
        return await self.tak.send(event)

    async def listen(self) -> None:
        """Take whatever comes until cancelled, on the next connection where one is lost."""
        while True:
            try:
                incoming = await self.tak.receive()
            except NotConnected:
                await asyncio.sleep(_PAUSE_SECONDS)
                with contextlib.suppress(NotConnected, Transient):
                    await self.tak.connect()
                continue
            self.received.append(incoming.event)
            await incoming.settle(None)


@contextlib.asynccontextmanager
async def connected(host: str, port: int, **settings: Any) -> AsyncIterator[Hub]:
    """Connect our connector, and receive all the time."""
    config = {"host": host, "port": port, "mode": "ACTUAL", "agency_id": "agency-1", "uid": HUB_UID, **settings}
    tak = CONNECTOR.build(CONNECTOR.config.model_validate(config), context("tak"))
    async with asyncio.timeout(SECONDS):
        await tak.connect()
    hub = Hub(tak)
    listening = asyncio.create_task(hub.listen())
    try:
        yield hub
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        await tak.close()


@contextlib.asynccontextmanager
async def taken_up(site: Site, port: int, **settings: Any) -> AsyncIterator[Hub]:
    """Connect our connector and wait until the operator has seen our contact, as a person would before relying on it.

    Whether the operators themselves are still connected is seen to first: what a server keeps from them, it keeps from
    everybody.
    """
    await asyncio.to_thread(keep_acquainted, site.operator, site.colleague)
    for _ in range(site.kind.connects):
        async with contextlib.AsyncExitStack() as stack:
            own = {"uid": HUB_UID} | site.settings()
            shown = partial(site.operator.of, "a-f-G-U-C", lambda event, uid=own["uid"]: event.uid == uid)
            before = len(shown())
            hub = await stack.enter_async_context(connected(site.server.host, port, **own, **settings))
            try:
                await until(lambda: len(shown()) > before, "our contact", _SHOWN_SECONDS)  # noqa: B023
            except AssertionError:
                continue
            yield hub
            return
    raise AssertionError(f"after {site.kind.connects} connects nobody has seen our contact")


async def until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Return when `condition` holds."""
    await eventually(lambda: bool(condition()), what, seconds)
