"""What people read of messages: through the streams, a gateway's mailbox and each format (FINDINGS L18)."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cot.options import Options
from bondmate_connectors.formats.cot.write import compose
from bondmate_connectors.formats.xml import parse_xml
from bondmate_gateway.enrolment.device_file import Profile
from bondmate_gateway.enrolment.directory import EnrolledDevice
from bondmate_gateway.http.records import messages
from bondmate_gateway.http.records.arrival import Arrival
from bondmate_gateway.http.requests import ReceiptRequest
from bondmate_gateway.mailbox.expiry import receipt_of
from bondmate_gateway.mailbox.mailboxes import Mailboxes
from bondmate_schemas.catalogue import MESSAGES, RECEIPTS
from bondmate_schemas.enums import MessageDirection, Mode
from bondmate_schemas.labels import Labels, Language
from bondmate_schemas.models import Address, Delivery, DeliveryReceipt, DeviceMessage, EventHeader, ExternalRef
from bondmate_streams.logic.addressing import MessageSender, Officer, resolve
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.messages import addressed, tell, tell_sender, unreached
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, MayMessage

NOW: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOLDEN: Final = Path(__file__).parent / "golden_words"
NAME: Final = "10_messages.txt"
ROOMS: Final = ("north", "south", "tak")
AGREEMENTS: Final = Agreements(
    parse_routes(
        "destinations:\n"
        + "".join(f"  {room}: {{fields: {{message: {{text: plain, callsign: plain}}}}}}\n" for room in ROOMS)
        + "routes: [{name: texts, when: {record: message}, to: [north, south, tak]}]"
    ),
    b"a secret of these tests",
)
OFFICERS: Final = {
    f"device-{number}": Officer(f"device-{number}", "pd-north", Mode.ACTUAL, "North 4", f"Alpha {number}")
    for number in (7, 8)
}
ORDER: Final = (
    ExternalRef(system="cap:reference", id="room@x,order-1,2026-05-01T12:00:00-00:00"),
    ExternalRef(system="cot", id="GeoChat.op-1.hub.m-9"),
)


class Everybody:
    def of(self, device_id: str) -> Officer:
        return OFFICERS.get(device_id, Officer(device_id))

    def all(self) -> Iterator[Officer]:
        yield from OFFICERS.values()


def header(message_id: str, **given: Any) -> EventHeader:
    return EventHeader(
        message_id=message_id, event_id=message_id, agency_id="pd-north", mode=Mode.ACTUAL, occurred_at=NOW,
        received_at=NOW, source="north", language="en", **given,
    )  # fmt: skip


everybody: ContextVar[Labels | None] = ContextVar("everybody", default=None)
"""What all rooms read in, where they do not read as they do in their own language."""


def test_who_wrote_whom_it_was_for_and_how_far_it_came_are_read_by_name() -> None:
    clause, *expected = (GOLDEN / NAME).read_text(encoding="utf-8").splitlines()

    assert clause.startswith("# ")
    assert expected == [*written_by_officer(), *called(), *offline(), *unknown()]


@pytest.mark.parametrize("language", ["de", "el"])
def test_so_they_are_in_the_language_of_the_room(language: Language) -> None:
    token = everybody.set(Labels(language))
    told = [*written_by_officer(), *called(), *offline(), *unknown()]
    everybody.reset(token)

    assert (GOLDEN / language / NAME).read_text(encoding="utf-8").splitlines() == told


def written_by_officer() -> Iterator[str]:
    yield "--- an officer writes"
    said = DeviceMessage(
        header=header("m-1"), device_id="device-7", direction=MessageDirection.FROM_DEVICE, sender="device-7",
        text="at the back door", callsign="Alpha 7",
    )  # fmt: skip
    for telling in tell(said, [Decision(room, "texts") for room in ROOMS]):
        delivery = AGREEMENTS.delivery(telling, NOW)
        assert delivery is not None
        if delivery.destination == "tak":
            line = parse_xml(tak(delivery))
            yield f"tak: {line.find('detail/__chat').get('senderCallsign')} | {line.findtext('detail/remarks')}"
        else:
            labels = everybody.get() or Labels("es" if delivery.destination == "south" else "en")
            info = parse_xml(CapFormat(labels=labels).write(delivery, NOW).message or b"").find("{*}info")
            yield f"{delivery.destination}: {info.findtext('{*}headline')} | {info.findtext('{*}description')}"


def called() -> Iterator[str]:
    yield '--- whom they called "Alpha 7" has it, opens it, confirms it'
    (message,), _ = sent("Alpha 7")
    (mail,) = mailbox(message).box("device-7").mails.values()
    device = EnrolledDevice("device-7", "pd-north", Mode.ACTUAL, Profile(), callsign="Alpha 7")
    arrival = Arrival(device, NOW, "device_http", "digest")
    for level in ("delivered", "read", "acknowledged"):
        request = ReceiptRequest(message_id=mail.message_id, level=level, occurred_at=NOW.isoformat())
        receipt = messages.receipt(request, arrival, mail)
        yield in_cap(receipt)
    yield in_tak(receipt)


def offline() -> Iterator[str]:
    messages, _ = sent("North 4", expires_at=NOW + timedelta(hours=1))
    (message,) = (one for one in messages if one.device_id == "device-8")
    waiting = mailbox(message)
    yield "--- one of unit North 4 is offline, and stays so for 5 min"
    yield from ended(waiting, NOW + timedelta(minutes=5))
    yield "--- its time runs out"
    yield from ended(waiting, NOW + timedelta(hours=1))


def ended(waiting: Mailboxes, now: datetime) -> Iterator[str]:
    assert [] == waiting.messages.ended(now - timedelta(seconds=1))
    (ending,) = waiting.messages.ended(now)
    receipt = receipt_of(ending, None, "device_http", now)
    waiting.see(RECEIPTS, receipt.header.event_id, receipt)
    assert [] == waiting.messages.ended(now)
    yield in_cap(receipt)
    yield in_tak(receipt)


def unknown() -> Iterator[str]:
    yield "--- nobody is called Alpha 9"
    _, (receipt,) = sent("Alpha 9")
    yield in_cap(receipt)
    yield in_tak(receipt)


def sent(name: str, **given: Any) -> tuple[list[DeviceMessage], list[DeliveryReceipt]]:
    """Return what the streams make of a message to `name`."""
    order = DeviceMessage(
        header=header("order-1", external_refs=ORDER, **given), device_id="", sender="north", text="come in",
        to=Address(names=(name,)),
    )  # fmt: skip
    assert order.to is not None
    sender = MessageSender(
        MayMessage(agencies=("pd-north",)), False, lambda _: None, AGREEMENTS.sees_callsigns("north")
    )
    reached = resolve(order.to, Mode.ACTUAL, sender, Everybody(), NOW)
    messages = [addressed(order, device, NOW, reached.names.get(device)) for device in reached.devices]
    return messages, [unreached(order, missing, NOW) for missing in reached.missing]


def mailbox(message: DeviceMessage) -> Mailboxes:
    boxes = Mailboxes(10, lambda: None)
    boxes.see(MESSAGES, message.device_id, message)
    return boxes


def back(receipt: DeliveryReceipt) -> Delivery:
    delivery = AGREEMENTS.delivery(tell_sender(receipt), NOW, "")
    assert delivery is not None
    return delivery


def in_cap(receipt: DeliveryReceipt) -> str:
    answer = parse_xml(CapFormat(labels=labels()).write(back(receipt), NOW).message or b"")
    return f"north: {answer.findtext('{*}msgType')} | {answer.findtext('{*}note')}"


def in_tak(receipt: DeliveryReceipt) -> str:
    return f"tak: {parse_xml(tak(back(receipt))).findtext('detail/remarks')}"


def labels() -> Labels:
    return everybody.get() or Labels()


def tak(delivery: Delivery) -> bytes:
    return compose(delivery, NOW, Options(labels=labels())).documents[0]  # type: ignore[union-attr]


def test_what_a_gateway_reads_of_long_ago_or_was_told_already_is_not_told_again() -> None:
    (message,), _ = sent("Alpha 7")
    waiting = mailbox(message)
    (ending,) = waiting.messages.ended(NOW + timedelta(hours=1))
    receipt = receipt_of(ending, None, "device_http", NOW)
    restarted = Mailboxes(10, lambda: None)
    restarted.see(RECEIPTS, receipt.header.event_id, receipt)
    restarted.see(MESSAGES, message.device_id, message)

    assert [] == restarted.messages.ended(NOW + timedelta(hours=1))
    assert [] == mailbox(message).messages.ended(NOW + timedelta(days=2))
