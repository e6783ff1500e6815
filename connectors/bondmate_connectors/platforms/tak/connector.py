"""The TAK platform: sink and source on one connection."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib import metadata
from typing import Final

from bondmate_schemas.enums import DeliveryKind, Level
from bondmate_schemas.labels import Labels
from bondmate_schemas.models import Delivery, DeliveryReceipt, DeviceMessage, Record
from bondmate_schemas.refusals import refusal_delivery

from bondmate_connectors.contract import Context, Incoming, Receipt, Status, Unreadable
from bondmate_connectors.errors import ConnectorError, NotConnected, Rejected, Transient
from bondmate_connectors.formats.cot.alerts_out import is_cancel
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.cot.probe import identity
from bondmate_connectors.formats.cot.stream import Frame
from bondmate_connectors.platforms.tak.answers import Terms, understand
from bondmate_connectors.platforms.tak.arrivals import Arrivals
from bondmate_connectors.platforms.tak.config import TakConfig
from bondmate_connectors.platforms.tak.negotiation import Protocol
from bondmate_connectors.platforms.tak.open_alerts import TakOpenAlerts
from bondmate_connectors.platforms.tak.pings import Answering
from bondmate_connectors.platforms.tak.replies import Replies, refused
from bondmate_connectors.platforms.tak.session import NO_PROOF, Session
from bondmate_connectors.platforms.tak.timing import Ends
from bondmate_connectors.platforms.tak.witness import SECOND_LOST, EchoWaiter, Unheard, Witness
from bondmate_connectors.platforms.tak.wording import LineMeaning, Words
from bondmate_connectors.platforms.tak.writing import TakWriter, uid_of
from bondmate_connectors.transports.tcp import TcpStream

_ALONE_SECONDS: Final = 0.5
"""How long nothing follows the announcement: FreeTAKServer throws away what it reads together with the first event."""
_MARGIN_SECONDS: Final = 0.1
_IDENTITY_STALE: Final = 3
"""How many announcements may be missed before clients take the contact away."""


class Tak:
    """Sends alerts, positions, texts and incidents as CoT; hears operators' chat answers.

    `send` gives DELIVERED when the server answered a ping written after the event, or the `witness` heard it. A server
    that answers none proves nothing: then it gives UNKNOWN, which raises nothing, and the status says so. An alert goes
    out as an emergency and, when new or changed, also as a GeoChat line with a reference; what a person writes back
    with it comes out of `receive`. Kept is which alerts are open (`TakOpenAlerts`), in memory.

    An answer the hub could not keep is given again; TAK itself repeats nothing.
    """

    def __init__(self, config: TakConfig, context: Context) -> None:
        self._config = config
        self._clock, self._log, self._report = context.clock, context.log, context.report
        self._contact = config.contact(context.name)
        responses = {LineMeaning(name): words for name, words in config.response_words.items()}
        words = Words(
            config.acknowledge_words, config.decline_words, responses, config.together_words, config.link_words,
            config.unlink_words, config.aloud_words,
        )  # fmt: skip
        self._terms = Terms(
            context.name, config.mode, config.agency_id, words, frozenset(config.emit), config.rooms, self._contact,
            frozenset(config.duress_contacts), Labels(config.language),
        )  # fmt: skip
        options = Options(
            config.lifetimes, self._contact, marks=config.qos_and_opex, answer_word=config.acknowledge_words[0],
            assigned_word=next(iter(responses.get(LineMeaning.ASSIGNED, ())), ""),
            decline_word=next(iter(config.decline_words), ""),
            labels=self._terms.labels,
        )  # fmt: skip
        self._alerts = TakOpenAlerts(time.monotonic, time.monotonic() + config.stale_seconds)
        self._session: Session | None = None
        self._witness: Witness | None = None
        self._echoes = EchoWaiter(), EchoWaiter()
        self._unheard = Unheard()
        self._answering = Answering()
        self._proves: bool | None = None
        self._wants_protobuf = config.protobuf
        self._connecting = asyncio.Lock()
        self._arrivals = Arrivals()
        self._writing = TakWriter(options, self._alerts, config.max_event_bytes, self._clock, config.duress_receivers())
        self._replies = Replies(self._terms, replace(options, max_bytes=config.max_event_bytes))

    async def connect(self) -> None:
        """Open the connection, say who we are, and see whether the server answers; does nothing while one stands."""
        async with self._connecting:
            if self._session is not None and self._session.lost is None:
                return
            await self._end_session()
            self._session = session = await self._open(self._contact, self._take, self._lost)
            try:
                # From here on `receive` works too: answers may come before the answer to the ping.
                await self._begin(session)
            except BaseException:
                await self._end_session()
                raise

    async def _begin(self, session: Session) -> None:
        second = await self._open_second(session) if self._config.witness else None
        await self._introduce(*filter(None, (session, second)))
        with contextlib.suppress(TimeoutError):
            # The session itself decides about a server that has answered before; it must be the first to.
            async with asyncio.timeout(self._config.pong_timeout_seconds + _MARGIN_SECONDS):
                await session.deliver(())
        if session.lost is not None:
            raise session.lost
        # A server may have taken the first announcement for itself: FreeTAKServer shows it to nobody.
        session.introduce()
        if self._witness is not None:
            await self._witness.start(self._config.timing)
        if not session.has_answered:
            # It takes what is written, as far as anybody can know: alerts go out, and nothing is claimed.
            self._tell_proof(proves=False)

    async def _introduce(self, *sessions: Session) -> None:
        await asyncio.sleep(self._config.identity_delay_seconds)
        for session in sessions:
            session.introduce()
        await asyncio.sleep(min(self._config.identity_delay_seconds, _ALONE_SECONDS))

    async def _open_second(self, session: Session) -> Session:
        self._echoes = echoes, second_echoes = EchoWaiter(), EchoWaiter()
        contact = Contact(f"{self._contact.uid}-witness", f"{self._contact.callsign}-witness")
        second = await self._open(contact, second_echoes.take, partial(session.lose, NotConnected(SECOND_LOST)))
        self._witness = Witness(session, second, (echoes, second_echoes), self._clock)
        return second

    async def check(self) -> None:
        """Connect, say who this is, ping, on a connection of its own; nothing is created.

        Some servers say nothing to who has not said who it is, and one takes whatever comes first for it. The check is
        a contact of its own, which is shown to nobody.
        """
        checker = Contact(f"{self._contact.uid}-check", f"{self._contact.callsign}-check")
        try:
            session = await self._open(checker, _pass_over, lambda: None)
            try:
                await self._introduce(session)
                async with asyncio.timeout(self._config.pong_timeout_seconds):
                    await session.deliver(())
            finally:
                await session.close()
        except TimeoutError as error:
            raise Transient("the server takes the connection and says nothing") from error
        except NotConnected as error:
            raise Transient("the server is not reachable or does not answer") from error

    async def close(self) -> None:
        """End the connection. Answers not yet taken stay until `receive` asks for them again."""
        await self._end_session()

    async def send(self, event: Delivery) -> Receipt:
        """Write the event and wait until the server has taken it."""
        if self._writing.is_for_nobody(event):
            return Receipt(Level.UNKNOWN)
        is_bare = event.alert is not None and self._unheard.is_often(event.id)
        return await self._send(event, self._writing.leanest if is_bare else self._writing.documents)

    async def send_lean(self, event: Delivery) -> Receipt:
        """Write an alert in its leanest form, without its chat line, and wait until the server has taken it."""
        return await self._send(event, self._writing.leanest)

    async def _send(self, event: Delivery, documents: Callable[[Delivery, Protocol], tuple[bytes, ...]]) -> Receipt:
        session = self._session
        if session is None:
            raise NotConnected("not connected")
        if ended := self._writing.for_everybody(event):
            proven = await self._deliver(event, ended, session)
            self._alerts.taken_off(event.header.event_id)
            if self._writing.is_told_by(event, ended):
                return Receipt(Level.DELIVERED if proven else Level.UNKNOWN, uid_of(event))
        proven = await self._deliver(event, documents(event, session.protocol), session)
        if event.alert is not None and proven and not is_cancel(event):
            self._alerts.delivered(event.alert.header.event_id)
        return Receipt(Level.DELIVERED if proven else Level.UNKNOWN, uid_of(event))

    async def _deliver(self, event: Delivery, documents: tuple[bytes, ...], session: Session) -> bool:
        # What is lost of positions the next one makes good, and there may be hundreds a second.
        if self._witness is None or event.kind is DeliveryKind.LOCATION:
            return await session.deliver(documents)
        try:
            await self._witness.deliver(documents)
        except Transient:
            if session.lost is None:
                self._unheard.note(event.id)
            raise
        self._unheard.forget(event.id)
        return True

    async def receive(self) -> Incoming:
        """Wait for an answer, or for what else the settings ask for."""
        while (record := self._arrivals.take()) is None:
            if self._session is None:
                raise NotConnected("not connected")
            if self._session.lost is not None:
                raise self._session.lost
            await self._arrivals.changed()
        # No await from here on: whoever is cancelled has lost nothing.
        return Incoming(record, partial(self._settle, record), proof=self._config.proof)

    async def _settle(self, record: Record | Unreadable, error: ConnectorError | None) -> None:
        if isinstance(error, Rejected):
            await self._tell_refused(record, error.code)
        elif error is not None:
            self._arrivals.put_back(record)

    async def _tell_refused(self, record: Record | Unreadable, code: str) -> None:
        """Write to who answered, and to nobody else, that the answer does not count."""
        if self._session is None:
            return
        if isinstance(record, DeliveryReceipt):
            # Who cannot be told since nobody is known to have written it is not told.
            with contextlib.suppress(Rejected):
                refusal = refusal_delivery(record, code, self._clock())
                self._session.write(self._writing.documents(refusal, self._session.protocol))
        elif isinstance(record, DeviceMessage) and (reply := refused(record, code, self._terms.labels)) is not None:
            self._session.write(self._replies.written(reply, self._clock(), time.monotonic()))

    # The connection.

    async def _open(
        self, contact: Contact, take: Callable[[Frame], Awaitable[None]], on_lost: Callable[[], None]
    ) -> Session:
        stream = await TcpStream.connect(self._config.address(), self._config.connect_timeout_seconds)
        ends = Ends(
            clock=self._clock, take=take, identity=self._identity(contact), on_lost=on_lost,
            on_proof=partial(self._proof_of, contact),
        )  # fmt: skip
        return Session(
            stream, ends, self._config.timing, must_answer=self._answering.is_known, wants_protobuf=self._wants_protobuf
        )

    def _identity(self, contact: Contact) -> Callable[[], bytes]:
        stale = _IDENTITY_STALE * self._config.identity_seconds

        def announce() -> bytes:
            return identity(
                contact, team=self._config.team, role=self._config.team_role, version=_version(), now=self._clock(),
                stale_seconds=stale, is_shown=contact is self._contact,
            )  # fmt: skip

        return announce

    def _proof_of(self, contact: Contact, proves: bool) -> None:  # noqa: FBT001  # the session's word
        if contact is self._contact:
            self._tell_proof(proves=proves)

    def _lost(self) -> None:
        for echoes in self._echoes:
            echoes.stop()
        self._arrivals.stir()

    def _tell_proof(self, *, proves: bool) -> None:
        if proves:
            self._answering.answered()
        if proves is self._proves:
            return
        self._proves = proves
        if proves:
            self._report(Status.OK, "")
        else:
            self._report(Status.RECOVERABLE_ERROR, NO_PROOF)

    async def _end_session(self) -> None:
        session, self._session = self._session, None
        witness, self._witness = self._witness, None
        if session is not None:
            if session.silent_about_protocol:
                self._wants_protobuf = False
            if session.has_ignored_ping:
                self._answering.ignored()
            await session.close()
        if witness is not None:
            await witness.close()
        self._arrivals.stir()

    # What comes in.

    async def _take(self, frame: Frame) -> None:
        await self._echoes[0].take(frame)
        heard = understand(frame, self._terms, self._alerts, self._clock())
        for warning in heard.warnings:
            self._log.warning("a message was taken though it is not as it should be", code=warning.code)
        if heard.reply is not None and self._session is not None:
            self._session.write(self._replies.written(heard.reply, self._clock(), time.monotonic()))
        for record in heard.records:
            await self._arrivals.put(record)


async def _pass_over(_frame: Frame) -> None:
    """Take a frame that is nothing to whom it reaches."""


def _version() -> str:
    try:
        return metadata.version("bondmate-hub")
    except metadata.PackageNotFoundError:
        return "-"
