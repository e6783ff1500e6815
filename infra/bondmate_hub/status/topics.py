"""What the processes of a hub said last on its topics, read within a bound."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from bondmate_kafka.client import KafkaException
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.newest_values import NewestValues
from bondmate_schemas.catalogue import ROLE_STATUS, STATE_CONNECTORS, STATE_ROUTES
from bondmate_schemas.codec import Codec, CodecError, SchemaUnavailableError, schema_text
from bondmate_schemas.models import Record, RoleStatus

from bondmate_hub.status.facts import ABSENT_SECONDS

__all__ = ["AHEAD_SECONDS", "OnTopics", "decoded", "read_topics"]

AHEAD_SECONDS: Final = 1.0
"""Whose report is from later than this, by our clock, has another clock."""
_ANSWER_SECONDS: Final = 1.5
_READ_SECONDS: Final = 1.0
_HEAR_SECONDS: Final = 1.8
"""Of who seems absent by the clock, one report of those that come every 1.5 s is waited for, from the start."""
_TOPICS: Final = (ROLE_STATUS, STATE_CONNECTORS, STATE_ROUTES)
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class OnTopics:
    """What stands on the topics of a broker."""

    why: str = ""
    roles: dict[bytes, bytes] = field(default_factory=dict)
    connectors: dict[bytes, bytes] = field(default_factory=dict)
    routes: dict[bytes, bytes] = field(default_factory=dict)
    heard: frozenset[bytes] = frozenset()
    problems: tuple[str, ...] = ()


def read_topics(expected: Collection[str], kafka: KafkaConfig) -> OnTopics:
    """Return what was said last; blocks. Of `expected` roles that seem absent another word is waited for."""
    began = time.monotonic()
    with closing(NewestValues(kafka)) as values:
        if why := values.why_absent(_ANSWER_SECONDS):
            return OnTopics(why)
        problems = [f"topic {name} is not there: run `hub topics apply`" for name in values.missing(_TOPICS)]
        try:
            if not values.read(_TOPICS, _READ_SECONDS):
                problems.append("the broker is slow: not all that the roles said was read")
            while _is_doubtful(expected, values) and (left := began + _HEAR_SECONDS - time.monotonic()) > 0:
                values.hear(min(left, 0.1))
        except KafkaException:
            return OnTopics(f"the broker stopped answering at {kafka.bootstrap}")
        heard = frozenset(key for topic, key in values.heard if topic == ROLE_STATUS)
        return OnTopics(
            "", values.of(ROLE_STATUS), values.of(STATE_CONNECTORS), values.of(STATE_ROUTES), heard, tuple(problems)
        )


def _is_doubtful(expected: Collection[str], values: NewestValues) -> bool:
    """Whether a role seems absent by our clock, so that another report of it, or none, must say."""
    now = datetime.now(UTC)
    found = decoded(values.of(ROLE_STATUS), RoleStatus, None)
    heard = {key for topic, key in values.heard if topic == ROLE_STATUS}
    if set(expected) - {said.role for said in found.values() if not said.ended}:
        return True
    return any(
        not said.ended and key not in heard and not _is_recent((now - said.reported_at).total_seconds())
        for key, said in found.items()
    )


def _is_recent(seconds: float) -> bool:
    return -AHEAD_SECONDS <= seconds <= ABSENT_SECONDS


class _TodaysIds:
    """Ids of schemas where no registry answers: what is read was written by this version, as far as is known."""

    def __init__(self, record: str) -> None:
        self._record = record

    def id_of(self, record: str) -> int:
        """Return nothing: here nobody writes."""
        raise SchemaUnavailableError(record)

    def schema_of(self, schema_id: int) -> str:  # noqa: ARG002  # whatever it is
        """Return today's schema."""
        return schema_text(self._record)


def decoded(values: dict[bytes, bytes], kind: type[R], codec: Codec | None) -> dict[bytes, R]:
    """Return what can be read; what another version of the hub wrote in a way of its own is not known."""
    reader = codec or Codec(_TodaysIds(kind.__name__))
    found: dict[bytes, R] = {}
    for key, value in values.items():
        try:
            found[key] = reader.decode(value, kind)
        except (CodecError, SchemaUnavailableError):
            continue
    return found
