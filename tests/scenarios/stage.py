"""The hub under test with all its far ends: one for every scenario, so that they are played side by side.

Nothing is patched: the roles run as processes, the rooms sign, TAK is taky-ng over mutual TLS. Only settings differ
from a hub in earnest: its waits are short, and each scenario has its own unit, by which its alerts are routed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from bondmate_demo.main import until_ready
from bondmate_gateway.enrolment.commands import Enrolment, enrol_many
from bondmate_hub.broker.child import free_port
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.registry.server import RegistryConfig, serving
from bondmate_hub.roles.supervisor import Supervisor, role_command
from bondmate_hub.settings import load
from bondmate_hub.wanted import carry_out
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import PAGES
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import OperationsPage
from scenarios.desk import Desk
from scenarios.devices import Officer, OldOfficer
from scenarios.room import Room
from scenarios.waiting import eventually
from tak_servers import environments
from tak_servers.authority import Enrolled
from tak_servers.takys import TakyLike

ROLES: Final = ("streams", "lane", "gateway", "runner")
NORTH, COUNTY, SOUTH, EX, TAK, TAK_EX = "north", "county", "south", "ex", "tak", "tak-ex"
AGENCIES: Final = {NORTH: "pd-north", COUNTY: "sheriff-county", SOUTH: "pd-south", EX: "pd-north"}
PROFILES: Final = {"greek": {"language": "el"}, "may-be-real": {"real_from_exercise": True}}
_SQUARE: Final = [[[20.0, 10.0], [21.0, 10.0], [21.0, 11.0], [20.0, 11.0], [20.0, 10.0]]]
DISTRICTS: Final = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"district": "north-side", "agency": AGENCIES[NORTH]},
         "geometry": {"type": "Polygon", "coordinates": _SQUARE}},
    ],
}  # fmt: skip
"""One district of north's, from 10° north and 20° east."""
_WHO: Final = {"callsign": "plain", "unit": "plain"}
_POSITION: Final = {"position": "plain", "position.accuracy_m": "plain", "position.fixed_at": "plain"}
_FIELDS: Final = {
    "alert": {
        **_WHO, **_POSITION, "position_origin": "plain", "position_age_seconds": "plain", "text": "plain",
        "header.flags": "plain", "header.incident_id": "plain", "battery_percent": "plain",
    },
    "message": {"text": "plain", "callsign": "plain", "device_id": "plain"},
    "location": {**_WHO, "position": "plain", "position.accuracy_m": "plain"},
    "incident": {"title": "plain", "description": "plain", "position": "plain"},
}  # fmt: skip


@dataclass(slots=True)
class Stage:
    """Everything that runs."""

    folder: Path
    gateway_url: str
    tokens: Mapping[str, str] = field(repr=False)
    rooms: Mapping[str, Room]
    desk: Desk
    bootstrap: str
    codec: Codec
    old_client: Path | None
    """A folder with the device's client of an earlier commit; None where the history is not there."""

    @property
    def north(self) -> Room:
        """The room of the agency that owns the alerts."""
        return self.rooms[NORTH]

    @property
    def county(self) -> Room:
        """A room that helps."""
        return self.rooms[COUNTY]

    @property
    def south(self) -> Room:
        """The room of another agency."""
        return self.rooms[SOUTH]

    @property
    def ex(self) -> Room:
        """The room of the exercise."""
        return self.rooms[EX]

    @contextlib.asynccontextmanager
    async def officer(self, name: str, **settings: Any) -> AsyncIterator[Officer]:
        """Switch a device on, with the reference client."""
        url = settings.pop("url", self.gateway_url)
        async with Officer.on(name, url, self.tokens[name], self.folder / f"{name}.db", **settings) as officer:
            yield officer

    @contextlib.asynccontextmanager
    async def old_officer(self, name: str) -> AsyncIterator[OldOfficer]:
        """Switch a device on, with the client of an earlier commit in a process of its own."""
        assert self.old_client is not None
        async with OldOfficer.on(name, self.gateway_url, self.tokens[name], self.folder, self.old_client) as officer:
            yield officer

    async def pages(self, event_id: str) -> list[str]:
        """Return for which reasons operations were paged for an alert, each page once, in order."""
        found = await asyncio.to_thread(self._pages)
        return [page.reason for page in {page.page_id: page for page in found if page.subject == event_id}.values()]

    async def paged(self, event_id: str, reason: str) -> None:
        """Wait until operations were paged for an alert."""

        async def there() -> bool:
            return reason in await self.pages(event_id)

        await eventually(there, f"a page: {reason}", pause=1)

    def _pages(self) -> list[OperationsPage]:
        messages = stored({"bootstrap.servers": self.bootstrap}, [PAGES])
        return [self.codec.decode(message.value(), OperationsPage) for message in messages]


@contextlib.asynccontextmanager
async def staged(
    folder: Path, officers: Iterable[Enrolment], routes: Iterable[Mapping[str, Any]], old_client: Path | None
) -> AsyncIterator[Stage]:
    """Start everything in order, end it in the other; `routes` stand before those that hold for every officer."""
    secret = {name: secrets.token_hex(32) for name in AGENCIES}
    broker_port, registry_port, gateway_port = free_port(), free_port(), free_port()
    backs = {name: free_port() for name in AGENCIES}
    ports = {role: free_port() for role in ROLES}
    (folder / "devices.json").write_text(json.dumps({"profiles": PROFILES}))
    (folder / "districts.geojson").write_text(json.dumps(DISTRICTS))
    tokens = await asyncio.to_thread(enrol_many, folder / "devices.json", list(officers))
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(environments.install, (environments.TAKY_NG,))
        server = TakyLike(environments.TAKY_NG)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.to_thread(server.start)
        desk = await stack.enter_async_context(Desk.open(server, server.enrol("desk")))
        rooms = {
            name: await stack.enter_async_context(Room.open(name, secret[name].encode(), backs[name]))
            for name in AGENCIES
        }
        broker = EmbeddedBroker(EmbeddedConfig(data_dir=folder / "broker", port=broker_port))
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        registry = RegistryConfig(data_dir=folder / "registry", port=registry_port)
        registry_url = await stack.enter_async_context(serving(registry))
        connectors = {
            "devices": {"connector": "device_http", "settings": {
                "host": "127.0.0.1", "port": gateway_port, "device_file": str(folder / "devices.json"),
                "acknowledge_again_seconds": 2, "expiry_seconds": 0.2, "reload_seconds": 0.5}},
            TAK: _tak(server, server.enrol("hub"), "ACTUAL"),
            TAK_EX: _tak(server, server.enrol("hub-ex"), "EXERCISE"),
            **{name: _cap(rooms[name], secret[name], backs[name]) for name in AGENCIES},
        }  # fmt: skip
        config = folder / "hub.yaml"
        config.write_text(yaml.safe_dump({
            "instance": "scenarios",
            "data_dir": "data",
            "kafka": {"bootstrap": f"127.0.0.1:{broker_port}", "registry_url": registry_url, "partitions": 2},
            "streams": {"routes": "routes.yaml", "districts": "districts.geojson", "pseudonym_secret": secrets.token_hex(16)},
            "monitoring": {"ports": ports, "log_level": "info"},
            "connectors": connectors,
        }))  # fmt: skip
        (folder / "routes.yaml").write_text(yaml.safe_dump(_routes(routes)))
        await asyncio.to_thread(carry_out, load(config), broker.limits)
        stop = asyncio.Event()
        supervisor = Supervisor([role_command(role, config) for role in ROLES], folder / "logs")
        supervised = asyncio.create_task(supervisor.run(stop))
        stack.push_async_callback(_ended, supervised, stop)
        await until_ready(_Ports(ports, folder / "logs"))  # type: ignore[arg-type]  # what it needs of the demo's files
        await desk.knows("BondMate-tak")
        yield Stage(
            folder, f"http://127.0.0.1:{gateway_port}", tokens, rooms, desk, broker.bootstrap,
            Codec(RegistrySchemaIds(registry_url)), old_client,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ports:
    role_ports: dict[str, int]
    logs: Path


async def _ended(supervised: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await supervised


def _cap(room: Room, secret: str, back_port: int) -> dict[str, Any]:
    return {"connector": "cap_webhook", "agency": AGENCIES[room.name], "settings": {
        "deliver": {"url": f"http://127.0.0.1:{room.port}/cap", "secrets": [secret],
                    "language": "es" if room.name == SOUTH else "en"},
        "listen": {"host": "127.0.0.1", "port": back_port, "path": "/cap", "secrets": [secret],
                   "messages_to_officers": True}}}  # fmt: skip


def _tak(server: TakyLike, own: Enrolled, mode: str) -> dict[str, Any]:
    tls = {"ca_file": str(own.ca), "certificate_file": str(own.certificate), "key_file": str(own.key)}
    settings = {"host": server.host, "port": server.tls_port, "tls": tls, "mode": mode}
    return {"connector": "tak", "settings": settings}


def _routes(own: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Each scenario's own routes first; then north's officers at north, county and TAK, south's at south."""
    rooms = {
        name: {"modes": ["EXERCISE"] if name == EX else ["ACTUAL"], "fields": _FIELDS, "says_assigned": name != EX,
               "others": ["level", "unit", "words"],
               "may_message": {"agencies": [AGENCIES[name]], "areas": True}}
        for name in AGENCIES
    }  # fmt: skip
    maps = {TAK: {"modes": ["ACTUAL"], "fields": _FIELDS}, TAK_EX: {"modes": ["EXERCISE"], "fields": _FIELDS}}
    exercise = {"record": "alert", "mode": "EXERCISE"}
    north = {"record": "alert", "agency": AGENCIES[NORTH]}
    return {
        "destinations": {**rooms, **maps},
        "assign_after_seconds": 600,
        "device_silent_after_seconds": 8,
        "routes": [
            *own,
            {"name": "exercise", "when": exercise, "to": [EX, TAK_EX], "stop": True},
            {"name": "south", "when": {"record": "alert", "agency": AGENCIES[SOUTH]}, "to": [SOUTH]},
            {"name": "north", "when": north, "to": [NORTH, COUNTY]},
            {"name": "map", "when": north, "to": [TAK], "refresh_seconds": 20},
            {"name": "texts", "when": {"record": "message", "direction": "FROM_DEVICE"}, "to": [NORTH]},
        ],
    }  # fmt: skip
