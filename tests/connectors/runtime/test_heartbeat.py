"""Each connector's state stands on a topic, is said again and again, and falls silent with its runner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bondmate_connectors.testing import sos
from bondmate_connectors.testing.sample import Trouble
from bondmate_schemas.catalogue import STATE_CONNECTORS
from bondmate_schemas.models import ConnectorStatus


async def said(hub, place):
    found = [(m.key(), hub.codec.decode(m.value(), ConnectorStatus)) for m in await hub.read(STATE_CONNECTORS)]
    mine = [status for _, status in found if status.connector == place]
    # The key names the process too: two that run one connector do not hide each other.
    assert all(key == f"{place} runner".encode() for key, status in found if status.connector == place)
    return mine


async def test_a_connector_says_how_it_is_when_that_changes_and_in_between(hub, ledger, place, instance):
    settings = replace(hub.settings, heartbeat_seconds=1, lag_every_seconds=0.2)

    async def has(wanted):
        mine = await said(hub, place)
        return mine and wanted(mine[-1])

    async with hub.running(instance, settings=settings):
        await hub.feed(sos(place, 1))
        await hub.until(lambda: has(lambda s: s.status == "OK" and s.last_sent_at), "sent")
        before = (await said(hub, place))[-1]  # by time: the topic is compacted, what is older may be gone
        async with ledger.in_trouble(Trouble.BROKEN):
            await hub.feed(*(sos(place, number) for number in range(2, 12)))
            await hub.until(lambda: has(lambda s: s.status == "RECOVERABLE_ERROR" and s.backlog_events == 10), "down")
            down = (await said(hub, place))[-1]
        await hub.until(lambda: has(lambda s: s.status == "OK" and s.backlog_events == 0), "well again")
        after = (await said(hub, place))[-1]
    last = (await said(hub, place))[-1]

    assert before.reported_at < down.reported_at < after.reported_at
    assert (down.breaker, down.reason) in {(breaker, "failing: transient") for breaker in ("open", "half_open")}
    assert down.oldest_seconds > 0
    assert down.since <= down.reported_at
    assert ("STOPPED", "runner") == (last.status, last.reported_by)
    assert not last.is_silent(datetime.now(UTC) + timedelta(days=1))


def test_silence_is_three_intervals_without_a_word():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    status = ConnectorStatus(connector="tak", reported_at=now, interval_seconds=10, status="OK", since=now)

    assert not status.is_silent(now + timedelta(seconds=30))
    assert status.is_silent(now + timedelta(seconds=31))
    assert status.model_copy(update={"status": "FATAL_ERROR"}).is_silent(now + timedelta(seconds=31))
