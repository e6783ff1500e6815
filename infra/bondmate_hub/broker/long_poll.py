"""Give the embedded broker the long poll it lacks: a relay holds an empty answer to Fetch until there is something.

noida-db answers an empty Fetch at once whatever `MaxWaitMs` says, so every idle consumer would ask some ten thousand
times a second. The relay stands between clients and broker, reads the frames' headers, and holds an empty answer to a
Fetch until a Produce for one of its topics has been answered, or the longest wait is over. It is a program of its own
and imports nothing but the standard library. (Kafka protocol guide, "Protocol Primitive Types", "Fetch API", KIP-482.)

Usage: python -I -S long_poll.py CLIENTS_HOST BROKER_HOST PORT
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator

_PRODUCE, _FETCH = 0, 1
_NAMES_BROKERS = frozenset({3, 10, 60})
"""Metadata, FindCoordinator, DescribeCluster: their answers hold the broker's address."""
_FLEXIBLE_PRODUCE, _TOPIC_IDS_PRODUCE = 9, 13
_FLEXIBLE_FETCH, _NO_REPLICA_FETCH = 12, 15
_GATHER_SECONDS = 0.002
"""How long a wake is put off, so that what a burst of produces wrote is fetched in one go."""
_SIZE = struct.Struct(">i")
_HEADER = struct.Struct(">hhi")


class Frames:
    """Cut a stream into frames: four bytes of size, then so many."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give each frame that is whole now, its size included."""
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
    """Give the first topic of a Produce request as its wire form, or None where the version names topics by id.

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


def longest_wait_seconds(frame: bytes) -> float:
    """Give how long the Fetch request in `frame` wants an empty answer held (`MaxWaitMs`)."""
    version = _HEADER.unpack_from(frame, _SIZE.size)[1]
    at = _SIZE.size + _HEADER.size
    at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])  # client id
    if version >= _FLEXIBLE_FETCH:
        at += 1  # no tagged fields in the header
    if version < _NO_REPLICA_FETCH:
        at += 4  # replica id
    return float(_SIZE.unpack_from(frame, at)[0]) / 1000


class Waiting:
    """The connections whose empty answer is held."""

    def __init__(self) -> None:
        self._held: dict[Relay, bytes] = {}

    def hold(self, relay: Relay, request: bytes) -> None:
        """Hold an answer of `relay` to the Fetch `request`."""
        self._held[relay] = request

    def drop(self, relay: Relay) -> None:
        """Hold nothing of `relay` any more."""
        self._held.pop(relay, None)

    def wake(self, topic: bytes | None) -> None:
        """Let go what waits for `topic`, or everything."""
        for relay, request in list(self._held.items()):
            if topic is None or topic in request:
                relay.release_soon()


class Relay:
    """One client's connection and the broker's end of it."""

    def __init__(self, waiting: Waiting, inside: bytes, outside: bytes) -> None:
        self._waiting = waiting
        self._inside, self._outside = inside, outside
        self._asked: deque[tuple[int, bytes]] = deque()
        self._least: dict[int, int] = {}
        self._held: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self.up: asyncio.Transport | None = None
        self.down: asyncio.Transport | None = None

    def from_client(self, frame: bytes) -> None:
        """Pass a request on."""
        self.release()
        key = _HEADER.unpack_from(frame, _SIZE.size)[0]
        self._asked.append((key, frame if key in {_PRODUCE, _FETCH} else b""))
        if self.up:
            self.up.write(frame)

    def from_broker(self, frame: bytes) -> None:
        """Pass an answer on, or hold it when it is an empty Fetch."""
        key, request = self._asked.popleft() if self._asked else (-1, b"")
        if key in _NAMES_BROKERS:
            frame = frame.replace(self._inside, self._outside)
        if self._held:
            self._held.append(frame)
        elif key == _FETCH and self._is_empty(len(request), len(frame)):
            self._held.append(frame)
            self._waiting.hold(self, request)
            wait = longest_wait_seconds(request)
            self._timer = asyncio.get_running_loop().call_later(wait, self.release)
        elif self.down:
            self.down.write(frame)
        if key == _PRODUCE:
            self._waiting.wake(produced_topic(request))

    def _is_empty(self, asked: int, answered: int) -> bool:
        """Whether an answer holds no records: equal requests have equal empty answers, and none is shorter."""
        least = self._least[asked] = min(self._least.get(asked, answered), answered)
        return answered == least

    def release_soon(self) -> None:
        """Let the held answer go after a moment."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.release)

    def release(self) -> None:
        """Let the held answer go now."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._soon = False
        self._waiting.drop(self)
        if self._held and self.down:
            self.down.write(b"".join(self._held))
        self._held.clear()

    def close(self) -> None:
        """End both connections."""
        self.release()
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
        """Wait for the broker's end before anything is read."""
        assert isinstance(transport, asyncio.Transport)
        self._relay.down = transport
        transport.pause_reading()
        self._connecting = asyncio.ensure_future(self._connect(transport))

    async def _connect(self, down: asyncio.Transport) -> None:
        end = End(self._relay.from_broker, self._relay.close)
        try:
            up, _ = await asyncio.get_running_loop().create_connection(lambda: end, *self._broker)
        except OSError:
            down.close()
            return
        self._relay.up = self.other = up
        end.other = down
        down.resume_reading()


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


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], sys.argv[2], int(sys.argv[3])))
