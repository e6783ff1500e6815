"""Records written together: one word for all of them, also when one cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from bondmate_kafka.producer import NotWritten, Outbox
from bondmate_kafka.records import Outgoing
from bondmate_schemas.catalogue import RECEIPTS


async def test_many_records_are_waited_for_as_one_and_nothing_is_waited_for_at_once(kafka: Any, topics: Any) -> None:
    async with Outbox({**kafka.producer("test-outbox"), "log_level": 0}) as outbox:
        await outbox.send_all([])
        await outbox.send_all([Outgoing(RECEIPTS, b"key", str(number).encode()) for number in range(50)])

    assert [str(number).encode() for number in range(50)] == [f.value for f in topics.all(RECEIPTS) if f.key == b"key"]


async def test_one_that_cannot_be_written_is_told_and_the_next_can(kafka: Any, topics: Any) -> None:
    sound = Outgoing(RECEIPTS, b"sound", b"value")
    async with Outbox({**kafka.producer("test-outbox"), "log_level": 0}) as outbox:
        with pytest.raises(NotWritten, match="msg_size_too_large"):
            await outbox.send_all([sound, Outgoing(RECEIPTS, b"large", bytes(2_000_000))])
        await outbox.send_all([sound])

    assert 2 == len([found for found in topics.all(RECEIPTS) if found.key == b"sound"])


async def test_what_was_sent_before_the_end_is_written(kafka: Any, topics: Any) -> None:
    async with Outbox({**kafka.producer("test-outbox"), "log_level": 0}) as outbox:
        await outbox.send(
            Outgoing(RECEIPTS, b"first", b"value")
        )  # a client that has yet to find the broker may take longer
        report = outbox.send(Outgoing(RECEIPTS, b"last", b"value"))

    assert report.done()
    assert 1 == len([found for found in topics.all(RECEIPTS) if found.key == b"last"])
