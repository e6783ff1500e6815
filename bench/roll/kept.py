"""What the hub keeps of the alerts: their states and the audit trail, read from their topics when all is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.topic_reader import stored
from bondmate_schemas.catalogue import STATE_ALERTS
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, Level
from bondmate_schemas.models import AlertState, Record

R = TypeVar("R", bound=Record)


class Kept:
    """Reads topics whole."""

    def __init__(self, kafka: KafkaConfig, codec: Codec, destinations: Sequence[str]) -> None:
        self._config = kafka.client()
        self._codec = codec
        self._destinations = frozenset(destinations)

    def records(self, topic: str, kind: type[R]) -> Iterator[R]:
        """Yield all records of a topic."""
        return (self._codec.decode(found.value(), kind) for found in stored(self._config, [topic]) if found.value())

    def untrue(self, marks: Iterable[str]) -> list[str]:
        """Return the alerts whose last state is not what their devices did and every destination has confirmed."""
        last = {state.header.event_id: state for state in self.records(STATE_ALERTS, AlertState)}
        done: dict[str, set[str]] = {}
        for mark in marks:
            action, _, number = mark.partition("-")
            done.setdefault(f"event-{number}", set()).add(action)
        return [event for event, actions in done.items() if not self._is_true(last.get(event), actions)]

    def _is_true(self, state: AlertState | None, actions: set[str]) -> bool:
        if state is None:
            return False
        confirmed = {name for name, at in state.destinations.items() if at.level is not Level.UNKNOWN}
        # An officer's word that it was nothing is a request: control rooms end an SOS.
        return confirmed == self._destinations and state.cancel_requested == (AlertAction.CANCEL.value in actions)
