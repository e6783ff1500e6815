"""Endings reach everybody: chains of a control room's messages, in whatever order they arrive (S8)."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_connectors.formats.cap import CapFormat, our_identifier
from bondmate_connectors.platforms.cap_webhook.config import RepliesConfig
from bondmate_connectors.platforms.cap_webhook.replies import records_of
from bondmate_connectors.runtime.authority import Authority, Proof
from bondmate_schemas.catalogue import INCIDENTS, key_of
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import DeliveryReason, IncidentAction, Level
from bondmate_schemas.models import DeliveryReceipt, IncidentEvent, IncidentLink, IncidentMemory
from bondmate_streams.logic import incidents, links
from bondmate_streams.logic.routing import Decision
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEGAN = datetime(2026, 5, 1, 9, tzinfo=UTC)
ROOMS = [Decision("north", "warnings"), Decision("south", "warnings")]
CODEC = Codec(LocalSchemaIds())


def cap(identifier: str, kind: str, names: str = "", minute: int | None = None, sender: str = "wx") -> bytes:
    """A message whose references are those of the letters in `names`; a letter's place is its minute."""
    at = BEGAN + timedelta(minutes=ord(identifier[0]) - ord("a") if minute is None else minute)
    named = " ".join(
        f"{sender},{one},{(BEGAN + timedelta(minutes=ord(one) - ord('a'))).isoformat()}" for one in names
    )  # fmt: skip
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier><sender>{sender}'
        f"</sender><sent>{at.isoformat()}</sent><status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>"
        f"<references>{named}</references></alert>"
    ).encode()


class Hub:
    """The agents' steps on tables of plain dicts; what is remembered goes through the wire, as it does there."""

    def __init__(self) -> None:
        self.memories: dict[str, bytes] = {}
        self.links: dict[str, bytes] = {}
        self.told: dict[tuple[str, str], DeliveryReason] = {}
        self.flags: dict[str, tuple[str, ...]] = {}
        self.receipts: list[DeliveryReceipt] = []
        self.steps = 0
        self._queue: deque[IncidentLink] = deque()

    def hear(self, message: bytes, source: str = "room") -> None:
        for event in CapFormat().read(message, NOW).events:  # type: ignore[union-attr]
            for record in records_of(event, RepliesConfig(), source):
                self.admit(record, source)
        self.settle()

    def admit(self, record: Any, source: str, proof: Proof = Proof.SIGNED) -> None:
        admitted = Authority(source).admit(record, proof)
        if isinstance(admitted, IncidentEvent):
            self._take(admitted, 0)
        elif isinstance(admitted, DeliveryReceipt):
            self.receive(admitted)

    def receive(self, receipt: DeliveryReceipt) -> None:
        self.receipts.append(receipt)
        if link := links.announced_answer(receipt):
            self._queue.append(link)

    def settle(self) -> None:
        while self._queue:
            self.steps += 1
            assert self.steps < 5_000, "it comes to no end"
            news = CODEC.decode(CODEC.encode(self._queue.popleft()), IncidentLink)
            if news.targets:
                self._do(news.message_id, links.learn(self._link(news.message_id), news, NOW))
            for event in news.events:
                self._take(event, news.hops)

    def _link(self, message_id: str) -> IncidentLink | None:
        value = self.links.get(message_id)
        return CODEC.decode(value, IncidentLink) if value else None

    def _take(self, event: IncidentEvent, hops: int) -> None:
        key = key_of(INCIDENTS, event)
        value = self.memories.get(key)
        memory = CODEC.decode(value, IncidentMemory) if value else None
        link = self._link(event.header.event_id)
        met = links.meet(event, memory, link, hops, NOW)
        self._do(event.header.event_id, met)
        if met.event is None:
            return
        taken = incidents.take(memory, met.event, ROOMS, NOW)
        for notification in taken.notifications:
            self.told[met.event.header.event_id, notification.destination] = notification.reason
            self.flags[met.event.header.event_id] = met.event.header.flags
        if taken.memory:
            self.memories[key] = CODEC.encode(taken.memory)

    def _do(self, at: str, met: links.LinkOutcome) -> None:
        if met.link:
            assert len(met.link.events) <= 16
            self.links[at] = CODEC.encode(met.link)
        self._queue.extend(met.handed_on)
        for receipt in met.receipts:
            self.admit(receipt, receipt.destination)

    def stands(self, identifier: str) -> set[DeliveryReason]:
        """What the rooms were told last of the event that the message of this letter begins."""
        (event,) = CapFormat().read(cap(identifier, "Alert"), NOW).events  # type: ignore[union-attr]
        event_id = event.header.event_id  # type: ignore[union-attr]
        return {reason for (event, _), reason in self.told.items() if event == event_id}

    def open(self) -> set[str]:
        """Events that rooms were told of and not of their end."""
        return {event for (event, _), reason in self.told.items() if reason is not DeliveryReason.CANCEL}


CHAIN = [cap("a", "Alert"), cap("b", "Update", "a"), cap("c", "Update", "b"), cap("d", "Cancel", "c")]
TWO = [cap("a", "Alert"), cap("b", "Alert"), cap("c", "Cancel", "ab")]
MERGED = [cap("a", "Alert"), cap("b", "Alert"), cap("c", "Update", "ab"), cap("d", "Cancel", "c")]
LISTED = [cap("a", "Alert"), cap("b", "Update", "a"), cap("c", "Update", "ab"), cap("d", "Cancel", "abc")]
ENDED = {DeliveryReason.CANCEL}


@pytest.mark.parametrize("messages", [CHAIN, TWO, MERGED, LISTED], ids=["chain", "two", "merged", "listed"])
def test_every_alert_that_is_named_ends(messages: list[bytes]) -> None:
    hub = Hub()
    for message in messages:
        hub.hear(message)

    assert ENDED == hub.stands("a")
    assert set() == hub.open()
    assert hub.stands("b") in (ENDED, set())


def test_rooms_hear_of_a_chain_under_the_alert_alone() -> None:
    hub = Hub()
    for message in LISTED:
        hub.hear(message)

    assert 1 == len({event for event, _ in hub.told})
    assert () == hub.flags.popitem()[1]


@pytest.mark.parametrize("messages", [CHAIN, TWO, MERGED, LISTED], ids=["chain", "two", "merged", "listed"])
@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_in_whatever_order_they_arrive_and_however_often(messages: list[bytes], data: st.DataObject) -> None:
    order = data.draw(st.permutations(messages))
    again = data.draw(st.lists(st.sampled_from(messages), max_size=3))
    hub = Hub()
    for message in [*order, *again]:
        hub.hear(message)

    assert set() == hub.open(), [messages.index(message) for message in order]


def test_another_alert_stays_open() -> None:
    hub = Hub()
    for message in [*CHAIN, cap("x", "Alert")]:
        hub.hear(message)

    assert {DeliveryReason.NEW} == hub.stands("x")


def test_a_circle_of_references_comes_to_an_end() -> None:
    hub = Hub()
    for message in [
        cap("b", "Update", "c"),
        cap("c", "Update", "b"),
        cap("d", "Update", "bc"),
        cap("e", "Cancel", "d"),
    ]:
        hub.hear(message)

    assert hub.steps < 500


def test_an_end_of_what_nobody_knows_is_told_as_what_it_is() -> None:
    hub = Hub()
    hub.hear(cap("d", "Cancel", "c"))

    assert ENDED == hub.stands("c")
    assert [("reference_unknown",)] == list(hub.flags.values())


def test_news_of_before_the_end_does_not_open_it_again_and_news_of_after_does() -> None:
    hub = Hub()
    for message in [cap("d", "Cancel", "a"), cap("a", "Alert"), cap("b", "Update", "a")]:
        hub.hear(message)
    before = hub.stands("a")
    hub.hear(cap("e", "Update", "a"))

    assert (ENDED, True) == (before, hub.stands("a") != ENDED)


@pytest.mark.parametrize("minute", [0, -5], ids=["in the same second", "by a clock that is slow"])
def test_an_end_that_names_its_alert_came_after_it_whatever_the_clocks_say(minute: int) -> None:
    hub = Hub()
    for message in [cap("d", "Cancel", "a", minute), cap("a", "Alert"), cap("b", "Update", "a", minute)]:
        hub.hear(message)

    assert ENDED == hub.stands("a")


# Their answers to our alerts


OURS = f"bondmate:x,{our_identifier('alert-1', 'delivery-1')},2026-05-01T09:00:00-00:00"


def answering(identifier: str, kind: str, references: str) -> bytes:
    return cap(identifier, kind).replace(
        b"<references></references>", f"<references>{references}</references>".encode()
    )


def levels(hub: Hub) -> list[tuple[str, Level, str | None]]:
    return [(one.header.event_id, one.level, one.delivery_id) for one in hub.receipts]


def test_a_cancel_of_their_update_of_our_alert_ends_our_alert() -> None:
    hub = Hub()
    for message in [answering("b", "Update", OURS), cap("c", "Update", "b"), cap("d", "Cancel", "c")]:
        hub.hear(message)
    replies = RepliesConfig()

    assert [replies.update, replies.update, replies.cancel] == [level for _, level, _ in levels(hub)]
    assert {("alert-1", "delivery-1")} == {(event, delivery) for event, _, delivery in levels(hub)}
    assert {} == hub.told
    assert 3 == len({one.header.message_id for one in hub.receipts})


@settings(max_examples=30, deadline=None)
@given(order=st.permutations([answering("b", "Update", OURS), cap("c", "Update", "b"), cap("d", "Cancel", "c")]))
def test_also_when_the_end_comes_first(order: list[bytes]) -> None:
    hub = Hub()
    for message in order:
        hub.hear(message)

    assert RepliesConfig().cancel in {level for _, level, _ in levels(hub)}


def test_one_cancel_of_our_alert_and_of_theirs_ends_both() -> None:
    hub = Hub()
    hub.hear(cap("a", "Alert"))
    hub.hear(answering("d", "Cancel", f"{OURS} wx,a,{BEGAN.isoformat()}"))

    assert [("alert-1", RepliesConfig().cancel, "delivery-1")] == levels(hub)
    assert ENDED == hub.stands("a")


def test_who_did_not_answer_does_not_go_on_with_anothers_answer() -> None:
    hub = Hub()
    hub.hear(answering("b", "Update", OURS))
    before = levels(hub)
    hub.hear(cap("d", "Cancel", "b"), source="another")

    assert before == levels(hub)


def test_who_has_not_proved_who_it_is_does_not_go_on_with_an_answer() -> None:
    hub = Hub()
    hub.hear(answering("b", "Update", OURS))
    (event,) = CapFormat().read(cap("d", "Cancel", "b"), NOW).events  # type: ignore[union-attr]
    (record,) = records_of(event, RepliesConfig(), "room")
    hub.admit(record, "room", Proof.NONE)
    hub.settle()

    assert [RepliesConfig().update] == [level for _, level, _ in levels(hub)]


# Bounds


def test_what_waits_is_bounded_in_number_and_size(make: Any) -> None:
    link: IncidentLink | None = None
    for number in range(40):
        event = make.incident(
            event_id="m", incident_id="m", refers_to=("m",), action=IncidentAction.CANCELLED,
            description="x" * 100_000, message_id=f"c{number}",
        )  # fmt: skip
        link = links.meet(event, None, link, 0, NOW).link

    assert link is not None
    assert 16 == len(link.events)
    assert NOW + links.KEEP == link.expires_at
    assert len(CODEC.encode(link)) < 100_000


def test_what_is_of_no_chain_is_as_before(make: Any) -> None:
    event = make.incident(event_id="e")

    assert links.LinkOutcome(event=event) == links.meet(event, None, None, 0, NOW)
