"""The long poll that the embedded broker lacks: a relay holds an empty answer to Fetch until there is something.

noida-db answers an empty Fetch at once whatever `MaxWaitMs` says, so every idle consumer would ask some ten thousand
times a second. The relay stands between clients and broker, reads the frames' headers, and holds an empty answer to a
Fetch until the longest wait is over; once a Produce for one of its topics has been answered, it asks again in the
client's name. A Fetch with `MinBytes` it passes on when the wait is over. It is a program of its own, which needs
nothing but the standard library and is faster with uvloop. (Kafka protocol guide, "Protocol Primitive Types", "Fetch
API", KIP-482.)

Usage: python -I long_poll.py CLIENTS_HOST BROKER_HOST PORT
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

_PRODUCE, _FETCH = 0, 1
_NAMES_BROKERS = frozenset({3, 10, 60})
"""Metadata, FindCoordinator, DescribeCluster: their answers hold the broker's address."""
_FLEXIBLE_PRODUCE, _TOPIC_IDS_PRODUCE = 9, 13
_FLEXIBLE_FETCH, _NO_REPLICA_FETCH = 12, 15
_GATHER_SECONDS = 0.001
"""How long asking again is put off, so that what a burst of produces wrote is fetched in one go."""
_GAP_SECONDS = 0.005
"""Least time between two fetches in one client's name."""
_SIZE = struct.Struct(">i")
_HEADER = struct.Struct(">hhi")
_WAIT = struct.Struct(">ii")


class Frames:
    """Cut a stream into frames: four bytes of size, then so many."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each frame that is whole now, its size included."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _SIZE.size:
            end = start + _SIZE.size + _SIZE.unpack_from(self._buffer, start)[0]
            if end > len(self._buffer):
                break
            yield bytes(self._buffer[start:end])
            start = end
        del self._buffer[:start]


def produced_topic(frame: bytes) -> bytes | None:
    """Return the first topic of a Produce request as its wire form, or None where the version names topics by id.

    Clients write one topic a request, or few that are read together; a topic not named here is found after the longest
    wait.
    """
    version = _HEADER.unpack_from(frame, _SIZE.size)[1]
    if version >= _TOPIC_IDS_PRODUCE:
        return None
    at = _SIZE.size + _HEADER.size
    at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])  # client id
    if version < _FLEXIBLE_PRODUCE:
        at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])  # transactional id
        at += 6 + 4  # acks and timeout, number of topics
        return frame[at + 2 : at + 2 + struct.unpack_from(">h", frame, at)[0]]
    at += 1  # no tagged fields in the header
    at += max(1, frame[at])  # transactional id, as a compact string
    at += 6 + 1  # acks and timeout, number of topics
    return frame[at + 1 : at + frame[at]]


def wait_of(frame: bytes) -> tuple[float, int]:
    """Return how long the Fetch request in `frame` is ready to wait (`MaxWaitMs`), in seconds, and `MinBytes`."""
    version = _HEADER.unpack_from(frame, _SIZE.size)[1]
    at = _SIZE.size + _HEADER.size
    at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])  # client id
    if version >= _FLEXIBLE_FETCH:
        at += 1  # no tagged fields in the header
    if version < _NO_REPLICA_FETCH:
        at += 4  # replica id
    longest_ms, least_bytes = _WAIT.unpack_from(frame, at)
    return longest_ms / 1000, least_bytes


class Waiting:
    """The connections whose empty answer is held, and what was produced lately."""

    def __init__(self) -> None:
        self._held: dict[Relay, bytes] = {}
        self._produced: dict[bytes, int] = {}
        self.count = 0
        """Produce requests answered so far."""

    def hold(self, relay: Relay, request: bytes) -> None:
        """Hold an answer of `relay` to the Fetch `request`."""
        self._held[relay] = request

    def drop(self, relay: Relay) -> None:
        """Hold nothing of `relay` any more."""
        self._held.pop(relay, None)

    def wake(self, topic: bytes | None) -> None:
        """Let what waits for `topic`, or everything, ask again."""
        self.count += 1
        self._produced[topic or b""] = self.count
        for relay, request in list(self._held.items()):
            if topic is None or topic in request:
                relay.ask_again_soon()

    def is_outdated(self, request: bytes, count: int) -> bool:
        """Whether something was produced for the Fetch `request` after `count` requests to produce."""
        return self.count > count and any(at > count and topic in request for topic, at in self._produced.items())


@dataclass(slots=True)
class Asked:
    """A request on its way to the broker; of a Fetch its bytes, until when it may wait, and what it could not see."""

    key: int
    frame: bytes = b""
    until: float = 0.0
    count: int = 0


class Relay:
    """One client's connection and the broker's end of it."""

    def __init__(self, waiting: Waiting, inside: bytes, outside: bytes) -> None:
        self._waiting = waiting
        self._inside, self._outside = inside, outside
        self._loop = asyncio.get_running_loop()
        self._asked: deque[Asked] = deque()
        self._least: dict[int, int] = {}
        self._held: tuple[Asked, bytes] | None = None
        self._gathering: Asked | None = None
        self._asked_at = 0.0
        self._early: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.TimerHandle | None = None
        self.up: asyncio.Transport | None = None
        self.down: asyncio.Transport | None = None

    def from_client(self, frame: bytes) -> None:
        """Pass a request on; what is held goes first, since answers keep the order of their requests.

        A Fetch that wants more than a byte is passed on when its wait is over: the broker would answer it at once.
        """
        self.release()
        key = _HEADER.unpack_from(frame, _SIZE.size)[0]
        if key != _FETCH:
            self._ask(Asked(key, frame))
            return
        wait, least_bytes = wait_of(frame)
        if least_bytes > 1:
            self._gathering = Asked(key, frame)
            self._timer = self._loop.call_later(wait, self.release)
        else:
            self._ask(Asked(key, frame, self._loop.time() + wait))

    def _ask(self, asked: Asked) -> None:
        asked.count = self._waiting.count
        self._asked_at = self._loop.time()
        self._asked.append(asked)
        if self.up:
            self.up.write(asked.frame)
        else:
            self._early.append(asked.frame)
        if asked.key not in {_PRODUCE, _FETCH}:
            asked.frame = b""

    def connected(self, up: asyncio.Transport) -> None:
        """Take the connection to the broker, and ask what was asked before it stood."""
        self.up = up
        up.write(b"".join(self._early))
        self._early.clear()

    def from_broker(self, frame: bytes) -> None:
        """Pass an answer on, or hold it when it is that of an empty Fetch and nothing else is asked."""
        asked = self._asked.popleft() if self._asked else Asked(-1)
        if asked.key in _NAMES_BROKERS:
            frame = frame.replace(self._inside, self._outside)
        if asked.until and self._is_empty(len(asked.frame), len(frame)) and not self._asked:
            self._hold(asked, frame)
        elif self.down:
            self.down.write(frame)
        if asked.key == _PRODUCE:
            self._waiting.wake(produced_topic(asked.frame))

    def _is_empty(self, asked: int, answered: int) -> bool:
        """Whether an answer holds no records: equal requests have equal empty answers, and none is shorter."""
        least = self._least[asked] = min(self._least.get(asked, answered), answered)
        return answered == least

    def _hold(self, asked: Asked, frame: bytes) -> None:
        self._held = asked, frame
        self._waiting.hold(self, asked.frame)
        self._timer = self._loop.call_at(asked.until, self.release)
        if self._waiting.is_outdated(asked.frame, asked.count):
            self.ask_again_soon()

    def ask_again_soon(self) -> None:
        """Ask the broker again in the client's name after a moment: the client is spared an empty answer."""
        if self._soon is None:
            at = max(self._loop.time() + _GATHER_SECONDS, self._asked_at + _GAP_SECONDS)
            self._soon = self._loop.call_at(at, self._ask_again)

    def _ask_again(self) -> None:
        if held := self._take_held():
            self._ask(held[0])

    def release(self) -> None:
        """Let the held answer, or the request that gathers, go now."""
        if (held := self._take_held()) and self.down:
            self.down.write(held[1])
        gathering, self._gathering = self._gathering, None
        if gathering:
            self._ask(gathering)

    def _take_held(self) -> tuple[Asked, bytes] | None:
        for timer in (self._timer, self._soon):
            if timer:
                timer.cancel()
        self._timer = self._soon = None
        self._waiting.drop(self)
        held, self._held = self._held, None
        return held

    def close(self) -> None:
        """End both connections."""
        self._take_held()
        for transport in (self.up, self.down):
            if transport:
                transport.close()


class End(asyncio.Protocol):
    """One end of a relay: frames go to `take`; when the other side is slow to read, this side is not read."""

    def __init__(self, take: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self._take, self._close = take, close
        self._frames = Frames()
        self.other: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        for frame in self._frames.feed(data):
            self._take(frame)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """End the other side too."""
        self._close()

    def pause_writing(self) -> None:
        """Read no more of the other side: this one is slow."""
        if self.other:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        """Read the other side again."""
        if self.other:
            self.other.resume_reading()


class ClientEnd(End):
    """The client's end: connects to the broker when a client comes."""

    def __init__(self, relay: Relay, broker: tuple[str, int]) -> None:
        super().__init__(relay.from_client, relay.close)
        self._relay = relay
        self._broker = broker
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the broker."""
        self._relay.down = cast("asyncio.Transport", transport)  # uvloop's is one by its methods
        self._connecting = asyncio.ensure_future(self._connect(self._relay.down))

    async def _connect(self, down: asyncio.Transport) -> None:
        end = End(self._relay.from_broker, self._relay.close)
        try:
            up, _ = await asyncio.get_running_loop().create_connection(lambda: end, *self._broker)
        except OSError:
            down.close()
            return
        self.other, end.other = up, down
        self._relay.connected(up)


async def relay(clients_host: str, broker_host: str, port: int) -> None:
    """Serve until SIGTERM."""
    waiting = Waiting()
    inside, outside = broker_host.encode(), clients_host.encode()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await loop.create_server(
        lambda: ClientEnd(Relay(waiting, inside, outside), (broker_host, port)), clients_host, port, backlog=256
    )
    await stop.wait()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  # there may be none
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(relay(sys.argv[1], sys.argv[2], int(sys.argv[3])))
