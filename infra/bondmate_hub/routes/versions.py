"""Versions of the routes on the broker: the newest there is, what a new one would do, and writing it."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bondmate_kafka.producer import BlockingWriter, not_written
from bondmate_kafka.records import Envelopes
from bondmate_kafka.topic_reader import kept, names
from bondmate_schemas.catalogue import STATE_ROUTES, destination_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.models import RoutesVersion
from bondmate_streams.applied_routes import Applied, applied_of, retired_text
from bondmate_streams.logic.late_rooms import effects

from bondmate_hub.operations.incidents import states as states_of_alerts

if TYPE_CHECKING:
    from bondmate_kafka.config import KafkaConfig
    from bondmate_streams.logic.routing import Ground, Routes

__all__ = ["Plan", "VersionTakenError", "newest", "plan", "write"]

_NAME: Final = "routes"
_ANSWER_SECONDS: Final = 15.0


class VersionTakenError(Exception):
    """Somebody else applied a version at the same time, which stands; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a file would do now."""

    late: Counter[str]
    """Of how many open alerts each room would be told that does not know them."""
    ending: Counter[str]
    """Of how many each room that the file names no more would hear the end, and nothing else."""
    missing: tuple[str, ...]
    """Destinations that the broker has no topic for."""
    retired: str


def newest(kafka: KafkaConfig, codec: Codec) -> RoutesVersion | None:
    """Return the version that was applied last; None where none ever was.

    Raises:
        BrokerError: the broker does not answer, or has no such topic.
    """
    found: RoutesVersion | None = None
    for value in _values(kafka):
        version = codec.decode(value, RoutesVersion)
        found = version if found is None or version.number >= found.number else found
    return found


def plan(kafka: KafkaConfig, codec: Codec, before: Applied, after: Routes, ground: Ground | None) -> Plan:
    """Return what applying `after` would do to the alerts that are open now; raises as `newest`."""
    states = [*states_of_alerts(kafka, codec).values()]
    late, ending = effects(states, after, ground)
    topics = set(names(kafka.client()))
    missing = tuple(name for name in after.destinations if destination_topic(name) not in topics)
    still = {name for state in states for name in state.destinations}
    return Plan(late, ending, missing, retired_text(before.routes, after, still))


def write(kafka: KafkaConfig, codec: Codec, number: int, text: str, retired: str) -> RoutesVersion:
    """Write a version; it counts from here on.

    Raises:
        BrokerError: the broker does not answer or refuses, so nothing was changed.
        VersionTakenError: another of this number was there first, and counts.
    """
    version = RoutesVersion(
        name=_NAME, number=number, applied_at=datetime.now(UTC), applied_by=getpass.getuser(), text=text,
        retired=retired,
    )  # fmt: skip
    applied_of(version)
    ours = _send(kafka, codec, version)
    first = next(value for value in _values(kafka) if codec.decode(value, RoutesVersion).number == number)
    if first != ours:
        # Who works by it goes on; who begins anew would take ours, the newest: so it is written once more behind ours.
        theirs = codec.decode(first, RoutesVersion)
        _send(kafka, codec, theirs.model_copy(update={"number": number + 1}))
        raise VersionTakenError(
            f"version {number} was applied by {theirs.applied_by} meanwhile, and stands (as {number + 1}): "
            "see `hub routes show`, and call again"
        )
    return version


def _send(kafka: KafkaConfig, codec: Codec, version: RoutesVersion) -> bytes:
    outgoing = Envelopes(codec).pack(STATE_ROUTES, _NAME, version)
    if code := BlockingWriter(kafka, "hub-routes", _ANSWER_SECONDS).write([outgoing])[0]:
        raise not_written(STATE_ROUTES, code)
    return outgoing.value or b""


def _values(kafka: KafkaConfig) -> Iterator[bytes]:
    return (message.value() or b"" for message in kept(kafka, STATE_ROUTES))
