"""A replay that is killed at any write, or whose broker refuses some: nothing is lost, no key loses its order."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_hub.dlq.kafka_io import DeadLetterError
from bondmate_hub.dlq.model import REPLAY_OF, DeadLetter, LetterState, RecordLocation
from bondmate_hub.dlq.plan import plan_replay, replay_headers, standings
from bondmate_hub.dlq.service import BATCH, DeadLetterService, Operator
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import AUDIT, DEAD_LETTER_DECISIONS
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.models import AuditRecord, DeadLetterDecision
from bondmate_streams.logic.audit import Chain, breaks
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 26, tzinfo=UTC)
TOPIC = "bondmate.device.alerts"
CODEC = Codec(LocalSchemaIds())


class Killed(BaseException):
    """The process is gone."""


class Log:
    """A broker that keeps what it is given, until it is told to die in the middle of a write or to refuse a record."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.dies_after: int | None = None
        self.refuses: set[bytes] = set()

    def write(self, messages: Sequence[Outgoing]) -> list[str | None]:
        codes: list[str | None] = []
        for message in messages:
            if self.dies_after == len(self.records):
                raise Killed
            refused = message.value in self.refuses
            codes.append("msg_size_too_large" if refused else None)
            self.records += [] if refused else [message]
        return codes

    def on(self, topic: str) -> list[Outgoing]:
        return [record for record in self.records if record.topic == topic]

    def decided(self) -> dict[str, str]:
        found = [CODEC.decode(record.value, DeadLetterDecision) for record in self.on(DEAD_LETTER_DECISIONS)]
        return {decision.letter_id: decision.decision for decision in found}

    def audited(self) -> list[AuditRecord]:
        return [CODEC.decode(record.value, AuditRecord) for record in self.on(AUDIT)]


def letters_of(keys: Sequence[bytes]) -> list[DeadLetter]:
    return [
        DeadLetter(id=f"id-{n}", place="alerts", stage="alerts", code="agent_failed", at=NOW, replays=0, record="unknown",
               size_bytes=1, key=key, origin=RecordLocation(TOPIC, 0, n), lies_at=RecordLocation("bondmate.dlq.alerts", 0, n))
        for n, key in enumerate(keys)
    ]  # fmt: skip


def service(log: Log) -> DeadLetterService:
    def chain() -> Chain:
        found = Chain("dlq-test")
        for record in log.audited():
            found = found.after(record)
        return found

    return DeadLetterService(log, CODEC, Operator("ops-7", "why"), clock=lambda: NOW, chain=chain)


def replay(log: Log, letters: Sequence[DeadLetter]) -> Any:
    plan = plan_replay(letters, standings(letters, log.decided()), {TOPIC})
    records = [(x, Outgoing(TOPIC, x.key, x.id.encode(), replay_headers((), x))) for x in letters]
    return service(log).replay(plan, records)


def assert_all_went_in_order(log: Log, letters: Sequence[DeadLetter]) -> None:
    went = list(dict.fromkeys(dict(record.headers)[REPLAY_OF].decode() for record in log.on(TOPIC)))
    assert {letter.id for letter in letters} == set(went)
    for key in {letter.key for letter in letters}:
        own = [letter.id for letter in letters if letter.key == key]
        assert own == [letter_id for letter_id in went if letter_id in own]


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=2 * BATCH + 50), st.data())
def test_killed_at_any_write_and_called_again_nothing_is_lost_and_little_is_repeated(keys, data):
    letters, log = letters_of(keys), Log()
    kills = data.draw(st.integers(0, 3), label="kills")
    for _ in range(kills):
        log.dies_after = len(log.records) + data.draw(st.integers(0, 2 * len(keys)), label="records until the kill")
        with contextlib.suppress(Killed):
            replay(log, letters)
    log.dies_after = None

    replay(log, letters)

    assert_all_went_in_order(log, letters)
    assert {letter.id for letter in letters} == set(log.decided())
    assert len(log.on(TOPIC)) <= len(letters) + kills * BATCH
    assert 0 == replay(log, letters).replayed


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=60), st.data())
def test_a_record_that_the_broker_refuses_holds_back_its_own_key_only_until_it_goes(keys, data):
    letters, log = letters_of(keys), Log()
    refused = data.draw(st.sets(st.sampled_from(letters).map(lambda x: x.id.encode()), min_size=1))
    log.refuses = refused
    stuck = {x.key for x in letters if x.id.encode() in refused}

    outcome = replay(log, letters)

    assert {"msg_size_too_large": len(stuck)} == outcome.failed
    assert len(letters) == outcome.replayed + outcome.held_back + len(stuck)
    assert outcome.replayed >= sum(letter.key not in stuck for letter in letters)
    log.refuses = set()
    replay(log, letters)
    assert_all_went_in_order(log, letters)
    assert len(letters) == len(log.on(TOPIC))


def test_a_discard_that_is_killed_is_audited_before_it_counts_and_its_chain_goes_on():
    letters = letters_of([b"a"] * 5)
    for dies_after in range(10):
        log = Log()
        log.dies_after = dies_after
        with pytest.raises(Killed):
            service(log).discard(letters)
        assert set(log.decided()) <= {record.event_id for record in log.audited()}
        log.dies_after = None
        service(log).discard([letter for letter in letters if letter.id not in log.decided()])
        assert {LetterState.DISCARDED} == set(log.decided().values())
        assert [] == breaks(log.audited())


def test_what_cannot_be_audited_is_not_done():
    log = Log()
    log.write = lambda messages: ["msg_timed_out"] * len(messages)

    with pytest.raises(DeadLetterError, match="msg_timed_out"):
        service(log).disclosed(letters_of([b"a"])[0])
    with pytest.raises(DeadLetterError, match="nothing is lost"):
        service(log).discard(letters_of([b"a"]))
    assert [] == log.records
