"""The rules every source keeps: life-cycle, check, settling (CONTRACT, "The contract suite", 2, 3 and 6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import cycle

import pytest
from bondmate_schemas.enums import Mode
from bondmate_schemas.error_codes import NOT_AUTHENTICATED
from bondmate_schemas.models import DeliveryReceipt, Record

from bondmate_connectors.contract import ConnectorSpec, Incoming, Refusal, Source, Unreadable
from bondmate_connectors.errors import AuthFailed, ConnectorError, NotConnected, Rejected, Transient
from bondmate_connectors.runtime.authority import Authority
from bondmate_connectors.testing.leaks import Leaks
from bondmate_connectors.testing.rules import LinkContract, Refusals, Scenario, need, needed, opened, persist, waivable

RECEIVE_SECONDS = 5.0
PROMPT_SECONDS = 2.0
SEED = 20260301

Emit = Callable[[int], Awaitable[Sequence[str]]]
Restart = Callable[[], Awaitable[Source]]
Identify = Callable[[Record], str]
Answer = Callable[[Mode, bool], Awaitable[str]]


class SourceContract(LinkContract):
    """Subclass as `class TestAcmeSource(SourceContract)` and provide the fixtures, as the package says."""

    role = "source"

    # To be given.

    source = needed("A new source for the healthy platform, not connected.")
    emit = waivable(
        "A call that makes the platform say so many new things and gives their names, in order. The platform behaves "
        "as a real one: it says again what was not taken (an answer of 503, a cursor not moved), and never again what "
        "was taken or refused. The call does not wait until they are taken."
    )
    restart = waivable("A call that gives another source for the same place, not connected, as after a restart.")

    @pytest.fixture
    def identify(self) -> Identify:
        """The call that names a received event as `emit` named it; by default the sender's own id of it."""
        return lambda event: event.header.origin_message_id or event.header.message_id  # type: ignore[attr-defined]

    # To be given where `spec.emits` has DeliveryReceipt.

    answer = waivable(
        'A call that answers an alert in a mode, and ends with what the sender was told: "" where nothing was. It may '
        "wait for its receiver. With True the sender proves to be the platform in the strongest way there is, to "
        "`proved_source`; with False it proves nothing (no signature, a wrong one), to `unproved_source`."
    )

    @pytest.fixture
    def proved_source(self, source: Source) -> Source:
        """A new source that knows the strongest proof; by default `source`."""
        return source

    @pytest.fixture
    def unproved_source(self, source: Source) -> Source:
        """A new source for ACTUAL to which a sender that proves nothing can speak; by default `source`."""
        return source

    # To be given, as `refusals`, or the rule waived.

    source_with_bad_credentials = waivable("A new source whose credentials the platform refuses.")

    # Life-cycle, beside that of all links.

    async def test_connect_close_connect(self, source: Source, emit: Emit, identify: Identify) -> None:
        """A closed source can be connected again."""
        async with opened(source):
            pass
        async with opened(source):
            names = await emit(1)
            assert set(names) == set(await _take(source, 1, identify))

    async def test_receive_before_connect_is_not_connected(self, source: Source) -> None:
        """`receive` without `connect` raises `NotConnected`."""
        with pytest.raises(NotConnected):
            await source.receive()
        await source.close()

    async def test_cancelled_receive_returns_promptly_and_loses_nothing(
        self, connected: Source, emit: Emit, identify: Identify
    ) -> None:
        """A cancelled `receive` ends at once; what comes later is received."""
        receiving = asyncio.create_task(connected.receive())
        await asyncio.wait({receiving}, timeout=0.1)
        receiving.cancel()
        done, _ = await asyncio.wait({receiving}, timeout=PROMPT_SECONDS)
        names = await emit(2)

        assert {receiving} == done
        assert receiving.cancelled()
        assert set(names) == set(await _take(connected, 2, identify))

    async def test_close_leaves_nothing_behind(self, source: Source, emit: Emit, identify: Identify) -> None:
        """No task, thread or socket outlives `close`."""
        leaks = Leaks()
        async with opened(source):
            await emit(1)
            await _take(source, 1, identify)

        await leaks.gone()

    # Check.

    async def test_check_passes(self, source: Source) -> None:
        """`check` works before `connect`."""
        await source.check()
        await source.close()

    # Settling.

    async def test_settled_is_not_given_again(
        self, connected: Source, emit: Emit, restart: Restart, identify: Identify
    ) -> None:
        """`settle(None)` moves the position: after a restart only what is new comes."""
        first = await emit(2)
        taken = await _take(connected, 2, identify)
        await connected.close()
        second = await emit(1)
        again = await restart()
        async with opened(again):
            assert set(first) == set(taken)
            assert list(second) == await _take(again, 1, identify)

    async def test_unsettled_is_given_again_with_the_same_id(
        self, connected: Source, emit: Emit, identify: Identify
    ) -> None:
        """`settle(error)` does not move the position: the event comes again, under the same id."""
        names = await emit(1)
        first = await _receive(connected)
        await first.settle(Transient("not now"))
        second = await _receive(connected)
        await second.settle(None)

        assert list(names) == [identify(_record(first))]
        assert _message_id(first) == _message_id(second)

    async def test_ten_taken_five_settled_five_after_restart(
        self, connected: Source, emit: Emit, restart: Restart, identify: Identify
    ) -> None:
        """Of ten received and five settled, a restarted source gives the other five."""
        names = set(await emit(10))
        incoming = [await _receive(connected) for _ in range(10)]
        for each in incoming[:5]:
            await each.settle(None)
        for each in incoming[5:]:
            await each.settle(Transient("stopping"))
        settled = {identify(_record(each)) for each in incoming[:5]}
        await connected.close()
        again = await restart()
        async with opened(again):
            rest = set(await _take(again, 5, identify))

        assert names - settled == rest

    @pytest.mark.parametrize("hub", ["success", "transient", "permanent", "mixed"])
    async def test_both_ends_agree_whatever_the_hub_answers(
        self, connected: Source, emit: Emit, identify: Identify, hub: str
    ) -> None:
        """All that the platform said is accepted or refused in the end, nothing is lost, nothing invented."""
        answers = _answers(hub)
        names = set(await emit(12))
        ended: set[str] = set()
        while len(ended) < len(names):
            incoming = await _receive(connected)
            name = identify(_record(incoming))
            answer = next(answers)
            await incoming.settle(answer)
            if not isinstance(answer, Transient):
                ended.add(name)

        assert names == ended

    async def test_emits_what_it_says(self, connected: Source, spec: ConnectorSpec, emit: Emit) -> None:
        """Every event is one of `spec.emits`, its times are aware and in UTC, its source is named."""
        await emit(3)
        for _ in range(3):
            incoming = await _receive(connected)
            record = _record(incoming)
            header = record.header  # type: ignore[attr-defined]
            await incoming.settle(None)

            assert type(record).__name__ in spec.emits
            assert header.source
            assert header.message_id
            assert 0 == header.occurred_at.utcoffset().total_seconds()
            assert 0 == header.received_at.utcoffset().total_seconds()

    # Who may raise a level (FINDINGS of 2026-11, S3 to S6).

    async def test_an_answer_is_of_this_destination_and_its_agency(
        self, spec: ConnectorSpec, proved_source: Source, answer: Answer
    ) -> None:
        """Who has proved to be the platform is heard in every mode, under the connector's name and agency alone."""
        if DeliveryReceipt.__name__ not in spec.emits:
            return
        async with opened(proved_source):
            answering = asyncio.ensure_future(answer(Mode.ACTUAL, True))
            incoming = await _receive(proved_source)
            admitted = _admitted(incoming, spec)
            await incoming.settle(None)
            await answering

        assert isinstance(admitted, DeliveryReceipt)
        assert Mode.ACTUAL is admitted.header.mode
        assert (spec.speaks_for or "own-name") == admitted.destination
        if not spec.speaks_for:
            assert ("own-name", "own-agency") == (admitted.header.source, admitted.header.agency_id)

    async def test_an_answer_of_nobody_is_refused_and_told(
        self, spec: ConnectorSpec, unproved_source: Source, answer: Answer
    ) -> None:
        """An answer that proves nothing raises no level of a real alert, and its sender hears so if there is a way."""
        if DeliveryReceipt.__name__ not in spec.emits:
            return
        async with opened(unproved_source):
            answering = asyncio.ensure_future(answer(Mode.ACTUAL, False))
            receiving = asyncio.ensure_future(_receive(unproved_source))
            try:
                await asyncio.wait({answering, receiving}, return_when=asyncio.FIRST_COMPLETED, timeout=RECEIVE_SECONDS)
                if receiving.done():
                    incoming = receiving.result()
                    admitted = _admitted(incoming, spec)
                    await incoming.settle(Rejected(NOT_AUTHENTICATED))

                    assert Refusal(NOT_AUTHENTICATED) == admitted
                told = await asyncio.wait_for(answering, RECEIVE_SECONDS)
            finally:
                receiving.cancel()

        assert told or spec.refusals[NOT_AUTHENTICATED].startswith("cannot")

    async def test_refusal_passes(
        self, connected: Source, emit: Emit, refusals: Refusals, identify: Identify
    ) -> None:  # fmt: skip
        """Each refusal is `AuthFailed` under its code, for `check` too; then that passes, and the source goes on."""
        need(refusals)
        for code, refusing in refusals.items():
            async with refusing():
                names = await emit(1)
                with pytest.raises(AuthFailed) as refused:
                    await _receive(connected)
                with pytest.raises(AuthFailed):
                    await connected.check()
                assert code == refused.value.code
            await connected.check()
            assert set(names) == set(await _take(connected, 1, identify))

    async def test_outage_is_told_and_survived(
        self, connected: Source, emit: Emit, outage: Scenario, identify: Identify
    ) -> None:
        """What the platform has to say after an outage comes, whatever the outage did to the link."""
        async with outage():
            pass
        names = await emit(2)

        assert set(names) == set(await _take(connected, 2, identify))


async def _receive(source: Source) -> Incoming:
    return await persist(source, source.receive, RECEIVE_SECONDS)


async def _take(source: Source, count: int, identify: Identify) -> list[str]:
    """Receive so many events, settle each, and name them; a repeat is not counted."""
    names: list[str] = []
    while len(names) < count:
        incoming = await _receive(source)
        await incoming.settle(None)
        name = identify(_record(incoming))
        if name not in names:
            names.append(name)
    return names


def _record(incoming: Incoming) -> Record:
    assert not isinstance(incoming.event, Unreadable), f"the source cannot read its platform: {incoming.event.code}"
    return incoming.event


def _message_id(incoming: Incoming) -> str:
    return str(_record(incoming).header.message_id)  # type: ignore[attr-defined]


def _admitted(incoming: Incoming, spec: ConnectorSpec) -> Record | Refusal:
    return Authority("own-name", "own-agency", spec.speaks_for).admit(_record(incoming), incoming.proof)


def _answers(hub: str) -> Iterator[ConnectorError | None]:
    """Yield what a hub answers, endlessly: taken, not now, never, or a seeded mixture that lets every event end."""
    not_now, never = Transient("not now"), Rejected("unwanted")
    turns: Mapping[str, Sequence[ConnectorError | None]] = {
        "success": [None],
        "transient": [not_now, None],
        "permanent": [never],
    }
    if hub in turns:
        yield from cycle(turns[hub])
    choices = random.Random(SEED)  # noqa: S311  # a test's choice
    while True:
        yield choices.choice([None, not_now, never])
