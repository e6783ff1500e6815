"""Where an answer is written: under the id by which the hub keeps what it names."""

from __future__ import annotations

from typing import Any

from bondmate_connectors.runtime.envelopes import AddressedEnvelopes
from bondmate_connectors.runtime.receipts import receipt_for
from bondmate_connectors.testing.events import sos
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import Level
from bondmate_schemas.models import Delivery, DeliveryReceipt
from bondmate_schemas.outside_ids import OutsideIds

OUTSIDE = OutsideIds.of(b"a secret of tests")
CODEC = Codec(LocalSchemaIds())


def told(destination: str) -> Delivery:
    """Give a Delivery as the streams make it: with the ids that its destination may know."""
    delivery = sos(destination)
    ids = {"event_id": OUTSIDE.of_destination(destination)(delivery.header.event_id)}
    return delivery.model_copy(update={"header": delivery.header.model_copy(update=ids)})


def test_a_receipt_is_written_under_the_id_inside_and_says_the_one_outside() -> None:
    inside, delivery = sos("tak").header.event_id, told("tak")
    receipt = receipt_for(delivery, Level.DELIVERED, now=delivery.header.received_at)
    written = AddressedEnvelopes(CODEC, OUTSIDE).pack(receipt)

    assert inside.encode() == written.key
    assert delivery.header.event_id == CODEC.decode(written.value, DeliveryReceipt).header.event_id


def test_one_that_names_what_another_destination_was_told_is_not_read_for_it() -> None:
    delivery = told("tak")
    receipt = receipt_for(delivery, Level.DELIVERED, now=delivery.header.received_at)
    foreign = receipt.model_copy(update={"destination": "cap"})
    keys: list[Any] = [AddressedEnvelopes(CODEC, outside).pack(foreign).key for outside in (OUTSIDE, None)]

    assert [delivery.header.event_id.encode()] * 2 == keys
