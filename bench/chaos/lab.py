"""The hub under test: broker, registry, roles under their supervisor, two control rooms, one of them behind a proxy.

`near` is the room behind the proxy, to which things happen; `far` is left alone. `map` is a destination that reads
Kafka itself, as a CAD may: its topic of positions is read when the load has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import BasicAuth
from bondmate_demo.main import until_ready
from bondmate_gateway.enrolment.commands import Enrolment, enrol_many
from bondmate_hub.broker import Broker
from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig, Node
from bondmate_hub.broker.child import free_port
from bondmate_hub.broker.embedded import EmbeddedBroker, EmbeddedConfig
from bondmate_hub.roles.supervisor import Command, Supervisor, role_command
from bondmate_hub.settings import load as load_settings
from bondmate_hub.wanted import carry_out
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.topic_reader import names, stored
from bondmate_schemas.catalogue import PAGES, STATE_ALERTS, dead_letter_topic, destination_topic, is_dead_letters
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import AlertState, Delivery, OperationsPage
from bondmate_schemas.outside_ids import OutsideIds
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.chaos import started
from bench.chaos.book import Book, Written
from bench.chaos.certificates import authority
from bench.chaos.cluster import NODES, Cluster
from bench.chaos.disk import disk
from bench.chaos.dispatch import RENEW_SECONDS, Dispatch, callsign_of
from bench.chaos.load import Load
from bench.chaos.map import Map
from bench.chaos.proxy import Proxy
from bench.chaos.room import Room
from bench.chaos.spoil import SPOILS
from bench.chaos.updates import unheard

NEAR, FAR, MAP = "near", "far", "map"
AGENCY = "lab"
"""Of all officers."""
SECOND = "lab-2"
"""The instance of the second hub beside the first."""
ROLES = ("registry", "streams", "lane", "gateway", "runner")


@dataclass(slots=True)
class Lab:
    """Everything that runs, and the book of what happened."""

    folder: Path
    broker: Broker
    supervisor: Supervisor
    proxy: Proxy
    rooms: Mapping[str, Room]
    book: Book
    load: Load
    dispatch: Dispatch
    codec: Codec
    ports: Mapping[str, int]
    """Where each role serves its metrics."""
    outside: OutsideIds
    """By which ids each destination knows what it was told."""
    evidence: list[str] = field(default_factory=list)
    """What each fault can show for itself."""

    def missing(self) -> int:
        """Count messages of alerts that a room has neither taken nor refused yet."""
        return sum(self._missing_at(room) for room in (NEAR, FAR))

    def _missing_at(self, room: str) -> int:
        there = {(arrival.event_id, arrival.number) for arrival in self.book.arrivals[room]}
        there |= set(self.book.refused[room])
        return sum((event, n) not in there for event, count in self.book.accepted.items() for n in range(count))

    def unheard(self) -> int:
        """Count what the rooms have not heard yet of alerts that are followed, or have still to say of them."""
        if not self.book.follows:
            return 0
        waiting = sum(1 for room in (NEAR, FAR) for _ in unheard(self.book, room, (NEAR, FAR), FAR))
        waiting += sum(1 for _ in started.awaited(self.book, (NEAR, FAR), FAR))
        return waiting + sum(room.is_answering for room in self.rooms.values())

    def read_written(self) -> None:
        """Note what stands on the topics of the rooms, by the ids inside."""
        for room in (NEAR, FAR):
            for message in stored(self._config, [destination_topic(room)]):
                told = self.codec.decode(message.value(), Delivery)
                event_id, delivery_id = (self.outside.back(room, each) for each in (told.header.event_id, told.id))
                at = message.timestamp()[1] / 1e3
                self.book.written[room].append(Written(event_id, delivery_id, told.position_only, at))

    def read_pages(self) -> None:
        """Note of what operations were paged."""
        for message in stored(self._config, [PAGES]):
            page = self.codec.decode(message.value(), OperationsPage)
            self.book.paged.add((page.reason, page.subject))

    def count_dead(self) -> None:
        """Count the letters in the dead-letter topics of the rooms."""
        for room in (NEAR, FAR):
            self.book.dead[room] = sum(1 for _ in stored(self._config, [dead_letter_topic(room)]))

    def dead_keys(self) -> set[bytes]:
        """Give the keys of all dead letters, of every stage and destination."""
        topics = list(filter(is_dead_letters, names(self._config)))
        return {bytes(message.key() or b"") for message in stored(self._config, topics)}

    def states(self) -> dict[bytes, list[tuple[int, AlertState]]]:
        """Return the states of each alert in the order they were written, each with its partition."""
        found: dict[bytes, list[tuple[int, AlertState]]] = {}
        for message in stored(self._config, [STATE_ALERTS]):
            state = self.codec.decode(message.value(), AlertState)
            found.setdefault(bytes(message.key() or b""), []).append((message.partition() or 0, state))
        return found

    def members(self, group: str) -> dict[str, int]:
        """Give how many partitions each member of a consumer group has, by its fixed identity."""
        admin = AdminClient(self._config)  # held until it has answered: its end would leave the question open for ever
        about = admin.describe_consumer_groups([group], request_timeout=10)[group].result(20)
        return {member.group_instance_id: len(member.assignment.topic_partitions) for member in about.members}

    def backlog(self, group: str, topic: str) -> int:
        """Count the records of a topic that a group has not committed."""
        with contextlib.closing(Consumer({**self._config, "group.id": group, "log_level": 2})) as consumer:
            parts = consumer.list_topics(topic, 10).topics[topic].partitions
            places = consumer.committed([TopicPartition(topic, each) for each in parts], 10)
            ends = [consumer.get_watermark_offsets(place, 10) for place in places]
        return sum(end - max(place.offset, start) for place, (start, end) in zip(places, ends, strict=True))

    @property
    def _config(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.broker.bootstrap}

    def unmapped(self) -> int:
        """Count accepted fixes that the map has not got."""
        return sum(len(set(sent) - set(self.book.mapped.get(device, ()))) for device, sent in self.book.fixes.items())


@contextlib.asynccontextmanager
async def laboratory(
    folder: Path, kind: str, devices: int, seed: int, *, crash: tuple[str, str] | None = None, small_disk: str = "",
    cad: bool = False, guard: str = "", follows: bool = False, spoils: Sequence[str] = (),
) -> AsyncIterator[Lab]:  # fmt: skip
    """Run a hub on a broker of `kind` with so many devices.

    `crash` names a role and where it dies once; `small_disk` a folder in `folder` that is a disk of its own; with `cad`
    the map gets alerts too, on its topic. `guard` says how the near room is entered: `tls`, by its certificate;
    `login`, by an account of the hub. With `follows` the rooms hear of positions, and of each other.
    `spoils` name which rules roles break.
    """
    secret = secrets.token_hex(32)
    book, stop = Book(), asyncio.Event()
    gateway, backs, registry = free_port(), {NEAR: free_port(), FAR: free_port()}, free_port()
    tokens = await asyncio.to_thread(_enrol, folder / "devices.json", devices)
    async with contextlib.AsyncExitStack() as stack:
        if small_disk:
            stack.enter_context(disk(folder / small_disk))
        guards: dict[str, Any] = {}
        if guard == "tls":
            guards = {name: authority(folder, made) for name, made in (("tls", "room"), ("stranger", "stranger"))}
        rooms = {
            name: await stack.enter_async_context(
                Room(name, book, secret.encode(), backs[name], **(guards if name == NEAR else {}))
            )
            for name in backs
        }
        proxy = await stack.enter_async_context(Proxy(rooms[NEAR].port))
        broker = _broker(kind, folder)
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        ports = {role: free_port() for role in ROLES}
        settings = _settings(broker.bootstrap, registry, gateway, backs, ports, secret)
        settings["connectors"][NEAR]["settings"]["deliver"]["url"] = f"http://127.0.0.1:{proxy.port}/cap"
        _guarded(settings["connectors"][NEAR]["settings"]["deliver"], rooms[NEAR], guard, folder)
        settings["connectors"][FAR]["settings"]["deliver"]["url"] = f"http://127.0.0.1:{rooms[FAR].port}/cap"
        settings["connectors"]["devices"]["settings"]["device_file"] = str(folder / "devices.json")
        settings["kafka"]["replication_factor"] = NODES if kind == "cluster" else 1
        config = folder / "hub.yaml"
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        # A second hub beside it, for workers that join its groups.
        second = {**settings, "instance": SECOND, "data_dir": "data-2", "monitoring": {"log_level": "warning"}}
        (folder / "hub-2.yaml").write_text(yaml.safe_dump(second), encoding="utf-8")
        routes = _following() if follows else _with_alerts(MAP) if cad else _ROUTES
        (folder / "routes.yaml").write_text(yaml.safe_dump(routes), encoding="utf-8")
        supervisor = Supervisor([_command(role, config, crash, spoils) for role in ROLES], folder / "data" / "logs")
        supervised = asyncio.create_task(supervisor.run(stop))
        stack.push_async_callback(_ended, supervised, stop)
        await _registry_answers(ports["registry"])
        await asyncio.to_thread(carry_out, load_settings(config), broker.limits)
        await until_ready(_Ports(ports, folder / "data" / "logs"))  # type: ignore[arg-type]  # what it needs of the demo's files
        stack.enter_context(Map(broker.bootstrap, f"http://127.0.0.1:{registry}", MAP, book))
        codec = Codec(RegistrySchemaIds(f"http://127.0.0.1:{registry}"))
        load, outside = Load(gateway, tokens, book, seed), OutsideIds.of(secret.encode())
        stack.callback(load.close)
        dispatch = await stack.enter_async_context(Dispatch(load, rooms[FAR], rooms[NEAR], book))
        yield Lab(folder, broker, supervisor, proxy, rooms, book, load, dispatch, codec, ports, outside)


def _guarded(deliver: dict[str, Any], room: Room, guard: str, folder: Path) -> None:
    if guard == "tls":
        deliver["url"] = deliver["url"].replace("http:", "https:")
        deliver["tls"] = {"ca_file": str(folder / "room-ca.pem")}
    elif guard == "login":
        room.login = BasicAuth("hub", secrets.token_hex(8))
        deliver["login"] = {"user": room.login.login, "password": room.login.password}


@dataclass(frozen=True, slots=True)
class _Ports:
    role_ports: dict[str, int]
    logs: Path


async def _registry_answers(port: int) -> None:
    await until_ready(_Ports({"registry": port}, Path()))  # type: ignore[arg-type]  # as above


async def _ended(supervised: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await supervised


def _command(role: str, config: Path, crash: tuple[str, str] | None, spoils: Sequence[str]) -> Command:
    if crash and crash[0] == role:
        return Command(role, (sys.executable, "-m", "bench.chaos.crash", crash[1], role, str(config)))
    if of_role := [name for name in spoils if SPOILS[name].role == role]:
        return Command(role, (sys.executable, "-m", "bench.chaos.spoil", *of_role, role, str(config)))
    return role_command(role, config)


def _broker(kind: str, folder: Path) -> Broker:
    if kind == "cluster":
        return Cluster(folder / "broker")
    if kind == "apache":
        return ApacheBroker(ApacheConfig(data_dir=folder / "broker", node=Node()))
    return EmbeddedBroker(EmbeddedConfig(data_dir=folder / "broker"))


def _enrol(path: Path, count: int) -> dict[str, str]:
    devices = (f"bm-{n:05d}" for n in range(count))
    return enrol_many(path, [Enrolment(each, AGENCY, "EXERCISE", callsign=callsign_of(each)) for each in devices])


_ROUTES: dict[str, Any] = {
    "destinations": {
        NEAR: {"modes": ["EXERCISE"], "fields": {"alert": {"text": "plain"}}},
        FAR: {"modes": ["EXERCISE"], "fields": {"alert": {"text": "plain"}}},
        MAP: {"modes": ["EXERCISE"], "fields": {"location": {"device_id": "plain", "position": "plain"}}},
    },
    "routes": [
        {"name": "alerts", "when": {"record": "alert"}, "to": [NEAR, FAR]},
        {"name": "positions", "when": {"record": "location"}, "to": [MAP]},
    ],
}


def _following() -> dict[str, Any]:
    """Return the routes, with rooms that hear of positions, and of each other; the far one owns all alerts."""
    hears = {"modes": ["EXERCISE"], "fields": {"alert": {"text": "plain", "position": "plain"}}, "others": ["level"],
             "alert_position_seconds": 1, "alert_positions_a_second": 0}  # fmt: skip
    rooms = {NEAR: hears | {"agency": "county"}, FAR: hears | {"agency": AGENCY}}
    return _ROUTES | {"destinations": _ROUTES["destinations"] | rooms, "renew_seconds": RENEW_SECONDS}


def _with_alerts(destination: str) -> dict[str, Any]:
    """Return the routes, with alerts for one more destination."""
    alerts, *others = _ROUTES["routes"]
    return _ROUTES | {"routes": [alerts | {"to": [*alerts["to"], destination]}, *others]}


def _settings(  # noqa: PLR0917  # one call, in this module
    bootstrap: str, registry: int, gateway: int, backs: Mapping[str, int], ports: dict[str, int], secret: str
) -> dict[str, Any]:  # fmt: skip
    connectors: dict[str, Any] = {
        "devices": {"connector": "device_http", "settings": {"host": "127.0.0.1", "port": gateway,
                                                             "device_file": ""}}}  # fmt: skip
    for name, port in backs.items():
        connectors[name] = {"connector": "cap_webhook", "settings": {
            "deliver": {"url": "", "secrets": [secret]},
            "listen": {"host": "127.0.0.1", "port": port, "path": "/cap", "secrets": [secret],
                       "messages_to_officers": True}}}  # fmt: skip
    return {
        "instance": "lab",
        "data_dir": "data",
        "kafka": {"bootstrap": bootstrap, "registry_url": f"http://127.0.0.1:{registry}", "partitions": 2},
        "registry": {"port": registry},
        "streams": {"routes": "routes.yaml", "pseudonym_secret": secret},
        "monitoring": {"ports": ports, "log_level": "warning"},
        "connectors": connectors,
    }
