"""The rules every sink keeps: life-cycle, check, delivery, errors (CONTRACT, "The contract suite", 2 to 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
from bondmate_schemas.enums import Level
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import ConnectorSpec, LeanSink, Receipt, Sink
from bondmate_connectors.errors import AuthFailed, ConnectorError, NotConnected, Rejected, Throttled, Transient
from bondmate_connectors.testing.events import another, update_of
from bondmate_connectors.testing.leaks import Leaks
from bondmate_connectors.testing.rules import LinkContract, Refusals, Scenario, need, needed, opened, persist, waivable

PROMPT_SECONDS = 2.0
"""How soon a cancelled call must be back."""
RECOVERY_SECONDS = 15.0
_PROVABLE = {Level.DELIVERED, Level.ACCEPTED}

RemoteRecords = Callable[[], Awaitable[Sequence[str]]]


class SinkContract(LinkContract):
    """Subclass as `class TestAcmeSink(SinkContract)` with the fixtures that `bondmate_connectors.testing` lists."""

    role = "sink"

    # To be given.

    sink = needed("A new sink for the healthy platform, not connected; short timeouts keep the suite fast.")
    event = needed("A Delivery that the platform takes.")
    bad_event = needed("A Delivery that the platform refuses for good.")
    bad_code = needed("The code under which `bad_event` is rejected.")
    remote_records = waivable(
        "An async call that gives `event.id` of all the platform has written down, in order of arrival: one entry a "
        "record or change of a record; what the platform recognises as a repeat makes no entry."
    )

    # To be given, as `outage` and `refusals`, or the rule waived.

    sink_with_bad_credentials = waivable("A new sink whose credentials the platform refuses.")
    throttled = waivable("The scenario of a platform that asks for a pause; the context gives the seconds it asks for.")
    false_success = waivable("The scenario of a platform that answers success with a failure inside.")
    unanswered = waivable("The scenario of a platform that takes what comes and never answers.")

    # Life-cycle, beside that of all links.

    async def test_connect_twice(self, connected: Sink, event: Delivery) -> None:
        """`connect` is idempotent."""
        await connected.connect()

        assert (await connected.send(event)).level in _PROVABLE

    async def test_connect_close_connect(self, sink: Sink, event: Delivery) -> None:
        """A closed sink can be connected again."""
        async with opened(sink):
            pass
        async with opened(sink):
            assert (await sink.send(event)).level in _PROVABLE

    async def test_send_before_connect_is_not_connected(self, sink: Sink, event: Delivery) -> None:
        """`send` without `connect` raises `NotConnected`."""
        with pytest.raises(NotConnected):
            await sink.send(event)
        await sink.close()

    async def test_cancelled_send_returns_promptly(
        self, connected: Sink, event: Delivery, unanswered: Scenario
    ) -> None:
        """A cancelled `send` ends at once, as cancelled."""
        async with unanswered():
            sending = asyncio.create_task(connected.send(event))
            await asyncio.wait({sending}, timeout=0.1)
            sending.cancel()
            done, _ = await asyncio.wait({sending}, timeout=PROMPT_SECONDS)

            assert {sending} == done
            assert sending.cancelled()

    async def test_close_leaves_nothing_behind(self, sink: Sink, event: Delivery) -> None:
        """No task, thread or socket outlives `close`."""
        leaks = Leaks()
        async with opened(sink):
            await sink.send(event)

        await leaks.gone()

    # Check.

    async def test_check_passes_and_creates_nothing(self, sink: Sink, remote_records: RemoteRecords) -> None:
        """`check` works before `connect` and leaves no record."""
        before = list(await remote_records())
        await sink.check()
        await sink.close()

        assert before == list(await remote_records())

    async def test_check_tells_unreachable(self, sink: Sink, outage: Scenario) -> None:
        """`check` raises `Transient` when the platform is not reachable, and passes when it is again."""
        async with outage():
            with pytest.raises(Transient):
                await sink.check()
        await persist(sink, sink.check, RECOVERY_SECONDS)
        await sink.close()

    # Delivery.

    async def test_event_gives_receipt(
        self, connected: Sink, spec: ConnectorSpec, event: Delivery, remote_records: RemoteRecords
    ) -> None:
        """An accepted event gives a receipt of the level `spec.proves` and stands at the platform."""
        receipt = await connected.send(event)

        assert spec.proves is receipt.level
        assert spec.proves in _PROVABLE
        await _recorded(remote_records, [event.id])

    async def test_same_event_twice_is_one_record(
        self, connected: Sink, event: Delivery, remote_records: RemoteRecords
    ) -> None:
        """The same id twice makes one remote record and equal receipts."""
        receipts: list[Receipt] = [await connected.send(event), await connected.send(event)]
        after = another(event, 1)
        await connected.send(after)

        assert receipts[0] == receipts[1]
        await _recorded(remote_records, [event.id, after.id])

    async def test_leanest_form_is_the_same_event(
        self, connected: Sink, event: Delivery, remote_records: RemoteRecords
    ) -> None:
        """Where a sink knows a leanest form, that makes the same record and an equal receipt."""
        if not isinstance(connected, LeanSink):
            return
        receipts = [await connected.send_lean(event), await connected.send(event)]
        after = another(event, 1)
        await connected.send(after)

        assert receipts[0] == receipts[1]
        await _recorded(remote_records, [event.id, after.id])

    async def test_updates_of_one_key_arrive_in_order(
        self, connected: Sink, event: Delivery, remote_records: RemoteRecords
    ) -> None:
        """Events of one key stand at the platform in the order of sending."""
        events = [event, update_of(event, 1), update_of(event, 2)]
        for each in events:
            await connected.send(each)

        await _recorded(remote_records, [each.id for each in events])

    async def test_takes_max_in_flight_at_once(
        self, connected: Sink, spec: ConnectorSpec, event: Delivery, remote_records: RemoteRecords
    ) -> None:
        """As many events at once as `spec.max_in_flight` names, each its own receipt and record."""
        events = [another(event, number) for number in range(spec.max_in_flight)]
        receipts = await asyncio.gather(*(connected.send(each) for each in events))

        assert {spec.proves} == {receipt.level for receipt in receipts}
        await _recorded(remote_records, [each.id for each in events], in_order=False)

    # Errors.

    async def test_permanent_refusal_is_rejected(
        self, connected: Sink, event: Delivery, bad_event: Delivery, bad_code: str, remote_records: RemoteRecords
    ) -> None:
        """What the platform refuses for good is `Rejected` under a known code, and the next event goes through."""
        with pytest.raises(Rejected) as refused:
            await connected.send(bad_event)
        await connected.send(event)

        assert bad_code == refused.value.code
        await _recorded(remote_records, [event.id])

    async def test_outage_is_told_and_survived(
        self, connected: Sink, event: Delivery, outage: Scenario, remote_records: RemoteRecords
    ) -> None:
        """An outage is `Transient` or `NotConnected`, never success; afterwards the same event goes through."""
        async with outage():
            with pytest.raises((Transient, NotConnected)):
                await connected.send(event)
        await _until_sent(connected, event)

        await _recorded(remote_records, [event.id])

    async def test_retry_after_is_honoured(
        self, connected: Sink, event: Delivery, throttled: Scenario, remote_records: RemoteRecords
    ) -> None:
        """A platform that asks for a pause gives `Throttled` with its seconds; afterwards the event goes through."""
        async with throttled() as seconds:
            with pytest.raises(Throttled) as told:
                await connected.send(event)
        await _until_sent(connected, event)

        assert seconds == told.value.retry_after
        await _recorded(remote_records, [event.id])

    async def test_refused_credentials_are_auth_failed(self, sink_with_bad_credentials: Sink, event: Delivery) -> None:
        """Refused credentials are `AuthFailed`, at `connect` or at the latest at `send`."""
        need(sink_with_bad_credentials)
        with pytest.raises(AuthFailed):
            await _connect_and_send(sink_with_bad_credentials, event)
        await sink_with_bad_credentials.close()

    async def test_refusal_passes(
        self, connected: Sink, event: Delivery, refusals: Refusals, remote_records: RemoteRecords
    ) -> None:
        """Each refusal is `AuthFailed` under its code; when the platform takes us again the same sink goes on."""
        need(refusals)
        events = [another(event, number) for number, _ in enumerate(refusals, start=1)]
        for (code, refusing), each in zip(refusals.items(), events, strict=True):
            async with refusing():
                with pytest.raises(AuthFailed) as refused:
                    await _until_sent(connected, each)
                assert code == refused.value.code
            await _until_sent(connected, each)

        await _recorded(remote_records, [each.id for each in events])

    async def test_success_with_failure_inside_is_no_success(
        self, connected: Sink, event: Delivery, false_success: Scenario, remote_records: RemoteRecords
    ) -> None:
        """An answer of success that tells of a failure is an error; afterwards the event goes through."""
        async with false_success():
            with pytest.raises(ConnectorError):
                await connected.send(event)
        await _until_sent(connected, event)

        await _recorded(remote_records, [event.id])

    async def test_lost_answer_makes_no_second_record(
        self, connected: Sink, event: Delivery, unanswered: Scenario, remote_records: RemoteRecords
    ) -> None:
        """When the platform took an event and its answer never came, sending again makes no second record."""
        async with unanswered():
            with pytest.raises((Transient, NotConnected)):
                await connected.send(event)
        await _until_sent(connected, event)
        after = another(event, 1)
        await connected.send(after)

        await _recorded(remote_records, [event.id, after.id])


async def _connect_and_send(sink: Sink, event: Delivery) -> None:
    await sink.connect()
    await sink.send(event)


async def _recorded(remote_records: RemoteRecords, expected: Sequence[str], *, in_order: bool = True) -> None:
    """Wait until the platform has written down as many as expected, and compare."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PROMPT_SECONDS
    while len(found := list(await remote_records())) < len(expected) and loop.time() < end:  # noqa: ASYNC110  # the platform sets no event of ours
        await asyncio.sleep(0.01)
    if in_order:
        assert list(expected) == found
    else:
        assert sorted(expected) == sorted(found)


async def _until_sent(sink: Sink, event: Delivery) -> Receipt:
    return await persist(sink, partial(sink.send, event), RECOVERY_SECONDS)
