"""The location lane: batches of fixes judged, routed, cut to agreements, written, and only then committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog
from bondmate_monitoring.metrics import DEAD_LETTERS, LANE_BATCH_SECONDS, LANE_FIXES, ROUTED, UNROUTED
from bondmate_schemas.catalogue import AUDIT, DEVICE_LOCATIONS, LAST_LOCATION, locations_topic
from bondmate_schemas.codec import RECORDS, Codec, SchemaUnavailableError
from bondmate_schemas.models import DeviceLocation
from bondmate_schemas.outbox import Outgoing
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from bondmate_streams.audit_tail import chain_so_far
from bondmate_streams.envelopes import Arrived, Envelopes, Headers, headers_of, utc_now
from bondmate_streams.guard import BadEventError, Guard
from bondmate_streams.lane.config import LaneConfig
from bondmate_streams.lane.disclosures import Disclosures
from bondmate_streams.lane.sender import Sender
from bondmate_streams.logic.audit import Chain, disclosure
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.locations import Judged, LastFixes, Track, tell
from bondmate_streams.logic.routing import Decision, decisions, explain, why_nowhere

_log = structlog.get_logger(__name__)
STAGE: Final = "locations"
GROUP: Final = "bondmate-lane"
_AGAIN_SECONDS: Final = 1.0
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
    consumer = Consumer(config.kafka.consumer(GROUP, f"{GROUP}-{config.instance}"))

    def assigned(*_: object) -> None:
        on_ready()

    consumer.subscribe([DEVICE_LOCATIONS], on_assign=assigned)
    lane = Lane(config, codec, chain, Sender(config.kafka.producer(f"{GROUP}-{config.instance}"), stop))
    _log.info("lane started", instance=config.instance)
    try:
        while not stop.is_set():
            _turn(lane, consumer, config, stop)
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


def _turn(lane: Lane, consumer: Consumer, config: LaneConfig, stop: threading.Event) -> None:
    """Take one batch from the topic to its commit."""
    messages = [message for message in consumer.consume(config.batch, config.wait_seconds) if message.error() is None]
    started = time.monotonic()
    while not lane.take(messages):
        if stop.wait(_AGAIN_SECONDS):
            return
    if lane.settle(utc_now()) and messages:
        _commit(consumer, messages)
        LANE_BATCH_SECONDS.observe(time.monotonic() - started)


def _commit(consumer: Consumer, messages: Iterable[Message]) -> None:
    try:
        consumer.commit(offsets=_offsets(messages), asynchronous=False)
    except KafkaException as error:
        # Another commit will cover it; until then a restart would write the batch again, under the same ids.
        _log.warning("lane could not commit", error=error.args[0].name())


def _offsets(messages: Iterable[Message]) -> list[TopicPartition]:
    last = {(message.topic(), message.partition()): message.offset() for message in messages}
    return [
        TopicPartition(topic or "", partition or 0, (offset or 0) + 1) for (topic, partition), offset in last.items()
    ]


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
        self._log_at = time.monotonic() + config.audit_seconds
        self._outcomes: dict[int, str] = {}

    def take(self, messages: list[Message]) -> bool:
        """Judge and write a batch; False when the registry does not answer, then call again with the same batch."""
        for number, message in enumerate(messages):
            if number in self._outcomes:
                continue
            arrived = _arrived(message)
            try:
                outcome, letter = self._guard.judged(arrived, self._one)
            except SchemaUnavailableError:
                return False
            if letter is not None:
                self._sender.begin(letter)
                DEAD_LETTERS.labels(STAGE, _code(letter)).inc()
            self._outcomes[number] = outcome
        for outcome in self._outcomes.values():
            LANE_FIXES.labels(outcome).inc()
        self._outcomes.clear()
        return True

    def _one(self, arrived: Arrived) -> str:
        fix = self._codec.decode(arrived.value, DeviceLocation)
        judged = self._track(fix.device_id).judge(fix)
        self._last.see(judged)
        if judged.outcome == "no_fix":
            raise BadEventError("no_fix")
        if not judged.goes_on:
            return judged.outcome
        return judged.outcome if self._tell(judged, arrived.headers) else "unrouted"

    def _track(self, device_id: str) -> Track:
        track = self._tracks.pop(device_id, None) or Track()
        self._tracks[device_id] = track
        if len(self._tracks) > _TRACKS_KEPT:
            del self._tracks[next(iter(self._tracks))]
        return track

    def _tell(self, judged: Judged, cause: Headers) -> bool:
        found = self._decisions(judged.fix)
        now = utc_now()
        for telling in tell(judged.fix, found):
            delivery = self._agreements.delivery(telling, now)
            topic = locations_topic(telling.destination)
            self._sender.begin(self._envelopes.pack(topic, delivery.key, delivery, cause))
            ROUTED.labels(telling.destination, "LOCATION", "NEW").inc()
            fields = self._agreements.disclosed(telling)
            self._disclosures.add(disclosure(judged.fix, telling.destination, fields, self._config.secret))
        return bool(found)

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
        """Wait until the broker has all that was written, so that the batch may be committed; False when stopped."""
        for device, fix in self._last.due(now).items():
            self._sender.begin(
                self._envelopes.pack(LAST_LOCATION, device, fix)
                if fix
                else Outgoing(LAST_LOCATION, device.encode(), None)
            )
        if not self._sender.finish():
            return False
        self._disclosures.keep()
        return self._logged() if last or time.monotonic() >= self._log_at else True

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
