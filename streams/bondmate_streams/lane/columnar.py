"""Batches of positions worked as columns: what `Rows` does, to the byte, at less than a tenth of its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from operator import methodcaller
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from bondmate_kafka.client import Message
from bondmate_kafka.records import utc_now
from bondmate_monitoring.logs import raised_at
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.columns import Columns
from bondmate_schemas.models import DeviceLocation

from bondmate_streams.errors import BadEventError
from bondmate_streams.lane.batch import BatchResult, Last
from bondmate_streams.lane.column_deliveries import LAST_FIELD, Deliveries
from bondmate_streams.lane.column_judge import ACCEPTED, LATE, OTHERS, Fixes, Judgement, judge, times_of
from bondmate_streams.lane.column_routes import RoutingMasks, by_facts, chosen, outcomes
from bondmate_streams.lane.column_views import parts_of, struct_of
from bondmate_streams.lane.people import ColumnPeople
from bondmate_streams.lane.rows import MOVED, Register, RoutingCache, Rows, Rules, dead_letter_of, track_of
from bondmate_streams.lane.tracks import Ints, Tracks
from bondmate_streams.logic.locations import JOINED, UNKNOWN_DEVICE, Track, millis, with_added
from bondmate_streams.logic.routing import Decision

_log = structlog.get_logger(__name__)
_FOUND: Final = ("clock_skew", "late", "implausible_jump")
"""Flags by the bits of `Judgement.found`."""
# Arrow's own allocator keeps what it has once been given, beside what the interpreter keeps.
pa.set_memory_pool(pa.system_memory_pool())
_CHUNK: Final = 10_000
_FEW: Final = 24
"""Columns cost the same few milliseconds for one fix and for a hundred."""
_UNKNOWN: Final = 8
"""The bit of a device that is not in the register."""
_TIME: Final = pa.timestamp("ms")
_OFF_DUTY: Final = 2 + OTHERS.index("off_duty")
_NO_FIX: Final = 2 + OTHERS.index("no_fix")


@dataclass
class _ColumnBatch:
    """A batch while it is worked: the columns of its fixes, the message of each, the slot of its device."""

    messages: list[Message]
    values: list[bytes | None]
    """As they came."""
    fixes: pa.RecordBatch
    slots: Ints
    judgement: Judgement
    people: ColumnPeople

    def __len__(self) -> int:
        return len(self.messages)

    def remember(self) -> None:
        """Remember what was found of its devices."""
        for keep in self.judgement.keep:
            keep()


class ColumnEngine:
    """Works batches as columns."""

    most: Final = 8_000

    def __init__(self, rules: Rules, codec: Codec, now: Callable[[], datetime] = utc_now, *, few: int = _FEW) -> None:
        """Work by `rules`; the ids of `codec` are known already. Batches of less than `few` go fix by fix."""
        self._few = few
        self._rules = rules
        self._codec = codec
        self._now = now
        self._routing = RoutingCache(rules.routes)
        self._names = pa.array(rules.districts.names if rules.districts else (), pa.string())
        """Of the districts."""
        self._locations = _columns("DeviceLocation", codec)
        self._tracks = Tracks()
        self._rows = _LentRows(rules, codec, now, self._tracks)
        written = _columns("Delivery", codec, LAST_FIELD)
        self._deliveries = {name: Deliveries(name, rules.agreements, written) for name in rules.routes.destinations}

    def restore(self, partition: int, lasts: Iterable[Last]) -> None:
        """Remember the devices of a partition."""
        left = iter(lasts)
        is_home = self._rules.homes.is_home
        while chunk := list(islice(left, _CHUNK)):
            # Of several of a device the last one counts.
            newest = list({last.device_id: last for last in chunk if is_home(last.device_id, partition)}.values())
            left_over = self._restore(partition, [last for last in newest if last.value is not None])
            left_over += [last for last in newest if last.value is None]
            self.adopt((last.device_id, track_of(last, self._codec), partition) for last in left_over)

    def _restore(self, partition: int, lasts: list[Last]) -> list[Last]:
        """Restore what columns can be made of; return the others."""
        read = self._locations.read([last.value for last in lasts])
        devices = pa.array([lasts[row].device_id for row in read.rows], pa.string())
        slots = self._tracks.slots(devices, lambda _: partition)
        fixes = _fixes(read.columns, slots)
        sure, at_ms = times_of(fixes)
        self._tracks.restore(slots, {
            "at_ms": at_ms, "at_number": fixes.numbers, "sure": sure, "latitude": fixes.latitude,
            "longitude": fixes.longitude, "accuracy_m": fixes.accuracy_m,
        })  # fmt: skip
        self._tracks.see(slots, np.zeros_like(slots), fixes.fixed_ms, fixes.numbers)
        return [lasts[row] for row in read.left]

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        self._tracks.forget(partition)

    def work(self, messages: Sequence[Message]) -> BatchResult:
        """Work a batch; one that columns cannot be made of, fix by fix."""
        if len(messages) < self._few:
            return self._rows.work(messages)
        try:
            return self._worked(messages)
        except SchemaUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # nothing is remembered yet; a mistake here must not cost a fix
            _log.error("batch not worked as columns", error=type(error).__name__, at=raised_at(error))
            return self._rows.work(messages)

    def adopt(self, tracks: Iterable[tuple[str, Track, int]]) -> None:
        """Take over what rows remember: device, track and partition of each."""
        left = iter(tracks)
        while chunk := list(islice(left, _CHUNK)):
            devices, found, partitions = zip(*chunk, strict=True)
            self._tracks.put_all(self._tracks.slots(pa.array(devices, pa.string()), partitions.__getitem__), found)

    def _worked(self, messages: Sequence[Message]) -> BatchResult:
        worked = BatchResult()
        batch = self._judged(messages, worked)
        if not len(batch):
            return worked
        outcome = batch.judgement.outcome
        for number, name in enumerate(OTHERS, 2):
            count = int(np.count_nonzero(outcome == number))
            if number == _NO_FIX and count:
                places = np.flatnonzero(outcome == number).tolist()
                worked.dead_letters += [dead_letter_of(batch.messages[place], name) for place in places]
            if count:
                worked.outcomes["dead_lettered" if number == _NO_FIX else name] += count
        self._tell(batch, worked)
        self._write_down(batch, worked)
        worked.remember = batch.remember
        return worked

    # Reading.

    def _judged(self, messages: Sequence[Message], worked: BatchResult) -> _ColumnBatch:
        kept, values, fixes = self._read(messages, worked)
        lying = np.fromiter(map(methodcaller("partition"), kept), np.int32, len(kept))
        slots = self._tracks.slots(fixes.column("device_id"), lying.__getitem__, self._rules.homes.is_home)
        if len(astray := np.flatnonzero((slots < 0) | (self._tracks.rows["partition"][slots] != lying))):
            stay = self._moved_home(astray, kept, fixes, slots, worked)
            kept, values = [kept[row] for row in stay.tolist()], [values[row] for row in stay.tolist()]
            fixes, slots = fixes.take(pa.array(stay)), slots[stay]
        fixes, unknown = self._enriched(fixes, self._rules.register())
        judgement = judge(_fixes(fixes, slots), self._tracks, partial(_records, fixes))
        fixes = _flagged(fixes, judgement.found | unknown)
        return _ColumnBatch(kept, values, fixes, slots, judgement, ColumnPeople(fixes, slots, self._tracks.generation))

    def _moved_home(
        self, astray: Ints, kept: list[Message], fixes: pa.RecordBatch, slots: Ints, worked: BatchResult
    ) -> Ints:
        """Write misplaced fixes again, with this batch, in the partitions of their devices; return rows that stay."""
        devices = fixes.column("device_id").take(pa.array(astray)).to_pylist()
        goes = np.zeros(len(kept), np.bool_)
        for row, device in zip(astray.tolist(), devices, strict=True):
            message = kept[row]
            if self._rules.homes.is_home(device, message.partition() or 0):
                # It was remembered elsewhere, when there were more or fewer partitions.
                self._tracks.rows["partition"][slots[row]] = message.partition()
                continue
            goes[row] = True
            try:
                worked.moved.append(self._rules.homes.moved(message, device))
                worked.outcomes[MOVED] += 1
            except BadEventError as error:
                worked.dead_letters.append(dead_letter_of(message, error.code))
                worked.outcomes["dead_lettered"] += 1
        return np.flatnonzero(~goes)

    def _read(
        self, messages: Sequence[Message], worked: BatchResult
    ) -> tuple[list[Message], list[bytes | None], pa.RecordBatch]:
        """Return the messages that hold fixes, their values and columns; make dead letters of the others."""
        values = [message.value() for message in messages]
        read = self._locations.read(values)
        if not read.left:
            return list(messages), values, read.columns
        # All are decoded before one is remembered: where the registry is away, nothing has been done.
        normal = {row: self._normal(values[row]) for row in read.left}
        again = {row: value for row, value in normal.items() if isinstance(value, bytes)}
        for row, error in normal.items():
            if isinstance(error, CodecError):
                worked.dead_letters.append(dead_letter_of(messages[row], error.code))
                worked.outcomes["dead_lettered"] += 1
        more = self._locations.read(list(again.values()), believed=True)
        if more.left:
            raise ValueError("a record of the codec's that columns cannot read")
        rows = [*read.rows, *again]
        order = np.argsort(np.array(rows, np.int64))
        columns = pa.concat_batches([read.columns, more.columns]).take(pa.array(order))
        rows.sort()
        return [messages[row] for row in rows], [values[row] for row in rows], columns

    def _normal(self, value: bytes | None) -> bytes | CodecError:
        """Write a fix that is unusual in some way as the hub would have; columns then read it."""
        try:
            return self._codec.encode(self._codec.decode(value, DeviceLocation))
        except CodecError as error:
            return error

    def _enriched(self, fixes: pa.RecordBatch, register: Register) -> tuple[pa.RecordBatch, Any]:
        """Return fixes with district and what the register knows, and the bit of those that it does not know."""
        columns = dict(zip(fixes.schema.names, fixes.columns, strict=True))
        unknown: Any = 0
        if register is not None:
            devices = fixes.column("device_id").to_pylist()
            unknown = np.array([0 if device in register else _UNKNOWN for device in devices], np.int64)
            for name in JOINED:
                if columns[name].null_count:
                    known = [getattr(register.get(device), name, None) for device in devices]
                    columns[name] = pc.coalesce(columns[name], pa.array(known, pa.string()))
        if self._rules.districts is not None:
            position = fixes.column("position")
            places = (position.field(name).to_numpy() for name in ("latitude", "longitude"))
            found = self._rules.districts.of_all(*places)
            columns["district"] = self._names.take(pa.array(found, mask=found < 0))
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=fixes.schema), unknown

    # Telling.

    def _tell(self, batch: _ColumnBatch, worked: BatchResult) -> None:
        judgement = batch.judgement
        goes_on = (judgement.outcome == ACCEPTED) | (judgement.outcome == LATE)
        routed, withheld, heard = np.zeros((3, len(batch)), np.bool_)
        wanted: dict[str, list[tuple[Decision, Ints]]] = {}
        for facts, rows in by_facts(batch.fixes, np.flatnonzero(goes_on), self._routing.apart):
            way = self._routing.of_facts(facts, lambda rows=rows: next(_records(batch.fixes, rows[:1])))  # type: ignore[misc]
            routed[rows], withheld[rows] = bool(way.decisions), bool(way.withheld)
            worked.withheld.update(dict.fromkeys(way.withheld, len(rows)))
            for decision in way.decisions:
                wanted.setdefault(decision.destination, []).append((decision, rows))
        worked.unrouted = int(np.count_nonzero(goes_on & ~routed & ~withheld))
        now_ms = millis(self._now())
        for destination, parts in wanted.items():
            rows, routes, passed = chosen(parts, judgement, batch.slots)
            worked.passed_over[destination] += passed
            heard[rows] = True
            if len(rows):
                people, deliveries = batch.people.of(rows), self._deliveries[destination]
                worked.deliveries.append(deliveries.told(people, self._tracks, routes, now_ms))
                worked.disclosed += deliveries.disclosed(people)
        worked.passed_over = +worked.passed_over
        worked.outcomes += outcomes(judgement.outcome, RoutingMasks(goes_on, routed, withheld, heard))

    def _write_down(self, batch: _ColumnBatch, worked: BatchResult) -> None:
        """Note the last fix of each device that has a new one, and who has ended a shift."""
        outcome = batch.judgement.outcome
        rows = np.flatnonzero((outcome == ACCEPTED) | (outcome == _OFF_DUTY))
        several = batch.judgement.several[rows]
        rows = np.concatenate([rows[~several], _last_of_each(rows[several], batch.slots)])
        over = rows[outcome[rows] == _OFF_DUTY]
        worked.ended_shifts = list(zip(_keys(batch.fixes, over), batch.judgement.at_ms[over].tolist(), strict=True))
        kept = rows[outcome[rows] == ACCEPTED]
        values = [batch.values[row] or b"" for row in kept.tolist()]
        worked.last = list(zip(_keys(batch.fixes, kept), values, strict=True))


class _LentRows(Rows):
    """The reference, with the devices of the columns lent to it."""

    def __init__(self, rules: Rules, codec: Codec, now: Callable[[], datetime], tracks: Tracks) -> None:
        super().__init__(rules, codec, now)
        self._lender = tracks

    def known(self, partition: int, device_id: str) -> Track:
        return self._lender.track(self._slot(device_id, partition))

    def keep(self, device_id: str, track: Track, partition: int) -> None:
        self._lender.put(self._slot(device_id, partition), track)

    def _slot(self, device_id: str, partition: int) -> int:
        return self._lender.slot(device_id, partition)


def _last_of_each(rows: Ints, slots: Ints) -> Ints:
    """Return, of rows, the last of each device: the first of it from behind."""
    _, behind = np.unique(slots[rows][::-1], return_index=True)
    last: Ints = rows[len(rows) - 1 - behind]
    return last


def _columns(record: str, codec: Codec, until: str | None = None) -> Columns:
    codec.learn(record)
    return Columns(record, codec.prefix_of(record), until)


def _fixes(fixes: pa.RecordBatch, slots: Ints) -> Fixes:
    header, position = fixes.column("header"), fixes.column("position")
    return Fixes(
        slots=slots,
        fixed_ms=position.field("fixed_at").cast(pa.int64()).to_numpy(),
        received_ms=header.field("received_at").cast(pa.int64()).to_numpy(),
        numbers=fixes.column("sequence").to_numpy(),
        latitude=position.field("latitude").to_numpy(),
        longitude=position.field("longitude").to_numpy(),
        accuracy_m=pc.fill_null(position.field("accuracy_m"), 0.0).to_numpy(),
        off_duty=pc.fill_null(pc.invert(fixes.column("on_duty")), False).to_numpy(zero_copy_only=False),
    )


def _keys(fixes: pa.RecordBatch, rows: Ints) -> list[bytes]:
    """Return the keys of records about the devices of these fixes."""
    keys: list[bytes] = fixes.column("device_id").take(pa.array(rows)).cast(pa.binary()).to_pylist()
    return keys


def _records(fixes: pa.RecordBatch, rows: Ints) -> Iterator[DeviceLocation]:
    """Yield the fixes of some rows as records."""
    for plain in fixes.take(pa.array(rows)).to_pylist():
        yield DeviceLocation.model_validate(_aware(plain))


def _aware(value: Any) -> Any:
    """Convert what Arrow made of a record to what its model takes: Arrow's times name no zone."""
    if isinstance(value, dict):
        return {name: _aware(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_aware(inner) for inner in value]
    return value.replace(tzinfo=utc_now().tzinfo) if isinstance(value, datetime) else value


def _flagged(fixes: pa.RecordBatch, found: Ints) -> pa.RecordBatch:
    """Return fixes with a flag for each bit that was found of them."""
    rows = np.flatnonzero(found)
    if not len(rows):
        return fixes
    header = fixes.column("header")
    flags = header.field("flags")
    old = flags.take(pa.array(rows)).to_pylist()
    # There are few different lists, so that most are made once.
    made: dict[tuple[Any, ...], int] = {}
    known = [made.setdefault((*had, bits), len(made)) for had, bits in zip(old, found[rows].tolist(), strict=True)]
    new = pa.array([list(with_added(had, _names(bits))) for *had, bits in made], flags.type)
    which = np.arange(len(flags))
    which[rows] = len(flags) + np.array(known)
    flags = pa.concat_arrays([flags, new]).take(pa.array(which))
    parts = parts_of(header) | {"flags": flags}
    place = fixes.schema.get_field_index("header")
    return fixes.set_column(place, fixes.schema.field(place), struct_of(header.type, parts))


def _names(bits: int) -> tuple[str, ...]:
    named = UNKNOWN_DEVICE if bits & _UNKNOWN else ()
    return (*named, *(name for number, name in enumerate(_FOUND) if bits >> number & 1))
