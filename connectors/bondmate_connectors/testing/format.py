"""The rules every format keeps: golden files, any input, any event, round trip (CONTRACT, "The contract suite", 7)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds
from bondmate_schemas.enums import DeliveryKind
from bondmate_schemas.models import Delivery, EventHeader, Position, Record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bondmate_connectors.contract import Format, Ignored, Reading, Refusal, Writing
from bondmate_connectors.pytest_plugin import REFRESH
from bondmate_connectors.testing.strategies import deliveries

GOLDEN_NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The time that golden files were read and written at."""
_DEGREES = 1e-6
_DIFFERS = "not what the format makes of it now; if that is right, `pytest --refresh-golden` takes it over"
_CODEC = Codec(LocalSchemaIds())
_SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors], deadline=None)


class FormatContract:
    """Subclass as `class TestAcmeFormat(FormatContract)` and give `format`, `golden` and `schema_errors`.

    A golden case is `<case>.platform.<ext>`, the message, and beside it `<case>.event.json` with one or both of `read`,
    the list of events that reading it gives (`{"record": name, "value": {…}}`), and `write`, the Delivery from which
    writing gives the message. `pytest --refresh-golden` writes what the format makes of the messages that lie there and
    of `examples`; look at it before you commit it: from then on it is what the format has to do.
    """

    format: ClassVar[Format]
    golden: ClassVar[Path]
    examples: ClassVar[Mapping[str, Delivery]] = {}
    """Deliveries by the name of the golden case that is to be made of each."""
    kinds: ClassVar[tuple[DeliveryKind, ...]] = (DeliveryKind.ALERT, DeliveryKind.INCIDENT, DeliveryKind.MESSAGE,
                                                 DeliveryKind.LOCATION)  # fmt: skip
    """What is tried to be written."""
    time_resolution_seconds: ClassVar[float] = 0.001
    """How exactly the format carries a time."""
    loses: ClassVar[Mapping[str, str]] = {}
    """Which of id, time, position and priority do not come back from a round trip, each with the reason."""

    def schema_errors(self, message: bytes) -> Sequence[str]:
        """Return where `message` breaks the schema of its standard."""
        # Not abstract: pytest passes over such a class without a word.
        pytest.fail(
            "give `schema_errors(self, message)`: return what breaks the standard's schema, for JSON by jsonschema,"
            " for XML by lxml.etree.XMLSchema; an empty list when it is sound"
        )

    def same_thing(self, delivery: Delivery, event: Record) -> bool:
        """Whether `event`, read back, is what `delivery` was written of."""
        header = _header(event)
        known = {
            header.message_id,
            header.event_id,
            header.origin_message_id,
            *(ref.id for ref in header.external_refs),
        }
        return bool(known & {delivery.id, delivery.header.event_id})

    # Golden files.

    def test_golden_folder_is_not_empty(self) -> None:
        """There is a golden case at least, and one of each of `examples`."""
        missing = {f"{case}.event.json" for case in self.examples} - {sheet.name for _, sheet in self._cases()}

        assert set() == missing, f"not in {self.golden}: write them with `pytest --refresh-golden`"
        assert list(self._cases()), (
            f"put a message of the platform into {self.golden} as <case>.platform.<json, xml, …>, or name a Delivery in"
            ' `examples = {"<case>": sos()}`; then `pytest --refresh-golden`'
        )

    def test_golden_messages_read_as_written_down(self) -> None:
        """Each golden message gives the events that stand beside it."""
        for message, sheet in self._cases():
            read = self.format.read(message.read_bytes(), GOLDEN_NOW)
            found = [_dump(event) for event in read.events] if isinstance(read, Reading) else []
            expected = _sheet(sheet, "read", found)
            if expected is not None:
                assert expected == found, f"{message.name}: {_DIFFERS}"

    def test_golden_events_write_as_written_down(self) -> None:
        """Each golden Delivery gives the message that stands beside it."""
        for message, sheet in self._cases():
            content = orjson.loads(sheet.read_bytes())
            if "write" in content:
                written = self.format.write(Delivery.model_validate(content["write"]), GOLDEN_NOW)
                assert isinstance(written, Writing), message.name
                if _is_refreshed():
                    message.write_bytes(written.message)
                assert message.read_bytes() == written.message, f"{message.name}: {_DIFFERS}"

    def _cases(self) -> Iterator[tuple[Path, Path]]:
        if _is_refreshed():
            self._begin_examples()
        for message in sorted(self.golden.glob("*.platform.*")):
            yield message, message.with_name(message.name.partition(".platform.")[0] + ".event.json")

    def _begin_examples(self) -> None:
        self.golden.mkdir(parents=True, exist_ok=True)
        ending = self.format.media_type.rpartition("/")[2].rpartition("+")[2]
        for case, delivery in self.examples.items():
            if not any(self.golden.glob(f"{case}.platform.*")):
                (self.golden / f"{case}.platform.{ending}").write_bytes(b"")
                _write(self.golden / f"{case}.event.json", {"write": delivery.model_dump(mode="json")})

    # Any event, any bytes.

    @_SLOW
    @given(st.data())
    def test_any_event_is_written_or_refused(self, data: st.DataObject) -> None:
        """Any valid event gives a message valid by the standard's schema, or a refusal with a code."""
        written = self.format.write(data.draw(deliveries(self.kinds)), GOLDEN_NOW)
        if isinstance(written, Refusal):
            assert written.code
            return
        assert [] == list(self.schema_errors(written.message))
        assert all(lost.path and "/" not in lost.path and lost.why for lost in written.lost)

    @_SLOW
    @given(message=st.binary(max_size=2_000))
    def test_any_bytes_are_answered(self, message: bytes) -> None:
        """Any bytes are read, ignored or refused, never another exception."""
        self._is_answer(message)

    @_SLOW
    @given(st.data())
    def test_damaged_messages_are_answered(self, data: st.DataObject) -> None:
        """A golden message with bytes changed or cut off is read, ignored or refused, never another exception."""
        message = data.draw(st.sampled_from([path.read_bytes() for path, _ in self._cases()]))
        start = data.draw(st.integers(0, len(message)))
        end = data.draw(st.integers(start, min(start + 40, len(message))))
        self._is_answer(message[:start] + data.draw(st.binary(max_size=20)) + message[end:])

    def _is_answer(self, message: bytes) -> None:
        match self.format.read(message, GOLDEN_NOW):
            case Reading(events, _, lost):
                assert all("/" in each.path and each.why for each in lost)
                for event in events:
                    _keeps_invariants(event)
            case Ignored(code) | Refusal(code):
                assert code

    # Round trip.

    @_SLOW
    @given(st.data())
    def test_round_trip_keeps_id_time_position_priority(self, data: st.DataObject) -> None:
        """What is written and read back is the same thing, at the same time and place, as urgent."""
        delivery = data.draw(deliveries(self.kinds))
        written = self.format.write(delivery, GOLDEN_NOW)
        if isinstance(written, Refusal):
            return
        read = self.format.read(written.message, GOLDEN_NOW)
        assert not isinstance(read, Refusal), read
        for event in read.events if isinstance(read, Reading) else ():
            self._is_same(delivery, event)

    def _is_same(self, delivery: Delivery, event: Record) -> None:
        _keeps_invariants(event)
        if "id" not in self.loses:
            assert self.same_thing(delivery, event)
        if "time" not in self.loses:
            off = abs((_header(event).occurred_at - delivery.header.occurred_at).total_seconds())
            assert off <= self.time_resolution_seconds
        if "position" not in self.loses:
            _same_place(getattr(delivery.event, "position", None), getattr(event, "position", None))
        if "priority" not in self.loses and hasattr(event, "priority"):
            assert getattr(delivery.event, "priority", event.priority) == event.priority


def _same_place(before: Position | None, after: Position | None) -> None:
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert abs(before.latitude - after.latitude) <= _DEGREES
        assert abs(before.longitude - after.longitude) <= _DEGREES


def _keeps_invariants(event: Record) -> None:
    """Hold an event against what is true of all: the wire carries it, its times are UTC, it names its source."""
    assert event == _CODEC.decode(_CODEC.encode(event), type(event))
    header = _header(event)
    assert header.message_id
    assert header.event_id
    assert header.source
    assert header.received_at.utcoffset() == header.occurred_at.utcoffset() == GOLDEN_NOW.utcoffset()


def _header(event: Record) -> EventHeader:
    header = getattr(event, "header", None)
    assert isinstance(header, EventHeader)
    return header


def _dump(event: Record) -> dict[str, object]:
    assert type(event).__name__ in RECORDS
    return {"record": type(event).__name__, "value": event.model_dump(mode="json")}


def _sheet(sheet: Path, part: str, found: object) -> object:
    """Return a part of a golden sheet, None where it has none; written anew first when that was asked for."""
    assert sheet.exists() or _is_refreshed(), f"{sheet} is missing: write it with `pytest --refresh-golden`"
    content = orjson.loads(sheet.read_bytes()) if sheet.exists() else {}
    if _is_refreshed() and (part in content or not content):
        content[part] = found
        _write(sheet, content)
    return content.get(part)


def _write(sheet: Path, content: object) -> None:
    sheet.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _is_refreshed() -> bool:
    return os.environ.get(REFRESH) == "1"
