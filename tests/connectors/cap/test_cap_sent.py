"""`sent` of what we write, and how our later messages refer to it (CAP 1.2, 3.2.1 `sent`, `references`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.formats.cap.values import first_delivery_id
from bondmate_connectors.testing import sos, update_of
from bondmate_schemas.enums import DeliveryReason
from lxml import etree

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENT = datetime(2026, 3, 1, 11, 59, 30, 250_000, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)


def of_long_ago(delivery, **changes):
    header = delivery.alert.header.model_copy(update={"occurred_at": LONG_AGO})
    alert = delivery.alert.model_copy(update={"header": header})
    return delivery.model_copy(update={"alert": alert, **changes})


def root(delivery):
    return etree.fromstring(FORMAT.write(delivery, NOW).message)


def parameters(element):
    pairs = element.iterfind("{*}info/{*}parameter")
    return {pair.findtext("{*}valueName"): pair.findtext("{*}value") for pair in pairs}


@pytest.fixture
def first():
    delivery = sos()
    return of_long_ago(delivery, sent_at=SENT, first_sent_at=SENT, first_id=delivery.id)


def test_a_device_whose_clock_is_wrong_sends_nothing_that_is_years_old(first):
    assert "2026-03-01T11:59:30-00:00" == root(first).findtext("{*}sent")
    assert "1970-01-01T00:00:07.000+00:00" == parameters(root(first))["bondmate:occurred_at"]


def test_what_we_sent_reads_back_with_the_devices_time(first):
    (event,) = FORMAT.read(FORMAT.write(first, NOW).message, NOW).events

    assert LONG_AGO == event.header.occurred_at


def test_every_attempt_is_the_same_message(first):
    assert FORMAT.write(first, NOW) == FORMAT.write(first, NOW + timedelta(hours=1))


@pytest.mark.parametrize("reason", [DeliveryReason.UPDATE, DeliveryReason.REFRESH, DeliveryReason.CANCEL])
def test_a_later_message_refers_to_exactly_what_was_sent(first, reason):
    later = of_long_ago(update_of(first, 2), reason=reason, sent_at=NOW, first_sent_at=SENT, first_id=first.id)
    sent = root(first)
    triple = ",".join(sent.findtext(f"{{*}}{name}") for name in ("sender", "identifier", "sent"))

    assert triple == root(later).findtext("{*}references")
    assert "2026-03-01T12:00:00-00:00" == root(later).findtext("{*}sent")


def test_the_first_message_is_named_by_the_id_it_went_out_under(first):
    """Also where that is no id which this side could derive."""
    later = of_long_ago(update_of(first, 2), sent_at=NOW, first_sent_at=SENT, first_id="another id")

    assert "_another%20id," in root(later).findtext("{*}references")


def test_deliveries_of_an_earlier_version_are_written_as_they_were():
    old = of_long_ago(sos())
    later = of_long_ago(update_of(old, 2))

    assert "1970-01-01T00:00:07-00:00" == root(old).findtext("{*}sent")
    assert first_delivery_id(old.header.event_id, "there") in root(later).findtext("{*}references").split(",")[1]
    assert root(later).findtext("{*}references").endswith(",1970-01-01T00:00:07-00:00")


def test_an_update_of_the_position_alone_says_so_to_machines_and_to_people_and_all_else_again(first):
    later = of_long_ago(update_of(first, 2), reason=DeliveryReason.UPDATE, position_only=True, sent_at=NOW)
    whole = root(later)

    assert "Update" == whole.findtext("{*}msgType")
    assert "true" == parameters(whole)["bondmate:position_only"]
    assert whole.findtext("{*}info/{*}headline").startswith("POSITION UPDATE. ")
    assert whole.findtext("{*}info/{*}description").startswith('Only the position is new.\n"update 2"')
    assert "bondmate:position_only" not in parameters(root(first))
