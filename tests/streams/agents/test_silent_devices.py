"""A device on duty that goes quiet raises an alert, once, and calls it off when it is heard again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bondmate_kafka.records import Envelopes, Outgoing
from bondmate_kafka.topic_view import Seen
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_STATUS, LAST_LOCATION, destination_topic
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Mode, PositionOrigin
from bondmate_schemas.flags import CHECK_IN_MISSED, DEVICE_HEARD, DEVICE_REVOKED, DEVICE_SILENT
from bondmate_schemas.models import AlertState, Delivery, DeviceAlert, DeviceStatus
from bondmate_schemas.takeover import replaced_by
from bondmate_streams.agents.device_marks import DeviceMarks
from bondmate_streams.agents.silent_devices import SilentDevices
from bondmate_streams.logic import silent_devices, states
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TAK = destination_topic("tak")
SECONDS = 5


def status(make: Any, device: str, **given: Any) -> DeviceStatus:
    return DeviceStatus(header=make.header(), device_id=device, **given)


def test_the_alert_names_its_last_sign_of_life_and_is_the_same_when_it_is_made_again(make: Any) -> None:
    sign = make.location("device-q", mode=Mode.EXERCISE)
    alert = silent_devices.alert_of(sign, NOW - timedelta(minutes=5), NOW)
    again = silent_devices.alert_of(sign, NOW - timedelta(minutes=5), NOW + timedelta(seconds=9))
    other = silent_devices.alert_of(sign, NOW - timedelta(minutes=4), NOW)

    assert (AlertKind.OTHER, Mode.EXERCISE, "streams") == (alert.kind, alert.header.mode, alert.header.source)
    assert (sign.position, PositionOrigin.JOINED) == (alert.position, alert.position_origin)
    assert alert.header.message_id == again.header.message_id
    assert alert.header.event_id != other.header.event_id
    assert (AlertAction.CANCEL, alert.header.event_id) == (
        silent_devices.over(alert, NOW).action,
        silent_devices.over(alert, NOW).header.event_id,
    )


def test_who_is_off_shift_may_be_quiet(make: Any) -> None:
    assert not silent_devices.is_on_duty(status(make, "device-q", on_shift=False))
    assert not silent_devices.is_on_duty(make.location(on_duty=False))
    assert silent_devices.is_on_duty(status(make, "device-q"))
    assert silent_devices.is_on_duty(make.location())


def test_a_time_that_means_nothing_is_refused() -> None:
    with pytest.raises(RoutesError, match="device_silent_after_seconds"):
        parse_routes("device_silent_after_seconds: 0")


class Nowhere:
    """The places of a worker that has no partition of device alerts."""

    @contextmanager
    def in_partition_of(self, _: str) -> Iterator[bool]:
        yield False


class Everywhere:
    """The places of a worker that has every partition."""

    @contextmanager
    def in_partition_of(self, _: str) -> Iterator[bool]:
        yield True


class Context:
    """What is written, and nothing else of a context."""

    def __init__(self) -> None:
        self.codec = Codec(LocalSchemaIds())
        self.envelopes = Envelopes(self.codec)
        self.writer = self
        self.written: list[Outgoing] = []

    async def send(self, *outgoing: Outgoing) -> None:
        self.written += outgoing


async def test_the_worker_of_the_alert_calls_it_off_where_another_had_the_device(
    make: Any, configured: Any, routes_text: str, tmp_path: Path
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    context = Context()
    watch = SilentDevices(context, Nowhere(), configured(tmp_path, routes=routes))  # type: ignore[arg-type]  # what it needs
    heard = make.location("device-q")
    alert = silent_devices.alert_of(heard, NOW - timedelta(minutes=5), NOW)
    older = silent_devices.alert_of(heard, NOW - timedelta(minutes=50), NOW - timedelta(minutes=45))
    for each in (alert, older):  # a table gives them in any order
        watch.known(AlertState(header=each.header, device_id="device-q", alert=each, changed_at=NOW))

    def sign(at: datetime) -> Seen:
        return Seen(LAST_LOCATION, "device-q", context.codec.encode(heard), int(at.timestamp() * 1_000))

    watch.see(sign(NOW - timedelta(minutes=5)))
    await watch._look(NOW)
    assert [] == context.written
    watch.see(sign(NOW))
    await watch._look(NOW)
    await watch._look(NOW)

    (written,) = context.written
    assert written.value is not None
    called_off = context.codec.decode(written.value, DeviceAlert)
    assert (AlertAction.CANCEL, alert.header.event_id) == (called_off.action, called_off.header.event_id)


async def test_a_silence_that_was_told_as_news_is_called_off_after_a_restart_by_who_has_that_alert(
    make: Any, configured: Any, routes_text: str, tmp_path: Path
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    context, last = Context(), make.location("device-q")
    sos = take(make.alert("device-q", event_id="sos", received_at=NOW - timedelta(minutes=6)), None, None, NOW)
    quiet = silent_devices.alert_of(last, NOW - timedelta(minutes=5), NOW)
    news = take(quiet, sos.memory, None, NOW)
    check_in = make.alert("device-q", event_id="sos", flags=(CHECK_IN_MISSED,), received_at=NOW + timedelta(seconds=1))
    missed = take(check_in, news.memory, None, NOW)
    state = None
    for one in (sos, news, missed):
        state = states.change(state, one.change, [Decision("tak", "r")], NOW).state  # type: ignore[arg-type]
    watch = SilentDevices(context, Nowhere(), configured(tmp_path, routes=routes))  # type: ignore[arg-type]  # what it needs
    watch.known(state)  # type: ignore[arg-type]  # there is one
    later = NOW + timedelta(seconds=2)
    watch.see(Seen(LAST_LOCATION, "device-q", context.codec.encode(last), int(later.timestamp() * 1_000)))
    await watch._look(later)
    (written,) = context.written
    heard = take(context.codec.decode(written.value, DeviceAlert), missed.memory, None, NOW)
    assert heard.change is not None
    after = states.change(state, heard.change, [Decision("tak", "r")], NOW).state

    assert ("news", "sos", AlertAction.UPDATE) == (heard.outcome, heard.change.header.event_id, heard.change.action)
    assert after is not None
    assert (DEVICE_HEARD,) == after.alert.header.flags
    assert silent_devices.not_over(after) is None


def test_who_raised_a_silence_and_who_has_the_alert_it_was_news_of_call_it_off_once(make: Any) -> None:
    sos = take(make.alert("device-q", event_id="sos", received_at=NOW - timedelta(minutes=6)), None, None, NOW)
    quiet = silent_devices.alert_of(make.location("device-q"), NOW - timedelta(minutes=5), NOW)
    news = take(quiet, sos.memory, None, NOW)
    begun = states.change(None, sos.change, [Decision("tak", "r")], NOW)  # type: ignore[arg-type]  # it is new
    state = states.change(begun.state, news.change, [Decision("tak", "r")], NOW).state  # type: ignore[arg-type]
    theirs = silent_devices.not_over(state)  # type: ignore[arg-type]
    assert theirs is not None
    first = take(silent_devices.over(quiet, NOW), news.memory, None, NOW)
    again = take(silent_devices.over(theirs, NOW), first.memory, None, NOW)
    other = take(silent_devices.over(theirs, NOW), None, None, NOW)

    assert ["news", "repeat"] == [first.outcome, again.outcome]
    assert other.change is not None
    # Of an alert that has ended meanwhile nobody hears.
    assert () == states.change(None, other.change, [Decision("tak", "r")], NOW).notifications


def told(topics: Any, device: str) -> list[Delivery]:
    return [d for d in topics.records(TAK, Delivery) if d.alert is not None and d.alert.device_id == device]


def wait_for(topics: Any, device: str, reason: DeliveryReason) -> Delivery:
    found = topics.wait(
        TAK, Delivery, lambda d: d.alert is not None and d.alert.device_id == device and d.reason is reason
    )
    return found[0]


def called_off(topics: Any, make: Any) -> Delivery:
    """Let the device be heard until its alert is called off: one position would be old again before a slow start ends."""
    deadline = time.monotonic() + 60
    while True:
        topics.put(LAST_LOCATION, make.location("device-quiet"))
        found = next((d for d in told(topics, "device-quiet") if d.reason is DeliveryReason.CANCEL), None)
        if found is not None:
            return found
        assert time.monotonic() < deadline, "heard for a minute, and its alert still stands"
        time.sleep(0.5)


def test_it_is_raised_once_over_restarts_and_called_off_when_the_device_is_heard_again(  # noqa: PLR0917
    topics: Any, make: Any, configured: Any, running: Any, routes_text: str, tmp_path: Path
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    streams = running(configured(tmp_path, routes=routes))
    topics.put(LAST_LOCATION, make.location("device-quiet"))
    topics.put(DEVICE_STATUS, status(make, "device-off", on_shift=False), status(make, "device-status", on_shift=True))
    raised = wait_for(topics, "device-quiet", DeliveryReason.NEW)
    wait_for(topics, "device-status", DeliveryReason.NEW)
    streams.stop()

    streams = running(configured(tmp_path, routes=routes))
    over = called_off(topics, make)
    streams.stop()

    assert raised.header.event_id == over.header.event_id
    assert {raised.header.event_id} == {d.header.event_id for d in told(topics, "device-quiet")}
    assert 1 == len({d.id for d in told(topics, "device-quiet") if d.reason is DeliveryReason.NEW})
    assert [] == told(topics, "device-off")


@pytest.mark.parametrize("key", ["", "a room's name"])
async def test_a_device_lives_whose_reports_come_under_another_key(
    make: Any, configured: Any, routes_text: str, tmp_path: Path, key: str
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    context = Context()
    watch = SilentDevices(context, Everywhere(), configured(tmp_path, routes=routes))  # type: ignore[arg-type]  # what it needs

    def report(device: str, at: datetime, key: str) -> None:
        value = context.codec.encode(status(make, device, on_shift=True))
        watch._see_status(Seen(DEVICE_STATUS, key, value, int(at.timestamp() * 1_000)))

    for device in ("device-1", "device-2"):
        report(device, NOW - timedelta(seconds=SECONDS + 1), device)
    report("device-1", NOW, key)
    await watch._look(NOW)
    silent = [context.codec.decode(written.value, DeviceAlert).device_id for written in context.written]
    report("device-2", NOW, key)
    await watch._look(NOW)

    assert ["device-2"] == silent
    over = [context.codec.decode(written.value, DeviceAlert) for written in context.written[1:]]
    assert [("device-2", AlertAction.CANCEL)] == [(alert.device_id, alert.action) for alert in over]


async def test_any_press_is_life_and_what_the_hub_says_itself_is_none(
    make: Any, configured: Any, routes_text: str, tmp_path: Path
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    context = Context()
    watch = SilentDevices(context, Everywhere(), configured(tmp_path, routes=routes))  # type: ignore[arg-type]  # what it needs
    earlier = int((NOW - timedelta(seconds=SECONDS + 1)).timestamp() * 1_000)
    said: dict[str, dict[str, Any]] = {
        "pressed": {},
        "spoken-of": {"source": "streams"},
        "missed": {"flags": (CHECK_IN_MISSED,)},
        "revoked": {"flags": (DEVICE_REVOKED,), "action": AlertAction.UPDATE},
    }
    for device, given in said.items():
        watch.see(Seen(LAST_LOCATION, device, context.codec.encode(make.location(device)), earlier))
        press = context.codec.encode(make.alert(device, **given))
        watch._see_report(Seen(DEVICE_ALERTS, device, press, int(NOW.timestamp() * 1_000)))
    await watch._look(NOW)

    silent = {context.codec.decode(one.value, DeviceAlert).device_id for one in context.written}
    assert {"spoken-of", "missed", "revoked"} == silent


def watching(configured: Any, routes_text: str, tmp_path: Path, marks: Any = None) -> tuple[Context, SilentDevices]:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    context = Context()
    return context, SilentDevices(context, Everywhere(), configured(tmp_path, routes=routes), marks)  # type: ignore[arg-type]


def written(context: Context) -> list[tuple[str, AlertAction]]:
    found = [context.codec.decode(one.value, DeviceAlert) for one in context.written if one.value is not None]
    return [(alert.device_id, alert.action) for alert in found]


async def test_a_press_ends_the_silence_of_a_device_of_which_nothing_else_is_known(
    make: Any, configured: Any, routes_text: str, tmp_path: Path
) -> None:
    """After a restart, or after the shift: of both the worker has the alert alone."""
    context, watch = watching(configured, routes_text, tmp_path)
    alert = silent_devices.alert_of(make.location("device-q"), NOW - timedelta(minutes=5), NOW)
    press = context.codec.encode(make.alert("device-q", source="device_http"))
    watch._see_report(Seen(DEVICE_ALERTS, "device-q", press, int(NOW.timestamp() * 1_000)))
    watch.known(AlertState(header=alert.header, device_id="device-q", alert=alert, changed_at=NOW))
    await watch._look(NOW)
    await watch._look(NOW + timedelta(minutes=5))

    assert [("device-q", AlertAction.CANCEL)] == written(context)
    assert {} == watch._pressed


async def test_the_watch_goes_over_to_a_spare_and_who_has_the_old_device_is_no_life_of_its_officer(
    make: Any, configured: Any, routes_text: str, tmp_path: Path, kafka: Any
) -> None:
    marks = DeviceMarks(kafka, "silence", Codec(LocalSchemaIds()))
    context, watch = watching(configured, routes_text, tmp_path, marks)

    def hears(device: str, at: datetime) -> None:
        watch.see(Seen(LAST_LOCATION, device, context.codec.encode(make.location(device)), int(at.timestamp() * 1_000)))

    hears("old", NOW)
    marks.set(replaced_by("old", "spare", "inspector", "lost", NOW))
    quiet = NOW + timedelta(seconds=SECONDS + 1)
    hears("old", quiet)
    press = context.codec.encode(make.alert("old", source="device_http"))
    watch._see_report(Seen(DEVICE_ALERTS, "old", press, int(quiet.timestamp() * 1_000)))
    await watch._look(quiet)
    silent = written(context)
    hears("spare", quiet)
    await watch._look(quiet)
    over = written(context)[1:]
    await watch._look(quiet + timedelta(seconds=SECONDS + 1))

    assert [("old", AlertAction.RAISE)] == silent
    assert [("old", AlertAction.CANCEL)] == over
    assert [("spare", AlertAction.RAISE)] == written(context)[2:]


def test_silence_during_an_sos_reaches_its_rooms_as_an_update_of_it_and_a_press_ends_it(  # noqa: PLR0917
    topics: Any, make: Any, configured: Any, running: Any, routes_text: str, tmp_path: Path
) -> None:
    routes = parse_routes(f"device_silent_after_seconds: {SECONDS}\n{routes_text}")
    streams = running(configured(tmp_path, routes=routes, instance="during"))
    alert = make.alert("device-sos")
    topics.put(LAST_LOCATION, make.location("device-sos"))
    topics.put(DEVICE_ALERTS, alert)

    def flagged(flag: str) -> Delivery:
        found: list[Delivery] = topics.wait(
            TAK, Delivery, lambda d: d.alert and d.alert.device_id == "device-sos" and flag in d.alert.header.flags
        )
        return found[0]

    silent = flagged(DEVICE_SILENT)
    topics.put(DEVICE_ALERTS, make.alert("device-sos", kind=AlertKind.SOS))
    heard = flagged(DEVICE_HEARD)
    streams.stop()

    assert {(alert.header.event_id, DeliveryReason.UPDATE, AlertKind.SOS)} == {
        (d.header.event_id, d.reason, d.alert.kind) for d in (silent, heard) if d.alert
    }
    assert 1 == len({d.header.event_id for d in told(topics, "device-sos")})
