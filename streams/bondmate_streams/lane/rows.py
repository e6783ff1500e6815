"""Batches of positions worked fix by fix: the reference, and what the lane does without the extra `columns`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

import structlog
from bondmate_kafka.client import Message
from bondmate_kafka.records import Outgoing, dead_letter, utc_now
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.errors import BadEventError
from bondmate_streams.lane.batch import BatchResult, DestinationRecords, Disclosed, Last, Names
from bondmate_streams.lane.homes import Homes
from bondmate_streams.lane.row_guard import arrived
from bondmate_streams.lane.row_guard import judged as guarded
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.locations import Judged, Newest, Track, joined, restored, tell
from bondmate_streams.logic.policy import WITHHELD
from bondmate_streams.logic.routing import Decision, Routes, decisions, explain, told_apart, why_nowhere, withheld_from

_log = structlog.get_logger(__name__)
STAGE: Final = "locations"
SUPERSEDED: Final = "superseded"
MOVED: Final = "moved"
"""The outcome of a fix that was written again in the partition of its device."""
_ROUTES_KEPT: Final = 10_000
HOP: Final = "\x1f"
"""Between the hops of `Facts`."""

Register = Mapping[str, Officer] | None
"""Who carries the enrolled devices, by device; None where there is no register here."""


class District(Protocol):
    """Finds the district of a position; `Districts` implements it."""

    names: tuple[str, ...]

    def of(self, latitude: float, longitude: float) -> str | None:
        """Return the district of a position, degrees."""
        ...

    def of_all(self, latitudes: Any, longitudes: Any) -> Any:
        """Return the districts of many positions as indexes into `names`, in numpy arrays; -1 where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What positions are worked by."""

    routes: Routes
    agreements: Agreements
    districts: District | None = None
    register: Callable[[], Register] = lambda: None
    """Returns the register as it is now."""
    homes: Homes = field(default_factory=Homes, repr=False, compare=False)
    """The home partition of each device; whoever reads the topic sets among how many partitions."""


Facts = tuple[str | None, ...]
"""What routes look at in a fix: mode, agency, source, hops as one text, unit and district if a rule asks for them."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The destinations of fixes with the same facts, and those whose agreements withhold them."""

    decisions: list[Decision]
    withheld: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """Name what becomes of a fix that goes nowhere."""
        return WITHHELD if self.withheld else "unrouted"


class RoutingCache:
    """Routes fixes, and keeps each answer: routes look at few facts of a fix, so that most need not be tried again."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self.apart = {"unit": told_apart(routes, "unit"), "district": told_apart(routes, "district")}
        """The values that rules ask for; others are alike to them."""
        self._known: dict[Facts, Routing] = {}

    def of(self, fix: DeviceLocation) -> Routing:
        """Return the routing of a fix, its district included."""
        header = fix.header
        asked = ((getattr(fix, name), values) for name, values in self.apart.items())
        apart = (value if value in values else None for value, values in asked)
        facts = (header.mode.value, header.agency_id, header.source, HOP.join(header.hops), *apart)
        return self.of_facts(facts, lambda: fix)

    def of_facts(self, facts: Facts, fix: Callable[[], DeviceLocation]) -> Routing:
        """Return the routing of fixes with these facts; `fix` returns one of them, to be tried."""
        if facts not in self._known:
            if len(self._known) > _ROUTES_KEPT:
                self._known.clear()
            verdicts = explain(fix(), self._routes)
            self._known[facts] = Routing(decisions(verdicts), withheld_from(verdicts))
            if not self._known[facts].decisions:
                _log.warning("positions go nowhere", why=why_nowhere(verdicts))
        return self._known[facts]


class Rows:
    """Works batches fix by fix."""

    most: Final = 2_000

    def __init__(self, rules: Rules, codec: Codec, now: Callable[[], datetime] = utc_now) -> None:
        """Work by `rules`; the ids of `codec` are known already."""
        self._rules = rules
        self._codec = codec
        self._now = now
        self._routing = RoutingCache(rules.routes)
        self._tracks: dict[str, tuple[Track, int]] = {}
        self._found: dict[str, tuple[Track, int]] = {}
        """Of devices of the batch in work, not remembered yet."""

    def restore(self, partition: int, lasts: Iterable[Last]) -> None:
        """Remember the devices of a partition."""
        for last in lasts:
            if self._rules.homes.is_home(last.device_id, partition):
                self._tracks[last.device_id] = track_of(last, self._codec), partition

    def tracks(self) -> Iterator[tuple[str, Track, int]]:
        """Yield device, track and partition of each device that is remembered."""
        for device, (track, partition) in self._tracks.items():
            yield device, track, partition

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        self._tracks = {device: known for device, known in self._tracks.items() if known[1] != partition}

    def _remember(self) -> None:
        for device, (track, partition) in self._found.items():
            self.keep(device, track, partition)
        self._found = {}

    def known(self, partition: int, device_id: str) -> Track:  # noqa: ARG002  # whose devices have slots needs it
        """Return a copy of what is remembered of a device, to be changed and kept, or not."""
        known = self._tracks.get(device_id)
        return known[0].copy() if known else Track()

    def keep(self, device_id: str, track: Track, partition: int) -> None:
        """Remember this of a device."""
        self._tracks[device_id] = track, partition

    def work(self, messages: Sequence[Message]) -> BatchResult:
        """Work a batch."""
        batch = _RowBatch(BatchResult(remember=self._remember))
        self._judge_all(messages, batch)
        self._deliver_all(batch)
        for device, (outcome, at_ms, value) in batch.last.items():
            if outcome == "off_duty":
                batch.worked.ended_shifts.append((device.encode(), at_ms))
            else:
                batch.worked.last.append((device.encode(), value))
        return batch.worked

    def _judge_all(self, messages: Sequence[Message], batch: _RowBatch) -> None:
        # All are decoded before one is remembered: where the registry is away, nothing has been done.
        register, decoded = self._rules.register(), [self._decode(message.value()) for message in messages]
        self._found = {}
        for message, fix in zip(messages, decoded, strict=True):
            self._guarded(message, batch, partial(self._judge, fix, register, batch))

    def _decode(self, value: bytes | None) -> DeviceLocation | CodecError:
        try:
            return self._codec.decode(value, DeviceLocation)
        except CodecError as error:
            return error

    def _guarded(self, message: Message, batch: _RowBatch, body: Callable[[Message], str]) -> None:
        outcome, letter = guarded(STAGE, message, body)
        if letter is not None:
            batch.worked.dead_letters.append(letter)
        if outcome:
            batch.worked.outcomes[outcome] += 1

    def _judge(self, fix: DeviceLocation | CodecError, register: Register, batch: _RowBatch, message: Message) -> str:
        """Return the outcome, None for a fix that goes on."""
        if isinstance(fix, CodecError):
            raise fix
        if not self._rules.homes.is_home(fix.device_id, message.partition() or 0):
            batch.worked.moved.append(self._rules.homes.moved(message, fix.device_id))
            return MOVED
        judged = self._judged(message, fix, register)
        if judged.outcome == "no_fix":
            raise BadEventError("no_fix")
        if judged.outcome in {"accepted", "off_duty"}:
            batch.last[fix.device_id] = judged.outcome, judged.at[0], message.value() or b""
        if not judged.goes_on:
            return judged.outcome
        routing = self._routing.of(judged.fix)
        batch.worked.withheld.update(routing.withheld)
        if not routing.decisions:
            batch.worked.unrouted += not routing.withheld
            return routing.outcome
        batch.newest.see(judged, routing.decisions)
        batch.going.append((message, judged, routing.decisions))
        return ""

    def _judged(self, message: Message, fix: DeviceLocation, register: Register) -> Judged:
        fix = joined(fix, register)
        if self._rules.districts is not None:
            district = self._rules.districts.of(fix.position.latitude, fix.position.longitude)
            fix = fix.model_copy(update={"district": district})
        if fix.device_id not in self._found:
            partition = message.partition() or 0
            self._found[fix.device_id] = self.known(partition, fix.device_id), partition
        return self._found[fix.device_id][0].judge(fix)

    def _deliver_all(self, batch: _RowBatch) -> None:
        now = self._now()
        for message, judged, found in batch.going:
            self._guarded(message, batch, partial(self._deliver, judged, found, batch, now))
        batch.worked.deliveries = [
            DestinationRecords(destination, records) for destination, records in batch.deliveries.items()
        ]
        batch.worked.disclosed = [
            Disclosed(*place, total.events, Names(total.people), tuple(total.fields))
            for place, total in batch.disclosed.items()
        ]

    def _deliver(self, judged: Judged, found: list[Decision], batch: _RowBatch, now: datetime, _: Message) -> str:
        wanted = [decision for decision in found if batch.newest.passes(judged, decision)]
        batch.worked.passed_over.update(decision.destination for decision in found if decision not in wanted)
        handling, agreements = judged.fix.header.handling, self._rules.agreements
        for notification in tell(judged.fix, wanted):
            delivery = agreements.delivery(notification, now)
            assert delivery is not None  # no decision leads where all is withheld
            batch.deliveries[notification.destination].append((delivery.key.encode(), self._codec.encode(delivery)))
            place = (notification.destination, handling.purpose, handling.legal_basis)
            batch.disclosed.setdefault(place, _DisclosureSum()).add(judged.fix, agreements.disclosed(notification))
        return judged.outcome if wanted else SUPERSEDED


@dataclass(slots=True)
class _RowBatch:
    """A batch while it is worked."""

    worked: BatchResult = field(default_factory=BatchResult)
    newest: Newest = field(default_factory=Newest)
    going: list[tuple[Message, Judged, list[Decision]]] = field(default_factory=list)
    last: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    """Of each device its newest fix: outcome, time, and the record as it came."""
    deliveries: defaultdict[str, list[tuple[bytes, bytes]]] = field(default_factory=lambda: defaultdict(list))
    disclosed: dict[tuple[str, str, str], _DisclosureSum] = field(default_factory=dict)


class _DisclosureSum:
    """What one destination got for one purpose."""

    def __init__(self) -> None:
        self.events = 0
        self.people: dict[str, None] = {}
        self.fields: dict[str, None] = {}

    def add(self, fix: DeviceLocation, fields: Iterable[str]) -> None:
        self.events += 1
        self.people.update(dict.fromkeys(filter(None, (fix.device_id, fix.officer_ref))))
        self.fields.update(dict.fromkeys(fields))


def track_of(last: Last, codec: Codec) -> Track:
    """Restore the track of a device from its last fix as it was written down; an empty one where it cannot be read."""
    if last.value is None:
        track = Track()
        track.end_shift((last.at_ms, 0))
        return track
    try:
        return restored(codec.decode(last.value, DeviceLocation))
    except CodecError:
        return Track()


def dead_letter_of(message: Message, code: str) -> Outgoing:
    """Create the dead letter of a record as it arrived."""
    return dead_letter(STAGE, arrived(message), stage=STAGE, code=code, now=utc_now())
