"""A check-in that is due: nobody hears of it until it is missed, and then whatever has died meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.records import Envelopes
from bondmate_kafka.topic_view import Seen
from bondmate_schemas.catalogue import CHECK_INS, DEVICE_ALERTS, destination_topic
from bondmate_schemas.check_ins import after
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason
from bondmate_schemas.flags import CHECK_IN_MISSED, UNDER_DURESS
from bondmate_schemas.models import CheckIn, Delivery, DeviceAlert
from bondmate_streams.agents.check_ins import CheckIns
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.check_ins import missed

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TAK = destination_topic("tak")


def owed(make: Any, due_at: datetime = NOW, device: str = "device-c", **given: Any) -> CheckIn:
    done, flags = given.pop("done", False), given.pop("flags", ())
    alert = make.alert(device, kind=AlertKind.OFFICER_DOWN, flags=(CHECK_IN_MISSED,), **given)
    header = alert.header.model_copy(update={"flags": flags})
    return CheckIn(header=header, device_id=device, due_at=due_at, done=done, alert=alert)


def test_it_is_moved_by_a_new_message_and_not_by_a_repeat_and_ends_when_it_comes(make: Any) -> None:
    due = owed(make, event_id="e")
    repeat = due.model_copy(update={"due_at": NOW + timedelta(seconds=9)})
    later = owed(make, NOW + timedelta(seconds=30), event_id="e")
    came, forced = owed(make, event_id="e", done=True), owed(make, event_id="e", done=True, flags=(UNDER_DURESS,))

    assert (due, due, later, None, due) == (
        after(None, due), after(due, repeat), after(due, later), after(due, came), after(due, forced),
    )  # fmt: skip


def test_under_duress_nobody_is_believed_who_moves_it_later(make: Any) -> None:
    due = owed(make, event_id="e")
    later, sooner = (
        owed(make, NOW + timedelta(seconds=seconds), event_id="e", flags=(UNDER_DURESS,)) for seconds in (30, -5)
    )

    assert (due, sooner, later) == (after(due, later), after(due, sooner), after(None, later))


def test_the_alert_is_the_one_that_the_device_raises_itself_at_the_end_and_counts_no_press(make: Any) -> None:
    due = owed(make, event_id="e")
    own = take(make.alert("device-c", event_id="e", kind=AlertKind.OFFICER_DOWN), None, None, NOW)
    by_hub = take(missed(due, NOW), own.memory, None, NOW)
    alone = take(missed(due, NOW), None, None, NOW)
    again = take(missed(due, NOW + timedelta(seconds=1)), alone.memory, None, NOW)
    assert by_hub.change is not None
    assert alone.change is not None

    assert ("news", "raised", "repeat") == (by_hub.outcome, alone.outcome, again.outcome)
    assert (AlertAction.UPDATE, 1, "e") == (
        by_hub.change.action, by_hub.change.press_count, by_hub.change.header.event_id,
    )  # fmt: skip
    assert (NOW, (CHECK_IN_MISSED,)) == (alone.change.header.occurred_at, alone.change.header.flags)


class OwnedPartitions:
    """The places of a worker that has every partition, or none."""

    def __init__(self, *, ours: bool) -> None:
        self._ours = ours

    @contextmanager
    def in_partition_of(self, _: str) -> Iterator[bool]:
        yield self._ours


class Context:
    """What is written, and nothing else of a context."""

    def __init__(self) -> None:
        self.codec = Codec(LocalSchemaIds())
        self.envelopes = Envelopes(self.codec)
        self.writer = self
        self.written: list[Any] = []

    async def send(self, *outgoing: Any) -> None:
        self.written += outgoing


@pytest.mark.parametrize(("ours", "late_seconds", "raises"), [(True, 0, True), (False, 1, False), (False, 2, True)])
async def test_another_worker_raises_it_where_the_devices_own_is_dead_or_frozen(
    make: Any, configured: Any, tmp_path: Path, *, ours: bool, late_seconds: float, raises: bool
) -> None:
    context = Context()
    watch = CheckIns(context, OwnedPartitions(ours=ours), configured(tmp_path))  # type: ignore[arg-type]  # what it needs
    watch._view._caught_up.set()
    due = owed(make)
    watch.see(Seen(CHECK_INS, due.header.event_id, context.codec.encode(due), 0))
    await watch.look(NOW - timedelta(seconds=0.1))
    assert [] == context.written
    await watch.look(NOW + timedelta(seconds=late_seconds))
    await watch.look(NOW + timedelta(seconds=late_seconds + 0.1))

    topics = [one.topic for one in context.written]
    assert ([DEVICE_ALERTS, CHECK_INS] if raises else []) == topics
    assert not raises or context.written[1].value is None


async def test_what_was_due_and_comes_behind_its_end_by_another_gateway_is_due_no_more(
    make: Any, configured: Any, tmp_path: Path
) -> None:
    context = Context()
    watch = CheckIns(context, OwnedPartitions(ours=True), configured(tmp_path))  # type: ignore[arg-type]  # what it needs
    watch._view._caught_up.set()
    due = owed(make, received_at=NOW - timedelta(seconds=60))
    key = due.header.event_id
    done = owed(make, event_id=key, done=True, received_at=NOW - timedelta(seconds=50))
    anew = owed(make, event_id=key, received_at=NOW - timedelta(seconds=40))
    for said in (due, done, due):
        watch.see(Seen(CHECK_INS, key, context.codec.encode(said), 0))
    for _ in range(2):
        await watch.look(NOW)

    assert [(CHECK_INS, context.codec.encode(done))] == [(one.topic, one.value) for one in context.written]
    watch.see(Seen(CHECK_INS, key, context.codec.encode(anew), 0))
    await watch.look(NOW)
    assert [DEVICE_ALERTS, CHECK_INS] == [one.topic for one in context.written[1:]]
    watch.see(Seen(CHECK_INS, key, context.codec.encode(done), 0))
    await watch.look(NOW + timedelta(hours=1))
    assert {} == watch._done, "not for ever"


async def test_one_that_is_said_anew_by_a_gateway_whose_clock_is_behind_is_due(
    make: Any, configured: Any, tmp_path: Path
) -> None:
    context = Context()
    watch = CheckIns(context, OwnedPartitions(ours=True), configured(tmp_path))  # type: ignore[arg-type]  # what it needs
    watch._view._caught_up.set()
    minute = timedelta(minutes=1)
    done = owed(make, event_id="e", done=True, received_at=NOW - minute, occurred_at=NOW - minute)
    anew = owed(make, event_id="e", received_at=NOW - 2 * minute, occurred_at=NOW - minute / 2, due_at=NOW)
    for said in (done, anew):
        watch.see(Seen(CHECK_INS, "e", context.codec.encode(said), 0))
    await watch.look(NOW)

    assert [DEVICE_ALERTS, CHECK_INS] == [one.topic for one in context.written]


def test_it_is_told_in_time_although_the_worker_was_stopped_and_to_nobody_where_it_came(
    topics: Any, make: Any, configured: Any, running: Any, tmp_path: Path
) -> None:
    config = configured(tmp_path)
    streams = running(config)
    now = datetime.now(UTC)
    due, kept = owed(make, now + timedelta(seconds=12)), owed(make, now + timedelta(seconds=3), "device-kept")
    came = owed(make, now, "device-kept", event_id=kept.header.event_id, done=True)
    topics.put(CHECK_INS, due, kept, came)
    streams.stop()
    streams = running(config)

    (told,) = topics.wait(TAK, Delivery, lambda d: d.header.event_id == due.header.event_id)
    late = datetime.now(UTC) - due.due_at
    assert (DeliveryReason.NEW, True) == (told.reason, CHECK_IN_MISSED in told.header.flags)
    assert timedelta(0) <= late < timedelta(seconds=5)
    assert [due.header.event_id] == [
        alert.header.event_id for alert in topics.records(DEVICE_ALERTS, DeviceAlert) if alert.device_id != "device-x"
    ]
    deadline = time.monotonic() + 10
    while [found for found in topics.all(CHECK_INS) if found.key == due.header.event_id.encode()][-1].value is not None:
        assert time.monotonic() < deadline
    streams.stop()
