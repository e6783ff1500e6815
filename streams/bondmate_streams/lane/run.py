"""The location lane: batches of fixes judged, routed, cut to agreements, written, and only then committed."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from bondmate_monitoring.metrics import (
    CONNECTOR_PASSED_OVER,
    DEAD_LETTERS,
    LANE_BATCH_SECONDS,
    LANE_FIXES,
    ROUTED,
    UNROUTED,
)
from bondmate_schemas.catalogue import AUDIT, DEVICE_LOCATIONS, LAST_LOCATION, locations_topic
from bondmate_schemas.codec import RECORDS, Codec, SchemaUnavailableError
from bondmate_schemas.kafka import is_fatal
from bondmate_schemas.models import DeviceLocation
from bondmate_schemas.outbox import Outgoing
from confluent_kafka import Consumer, KafkaException, Message

from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.envelopes import Arrived, Envelopes, Headers, headers_of, utc_now
from bondmate_streams.guard import BadEventError, Guard
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.lane.reach import Reach, ends_of
from bondmate_streams.lane.sender import Sender
from bondmate_streams.logic.audit import Chain, disclosure
from bondmate_streams.logic.deliveries import Agreements, Telling
from bondmate_streams.logic.locations import Judged, LastFixes, Newest, Track, tell
from bondmate_streams.logic.routing import Decision, decisions, explain, why_nowhere

_log = structlog.get_logger(__name__)
STAGE: Final = "locations"
GROUP: Final = "bondmate-lane"
_GATHER_MS: Final = 50
"""How long positions may wait for others to be worked off with."""
_AGAIN_SECONDS: Final = 1.0
_MOST_READS: Final = 10
_SUPERSEDED: Final = "superseded"
_TRACKS_KEPT: Final = 200_000
_ROUTES_KEPT: Final = 10_000
_FORGOTTEN_AFTER: Final = timedelta(hours=1)


def run_lane(config: LaneConfig, stop: threading.Event, on_ready: Callable[[], object] = lambda: None) -> None:
    """Run until `stop` is set, then finish the batch in hand, commit, and return. Blocks; one lane a data folder.

    `on_ready` is called when partitions were assigned.
    Broker, registry or topics that are not there are waited for. Killing it loses nothing: what was not committed comes
    again, under the ids it had.
    """
    codec = Codec(config.ids())
    chain = _answered(stop, "lane waits", lambda: _ready(config, codec))
    if chain is None:
        return
    consumer = Consumer(config.kafka.consumer(GROUP, f"{GROUP}-{config.instance}", gather_ms=_GATHER_MS))

    def assigned(*_: object) -> None:
        on_ready()

    consumer.subscribe([DEVICE_LOCATIONS], on_assign=assigned)
    lane = Lane(config, codec, chain, Sender(config.kafka.producer(f"{GROUP}-{config.instance}"), stop))
    _log.info("lane started", instance=config.instance)
    try:
        while not stop.is_set():
            turn(lane, consumer, config, stop)
        if lane.settle(utc_now(), last=True):
            _log.info("lane stopped", instance=config.instance)
    finally:
        consumer.close()
        lane.close()


def _ready(config: LaneConfig, codec: Codec) -> Chain:
    for record in RECORDS:
        codec.learn(record)
    return chain_so_far(config.kafka, codec, f"lane-{config.instance}")


def _answered(stop: threading.Event, event: str, ask: Callable[[], Chain]) -> Chain | None:
    said = False
    while not stop.is_set():
        try:
            return ask()
        except (KafkaException, SchemaUnavailableError, KeyError) as error:
            if not said:
                _log.warning(event, error=type(error).__name__)
            said = True
        stop.wait(_AGAIN_SECONDS)
    return None


def turn(lane: Lane, consumer: Consumer, config: LaneConfig, stop: threading.Event) -> None:
    """Take one batch from the topic to its commit."""
    messages = _read(lane, consumer, config)
    started = time.monotonic()
    while not lane.take(messages):
        if stop.wait(_AGAIN_SECONDS):
            return
    while not lane.settle(utc_now()):
        if stop.wait(_AGAIN_SECONDS):
            return
    if messages:
        _commit(consumer, messages)
        LANE_BATCH_SECONDS.observe(time.monotonic() - started)


def _read(lane: Lane, consumer: Consumer, config: LaneConfig) -> list[Message]:
    messages: list[Message] = []
    # A broker may have lost what the batch of a killed lane reached, so that it is not waited for long.
    for _ in range(_MOST_READS):
        found = consumer.consume(config.batch, config.wait_seconds)
        messages += [message for message in found if _is_record(message)]
        if not lane.reach.lacks(messages):
            break
    return messages


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is not None and is_fatal(error):
        raise KafkaException(error)  # the role ends, and its supervisor starts another
    return error is None


def _commit(consumer: Consumer, messages: list[Message]) -> None:
    try:
        consumer.commit(offsets=ends_of(messages), asynchronous=False)
    except KafkaException as error:
        # Another commit will cover it; until then a restart would write the batch again, under the same ids.
        _log.warning("lane could not commit", error=error.args[0].name())


class Lane:
    """What is done with a batch of fixes; knows no consumer."""

    def __init__(self, config: LaneConfig, codec: Codec, chain: Chain, sender: Sender) -> None:
        """Work by the routes of `config`; `chain` is where the audit trail of this lane stands."""
        self._config = config
        self._codec = codec
        self._chain = chain
        self._sender = sender
        self._envelopes = Envelopes(codec)
        self._guard = Guard(STAGE, _NoOutbox())
        self._agreements = Agreements(config.routes, config.secret)
        self._tracks: dict[str, Track] = {}
        self._routes: dict[tuple[str, ...], list[Decision]] = {}
        self._last = LastFixes()
        self._disclosures = Disclosures(config.data_dir / "lane-disclosures.jsonl")
        self.reach = Reach(config.data_dir / "lane-reach.json")
        self._log_at = time.monotonic() + config.audit_seconds
        self._taken = 0
        self._going: deque[tuple[Message, Judged, list[Decision]]] = deque()
        self._newest = Newest()
        self._outcomes: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._passed_over: Counter[str] = Counter()

    def take(self, messages: list[Message]) -> bool:
        """Judge and write a batch; False when registry or disk do not work now: call again with the same batch."""
        try:
            self._judge_all(messages)
            self._tell_all()
        except SchemaUnavailableError:
            return False
        except OSError as error:
            _log.warning("lane waits for its disk", error=error.strerror)
            return False
        self._taken, self._newest = 0, Newest()
        self._count()
        return True

    def _judge_all(self, messages: list[Message]) -> None:
        for message in messages[self._taken :]:
            self._guarded(message, self._judge)
            self._taken += 1
        if messages:
            self.reach.keep(messages)

    def _tell_all(self) -> None:
        while self._going:
            message, judged, found = self._going[0]
            self._guarded(message, partial(self._tell, judged, found))
            self._going.popleft()

    def _guarded(self, message: Message, body: Callable[[Message], str]) -> None:
        outcome, letter = self._guard.judged(message, body, _arrived)
        if letter is not None:
            self._sender.begin(letter)
            DEAD_LETTERS.labels(STAGE, _code(letter)).inc()
        if outcome:
            self._outcomes[outcome] += 1

    def _judge(self, message: Message) -> str:
        """Give the outcome, none yet for a fix that goes on."""
        fix = self._codec.decode(message.value(), DeviceLocation)
        judged = self._track(fix.device_id).judge(fix)
        self._last.see(judged)
        if judged.outcome == "no_fix":
            raise BadEventError("no_fix")
        if not judged.goes_on:
            return judged.outcome
        found = self._decisions(judged.fix)
        if not found:
            return "unrouted"
        self._newest.see(judged, found)
        self._going.append((message, judged, found))
        return ""

    def _track(self, device_id: str) -> Track:
        track = self._tracks.pop(device_id, None) or Track()
        self._tracks[device_id] = track
        if len(self._tracks) > _TRACKS_KEPT:
            del self._tracks[next(iter(self._tracks))]
        return track

    def _tell(self, judged: Judged, found: list[Decision], message: Message) -> str:
        wanted = [decision for decision in found if self._newest.passes(judged, decision)]
        for telling in tell(judged.fix, wanted):
            self._write(telling, headers_of(message.headers()))
        if len(wanted) < len(found):
            self._passed_over.update(decision.destination for decision in found if decision not in wanted)
        return judged.outcome if wanted else _SUPERSEDED

    def _write(self, telling: Telling, cause: Headers) -> None:
        delivery = self._agreements.delivery(telling, utc_now())
        topic = locations_topic(telling.destination)
        self._sender.begin(self._envelopes.pack(topic, delivery.key, delivery, cause))
        self._told[telling.destination] += 1
        fields = self._agreements.disclosed(telling)
        self._disclosures.add(disclosure(telling.event, telling.destination, fields, self._config.secret))

    def _count(self) -> None:
        for outcome, count in self._outcomes.items():
            LANE_FIXES.labels(outcome).inc(count)
        for destination, count in self._told.items():
            ROUTED.labels(destination, "LOCATION", "NEW").inc(count)
        for destination, count in self._passed_over.items():
            CONNECTOR_PASSED_OVER.labels(destination, _SUPERSEDED).inc(count)
        for counts in (self._outcomes, self._told, self._passed_over):
            counts.clear()

    def _decisions(self, fix: DeviceLocation) -> list[Decision]:
        header = fix.header
        # Routes look at nothing else of a fix, so that most need not be tried again.
        facts = (header.mode.value, header.agency_id, header.source, fix.unit or "", *header.hops)
        if facts not in self._routes:
            if len(self._routes) > _ROUTES_KEPT:
                self._routes.clear()
            verdicts = explain(fix, self._config.routes)
            self._routes[facts] = decisions(verdicts)
            if not self._routes[facts]:
                _log.warning("positions go nowhere", why=why_nowhere(verdicts))
        if not self._routes[facts]:
            UNROUTED.labels("DeviceLocation", "no_route").inc()
        return self._routes[facts]

    def settle(self, now: datetime, *, last: bool = False) -> bool:
        """Wait until the broker has all that was written, so that the batch may be committed; False when not now."""
        for device, fix in self._last.due(now).items():
            self._sender.begin(
                self._envelopes.pack(LAST_LOCATION, device, fix)
                if fix
                else Outgoing(LAST_LOCATION, device.encode(), None)
            )
        if not self._sender.finish():
            return False
        if not self._kept():
            return False
        return self._logged() if last or time.monotonic() >= self._log_at else True

    def _kept(self) -> bool:
        try:
            self._disclosures.keep()
        except OSError as error:
            _log.warning("lane waits for its disk", error=error.strerror)
            return False
        return True

    def _logged(self) -> bool:
        self._log_at = time.monotonic() + self._config.audit_seconds
        self._last.forget(utc_now() - _FORGOTTEN_AFTER)
        for entry in self._disclosures.entries():
            self._chain, record = self._chain.append(entry, utc_now())
            self._sender.begin(self._envelopes.pack(AUDIT, record.writer, record))
        if not self._sender.finish():
            return False
        self._disclosures.logged()
        return True

    def close(self) -> None:
        """Release what it holds."""
        self._sender.close()
        self._disclosures.close()
        self.reach.close()


class _NoOutbox:
    """The lane writes its dead letters with its batch."""

    async def send(self, *outgoing: Outgoing) -> None:
        raise AssertionError(outgoing)


def _arrived(message: Message) -> Arrived:
    return Arrived(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        headers_of(message.headers()),
    )


def _code(letter: Outgoing) -> str:
    return next((value or b"").decode() for name, value in letter.headers if name == "bondmate.error.code")
