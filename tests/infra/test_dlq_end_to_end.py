"""A room that refuses an alert is mended, and a replay brings the alert there after all, as the same alert."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bondmate_schemas.catalogue import DEVICE_ALERTS, STATE_ALERTS, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Level, Mode
from bondmate_schemas.models import AlertState, DeviceAlert, EventHeader
from bondmate_schemas.outside_ids import OutsideIds
from confluent_kafka import Producer

SECONDS = 60
pytestmark = pytest.mark.parametrize("new_broker", ["embedded"], indirect=True)
ROUTES = """
destinations:
  room:
    modes: [ACTUAL]
    fields: {alert: {position: plain, text: plain}}
routes:
  - {name: alerts, when: {record: alert}, to: room}
"""
SETTINGS = """
streams: {{routes: routes.yaml, pseudonym_secret: a-secret-of-tests-only}}
connectors:
  room:
    connector: cap_webhook
    settings:
      deliver: {{url: "{url}", secrets: [a-shared-secret-of-tests-0123456789]}}
"""  # pragma: allowlist secret


class Room(ThreadingHTTPServer):
    """A control room behind a webhook: answers 400 to all until it is mended; keeps what it was sent, by identifier."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.mended = False
        self.refused: list[str] = []
        self.taken: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cap"


class _Webhook(BaseHTTPRequestHandler):
    server: Room

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = body.partition(b"<identifier>")[2].partition(b"</identifier>")[0].decode()
        if self.server.mended:
            self.server.taken[found] = body
        else:
            self.server.refused.append(found)
        self.send_response(200 if self.server.mended else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def room() -> Iterator[Room]:
    with Room() as room:
        thread = threading.Thread(target=room.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield room
        room.shutdown()
        thread.join()


def until(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not look():
        assert time.monotonic() < end, f"not within {SECONDS} s: {what}"
        time.sleep(0.1)


def raised() -> DeviceAlert:
    now = datetime.now(UTC)
    header = EventHeader(message_id="message-1", event_id="alert-1", agency_id="agency", mode=Mode.ACTUAL,
                         occurred_at=now, received_at=now, source="device_http")  # fmt: skip
    return DeviceAlert(header=header, device_id="device-1", action=AlertAction.RAISE, kind=AlertKind.SOS)


@pytest.fixture
def hub(dlq_hub, room, tmp_path):
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    hub = dlq_hub(SETTINGS.format(url=room.url))
    with hub.running("streams", "runner"):
        producer = Producer(hub.kafka.producer("device"))
        producer.produce(DEVICE_ALERTS, Codec(hub.ids).encode(raised()), b"device-1")
        assert producer.flush(SECONDS) == 0
        until(lambda: room.refused, "the alert refused by the room")
        yield hub


def at_room(hub) -> list[Level]:
    """Give the levels the alert has had at the room."""
    states = hub.records(STATE_ALERTS, AlertState)
    return [state.destinations["room"].level for state in states if "room" in state.destinations]


def waiting(hub, count: int = 1) -> list[dict[str, object]]:
    until(lambda: len(hub.told("list", "--place", "room", "--letters")) == count, f"{count} letters")
    return hub.told("list", "--place", "room", "--letters")


@pytest.mark.system
def test_a_refused_alert_is_replayed_to_the_mended_room_under_its_id_and_rises_to_delivered(hub, room):
    until(lambda: Level.DEAD_LETTERED in at_room(hub), "the alert dead-lettered at the room")
    [letter] = waiting(hub)
    assert ("http_400", 9400, "send", "Delivery") == tuple(
        letter[name] for name in ("code", "number", "stage", "record")
    )

    room.mended = True
    replayed = hub.dlq("replay", "--place", "room", "--json")

    assert 0 == replayed.returncode, replayed.stderr
    until(lambda: Level.DELIVERED in at_room(hub), "the alert delivered to the room")
    assert set(room.refused) == set(room.taken)
    known_there = OutsideIds.of(b"a-secret-of-tests-only").of_destination("room")("alert-1")
    assert known_there.encode() in next(iter(room.taken.values()))
    last = hub.records(STATE_ALERTS, AlertState)[-1]
    assert (Level.DELIVERED, AlertStatus.DELIVERED) == (last.destinations["room"].level, last.status)
    first, second = hub.read(destination_topic("room"))
    assert (first.key(), first.value()) == (second.key(), second.value())
    assert [] == hub.told("list")


@pytest.mark.system
def test_what_the_room_refuses_again_and_again_ends_in_quarantine_and_goes_when_somebody_insists(hub, room):
    for count in range(3):
        [letter] = waiting(hub)
        assert (count, "OPEN") == (letter["replays"], letter["standing"])
        assert 0 == hub.dlq("replay", "--place", "room").returncode
    [letter] = waiting(hub)
    refused = len(room.refused)

    assert 1 == hub.dlq("replay", "--place", "room").returncode
    assert (3, "QUARANTINED") == (letter["replays"], letter["standing"])
    room.mended = True
    assert 0 == hub.dlq("replay", "--place", "room", "--force").returncode
    until(lambda: Level.DELIVERED in at_room(hub), "the alert delivered to the room")
    # Four times, each time as it is and then in its leanest form.
    assert refused == len(room.refused) == 8
    assert 1 == len({*room.refused, *room.taken})
