"""Alerts that were raised lately: what is linked, by the loop and the thread of the view at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_view import Seen, TopicView
from bondmate_schemas.catalogue import DEVICE_ALERTS
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.flags import FROM_EXERCISE, FROM_REPLACED
from bondmate_schemas.models import DeviceAlert, DeviceMark
from bondmate_schemas.takeover import REPLACED
from bondmate_streams.agents import nearby as module
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.nearby import Nearby
from bondmate_streams.logic.routing import Routes
from bondmate_streams.logic.takeover import own_event_id

KAFKA = KafkaConfig("127.0.0.1:9", "http://127.0.0.1:9", {"log_level": 0})
CODEC = Codec(LocalSchemaIds())
SINCE = datetime(2026, 5, 1, 12, tzinfo=UTC)
MARK = DeviceMark(mark_id="m", device_id="old", mark=REPLACED, since=SINCE, other_device_id="spare")
MARKS = {"old": MARK}


@pytest.fixture
def nearby(routes: Routes) -> Nearby:
    config = StreamsConfig(kafka=KAFKA, data_dir=Path("data"), routes=routes, secret=b"a secret of tests")
    return Nearby(config, CODEC, MARKS.get)


@pytest.fixture
def at_every_step() -> Iterator[None]:
    """Let threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("at_every_step")
def test_two_threads_that_note_alerts_do_not_meet(nearby: Nearby, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_NAMED", 10)
    raised = [make.alert(f"device-{number}", unit="unit-1") for number in range(3_000)]
    failed: list[Exception] = []

    def note(part: int) -> None:
        try:
            for one in raised[part::2]:
                nearby.link_of(one)
        except (RuntimeError, KeyError) as error:
            failed.append(error)

    threads = [threading.Thread(target=note, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failed


def at(seconds: float) -> dict[str, Any]:
    return {"unit": "unit-1", "received_at": SINCE + timedelta(seconds=seconds)}


def see(nearby: Nearby, alert: DeviceAlert) -> None:
    nearby._see(Seen(DEVICE_ALERTS, alert.device_id, CODEC.encode(alert), 1))


@pytest.mark.parametrize("flag", [FROM_REPLACED, FROM_EXERCISE])
def test_what_its_owner_alone_hears_of_is_linked_to_nothing_and_nothing_to_it(
    nearby: Nearby, make: Any, flag: str
) -> None:
    held = make.alert("held", flags=(flag,), **at(1))
    see(nearby, held)
    first, second = make.alert("a", **at(2)), make.alert("b", **at(3))

    assert nearby.link_of(first) is None
    assert nearby.link_of(second) is not None
    assert nearby.link_of(make.alert("held-2", flags=(flag,), **at(4))) is None
    assert (held.header.event_id, held.header.mode) == nearby.alert_named(held.header.event_id)


def test_a_press_at_a_replaced_device_is_known_as_its_own_alert_and_one_from_before_as_it_was(
    nearby: Nearby, make: Any
) -> None:
    pressed = make.alert("old", **at(1))
    see(nearby, pressed)

    assert nearby.link_of(make.alert("a", **at(2))) is None
    assert nearby.alert_named(pressed.header.event_id) is None
    assert nearby.alert_named(own_event_id(MARK)) is not None

    officers = make.alert("old", **at(-1))
    see(nearby, officers)
    link = nearby.link_of(make.alert("b", **at(3)))

    assert link is not None
    assert officers.header.event_id == link.linked_to


class Message:
    """A record as the client library hands it over."""

    def __init__(self, name: str) -> None:
        self._name = name

    def error(self) -> None: ...

    def topic(self) -> str:
        return "topic"

    def key(self) -> bytes:
        return self._name.encode()

    def value(self) -> None: ...

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class Records:
    """A consumer with three records."""

    def consume(self, *_: object) -> list[Message]:
        return [Message("a"), Message("bad"), Message("c")]

    def position(self, _: object) -> list[Any]:
        return []


def test_a_view_goes_on_after_a_record_that_cannot_be_taken() -> None:
    taken: list[str] = []

    def see(seen: Seen) -> None:
        if seen.key == "bad":
            raise ValueError(seen.key)
        taken.append(seen.key)

    view = TopicView(KAFKA, "view", ("topic",), see)
    view._ends = {}
    view._read(Records())  # type: ignore[arg-type]

    assert ["a", "c"] == taken
