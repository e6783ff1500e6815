"""Batches of positions worked as columns: what `Rows` does, to the byte, ten times as fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError
from bondmate_schemas.columns import Columns
from bondmate_schemas.models import DeviceLocation
from confluent_kafka import Message

from bondmate_streams.envelopes import utc_now
from bondmate_streams.guard import place_of
from bondmate_streams.lane.batch import Disclosed, Last, Told, Worked
from bondmate_streams.lane.column_judge import ACCEPTED, LATE, OTHERS, Bools, Fixes, Judgement, judge, times_of
from bondmate_streams.lane.column_views import ColumnView, constant, struct_of
from bondmate_streams.lane.rows import SUPERSEDED, Register, Rows, Rules, Ways, letter_of, track_of
from bondmate_streams.lane.tracks import Ints, Tracks
from bondmate_streams.logic.locations import JOINED, NEVER, UNKNOWN_DEVICE, Track, millis, with_added
from bondmate_streams.logic.routing import Decision

_log = structlog.get_logger(__name__)
_FOUND: Final = ("clock_skew", "late", "implausible_jump")
"""Flags by the bits of `Judgement.found`."""
_CHUNK: Final = 10_000
_FEW: Final = 24
"""Columns cost the same few milliseconds for one fix and for a hundred."""
_UNKNOWN: Final = 8
"""The bit of a device that is not in the register."""
_TIME: Final = pa.timestamp("ms")
_OFF_DUTY: Final = 2 + OTHERS.index("off_duty")
_NO_FIX: Final = 2 + OTHERS.index("no_fix")


@dataclass(slots=True)
class _Batch:
    """A batch while it is worked: the columns of its fixes, the message of each, the slot of its device."""

    messages: list[Message]
    fixes: pa.RecordBatch
    slots: Ints
    judgement: Judgement

    def __len__(self) -> int:
        return len(self.messages)

    def remember(self) -> None:
        """Remember what was found of its devices."""
        for keep in self.judgement.keep:
            keep()


class ColumnEngine:
    """Works batches as columns."""

    def __init__(self, rules: Rules, codec: Codec, now: Callable[[], datetime] = utc_now, *, few: int = _FEW) -> None:
        """Work by `rules`; the ids of `codec` are known already. Batches of less than `few` go fix by fix."""
        self._few = few
        self._rules = rules
        self._codec = codec
        self._now = now
        self._ways = Ways(rules.routes)
        self._locations = _columns("DeviceLocation", codec)
        self._deliveries = _columns("Delivery", codec)
        self._tracks = Tracks()
        self._views = {name: ColumnView(rules.agreements.view(name)) for name in rules.routes.destinations}

    def restore(self, partition: int, lasts: Iterable[Last]) -> None:
        """Remember the devices of a partition."""
        left = iter(lasts)
        while chunk := list(islice(left, _CHUNK)):
            # Of several of a device the last one counts.
            newest = list({last.device_id: last for last in chunk}.values())
            self._restore(partition, [last for last in newest if last.value is not None])
            for last in newest:
                if last.value is None:
                    self._restore_one(partition, last)

    def _restore(self, partition: int, lasts: list[Last]) -> None:
        read = self._locations.read([last.value for last in lasts])
        slots = self._tracks.slots([lasts[row].device_id for row in read.rows], [partition] * len(read.rows))
        fixes = _fixes(read.columns, slots)
        sure, at_ms = times_of(fixes)
        self._tracks.restore(slots, {
            "at_ms": at_ms, "at_number": fixes.numbers, "sure": sure, "latitude": fixes.latitude,
            "longitude": fixes.longitude, "accuracy_m": fixes.accuracy_m,
        })  # fmt: skip
        self._tracks.see_first(slots, fixes.fixed_ms, fixes.numbers)
        for row in read.left:
            self._restore_one(partition, lasts[row])

    def _restore_one(self, partition: int, last: Last) -> None:
        (slot,) = self._tracks.slots([last.device_id], [partition])
        self._tracks.put(int(slot), track_of(last, self._codec))

    def forget(self, partition: int) -> None:
        """Forget the devices of a partition."""
        self._tracks.forget(partition)

    def recall(self, messages: Sequence[Message]) -> None:
        """Judge a batch that was worked before."""
        if messages:
            self._judged(messages, Worked()).remember()

    def work(self, messages: Sequence[Message]) -> Worked:
        """Work a batch; one that columns cannot be made of, fix by fix."""
        if len(messages) < self._few:
            return self._by_rows(messages)
        try:
            return self._worked(messages)
        except SchemaUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # nothing is remembered yet; a mistake here must not cost a fix
            _log.error("batch not worked as columns", error=type(error).__name__, at=place_of(error))
            return self._by_rows(messages)

    def adopt(self, tracks: Iterable[tuple[str, Track, int]]) -> None:
        """Take over what rows remember: device, track and partition of each."""
        for device, track, partition in tracks:
            (slot,) = self._tracks.slots([device], [partition])
            self._tracks.put(int(slot), track)

    def _by_rows(self, messages: Sequence[Message]) -> Worked:
        rows = _LentRows(self._rules, self._codec, self._now, self._tracks)
        worked = rows.work(messages)
        rows.give_back()
        return worked

    def _worked(self, messages: Sequence[Message]) -> Worked:
        worked = Worked()
        batch = self._judged(messages, worked)
        if not len(batch):
            return worked
        outcome = batch.judgement.outcome
        for number, name in enumerate(OTHERS, 2):
            count = int(np.count_nonzero(outcome == number))
            if number == _NO_FIX and count:
                places = np.flatnonzero(outcome == number).tolist()
                worked.letters += [letter_of(batch.messages[place], name) for place in places]
            if count:
                worked.outcomes["dead_lettered" if number == _NO_FIX else name] += count
        self._tell(batch, worked)
        worked.last = list(self._last(batch))
        batch.remember()
        return worked

    # Reading.

    def _judged(self, messages: Sequence[Message], worked: Worked) -> _Batch:
        kept, fixes = self._read(messages, worked)
        slots = self._tracks.slots(
            fixes.column("device_id").to_pylist(), [message.partition() or 0 for message in kept]
        )
        fixes, unknown = self._enriched(fixes, self._rules.register())
        judgement = judge(_fixes(fixes, slots), self._tracks, lambda place: _model(fixes, place))
        fixes = _flagged(fixes, judgement.found | unknown)
        return _Batch(kept, fixes, slots, judgement)

    def _read(self, messages: Sequence[Message], worked: Worked) -> tuple[list[Message], pa.RecordBatch]:
        """Give the messages that hold fixes, and their columns; of the others dead letters are made."""
        values = [message.value() for message in messages]
        read = self._locations.read(values)
        if not read.left:
            return list(messages), read.columns
        # All are decoded before one is remembered: where the registry is away, nothing has been done.
        normal = {row: self._normal(values[row]) for row in read.left}
        again = {row: value for row, value in normal.items() if isinstance(value, bytes)}
        for row, error in normal.items():
            if isinstance(error, CodecError):
                worked.letters.append(letter_of(messages[row], error.code))
                worked.outcomes["dead_lettered"] += 1
        more = self._locations.read(list(again.values()), believed=True)
        if more.left:
            raise ValueError("a record of the codec's that columns cannot read")
        rows = [*read.rows, *again]
        order = np.argsort(np.array(rows, np.int64))
        columns = pa.concat_batches([read.columns, more.columns]).take(pa.array(order))
        return [messages[row] for row in sorted(rows)], columns

    def _normal(self, value: bytes | None) -> bytes | CodecError:
        """Write a fix that is unusual in some way as the hub would have; columns then read it."""
        try:
            return self._codec.encode(self._codec.decode(value, DeviceLocation))
        except CodecError as error:
            return error

    def _enriched(self, fixes: pa.RecordBatch, register: Register) -> tuple[pa.RecordBatch, Any]:
        """Give fixes with district and what the register knows, and the bit of those that it does not know."""
        columns = dict(zip(fixes.schema.names, fixes.columns, strict=True))
        unknown: Any = 0
        if register is not None:
            devices = columns["device_id"].to_pylist()
            unknown = np.array([0 if device in register else _UNKNOWN for device in devices], np.int64)
            for name in JOINED:
                if columns[name].null_count:
                    known = [getattr(register.get(device), name, None) for device in devices]
                    columns[name] = pc.coalesce(columns[name], pa.array(known, pa.string()))
        if self._rules.districts is not None:
            position = fixes.column("position")
            places = (position.field(name).to_numpy() for name in ("latitude", "longitude"))
            found = self._rules.districts.of_all(*places)
            names = pa.array(self._rules.districts.names, pa.string())
            columns["district"] = names.take(pa.array(found, mask=found < 0))
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=fixes.schema), unknown

    # Telling.

    def _tell(self, batch: _Batch, worked: Worked) -> None:
        goes_on = (batch.judgement.outcome == ACCEPTED) | (batch.judgement.outcome == LATE)
        going = np.flatnonzero(goes_on)
        now_ms = millis(self._now())
        routed = np.zeros(len(batch), np.bool_)
        heard = np.zeros(len(batch), np.bool_)
        wanted: dict[str, list[tuple[Decision, Ints]]] = {}
        for decisions, rows in self._routed(batch, going):
            routed[rows] = bool(decisions)
            for decision in decisions:
                wanted.setdefault(decision.destination, []).append((decision, rows))
        worked.nowhere = int(np.count_nonzero(goes_on & ~routed))
        for destination, parts in wanted.items():
            chosen, routes, passed = _chosen(parts, batch)
            worked.passed_over[destination] += passed
            heard[chosen] = True
            if len(chosen):
                self._tell_one(destination, batch, chosen, routes, now_ms, worked)
        worked.passed_over = +worked.passed_over
        worked.outcomes += _outcomes(batch.judgement.outcome, goes_on, routed, heard)

    def _routed(self, batch: _Batch, going: Ints) -> Iterator[tuple[list[Decision], Ints]]:
        """Give the fixes that go the same ways, and these."""
        if not len(going):
            return
        facts = _facts(batch.fixes, going)
        _, first, which = np.unique(facts, return_index=True, return_inverse=True)
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(len(first) + 1))
        for number, place in enumerate(going[first].tolist()):
            rows = going[order[bounds[number] : bounds[number + 1]]]
            yield self._ways.of(_model(batch.fixes, place)), rows

    def _tell_one(  # noqa: PLR0917
        self, destination: str, batch: _Batch, rows: Ints, routes: Any, now_ms: int, worked: Worked
    ) -> None:
        view = self._views[destination]
        fixes = batch.fixes if len(rows) == len(batch) else batch.fixes.take(pa.array(rows))
        seen = view.of(fixes, batch.slots[rows], self._tracks)
        delivery = self._delivery(destination, fixes, seen, routes, now_ms)
        keys = seen["device_id"].cast(pa.binary()).to_pylist()
        values = self._deliveries.write(delivery)
        worked.told.append(Told(destination, list(zip(keys, values, strict=True))))
        worked.disclosed += _disclosed(destination, fixes, view)

    def _delivery(
        self, destination: str, fixes: pa.RecordBatch, seen: dict[str, Any], routes: Any, now_ms: int
    ) -> pa.RecordBatch:
        schema, rows = self._deliveries.schema, fixes.num_rows
        header = dict(zip((f.name for f in seen["header"].type), seen["header"].flatten(), strict=True))
        ids = fixes.column("header").field("message_id")
        header["message_id"] = pc.binary_join_element_wise(ids, destination, "@")
        header["published_at"] = constant(datetime_of(now_ms), _TIME, rows)
        header["expires_at"] = self._expiry(destination, fixes.column("header"))
        if flag := self._rules.agreements.late_flag(destination, "location"):
            header["flags"] = _with_one_more(header["flags"], flag)
        columns: dict[str, Any] = {
            "header": struct_of(schema.field("header").type, header),
            "destination": constant(destination, pa.string(), rows),
            "kind": constant("LOCATION", pa.string(), rows),
            "reason": constant("NEW", pa.string(), rows),
            "route": routes,
            "location": struct_of(schema.field("location").type, seen),
        }
        return pa.RecordBatch.from_arrays(
            [columns.get(field.name) if field.name in columns else pa.nulls(rows, field.type) for field in schema],
            schema=schema,
        )

    def _expiry(self, destination: str, header: Any) -> Any:
        age = self._rules.agreements.max_age_seconds(destination, "location")
        if age is None:
            return header.field("expires_at")
        # A datetime counts microseconds, the wire whole milliseconds.
        old = pc.add(header.field("received_at").cast(pa.int64()), round(age * 1e6) // 1000)
        return pc.min_element_wise(old, header.field("expires_at").cast(pa.int64())).cast(_TIME)

    def _last(self, batch: _Batch) -> Iterator[Last]:
        """Give the last fix of each device that has a new one, and who has ended a shift."""
        outcome = batch.judgement.outcome
        rows = np.flatnonzero((outcome == ACCEPTED) | (outcome == _OFF_DUTY))
        # The last of each device: the first of it from behind.
        _, behind = np.unique(batch.slots[rows][::-1], return_index=True)
        rows = rows[len(rows) - 1 - behind]
        over = rows[outcome[rows] == _OFF_DUTY]
        for row in over.tolist():
            yield Last(self._tracks.devices[batch.slots[row]], None, int(batch.judgement.at_ms[row]))
        kept = rows[outcome[rows] == ACCEPTED]
        values = self._locations.write(batch.fixes.take(pa.array(kept)))
        devices = self._tracks.devices
        for slot, value in zip(batch.slots[kept].tolist(), values, strict=True):
            yield Last(devices[slot], value)


class _LentRows(Rows):
    """The reference, with the devices of the columns lent to it."""

    def __init__(self, rules: Rules, codec: Codec, now: Callable[[], datetime], tracks: Tracks) -> None:
        super().__init__(rules, codec, now)
        self._lender = tracks
        self._lent: dict[int, Track] = {}

    def track(self, partition: int, device_id: str) -> Track:
        (slot,) = self._lender.slots([device_id], [partition]).tolist()
        if slot not in self._lent:
            self._lent[slot] = self._lender.track(slot)
        return self._lent[slot]

    def give_back(self) -> None:
        """Put what was found back into the columns."""
        for slot, track in self._lent.items():
            self._lender.put(slot, track)


def _columns(record: str, codec: Codec) -> Columns:
    codec.learn(record)
    return Columns(record, codec.prefix_of(record))


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


def _model(fixes: pa.RecordBatch, place: int) -> DeviceLocation:
    """Give one fix as a record."""
    return DeviceLocation.model_validate(_aware(fixes.slice(place, 1).to_pylist()[0]))


def _aware(value: Any) -> Any:
    """Give what Arrow made of a record as its model takes it: Arrow's times name no zone."""
    if isinstance(value, dict):
        return {name: _aware(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_aware(inner) for inner in value]
    return value.replace(tzinfo=utc_now().tzinfo) if isinstance(value, datetime) else value


def datetime_of(ms: int) -> Any:
    """Give a time as Arrow takes it."""
    return pa.scalar(ms, pa.int64()).cast(_TIME).as_py()


def _flagged(fixes: pa.RecordBatch, found: Ints) -> pa.RecordBatch:
    """Give fixes with a flag for each bit that was found of them."""
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
    parts = dict(zip((field.name for field in header.type), header.flatten(), strict=True)) | {"flags": flags}
    place = fixes.schema.get_field_index("header")
    return fixes.set_column(place, fixes.schema.field(place), struct_of(header.type, parts))


def _names(bits: int) -> tuple[str, ...]:
    named = UNKNOWN_DEVICE if bits & _UNKNOWN else ()
    return (*named, *(name for number, name in enumerate(_FOUND) if bits >> number & 1))


def _with_one_more(lists: Any, text: str) -> Any:
    """Give lists of texts, each with `text` at its end."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    offsets = offsets - offsets[0]
    items, rows = lists.flatten(), len(lists)
    which = np.full(len(items) + rows, len(items), np.int64)
    ends = offsets[1:] + np.arange(rows)
    here = np.ones(len(which), np.bool_)
    here[ends] = False
    which[here] = np.arange(len(items))
    values = pa.concat_arrays([items, pa.array([text], items.type)]).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array((offsets + np.arange(rows + 1)).astype(np.int32)), values, lists.type)


def _facts(fixes: pa.RecordBatch, rows: Ints) -> Ints:
    """Give a number for each fix, equal where all that routes look at is."""
    header, which = fixes.column("header"), pa.array(rows)
    columns = [header.field(name) for name in ("mode", "agency_id", "source")]
    columns += [fixes.column("unit"), fixes.column("district")]
    facts = np.zeros(len(rows), np.int64)
    for column in (*columns, _texts(header.field("hops"))):
        codes = column.take(which).dictionary_encode(null_encoding="encode").indices.to_numpy()
        # Numbered anew each time, so that they stay small.
        _, facts = np.unique(facts * (int(codes.max()) + 1) + codes, return_inverse=True)
    return facts


def _texts(lists: Any) -> Any:
    """Give one text for each list of texts, equal where the lists are."""
    if not len(lists.flatten()):
        return constant("", pa.string(), len(lists))
    return pc.binary_join(pc.cast(lists, pa.list_(pa.string())), "\x1f")


def _chosen(parts: list[tuple[Decision, Ints]], batch: _Batch) -> tuple[Ints, Any, int]:
    """Give the fixes that a destination gets, in their order, the route of each, and how many it does not get."""
    judgement = batch.judgement
    asked = sum(len(rows) for _, rows in parts)
    chosen: list[tuple[Ints, str]] = []
    for decision, among in parts:
        rows = among
        if decision.every_seconds is not None:
            rows = rows[_is_due(decision.every_seconds, judgement, rows)]
        chosen.append((rows, decision.route))
    if any(decision.newest_only for decision, _ in parts):
        chosen = _newest(chosen, [decision.newest_only for decision, _ in parts], batch)
    rows = np.concatenate([rows for rows, _ in chosen])
    order = np.argsort(rows, kind="stable")
    names = pa.array([route for _, route in chosen], pa.string())
    which = np.repeat(np.arange(len(chosen)), [len(rows) for rows, _ in chosen])
    return rows[order], names.take(pa.array(which[order])), asked - len(rows)


def _is_due(every_seconds: float, judgement: Judgement, rows: Ints) -> Bools:
    slot_ms = int(every_seconds * 1000)
    previous = judgement.previous_ms[rows]
    another = (previous == NEVER[0]) | (previous // slot_ms != judgement.at_ms[rows] // slot_ms)
    found: Bools = another & (judgement.outcome[rows] != LATE)
    return found


def _newest(chosen: list[tuple[Ints, str]], newest_only: list[bool], batch: _Batch) -> list[tuple[Ints, str]]:
    """Leave, of what is told under rules that want the newest only, the newest of each device."""
    wants = np.concatenate([np.full(len(rows), only) for (rows, _), only in zip(chosen, newest_only, strict=True)])
    rows = np.concatenate([rows for rows, _ in chosen])
    candidates = rows[wants]
    order = np.lexsort((candidates, batch.judgement.rank[candidates], batch.slots[candidates]))
    ends = np.concatenate((np.diff(batch.slots[candidates][order]) != 0, [True])) if len(order) else order.astype(bool)
    stay = np.zeros(len(batch), np.bool_)
    stay[candidates[order][ends]] = True
    return [
        (rows[stay[rows]] if only else rows, route) for (rows, route), only in zip(chosen, newest_only, strict=True)
    ]


def _outcomes(outcome: Ints, goes_on: Bools, routed: Bools, heard: Bools) -> Counter[str]:
    found = {
        "unrouted": goes_on & ~routed,
        SUPERSEDED: goes_on & routed & ~heard,
        "accepted": heard & (outcome == ACCEPTED),
        "late": heard & (outcome == LATE),
    }
    return +Counter({name: int(np.count_nonzero(rows)) for name, rows in found.items()})


def _disclosed(destination: str, fixes: pa.RecordBatch, view: ColumnView) -> Iterator[Disclosed]:
    handling = fixes.column("header").field("handling")
    purposes = _texts_of(handling.field("purpose"), handling.field("legal_basis"))
    for place, rows in _groups(purposes):
        part = fixes if len(rows) == fixes.num_rows else fixes.take(pa.array(rows))
        people = [*part.column("device_id").to_pylist(), *filter(None, part.column("officer_ref").to_pylist())]
        yield Disclosed(destination, *place, part.num_rows, people, view.disclosed(part))


def _texts_of(first: Any, second: Any) -> tuple[Any, Any]:
    return first.dictionary_encode(), second.dictionary_encode()


def _groups(columns: tuple[Any, Any]) -> Iterator[tuple[tuple[str, str], Ints]]:
    first, second = columns
    pairs = first.indices.to_numpy().astype(np.int64) * len(second.dictionary) + second.indices.to_numpy()
    for pair in np.unique(pairs).tolist():
        one, other = divmod(pair, len(second.dictionary))
        yield (first.dictionary[one].as_py(), second.dictionary[other].as_py()), np.flatnonzero(pairs == pair)
