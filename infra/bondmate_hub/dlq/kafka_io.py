"""Reads dead letters without a trace on the broker, and writes records that every replica has when it returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, cast

from bondmate_kafka.client import KafkaException, Message, error_name
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.records import PARTITION_UA, Outgoing, headers_of
from bondmate_kafka.topic_reader import TopicMissingError, names, stored
from bondmate_schemas.catalogue import DEAD_LETTER_DECISIONS, dead_letter_topic, is_dead_letters
from bondmate_schemas.codec import Codec, CodecError
from bondmate_schemas.models import DeadLetterDecision

from bondmate_hub.dlq.model import DeadLetter, Headers, RecordLocation, dead_letter_of, place_of
from bondmate_hub.dlq.plan import replay_headers

_HINT: Final = "check `kafka.bootstrap` and whether the broker is up, then call again: nothing is lost"


class DeadLetterError(Exception):
    """A command on dead letters cannot go on; the message says what to mend. What was done stays, call again."""


class UnknownPlaceError(DeadLetterError):
    """There is no such stage, source or destination; the message names those there are."""


class DeadLetterReader:
    """Reads letters and decisions as they are now; joins no group and commits nothing."""

    def __init__(self, kafka: KafkaConfig, codec: Codec, client_id: str) -> None:
        self._codec = codec
        self._config = kafka.consumer("bondmate-dlq", client_id)

    def letters(self, place: str | None = None) -> dict[str, DeadLetter]:
        """Return the letters of `place`, or of all places, by id, in the order of their topics.

        Raises:
            UnknownPlaceError: there is no such place.
            DeadLetterError: the broker does not answer.
        """
        found: dict[str, DeadLetter] = {}
        for letter, _ in self.records(place):
            # A stage that was killed may have written a letter twice.
            found.setdefault(letter.id, letter)
        return found

    def records(self, place: str | None = None) -> Iterator[tuple[DeadLetter, Outgoing]]:
        """Yield every letter with the record that replays it; raises as `letters` does."""
        with _asked():
            for message in stored(self._config, self._topics(place)):
                letter = _letter(message)
                yield letter, _replaying(letter, message)

    def value_at(self, location: RecordLocation) -> bytes | None:
        """Return the value of the record at `location`.

        Raises:
            DeadLetterError: the broker does not answer, or the record is gone.
        """
        with _asked():
            for message in stored(
                self._config, [location.topic], {(location.topic, location.partition): location.offset}
            ):
                if message.offset() == location.offset:
                    return _bytes(message.value())
        raise DeadLetterError("the letter is gone: its topic keeps letters for a time only")

    def decisions(self) -> dict[str, DeadLetterDecision]:
        """Return the newest decision on each letter, by the letter's id.

        Raises:
            DeadLetterError: the broker does not answer, or has no topic of decisions.
            SchemaUnavailableError: the registry does not answer.
        """
        found: dict[str, DeadLetterDecision] = {}
        with _asked():
            for message in stored(self._config, [DEAD_LETTER_DECISIONS]):
                try:
                    decision = self._codec.decode(message.value(), DeadLetterDecision)
                except CodecError:
                    continue  # its letter stays open, which loses nothing
                found[decision.letter_id] = decision
        return found

    def _topics(self, place: str | None) -> list[str]:
        topics = [name for name in names(self._config) if is_dead_letters(name)]
        if place is None:
            return topics
        if dead_letter_topic(place) not in topics:
            known = ", ".join(sorted(map(place_of, topics))) or "none: run `hub topics apply`"
            raise UnknownPlaceError(f"no such place; there are {known}")
        return [dead_letter_topic(place)]


@contextmanager
def _asked() -> Iterator[None]:
    """Translate what reading raises."""
    try:
        yield
    except KafkaException as error:
        raise DeadLetterError(f"the broker does not answer: {error_name(error.args[0])}; {_HINT}") from error
    except TimeoutError as error:
        raise DeadLetterError(f"{error}; {_HINT}") from error
    except TopicMissingError as error:
        raise DeadLetterError(f"topic {error} is not there; run `hub topics apply`") from error


def _letter(message: Message) -> DeadLetter:
    _, milliseconds = message.timestamp()
    location = RecordLocation(str(message.topic()), message.partition() or 0, message.offset() or 0)
    written_at = datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC)
    return dead_letter_of(location, _bytes(message.key()), len(message.value() or b""), _headers(message), written_at)


def _replaying(letter: DeadLetter, message: Message) -> Outgoing:
    topic, key = letter.origin.topic if letter.origin else "", _bytes(message.key())
    # Without a key its partition is what it keeps its order with; with one, the key chooses.
    partition = letter.origin.partition if letter.origin and key is None else PARTITION_UA
    return Outgoing(topic, key, _bytes(message.value()), replay_headers(_headers(message), letter), partition)


def _headers(message: Message) -> Headers:
    pairs = cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
    return headers_of(pairs)


def _bytes(found: str | bytes | None) -> bytes | None:
    return found.encode() if isinstance(found, str) else found
