"""The runner and drills: none goes where a test cannot be marked, and none that is over goes anywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bondmate_connectors.testing import another, by_label, sos, update_of
from bondmate_schemas.catalogue import dead_letter_topic
from bondmate_schemas.enums import DeliveryReason, Level, Mode


def drill_of(destination, number=0, **header):
    event = another(sos(destination), number)
    told = event.header.model_copy(update={"mode": Mode.TEST, **header})
    alert = event.alert.model_copy(update={"drill": destination, "header": told})
    return event.model_copy(update={"alert": alert, "header": told})


async def test_none_goes_where_a_test_cannot_be_marked_and_no_setting_overrides_that(hub, ledger, place, instance):
    unmarked = replace(instance, spec=replace(instance.spec, marks_test=""))
    alert, drill = another(sos(place), 1), drill_of(place)
    async with hub.running(unmarked):
        await hub.feed(alert, drill)
        await hub.all_committed(place)

    assert [alert.id] == list(ledger.entries)
    (letter,) = await hub.read(dead_letter_topic(place))
    assert b"test_not_marked" == dict(letter.headers())["bondmate.error.code"]


async def test_one_that_is_over_is_passed_over_its_end_is_sent_and_neither_is_a_delay_of_the_hub(
    hub, ledger, place, instance
):
    over = drill_of(place, 1, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    end = update_of(over, 1)
    header = end.header.model_copy(update={"expires_at": None, "mode": Mode.TEST})
    end = end.model_copy(
        update={
            "reason": DeliveryReason.CANCEL,
            "header": header,
            "alert": over.alert.model_copy(update={"header": header}),
        }
    )
    fresh = drill_of(place, 2, expires_at=datetime.now(UTC) + timedelta(seconds=60))
    async with hub.running(instance):
        await hub.feed(over, end, fresh)
        await hub.all_committed(place)
        assert {"ALERT": 2} == by_label("connector_sent_events_total", place, "kind")
        assert {} == by_label("connector_dead_lettered_events_total", place, "code")
        assert {"expired": 1} == by_label("connector_passed_over_events_total", place, "reason")
        assert {} == by_label("connector_delivery_seconds_count", place, "kind")

    assert {end.id, fresh.id} == set(ledger.entries)
    assert {"TEST"} == {entry["mode"] for entry in ledger.entries.values()}
    assert {Level.ACCEPTED} == {receipt.level for receipt in await hub.receipts(place)}
