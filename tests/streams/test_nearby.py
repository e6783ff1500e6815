"""Alerts that were raised lately, as the loop and the thread of the view meet them at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.kafka import KafkaConfig
from bondmate_streams.agents import nearby as module
from bondmate_streams.agents.config import StreamsConfig
from bondmate_streams.agents.nearby import Nearby
from bondmate_streams.agents.views import Seen, View
from bondmate_streams.logic.routing import Routes

KAFKA = KafkaConfig("127.0.0.1:9", "http://127.0.0.1:9", {"log_level": 0})
CODEC = Codec(LocalSchemaIds())


@pytest.fixture
def nearby(routes: Routes) -> Nearby:
    return Nearby(StreamsConfig(kafka=KAFKA, data_dir=Path("data"), routes=routes, secret=b"a secret of tests"), CODEC)


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

    view = View(KAFKA, "view", ("topic",), see)
    view._ends = {}
    view._read(Records())  # type: ignore[arg-type]

    assert ["a", "c"] == taken
