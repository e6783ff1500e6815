"""Chains of messages on a broker, over a restart of the streams; and what is forgotten (S8)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bondmate_kafka.records import utc_now
from bondmate_schemas.catalogue import INCIDENTS, RECEIPTS, changelog_topic, destination_topic
from bondmate_schemas.enums import DeliveryReason, IncidentAction, Level
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Delivery, DeliveryReceipt, IncidentLink
from bondmate_streams.agents.known_links import KnownLinks
from bondmate_streams.faust_adapter.key_locks import KeyLocks

TAK = destination_topic("tak")


def told(event_id: str, reason: DeliveryReason) -> Callable[[Delivery], bool]:
    return lambda delivery: (delivery.header.event_id, delivery.reason) == (event_id, reason)


def linked(message_id: str) -> Callable[[Any], bool]:
    return lambda link: link.message_id == message_id and bool(link.targets)


def links(topics: Any, message_id: str) -> None:
    """Wait until the changelog has what a message belongs to."""
    topics.wait_found(
        changelog_topic("links"),
        lambda found: (
            found.key == message_id.encode()
            and found.value is not None
            and bool(topics.codec.decode(found.value, IncidentLink).targets)
        ),
    )


def test_an_end_finds_its_alert_through_an_update_of_before_the_restart(
    topics: Any, make: Any, configured: Callable[..., Any], running: Any, tmp_path: Path
) -> None:
    alert, update, another = (f"chain-{derived_id(str(tmp_path), name)}" for name in ("a", "b", "c"))
    first = running(configured(tmp_path))
    begun = {"event_id": alert, "incident_id": alert}
    topics.put(INCIDENTS, make.incident(**begun, message_id=alert, source="there"))
    topics.wait(TAK, Delivery, told(alert, DeliveryReason.NEW))
    topics.put(INCIDENTS, make.incident(
        **begun, message_id=update, action=IncidentAction.UPDATED, refers_to=(alert,), source="there",
    ))  # fmt: skip
    links(topics, update)
    # Their answer to an alert of ours.
    sos = make.alert("device-links")
    topics.put("bondmate.device.alerts", sos)
    delivery = topics.wait(TAK, Delivery, told(sos.header.event_id, DeliveryReason.NEW))[0]
    answer = make.receipt(sos.header.event_id, "tak", Level.ACKNOWLEDGED, delivery_id=delivery.id, said_in=another)
    topics.put(RECEIPTS, answer)
    links(topics, another)
    first.stop()

    second = running(configured(tmp_path))
    of_update = {"event_id": update, "incident_id": update}
    topics.put(INCIDENTS, make.incident(
        **of_update, action=IncidentAction.CANCELLED, refers_to=(update,), source="there",
    ))  # fmt: skip
    topics.put(INCIDENTS, make.incident(
        event_id=another, incident_id=another, action=IncidentAction.CANCELLED, refers_to=(another,), source="tak",
        reply_level=Level.RESOLVED,
    ))  # fmt: skip
    topics.wait(TAK, Delivery, told(alert, DeliveryReason.CANCEL))
    resolved = topics.wait(
        RECEIPTS, DeliveryReceipt,
        lambda one: (one.header.event_id, one.level) == (sos.header.event_id, Level.RESOLVED),
    )[0]  # fmt: skip
    second.stop()

    assert ("tak", delivery.id) == (resolved.destination, resolved.delivery_id)
    assert not [one for one in topics.records(TAK, Delivery) if one.header.event_id in {update, another}]


class Table:
    """A table in memory that forgets and remembers as a faust table does, without its broker."""

    def __init__(self) -> None:
        self.kept: dict[str, IncidentLink] = {}

    def get(self, key: str) -> IncidentLink | None:
        return self.kept.get(key)

    async def put(self, key: str, link: IncidentLink) -> None:
        self.kept[key] = link

    async def forget(self, key: str) -> None:
        del self.kept[key]

    def records(self) -> list[IncidentLink]:
        return list(self.kept.values())


class OwnedPartitions:
    @contextmanager
    def in_partition_of(self, key: str) -> Any:
        yield key != "elsewhere"


def known(table: Table, most: int = 100) -> KnownLinks:
    return KnownLinks(table, OwnedPartitions(), KeyLocks(), most)  # type: ignore[arg-type]


async def test_a_link_is_forgotten_when_its_time_is_over_also_after_a_restart() -> None:
    table, now = Table(), utc_now()
    kept = known(table)
    for name, days in (("short", 1), ("long", 9), ("elsewhere", 1)):
        await kept.put(IncidentLink(message_id=name, expires_at=now + timedelta(days=days)))
    await kept.put(IncidentLink(message_id="again", expires_at=now + timedelta(days=1)))
    await kept.put(IncidentLink(message_id="again", expires_at=now + timedelta(days=9)))
    anew = known(table)
    await anew.rebuild_beside()
    assert anew._rebuilding is not None
    await anew._rebuilding

    assert 1 == await anew.forget(now + timedelta(days=2))
    assert {"long", "again", "elsewhere"} == set(table.kept)
    assert 2 == await anew.forget(now + timedelta(days=10))
    assert {"elsewhere"} == set(table.kept)


async def test_of_too_many_the_oldest_are_forgotten() -> None:
    table, now = Table(), utc_now()
    kept = known(table, most=3)
    for number in range(5):
        await kept.put(IncidentLink(message_id=str(number), expires_at=now + timedelta(days=number + 1)))

    assert 2 == await kept.forget(now)
    assert {"2", "3", "4"} == set(table.kept)


async def test_a_link_whose_time_is_over_is_not_known_though_it_is_not_forgotten_yet() -> None:
    table = Table()
    kept = known(table)
    await kept.put(IncidentLink(message_id="m", expires_at=utc_now() - timedelta(seconds=1)))

    assert None is kept.get("m")
