"""One connection to a TAK server: events out, each confirmed by a ping, and frames in.

Life and delivery are two things. The link lives as long as anything comes from the server; after a silence it is
pinged, and given up when it stays silent. An event is delivered when a ping written behind it is answered (`pings`).
A server that never answers one proves nothing: `deliver` then says so, as soon as something else has come from it
since, so that at least the link is known to stand.

One ping confirms every event since the last one. As a rule one is under way; the next goes out when it is answered, and
not sooner than `Timing.gap` after it, which is what makes confirming 500 events a second cheap. A ping that stays
unanswered is followed by another, less and less often, and the gap grows: servers that guard against floods answer one
ping in some seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bondmate_connectors.contract import Refusal
from bondmate_connectors.errors import NotConnected
from bondmate_connectors.formats.cot.build import DECLARATION
from bondmate_connectors.formats.cot.event import CotEvent, parse_event
from bondmate_connectors.formats.cot.probe import ping
from bondmate_connectors.formats.cot.protobuf import to_protobuf
from bondmate_connectors.formats.cot.stream import Frame, Framer, OutOfStep, framed
from bondmate_connectors.platforms.tak.negotiation import Protocol, Upgrade
from bondmate_connectors.platforms.tak.pings import Ping, fail, resolve
from bondmate_connectors.platforms.tak.schedule import Schedule
from bondmate_connectors.platforms.tak.timing import Ends, Timing
from bondmate_connectors.transports.tcp import TcpStream

NO_PROOF: Final = "the server answers no pings: delivery is not proven"
_BLOCKED_SECONDS: Final = 0.01
"""From here on a hand-over counts as one that made the server wait."""
_CONTROL: Final = (b"t-x-c-t", b"t-x-takp-")


class Session:
    """A connection in use.

    When it is lost, whoever waits for a confirmation gets the error, `lost` holds it, `on_lost` is called, and the
    session is of no more use. `must_answer`: the server is known to answer pings, so that a missing answer is a loss.
    """

    def __init__(
        self, stream: TcpStream, ends: Ends, timing: Timing, *, must_answer: bool = False, wants_protobuf: bool = False
    ) -> None:
        self._stream, self._ends, self._timing, self._must_answer = stream, ends, timing, must_answer
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self._unwritten: list[bytes] = []
        self._waiting: list[asyncio.Future[bool]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._upgrade = Upgrade(is_wanted=wants_protobuf)
        self._schedule = Schedule(timing, self._upgrade, self._loop.time())
        self._times = self._schedule.times
        self.silent_about_protocol = False
        """Whether it was lost since the server did not answer the request that it had offered to take."""
        self.has_ignored_ping = False
        """Whether it was lost since a ping was not answered, though other data came behind it."""
        self.lost: BaseException | None = None
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(self._read_ended)

    @property
    def protocol(self) -> Protocol:
        """What is spoken now."""
        return self._upgrade.protocol

    @property
    def has_answered(self) -> bool:
        """Whether the server has answered a ping on this connection."""
        return self._schedule.proves is True

    def introduce(self) -> None:
        """Send who we are, before anything is asked, and again now and then from here on."""
        self._schedule.is_introduced = True
        self._write_identity()
        self._ask_for_protocol()

    async def deliver(self, documents: Sequence[bytes]) -> bool:
        """Write and wait until the server has taken it.

        False: it proves nothing, and only the link is known to stand.

        Raises:
            NotConnected, AuthFailed: the connection is lost; the server may or may not have it.
        """
        if self.lost is not None:
            raise NotConnected(str(self.lost) or "connection lost")
        self.write(documents)
        confirmed: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append(confirmed)
        # Not drained: whoever delivers waits for the pong, so no more can pile up here than are in flight.
        return await confirmed

    def write(self, documents: Sequence[bytes]) -> None:
        """Write without asking whether it arrives."""
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.extend(documents)
        if not documents:
            self._loop.call_soon(self._write)

    async def close(self) -> None:
        """End the connection; leaves no task or timer behind. Safe twice."""
        self.lose(NotConnected("closed"))
        self._reading.cancel()
        await asyncio.wait({self._reading})
        await self._stream.close()

    # Writing.

    def _write(self) -> None:
        """Write what came in this turn of the loop at once, with a ping behind it where one is due."""
        if self.lost is None and self.protocol is not Protocol.ASKED:
            if self._waiting and self._schedule.may_ping(self._loop.time()):
                self._ping()
            self._flush()
        self._plan()

    def _flush(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            self._times.written_at = self._loop.time()
            if self.protocol is Protocol.PROTOBUF:
                unwritten = [framed(to_protobuf(document)) for document in unwritten]
            else:
                # FreeTAKServer over TLS deletes what lies between two declarations of one read.
                unwritten = [document.removeprefix(DECLARATION) for document in unwritten]
            self._stream.write(b"".join(unwritten))

    def _ping(self) -> None:
        waiting, self._waiting = self._waiting, []
        written = self._schedule.pinged(self._ends.clock(), self._loop.time(), waiting)
        self._unwritten.append(ping(written.uid, written.time))

    def _write_identity(self) -> None:
        self._times.identified_at = self._loop.time()
        self._unwritten.append(self._ends.identity())
        self._write()

    # What is due.

    def _plan(self) -> None:
        """Set the one timer to when something is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.lost is None:
            due = self._schedule.next_due(
                self._loop.time(), holds=bool(self._unwritten or self._waiting), is_awaited=bool(self._waiting)
            )
            self._timer = self._loop.call_at(due, self._act)

    def _act(self) -> None:
        """Do what is due now."""
        now = self._loop.time()
        if self.protocol is Protocol.ASKED:
            self._give_up_protocol()
            return
        if self._schedule.is_reading_on_time(now):
            if now >= self._times.alive_until:
                self.lose(NotConnected(f"nothing came from the server for {self._timing.lost_after:g} s"))
                return
            self._judge_overdue(now)
        if self.lost is not None:
            return
        if self._schedule.must_repeat(now):
            self._schedule.pace.unanswered()
            self._ping()
        elif now >= self._times.silent_at:
            self._ping()
        if self._schedule.is_identity_due(now):
            self._write_identity()
        self._write()

    def _judge_overdue(self, now: float) -> None:
        """Decide about the events whose ping is not answered in time."""
        awaited = self._schedule.overdue(now)
        if awaited is None:
            return
        is_alive = self._times.read_at > awaited.written_at
        if self._schedule.proves or self._must_answer:
            self.has_ignored_ping = is_alive
            self.lose(NotConnected("a ping was not answered"))
        elif is_alive:
            self._tell_proof(proves=False)
            self._schedule.pace.mute()
            resolve(awaited.waiting, proven=False)

    def _tell_proof(self, *, proves: bool) -> None:
        if self._schedule.proves is not proves:
            self._schedule.proves = proves
            self._ends.on_proof(proves)

    # Frames.

    async def _read(self) -> None:
        while True:
            data = await self._stream.read()
            self._times.read_at = self._loop.time()
            try:
                for frame in self._framer.feed(data):
                    if not self._is_own_business(frame):
                        await self._hand_over(frame)
            except OutOfStep as error:
                raise NotConnected("the server's stream cannot be cut into messages any more") from error
            if self._schedule.is_reading_on_time(self._times.read_at):
                self._judge_overdue(self._times.read_at)

    def _is_own_business(self, frame: Frame) -> bool:
        """Act on answers to pings and on what is said about the protocol."""
        # Most frames are others' positions: first the cheap question, then the exact one.
        if frame.code is not None or not any(kind in frame.message for kind in _CONTROL):
            return False
        document = frame.xml()
        event = document if isinstance(document, Refusal) else parse_event(document)
        if isinstance(event, Refusal):
            return False
        self._schedule.drop_lost_pings()
        answered = self._schedule.pings.answered(event)
        if answered is not None:
            self._pong(answered)
            return True
        return self._is_about_protocol(event) or event.type.startswith("t-x-c-t")

    def _pong(self, answered: list[Ping]) -> None:
        self._schedule.answered(answered, self._loop.time())
        self._tell_proof(proves=True)
        for each in answered:
            resolve(each.waiting, proven=True)
        self._write()

    # The protocol.

    def _is_about_protocol(self, event: CotEvent) -> bool:
        if not self._upgrade.heard(event):
            return False
        self._framer.takes_protobuf = self.protocol is not Protocol.XML
        self._framer.is_switched = self.protocol is Protocol.PROTOBUF
        self._ask_for_protocol()
        self._write()
        return True

    def _ask_for_protocol(self) -> None:
        if not self._schedule.is_introduced:
            return
        self._flush()
        request = self._upgrade.request(self._ends.clock(), self._loop.time())
        if request is not None:
            self._framer.takes_protobuf = True
            self._stream.write(request)
            self._plan()

    def _give_up_protocol(self) -> None:
        if self._upgrade.asked_at + self._timing.longest_hold <= self._loop.time():
            self.silent_about_protocol = True
            self.lose(NotConnected("the server did not answer the request for the protocol that it offered"))
        else:
            self._plan()

    # The end.

    async def _hand_over(self, frame: Frame) -> None:
        began = self._loop.time()
        self._schedule.is_handing_over = True
        await self._ends.take(frame)
        self._schedule.is_handing_over = False
        if self._loop.time() - began > _BLOCKED_SECONDS:
            self._times.resumed_at = self._loop.time()

    def _read_ended(self, reading: asyncio.Task[None]) -> None:
        """Pass on why reading ended, a bug too: nobody may wait for an answer that nobody reads."""
        error = None if reading.cancelled() else reading.exception()
        self.lose(error or NotConnected("closed"))

    def lose(self, error: BaseException) -> None:
        """End the connection for this reason; nothing happens when it is lost already."""
        if self.lost is not None:
            return
        self.lost = error
        if self._timer is not None:
            self._timer.cancel()
        for waiting in (self._waiting, *(each.waiting for each in self._schedule.pings.take_all())):
            fail(waiting, error)
        self._stream.abort()
        self._ends.on_lost()
