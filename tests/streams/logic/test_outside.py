"""What leaves: no byte of what an agreement withholds, nothing reckoned from it without the key, no id to go back by."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_connectors.testing import strategies
from bondmate_kafka.records import Outgoing
from bondmate_schemas.codec import RECORDS, Codec, LocalSchemaIds, schema
from bondmate_schemas.device_alert_ids import alert_event_id
from bondmate_schemas.enums import DeliveryReason, Level, MessageDirection
from bondmate_schemas.ids import content_digest, derived_id
from bondmate_schemas.models import Code, Delivery, DeliveryReceipt, DestinationState, ExternalRef, IncidentEvent
from bondmate_schemas.outside_ids import ForeignIdError, OutsideIds
from bondmate_schemas.sayings import LINKED
from bondmate_streams.agents.context import AgentContext
from bondmate_streams.agents.routing_service import RoutingService
from bondmate_streams.logic.deliveries import Agreements, First, Notification, later_id, new_id
from bondmate_streams.logic.outside import NOBODYS, returned, with_keys
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import RECORD_OF, Destination, Routes, kind_of
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

SECRET = b"a secret of tests"
OUTSIDE = OutsideIds.of(SECRET)
CODEC = Codec(LocalSchemaIds())
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
IDS = {
    "header.message_id", "header.event_id", "header.incident_id", "header.origin_message_id", "header.content_digest",
    "alert_id", "whole.reopens", "whole.group_id", "whole.linked_to", "in_reply_to", "delivery_id",
}  # fmt: skip
"""What never leaves as it is, listed or not."""
events = st.one_of(
    strategies.device_alerts, strategies.device_locations, strategies.incident_events, strategies.device_messages
)
HEADERS = {"ce_specversion", "ce_type", "content-type", "ce_id", "ce_source", "ce_time"}
"""All that goes beside a Delivery: no trace, which is the same at every destination."""


def unlike_any_other(value: Any, path: str, chance: random.Random) -> Any:
    """Give an event, as plain values, with a value in each text, time and number that stands nowhere else."""
    if isinstance(value, dict):
        return {name: unlike_any_other(each, f"{path}.{name}".lstrip("."), chance) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [unlike_any_other(each, path, chance) for each in value]
    if isinstance(value, datetime):
        return NOW - timedelta(milliseconds=chance.randrange(10**9, 10**11))
    if isinstance(value, float):
        return chance.uniform(1, 80)
    return f"{chance.getrandbits(128):032x}" if type(value) is str else value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from leaves(each, path)
    elif type(value) in {str, float, datetime}:
        yield path, value


def marks(record: str) -> dict[str, tuple[str | None, bool]]:
    """Give the disclosure of each path of a record and whether it is required, from its schema."""
    found: dict[str, tuple[str | None, bool]] = {}
    named: dict[str, Any] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, list):
            for each in node:
                walk(each, path)
        elif isinstance(node, str):
            walk(named[node], path) if node in named else None
        elif node["type"] == "record":
            named[node["name"]] = node
            for field in node["fields"]:
                here = f"{path}.{field['name']}".lstrip(".")
                found[here] = field.get("bondmate:disclosure"), "default" not in field
                walk(field["type"], here)
        elif node["type"] in {"array", "map"}:
            walk(node.get("items") or node["values"], path)

    walk(schema(record), "")
    return found


MARKS = {record: marks(record) for record in (*RECORD_OF.values(), "DeliveryReceipt")}


def shows(record: str, listed: dict[str, str], path: str) -> bool:
    """Whether an agreement shows a leaf as it is: it and all that it is part of are envelope, listed or inseparable."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        here = ".".join(parts[:length])
        mark, required = MARKS[record][here]
        if not (mark == "always" or here in listed or (required and length > 1)):
            return False
    return path not in IDS


def told(event: Any, listed: dict[str, str], notification: Notification | None = None) -> Outgoing | None:
    """Give the whole Kafka message by which a destination with this agreement hears of an event."""
    fields = {} if isinstance(event, DeliveryReceipt) else {kind_of(event): listed}
    context = AgentContext(
        RoutingService(Routes(destinations={"room": Destination(fields=fields)})),
        SECRET,
        CODEC,
        None,
        None,
        outside=OUTSIDE,
    )  # type: ignore[arg-type]  # nothing is sent here
    notification = notification or Notification(
        "room", "r", DeliveryReason.NEW, new_id(event.header.event_id, "room"), event
    )
    return next(iter(context.deliveries([notification])), None)


def bytes_of(message: Outgoing) -> bytes:
    headers = b"\n".join(name.encode() + b"=" + (value or b"") for name, value in message.headers)
    return b"\n".join((message.key or b"", headers, message.value or b""))


def written(value: Any) -> bytes:
    """Give a value as it would stand in the message."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, float):
        return struct.pack("<d", value)
    number, out = ((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)) << 1, bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def reckoned(text: str) -> Iterator[bytes]:
    """Give what anybody could reckon from a text, and then look for."""
    for how in ("sha1", "sha256", "md5"):
        digest = hashlib.new(how, text.encode(), usedforsecurity=False).digest()
        yield from (digest, digest.hex()[:20].encode())
    yield derived_id(text).encode()
    yield derived_id("incident", text).encode()
    yield derived_id("delivery", text, "room").encode()


def telling_of(event: Any, reason: DeliveryReason) -> Notification:
    first = First(new_id(event.header.event_id, "room"), NOW - timedelta(minutes=1))
    if reason is DeliveryReason.NEW:
        return Notification("room", "r", reason, first.delivery_id, event)
    return Notification("room", "r", reason, later_id(event.header.event_id, "room", "cause"), event, first)


@settings(max_examples=examples(300), deadline=None)
@given(
    event=st.one_of(events, strategies.delivery_receipts),
    reason=st.sampled_from(DeliveryReason),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_nothing_withheld_leaves_nor_what_follows_from_it(
    event: Any, reason: DeliveryReason, seed: int, data: st.DataObject
) -> None:
    record = type(event).__name__
    event = RECORDS[record].model_validate(unlike_any_other(event.model_dump(), "", random.Random(seed)))
    paths = [path for path in MARKS[record] if MARKS[record][path][0] != "always"]
    listed = dict.fromkeys(data.draw(st.lists(st.sampled_from(paths), unique=True)), "plain")
    if "position" in listed:
        listed["position"] = data.draw(st.sampled_from(["plain", "round:1", "coarse:5000"]))
    if record == "DeliveryReceipt":  # no agreement lists fields of it
        listed = {"header.external_refs": "plain"}
    notification = telling_of(event, reason)
    message = told(event, listed, notification)
    if message is None:
        assert record == "DeviceLocation"
        assert "position" not in listed
        return
    said = bytes_of(message)
    coarse = {"position.latitude", "position.longitude"} if listed.get("position", "plain") != "plain" else set()
    for path, value in leaves(event.model_dump()):
        if path in coarse or not shows(record, listed, path):
            assert written(value) not in said, path
            if isinstance(value, str):
                assert not [each for each in reckoned(value) if each in said], path
    assert notification.delivery_id.encode() not in said
    assert {name for name, _ in message.headers} == HEADERS


@settings(max_examples=examples(100), deadline=None)
@given(event=events, seed=st.integers(0, 2**32))
def test_what_is_listed_does_arrive(event: Any, seed: int) -> None:
    """The search above would find it: what an agreement lists is found by the very same search."""
    record = type(event).__name__
    event = RECORDS[record].model_validate(unlike_any_other(event.model_dump(), "", random.Random(seed)))
    listed = {path: "plain" for path in MARKS[record] if MARKS[record][path][0] != "always"}
    message = told(event, listed)
    assert message is not None
    said = bytes_of(message)

    for path, value in leaves(event.model_dump()):
        if path not in {*IDS, "header.published_at"} and not path.startswith("header.external_refs"):
            assert written(value) in said, path


def test_who_guesses_device_time_and_place_right_cannot_tell(make: Any) -> None:
    """In the manner of the finding: true guesses, all ids that the hub derives, and not one matches."""
    fix = '{"fix":{"latitude":52.3731,"longitude":4.8922,"fixed_at":"2026-11-30T11:59:58Z"}}'
    guesses = {
        content_digest(fix.encode()), derived_id("location", "device-1", content_digest(fix.encode())),
        alert_event_id("device-1", "1"), derived_id("incident", alert_event_id("device-1", "1")),
        new_id(alert_event_id("device-1", "1"), "room"), later_id(alert_event_id("device-1", "1"), "room", "m"),
    }  # fmt: skip
    event_id = alert_event_id("device-1", "1")
    alert = make.alert()
    header = alert.header.model_copy(
        update={
            "event_id": event_id,
            "message_id": derived_id("location", "device-1", content_digest(fix.encode())),
            "incident_id": derived_id("incident", event_id),
            "content_digest": content_digest(fix.encode()),
            "external_refs": (ExternalRef(system="device", id="own-id-of-the-press"),),
        }
    )
    listed = {"header.content_digest": "plain", "header.external_refs": "plain", "header.incident_id": "plain"}
    message = told(alert.model_copy(update={"header": header}), listed)
    assert message is not None
    said = bytes_of(message)

    assert not [guess for guess in guesses if guess.encode() in said]
    assert b"own-id-of-the-press" not in said
    # With the key they are there: the search would find them.
    with_key = {OUTSIDE.of_destination("room")(guess) for guess in guesses}
    assert [each for each in with_key if each.encode() in said]


@pytest.fixture
def agreements() -> Agreements:
    shared = "{fields: {alert: {header.incident_id: plain, position: plain}}}"
    return Agreements(parse_routes(f"destinations: {{a: {shared}, b: {shared}, c: {{}}}}"), SECRET)


def made(agreements: Agreements, destination: str, event: Any, key: str | None = None) -> Delivery:
    notification = Notification(destination, "", DeliveryReason.NEW, new_id(event.header.event_id, destination), event)
    delivery = agreements.delivery(notification, NOW, key)
    assert delivery is not None
    return delivery


def test_an_incident_is_shared_by_those_alone_whose_agreements_both_list_it(agreements: Agreements, make: Any) -> None:
    alert = make.alert(incident_id="incident-1")
    a, b, c = (made(agreements, name, alert) for name in ("a", "b", "c"))

    assert a.key == b.key == a.alert.header.incident_id != c.key
    assert len({delivery.header.event_id for delivery in (a, b, c)}) == 3
    assert {"incident-1"} == {OUTSIDE.back(d.destination, d.key) for d in (a, b, c)}
    with pytest.raises(ForeignIdError):
        OUTSIDE.back("a", c.key)


def test_ids_go_out_as_inside_to_whom_an_older_hub_told_them_so(agreements: Agreements, make: Any) -> None:
    alert = make.alert(incident_id="incident-1")
    old = made(agreements, "c", alert, "")

    assert (alert.header.event_id, "incident-1", new_id(alert.header.event_id, "c")) == (
        old.header.event_id, old.key, old.id
    )  # fmt: skip


def test_whoever_hears_later_gets_ids_of_the_key_that_the_others_have() -> None:
    rotated = OutsideIds({"b": SECRET, "0": SECRET})
    told_before = {"a": DestinationState(changed_at=NOW, id_key="0"), "old": DestinationState(changed_at=NOW)}
    after = {**told_before, "late": DestinationState(changed_at=NOW)}

    keys = {name: at.id_key for name, at in with_keys(told_before, after, rotated).items()}
    assert {"a": "0", "old": "", "late": "0"} == keys
    first = with_keys((), {"new": DestinationState(changed_at=NOW)}, rotated)
    assert "b" == first["new"].id_key
    # Beside one that knows the ids inside, nobody else is told them.
    assert "b" == with_keys({"old"}, {**after, "a": told_before["old"]}, rotated)["late"].id_key


@pytest.mark.parametrize("name", ["event_id", "incident_id"])
def test_what_comes_back_is_read_back(make: Any, name: str) -> None:
    out = OUTSIDE.of_destination("tak")
    receipt = make.receipt(out("event"), "tak", Level.ACKNOWLEDGED, incident_id=out("incident"), delivery_id=out("d"))
    said = make.message(
        direction=MessageDirection.TO_DEVICE, source="tak", event_id=out("event"), in_reply_to=out("m"),
        alert_id=out("event"),
    )  # fmt: skip

    assert ("event", "incident", "d") == (
        (found := returned(receipt, OUTSIDE)).header.event_id, found.header.incident_id, found.delivery_id
    )  # fmt: skip
    read = returned(said, OUTSIDE)
    assert ("event", "m", "event") == (read.header.event_id, read.in_reply_to, read.alert_id)
    ids = {"event_id": "e", name: out("event")}
    foreign = make.receipt(ids.pop("event_id"), "cap", Level.RESOLVED, **ids)
    with pytest.raises(ForeignIdError):
        returned(foreign, OUTSIDE)
    # Ids of its own making are its own.
    own = make.incident(source="cap", event_id="CR-1", incident_id="CR-1")
    assert own == returned(own, OUTSIDE)


def test_of_several_that_an_event_refers_to_those_of_others_are_left_and_ours_are_read(make: Any) -> None:
    out, of_other = OUTSIDE.of_destination("cap")("m"), OUTSIDE.of_destination("tak")("n")
    event = make.incident(source="cap", refers_to=(out, of_other, "theirs"))

    assert ("m", of_other, "theirs") == returned(event, OUTSIDE).refers_to


def test_the_alert_that_a_room_links_to_is_read_back_in_an_answer_and_in_an_update(make: Any) -> None:
    out, of_other = OUTSIDE.of_destination("cap")("event"), OUTSIDE.of_destination("tak")("event")

    def said(system: str, value: str) -> IncidentEvent:
        found: IncidentEvent = make.incident(source="cap", attributes=(Code(system=system, value=value),))
        return returned(found, OUTSIDE)

    # What was never given there is nobody's: it links nothing, and what is said beside it counts.
    assert {NOBODYS} == {
        returned(make.receipt("e", "cap", Level.ACKNOWLEDGED, link_to=of_other), OUTSIDE).link_to,
        said(LINKED, of_other).attributes[0].value,
    }
    assert "event" == returned(make.receipt("e", "cap", Level.UNKNOWN, link_to=out), OUTSIDE).link_to
    assert "" == returned(make.receipt("e", "cap", Level.UNKNOWN, link_to=""), OUTSIDE).link_to
    assert ["event", "none", out] == [
        said(*each).attributes[0].value for each in ((LINKED, out), (LINKED, "none"), ("cap.link", out))
    ]


def test_a_number_of_ours_in_what_one_room_says_is_put_in_the_words_of_the_other(make: Any) -> None:
    said = f"bondmate:pd,{OUTSIDE.of_destination('cap')('event')},2026-11-30T12:00:00-00:00"
    event: IncidentEvent = make.incident(
        source="cap", references=(said, "CAD-7"), external_refs=(ExternalRef(system="cap", id=said),)
    )
    routes = parse_routes("destinations: {tak: {fields: {incident: {references: plain, header.external_refs: plain}}}}")
    told_to_tak = made(Agreements(routes, SECRET), "tak", event).incident

    wanted = said.replace(OUTSIDE.of_destination("cap")("event"), OUTSIDE.of_destination("tak")("event"))
    assert (wanted, "CAD-7") == told_to_tak.references
    assert [wanted] == [ref.id for ref in told_to_tak.header.external_refs]
