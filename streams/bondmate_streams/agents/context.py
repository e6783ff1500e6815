"""What every agent works with: reading the records that arrive, and making those that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import structlog
from bondmate_kafka.records import SEALED_TRACE, Arrived, Envelopes, Headers, Outgoing, utc_now
from bondmate_monitoring.metrics import CONNECTOR_PASSED_OVER, FOREIGN_IDS, ROUTED, UNTAKEN
from bondmate_monitoring.metrics import PAGES as PAGES_RAISED
from bondmate_monitoring.tracing import parent_in
from bondmate_schemas.catalogue import PAGES, destination_topic, key_of
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.error_codes import NOT_ITS_OWN
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DestinationState,
    DeviceMessage,
    IncidentEvent,
    OperationsPage,
    Record,
)
from bondmate_schemas.outside_ids import ForeignIdError, OutsideIds

from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.errors import BadEventError
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.faust_adapter.key_locks import KeyLocks
from bondmate_streams.faust_adapter.record_writer import RecordWriter, gather_both
from bondmate_streams.logic.audit import AuditEntry, disclosure
from bondmate_streams.logic.belonging import Home, Stay, moved, pause_seconds, times_moved
from bondmate_streams.logic.deliveries import Agreements, Notification
from bondmate_streams.logic.outside import returned
from bondmate_streams.logic.policy import WITHHELD
from bondmate_streams.logic.real import is_for_owner_alone, logged
from bondmate_streams.misplaced import Misplaced

_log = structlog.get_logger(__name__)
_SCHEMA: Final = "schema"
_SCHEMA_ID: Final = slice(1, 5)
R = TypeVar("R", bound=Record)
P = TypeVar("P", DeliveryReceipt, IncidentEvent, DeviceMessage)
_UNKNOWN: Final = "unknown_destination"
"""A version of the routes may drop a room while an alert is being told to it: the others hear of it all the same."""
Outbound = tuple[list[Outgoing], list[AuditEntry]]
"""Records to be sent, and the entries of the audit trail that say what they disclose."""
_NOBODY: Final[Mapping[str, DestinationState]] = {}


def decoded(codec: Codec, value: bytes | None, kind: type[R]) -> R | None:
    """Return a record that many write and one reads; None for that of another version of the hub."""
    try:
        return codec.decode(value, kind)
    except (CodecError, SchemaUnavailableError):
        return None


@dataclass(eq=False)
class AgentContext:
    """What the agents of one worker share: the routes, how records come in, and how they go out."""

    routing: RoutingService
    secret: bytes = field(repr=False)
    """Key of the pseudonyms."""
    codec: Codec
    writer: RecordWriter
    audit: AuditWriter
    locks: KeyLocks = field(default_factory=KeyLocks)
    """Of the keys of each table, for the agents that write it."""
    partitions: int = 1
    """How many the agents' topics have."""
    outside: InitVar[OutsideIds | None] = None
    """Keys of the ids that leave; None: one that follows from `secret`."""
    untaken: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Delivery kinds that the connector of a destination does not take."""

    def __post_init__(self, outside: OutsideIds | None) -> None:
        self.agreements = Agreements(self.routing.routes, self.secret, outside)
        self.envelopes = Envelopes(self.codec)
        self._misplaced = Misplaced()
        self._looked_up = KeyLocks()

    def send(self, topic: str, key: str, record: Record, cause: Headers = ()) -> Awaitable[None]:
        """Begin to write one record; what is returned ends as `RecordWriter.send` says."""
        return self.writer.send(self.envelopes.pack(topic, key, record, cause))

    def tell(self, outgoing: Iterable[Outgoing], entries: Iterable[AuditEntry]) -> Awaitable[None]:
        """Send records and log what they disclose; to be awaited."""
        return gather_both(self.writer.send(*outgoing), self.audit.write(*entries))

    async def read(self, arrived: Arrived, kind: type[R]) -> R:
        """Decode what arrived.

        Raises:
            CodecError: it is not what the topic promises.
            SchemaUnavailableError: the registry does not answer; not now.
        """
        schema = (arrived.value or b"")[_SCHEMA_ID]
        if self.codec.knows(arrived.value) and not self._looked_up.is_held(_SCHEMA, schema):
            return self.codec.decode(arrived.value, kind)
        # The first of a schema asks the registry, which blocks; none that came after it is read before it.
        async with self._looked_up.holding(_SCHEMA, schema):
            if self.codec.knows(arrived.value):
                return self.codec.decode(arrived.value, kind)
            return await asyncio.to_thread(self.codec.decode, arrived.value, kind)

    def returned(self, said: P) -> P:
        """Return what somebody outside said, with the ids inside: the one place where they are read back.

        Raises:
            BadEventError: it speaks of what was given to another destination, or of what nobody was given.
        """
        try:
            return returned(said, self.agreements.outside)
        except ForeignIdError:
            FOREIGN_IDS.labels(type(said).__name__).inc()
            raise BadEventError(NOT_ITS_OWN) from None

    def in_turn(
        self, arrived: Arrived, record: Record, work: Callable[[], Awaitable[str]], *, said: Record | None = None
    ) -> InTurn:
        """Return what is to be done with a record that was read: `work`, or to write it again where it belongs.

        The tables go by partition: in another's partition, an event would meet an empty memory. `record` has the ids of
        the inside: by those it belongs, whatever ids its writer knows it by. `said` is the record as it was written.
        """
        home = Home.of(key_of(arrived.topic, record), self.partitions)
        # Who knows the ids outside only writes it where those belong, as he should.
        told = None if said is None else Home.of(key_of(arrived.topic, said), self.partitions)
        stays = self._misplaced.may_stay(arrived, home, as_told=told == Home(arrived.key or b"", arrived.partition))
        return InTurn(home.key, work if stays else partial(self._move, arrived, home))

    async def _move(self, arrived: Arrived, home: Home) -> str:
        await asyncio.sleep(pause_seconds(times_moved(arrived.headers)))
        await self.writer.send(moved(arrived, home))
        return Stay.MOVED

    def deliveries(
        self,
        notifications: Iterable[Notification],
        known: Mapping[str, DestinationState] = _NOBODY,
        cause: Headers = (),
    ) -> list[Outgoing]:
        """Make the Deliveries of `notifications`, each as its destination may see it, under the ids that it knows.

        The trace that `cause` names goes with them sealed: in the clear it is the same at every destination.
        """
        trace = parent_in(cause)
        now = utc_now()
        found = []
        for notification in notifications:
            if notification.destination not in self.routing.routes.destinations:
                CONNECTOR_PASSED_OVER.labels(notification.destination, _UNKNOWN).inc()
                continue
            at = known.get(notification.destination)
            delivery = self.agreements.delivery(notification, now, at.id_key if at else None)
            if delivery is None:
                CONNECTOR_PASSED_OVER.labels(notification.destination, WITHHELD).inc()
            else:
                found.append(self.packed(delivery, str(trace) if trace else ""))
        return found

    def packed(self, delivery: Delivery, trace: str = "") -> Outgoing:
        """Return a Delivery as it is to be sent, counted."""
        name = delivery.destination
        ROUTED.labels(name, delivery.kind.value, delivery.reason.value).inc()
        if delivery.kind in self.untaken.get(name, ()):
            UNTAKEN.labels(name, delivery.kind.value).inc()
        packed = self.envelopes.pack(destination_topic(name), delivery.key, delivery)
        if not trace:
            return packed
        sealed = self.agreements.outside.of_destination(name)(trace).encode()
        return replace(packed, headers=(*packed.headers, (SEALED_TRACE, sealed)))

    def page(self, page: OperationsPage, cause: Headers = ()) -> Outgoing:
        """Page operations: in the log, in the metrics, and by the record given back, to be sent."""
        _log.error("operations are paged", reason=page.reason, subject=page.subject, mode=page.mode.value)
        PAGES_RAISED.labels(page.reason, page.mode.value).inc()
        return self.envelopes.pack(PAGES, page.subject, page, cause)

    def entries(self, notifications: Sequence[Notification]) -> list[AuditEntry]:
        """Log what `notifications` disclose, and that an exercise device raised a real emergency."""
        found = [
            disclosure(
                notification.event, notification.destination, self.agreements.disclosed(notification), self.secret
            )
            for notification in notifications
            if notification.destination in self.routing.routes.destinations
        ]
        if (
            notifications
            and is_for_owner_alone(event := notifications[0].event)
            and notifications[0].reason is DeliveryReason.NEW
        ):
            found.append(logged(event, self.secret))
        return found
