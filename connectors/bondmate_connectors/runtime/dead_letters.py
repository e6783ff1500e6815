"""Records nobody could use, kept as they were, with constant codes beside them.

No exception text goes there: it may hold personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.ids import derived_id

from bondmate_connectors.runtime.outbox import Headers, Outgoing

_PREFIX = "bondmate.error."


@dataclass(frozen=True, slots=True)
class Grave:
    """Why and where something was given up: the connector, the stage, the code and the time."""

    connector: str
    stage: str
    code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a record in Kafka."""

    topic: str
    partition: int
    offset: int


def dead_letter(
    place: str,
    grave: Grave,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Headers = (),
    origin: Origin | None = None,
    dead_id: str = "",
) -> Outgoing:
    """Give the dead letter for `bondmate.dlq.<place>`: original key, value and headers, and `bondmate.error.*`.

    The same record of the same place in Kafka always gets the same `bondmate.error.id`; what never was in Kafka gets
    `dead_id`.
    """
    facts = {"connector": grave.connector, "stage": grave.stage, "code": grave.code, "at": grave.at.isoformat()}
    if origin is not None:
        facts |= {"topic": origin.topic, "partition": str(origin.partition), "offset": str(origin.offset)}
        dead_id = derived_id("dead-letter", origin.topic, str(origin.partition), str(origin.offset))
    facts["id"] = dead_id
    # A record replayed from a dead-letter topic has old facts: the newest are true.
    kept = [(name, content) for name, content in headers if not name.startswith(_PREFIX)]
    return Outgoing(
        dead_letter_topic(place),
        key,
        value,
        [*kept, *((_PREFIX + name, fact.encode()) for name, fact in facts.items())],
    )
