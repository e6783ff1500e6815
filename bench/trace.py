"""`python -m bench.trace`: how long `hub trace` takes among 1,000,000 records, on Apache Kafka (see `make test-kafka`).

Looked for are one event, one device, and what a device sent in the last hour, each known, and an id that nobody knows.
Exit 1 when a look takes longer than promised; run it on a quiet machine.

Usage: python -m bench.trace [--records 1000000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bondmate_hub.broker.apache import ApacheBroker, ApacheConfig
from bondmate_hub.trace.quoted import meanings
from bondmate_hub.trace.search import Query, Trace, Tracer, destinations
from bondmate_kafka.admin import admin_client
from bondmate_kafka.config import KafkaConfig
from bondmate_kafka.provisioning import apply
from bondmate_kafka.topic_search import TopicSearch
from bondmate_schemas import catalogue
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, AlertStatus, Level, Mode
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AlertState, AuditRecord, DeliveryReceipt, DeviceAlert, EventHeader, Record
from bondmate_schemas.outside_ids import OutsideIds
from confluent_kafka import Producer

MOST_SECONDS = 3.0
SHARES = {catalogue.DEVICE_ALERTS: 0.2, catalogue.RECEIPTS: 0.5, catalogue.STATE_ALERTS: 0.02, catalogue.AUDIT: 0.28}
"""Of all records, how many lie on a topic."""
_CODEC = Codec(LocalSchemaIds())
_NOW = datetime.now(UTC)
_OUTSIDE = OutsideIds.of(b"a secret of the bench")


def event(number: int) -> str:
    """Return the id of an alert."""
    return derived_id("bench", f"{number:07d}")


def device(number: int) -> str:
    """Return the device of an alert."""
    return f"device-{number % 20_000:07d}"


def _header(number: int) -> EventHeader:
    return EventHeader(
        message_id=derived_id("message", f"{number:07d}"), event_id=event(number), agency_id="north", mode=Mode.ACTUAL,
        incident_id=derived_id("incident", event(number)), occurred_at=_NOW, received_at=_NOW, source="device_http",
    )  # fmt: skip


def _record(topic: str, number: int) -> tuple[str, Record]:
    header = _header(number)
    alert = DeviceAlert(header=header, device_id=device(number), action=AlertAction.RAISE, kind=AlertKind.SOS)
    if topic == catalogue.DEVICE_ALERTS:
        return alert.device_id, alert
    if topic == catalogue.STATE_ALERTS:
        return header.event_id, AlertState(header=header, device_id=alert.device_id, status=AlertStatus.ROUTED,
                                           alert=alert, changed_at=_NOW)  # fmt: skip
    if topic == catalogue.RECEIPTS:
        return header.event_id, DeliveryReceipt(header=header, destination="room", level=Level.DELIVERED)
    return "streams-1", AuditRecord(writer="streams-1", sequence=number, recorded_at=_NOW, previous_hash="", hash="")


def fill(kafka: KafkaConfig, records: int) -> None:
    """Write so many records, those of all topics over the last ten hours."""
    producer = Producer({**kafka.producer("bench-trace"), "linger.ms": 50})
    for topic, share in SHARES.items():
        count = int(records * share)
        for number in range(count):
            key, record = _record(topic, number)
            at = _NOW - timedelta(hours=10) * ((count - number) / count)
            while True:
                try:
                    producer.produce(topic, _CODEC.encode(record), key.encode(), timestamp=int(at.timestamp() * 1000))
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush(600)


def look(kafka: KafkaConfig, quoted: str, since: timedelta | None = None) -> Trace:
    """Look for one thing, as `hub trace` does."""
    start = _NOW - since if since else None
    with TopicSearch.at(kafka) as search:
        names = meanings(quoted, _OUTSIDE, destinations(search.topics()))
        return Tracer(search, _CODEC, _OUTSIDE, Query(names, since=start)).trace()


def looks(kafka: KafkaConfig) -> Iterator[tuple[str, bool, float, float, int]]:
    """Yield what was looked for, whether the promise is of it, seconds, seconds of processor time, and hops found."""
    for name, promised, quoted, since in (
        ("one event", True, event(1_000), None),
        ("one device", True, device(1_000), None),
        ("one device, last hour", True, device(1_000), timedelta(hours=1)),
        ("nobody's id", False, "nobody-knows-this", None),
    ):
        began, cpu = time.monotonic(), time.process_time()
        found = look(kafka, quoted, since)
        yield name, promised, time.monotonic() - began, time.process_time() - cpu, len(found.hops)


def main() -> int:
    """Fill a broker and look; the exit code says whether it was fast enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
    slow = False
    with tempfile.TemporaryDirectory() as folder, ApacheBroker(ApacheConfig(Path(folder))) as broker:
        kafka = KafkaConfig(broker.bootstrap, "", {"log_level": 0})
        apply(admin_client(kafka), catalogue.topics(["room"]), limits=broker.limits, replication=1)
        fill(kafka, records)
        for name, promised, seconds, cpu, hops in looks(kafka):
            slow |= promised and seconds > MOST_SECONDS
            print(f"{name}: {seconds:.2f} s, {cpu:.2f} s of processor time, {hops} hops among {records:,} records")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
