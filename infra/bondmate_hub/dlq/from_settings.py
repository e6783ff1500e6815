"""What `hub dlq` calls: settings become a reader and a service, and only one writer works on a `data_dir` at a time."""

from __future__ import annotations

import fcntl
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

from bondmate_kafka.producer import BlockingWriter
from bondmate_kafka.records import utc_now
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_schemas import catalogue
from bondmate_schemas.codec import RECORDS, Codec, CodecError
from bondmate_schemas.models import Delivery, Payload, Record
from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.logic.audit import subjects_of

from bondmate_hub.dlq.kafka_io import DeadLetterError, DeadLetterReader
from bondmate_hub.dlq.model import DeadLetter, LetterState, Selection
from bondmate_hub.dlq.plan import MOST_REPLAYS, ReplayPlan, plan_replay, standings
from bondmate_hub.dlq.service import DeadLetterService, Operator, ReplayOutcome
from bondmate_hub.settings import Settings
from bondmate_hub.wanted import wanted

_Progress = Callable[[int], None]
_NEVER_REPLAYED_TO: Final = frozenset({
    catalogue.AUDIT, catalogue.PAGES, catalogue.STATE_ALERTS, catalogue.STATE_INCIDENTS, catalogue.LAST_LOCATION,
    catalogue.PAGE_MARKS, catalogue.DEAD_LETTER_DECISIONS, catalogue.DEVICE_MARKS, catalogue.CHECK_INS,
})  # fmt: skip
"""State and trails: nobody takes events from there, and a forged header must not write to them."""


def survey(
    settings: Settings, chosen: Selection, most_replays: int = MOST_REPLAYS
) -> tuple[list[DeadLetter], dict[str, LetterState]]:
    """Return the letters that were chosen and the state of each, by id; leaves no trace on the broker.

    Raises:
        UnknownPlaceError: there is no such place.
        DeadLetterError: the broker does not answer.
        SchemaUnavailableError: the registry does not answer.
    """
    reader = _reader(settings)
    found = [letter for letter in reader.letters(chosen.place).values() if chosen.takes(letter)]
    decided = {letter_id: decision.decision for letter_id, decision in reader.decisions().items()}
    return found, standings(found, decided, most_replays)


def replay_plan(
    settings: Settings, chosen: Selection, *, most_replays: int, force: bool, most: int | None
) -> ReplayPlan:
    """Plan a replay of what was chosen; leaves no trace, and raises as `survey` does."""
    found, standing = survey(settings, chosen, most_replays)
    return plan_replay(found, standing, _topics(settings), force=force, most=most)


def replay(
    settings: Settings, plan: ReplayPlan, operator: Operator, progress: _Progress, *, place: str | None = None
) -> ReplayOutcome:
    """Carry out `plan`, whose letters lie at `place` or anywhere; raises as `DeadLetterService.replay` does."""
    with _alone(settings):
        return _service(settings, operator).replay(plan, _reader(settings).records(place), progress)


def discard(settings: Settings, letters: Sequence[DeadLetter], operator: Operator, progress: _Progress) -> None:
    """Put `letters` aside for good; raises as `DeadLetterService.discard` does."""
    with _alone(settings):
        _service(settings, operator).discard(letters, progress)


def content_of(settings: Settings, letter: DeadLetter, operator: Operator) -> str:
    """Return what is in a letter, as JSON on one line; that it was seen is in the audit trail before this returns.

    Raises:
        DeadLetterError: the letter is gone, or the broker does not take the audit record.
    """
    value = _reader(settings).value_at(letter.lies_at)
    record = _decoded(value, letter.record, _codec(settings))
    header = getattr(record, "header", None)
    event_id = None if header is None else str(header.event_id)
    with _alone(settings):
        _service(settings, operator).disclosed(letter, event_id, _subjects(settings, record))
    if record is not None:
        return record.model_dump_json()
    # As a JSON text, so that no control character reaches a terminal.
    return json.dumps(None if value is None else value.decode(errors="backslashreplace"))


def _decoded(value: bytes | None, record: str, codec: Codec) -> Record | None:
    try:
        return codec.decode(value, RECORDS[record]) if record in RECORDS else None
    except CodecError:
        return None


def _subjects(settings: Settings, record: Record | None) -> tuple[str, ...]:
    """Name the people a record is about, as the streams name them in the audit trail."""
    if record is None or settings.streams is None:
        return ()
    secret = settings.streams.pseudonym_secret.get_secret_value().encode()
    return subjects_of(cast("Payload", record.event if isinstance(record, Delivery) else record), secret)


def _topics(settings: Settings) -> frozenset[str]:
    inside = f"{catalogue.STREAMS_APP}-"
    return frozenset(
        topic.name
        for topic in wanted(settings)
        if topic.name not in _NEVER_REPLAYED_TO
        and not catalogue.is_dead_letters(topic.name)
        and not topic.name.startswith(inside)
    )


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold off a second writer: two would replay the same letters, and break the audit chain."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "dlq.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DeadLetterError("another `hub dlq` is at work with this data_dir; wait until it has ended") from None
        yield


def _codec(settings: Settings) -> Codec:
    return Codec(RegistrySchemaIds.of(settings.kafka.config()))


def _reader(settings: Settings) -> DeadLetterReader:
    return DeadLetterReader(settings.kafka.config(), _codec(settings), f"dlq-{settings.instance}")


def _service(settings: Settings, operator: Operator) -> DeadLetterService:
    kafka, codec = settings.kafka.config(), _codec(settings)
    # The host's name is in it: two machines of one hub would break each other's chain.
    name = f"dlq-{settings.instance}-{socket.gethostname()}"
    writer = BlockingWriter(kafka, f"bondmate-{name}")
    return DeadLetterService(writer, codec, operator, utc_now, lambda: chain_so_far(kafka, codec, name))
