"""The device at the real gateway under the real runner, on a broker process: killed, cut off, its answers lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bondmate_device import Level, Position
from bondmate_schemas.catalogue import DEVICE_ALERTS, DEVICE_LOCATIONS, INCIDENTS, MESSAGES, RECEIPTS
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import DeviceMessage, EventHeader
from confluent_kafka import Producer
from tcp_server import listening

EVENTS = 2000
WRITER = Path(__file__).with_name("writer.py")
CODEC = Codec(LocalSchemaIds())


def of(device_id, records):
    return [record for record in records if record.device_id == device_id]


@contextlib.asynccontextmanager
async def writer(place, events: int):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), place.url, "token-of-the-device", str(place.queue_file), str(events),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process, lines: int) -> list[tuple[str, ...]]:
    """Read so many lines, or all there are."""
    found = []
    while len(found) < lines and (line := await asyncio.wait_for(process.stdout.readline(), 60)):
        found.append(tuple(line.decode().split()))
    return found


async def test_a_device_killed_twice_in_the_middle_of_2000_events_loses_none_and_its_repeats_show_by_their_ids(
    place, kafka, read
):
    said = []
    async with writer(place, EVENTS) as process:  # the gateway is not there yet: all of it is queued
        said += await told(process, EVENTS // 4)
        process.send_signal(signal.SIGKILL)
        said += await told(process, EVENTS)
    async with place.on_broker(kafka):
        async with writer(place, EVENTS // 2) as process:  # it sends, while it queues more
            said += await told(process, EVENTS // 4)
            process.send_signal(signal.SIGKILL)
            said += await told(process, EVENTS)
        async with writer(place, EVENTS // 4) as process:
            said += await told(process, EVENTS)
    alerts = of(place.device_id, await asyncio.to_thread(read, DEVICE_ALERTS))
    reports = of(place.device_id, await asyncio.to_thread(read, INCIDENTS))
    fixes = of(place.device_id, await asyncio.to_thread(read, DEVICE_LOCATIONS))

    assert ("sent",) == said.pop()
    assert EVENTS // 4 * 3 <= len(said)
    arrived = {("alert", alert.header.external_refs[0].id, str(alert.action)) for alert in alerts}
    arrived |= {("report", report.header.external_refs[0].id) for report in reports}
    arrived |= {("fix", str(fix.sequence)) for fix in fixes}
    assert set() == set(said) - arrived
    # What was on disk but not yet printed when the process died may have arrived too: at most that one event a kill.
    assert len(arrived - set(said)) <= 2
    by_id = Counter(alert.header.message_id for alert in alerts)
    assert len({(a.header.origin_message_id, str(a.action)) for a in alerts}) == len(by_id)
    for alert_id in {line[1] for line in said if line[0] == "alert"}:
        first_seen = list(dict.fromkeys(str(a.action) for a in alerts if a.header.external_refs[0].id == alert_id))
        assert first_seen in (["RAISE", "UPDATE"], ["RAISE"])
    numbers = [int(line[1]) for line in said if line[0] == "fix"]
    assert sorted(set(numbers)) == numbers


async def test_messages_wait_for_an_offline_device_and_come_in_order_once_over_restarts_the_expired_one_marked(
    place, kafka, read
):
    now = datetime.now(UTC)
    producer = Producer(kafka.producer("feeder"))

    def send(*numbers: int) -> None:
        for number in numbers:
            expires_at = now - timedelta(minutes=1) if number == 2 else now + timedelta(hours=1)
            header = EventHeader(message_id=f"{place.device_id}-{number}", event_id=f"e{number}", agency_id="a", mode=Mode.ACTUAL,
                                 source="tak", hops=("streams",), occurred_at=now, received_at=now,
                                 expires_at=expires_at)  # fmt: skip
            message = DeviceMessage(header=header, device_id=place.device_id, sender="tak", text=f"number {number}",
                                    requires_acknowledgement=True)  # fmt: skip
            producer.produce(MESSAGES, value=CODEC.encode(message), key=place.device_id)
        assert producer.flush(20) == 0

    shown = []
    async with place.on_broker(kafka):
        await asyncio.to_thread(send, 1, 2, 3)
        async with place.client() as device, asyncio.timeout(30):
            async for message in device.messages():
                shown.append((message.text, message.expired))
                if len(shown) == 2:
                    await device.acknowledge(message.message_id)
                    break
            await device.until(lambda: not device.link.waiting)
        await asyncio.to_thread(send, 4)
        async with place.client() as device, asyncio.timeout(30):
            async for message in device.messages():
                shown.append((message.text, message.expired))
                await device.acknowledge(message.message_id)
                if len(shown) == 4:
                    break
            await device.until(lambda: not device.link.waiting)
            rest = device.next_message()
    receipts = [r for r in await asyncio.to_thread(read, RECEIPTS) if r.device_id == place.device_id]

    assert [("number 1", False), ("number 2", True), ("number 3", False), ("number 4", False)] == shown
    assert rest is None
    levels = {(r.delivery_id[-1], str(r.level)) for r in receipts}
    # Whether its sender was told that the second one's time ran out depends on which was first.
    levels -= {("2", "EXPIRED")}
    assert {(str(n), "DELIVERED") for n in (1, 2, 3, 4)} | {(str(n), "ACKNOWLEDGED") for n in (2, 3, 4)} == levels


class CutsAnswers:
    """A way to the gateway that lets requests through and cuts the connection when their answer comes: so many times."""

    def __init__(self, port: int, times: int) -> None:
        self._port = port
        self.left = times
        self.cut = 0

    async def serve(self, reader, writer) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        pumps = [
            asyncio.create_task(self._pump(reader, there[1])),
            asyncio.create_task(self._answers(there[0], writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            there[1].transport.abort()
            writer.transport.abort()

    @staticmethod
    async def _pump(reader, writer) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)

    async def _answers(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if b" 202 " in data[:20] and self.left:
                    self.left -= 1
                    self.cut += 1
                    return
                writer.write(data)


async def test_answers_lost_after_the_effect_make_no_second_event(place, kafka, read):
    proxy = CutsAnswers(place.port, 6)
    async with (
        place.on_broker(kafka),
        listening(proxy.serve) as port,
        place.client(url=f"http://127.0.0.1:{port}") as device,
        asyncio.timeout(30),
    ):
        alert_id = await device.raise_alert("SOS", position=Position(50.8, 4.3))
        await device.update(alert_id, text="second floor")
        await device.report(title="Lamp dark", facts=["It is dark."])
        number = await device.fix(Position(50.8, 4.3))
        await device.until(lambda: not device.link.waiting)
        level = device.status(alert_id).level
    alerts = of(place.device_id, await asyncio.to_thread(read, DEVICE_ALERTS))
    reports = of(place.device_id, await asyncio.to_thread(read, INCIDENTS))
    fixes = of(place.device_id, await asyncio.to_thread(read, DEVICE_LOCATIONS))

    assert (6, 0) == (proxy.cut, proxy.left)
    assert 4 + 6 == len(alerts) + len(reports) + len(fixes)
    ids = [len({record.header.message_id for record in records}) for records in (alerts, reports, fixes)]
    assert [2, 1, 1] == ids
    assert {number} == {fix.sequence for fix in fixes}
    assert Level.RECEIVED is level
