"""What the contract suite does not ask: the room's answers, its signature, its mistakes."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web
from bondmate_connectors.contract import Unreadable
from bondmate_connectors.errors import (
    AuthFailed,
    EndOfStream,
    Misconfigured,
    NotConnected,
    Rejected,
    Transient,
)
from bondmate_connectors.formats.cap import FORMAT
from bondmate_connectors.platforms.cap_webhook import CONNECTOR, CapWebhookConfig
from bondmate_connectors.testing import context, sos, update_of
from bondmate_schemas.enums import DeliveryKind, DeliveryReason, Level
from bondmate_schemas.error_codes import MODE_DIFFERS, NOT_ITS_OWN
from bondmate_schemas.models import Delivery, DeliveryReceipt, DeviceMessage, IncidentEvent
from bondmate_schemas.refusals import refusal_delivery, said_by
from lxml import etree
from pydantic import ValidationError

SECRET = "whsec_" + base64.b64encode(b"new" * 10).decode()
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


def reference(message: bytes) -> str:
    root = etree.fromstring(message)
    return ",".join(root.findtext(f"{CAP}{name}") for name in ("sender", "identifier", "sent"))


@asynccontextmanager
async def posting(room, body, **how):
    """Give the pending answer to a post; it is awaited at the end."""
    task = asyncio.create_task(room.post(body, **how))
    try:
        yield task
    finally:
        await asyncio.wait({task}, timeout=10)


# To the room


async def test_an_alert_is_posted_signed_restricted_and_named_by_the_room(connector, room):
    event = sos("room")
    receipt = await connector.send(event)
    body = room.records[event.id]

    assert (Level.ACCEPTED, "CR-0") == (receipt.level, receipt.platform_id)
    assert "application/cap+xml" == room.requests[0]["Content-Type"]
    assert event.id == room.requests[0]["webhook-id"] == room.requests[0]["Idempotency-Key"]
    assert "Restricted" == etree.fromstring(body).findtext(f"{CAP}scope")


async def test_with_addresses_an_alert_is_private_to_them(build, room):
    config = CapWebhookConfig.model_validate(
        {"deliver": {"url": room.url, "secrets": [SECRET], "addresses": ["desk@room", "desk two"]}}
    )
    connector = CONNECTOR.build(config, context("room"))
    await connector.connect()
    await connector.send(sos("room"))
    await connector.close()
    root = etree.fromstring(next(iter(room.records.values())))

    assert ("Private", 'desk@room "desk two"') == (root.findtext(f"{CAP}scope"), root.findtext(f"{CAP}addresses"))


async def test_a_bare_success_is_only_delivered(connector, room):
    async with room.in_trouble("bare"):
        receipt = await connector.send(sos("room"))

    assert (Level.DELIVERED, None) == (receipt.level, receipt.platform_id)


async def test_a_failing_room_is_transient_and_then_takes_it(connector, room):
    event = sos("room")
    async with room.in_trouble("broken"):
        with pytest.raises(Transient):
            await connector.send(event)

    assert Level.ACCEPTED is (await connector.send(event)).level


async def test_success_with_a_failure_inside_is_refused_even_with_a_number(connector, room):
    async with room.in_trouble("false_success"):
        with pytest.raises(Rejected) as refused:
            await connector.send(sos("room"))

    assert "refused_by_platform" == refused.value.code
    assert {} == room.records


async def test_a_check_tells_of_a_page_on_the_way_as_a_post_would_and_takes_a_server_that_knows_no_get(build, room):
    connector = build()
    room.status_of_get, room.page = 200, "<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(AuthFailed, match="page_for_people"):
        await connector.check()
    deliver = {"url": room.url, "secrets": [SECRET], "answers_pages": True}
    await CONNECTOR.build(CapWebhookConfig.model_validate({"deliver": deliver}), context("room")).check()
    room.status_of_get = 501
    await connector.check()
    room.status_of_get = 502
    with pytest.raises(Transient, match="http_502"):
        await connector.check()


async def test_a_redirect_is_not_followed(connector, room):
    async with room.in_trouble("redirects"):
        with pytest.raises(AuthFailed, match="http_307"):
            await connector.send(sos("room"))

    assert 1 == len(room.requests)
    assert Level.ACCEPTED is (await connector.send(sos("room"))).level


async def test_an_update_refers_to_the_first_message_with_its_own_time(connector, room):
    first = sos("room")
    later = update_of(first, 60)
    await connector.send(first)
    await connector.send(later)
    refers_to = etree.fromstring(room.records[later.id]).findtext(f"{CAP}references")

    assert reference(room.records[first.id]).rpartition(",")[2] == refers_to.rpartition(",")[2]
    assert DeliveryReason.UPDATE is later.reason


async def test_two_secrets_while_the_room_changes_its_own(build, room):
    config = CapWebhookConfig.model_validate({"deliver": {"url": room.url, "secrets": ["the old one", SECRET]}})
    connector = CONNECTOR.build(config, context("room"))
    await connector.connect()
    try:
        for known, number in ((("the old one",), 1), ((SECRET,), 2)):
            room.secrets = known
            assert Level.ACCEPTED is (await connector.send(sos("room", number))).level
        room.secrets = ("another",)
        with pytest.raises(AuthFailed):
            await connector.send(sos("room", 3))
    finally:
        await connector.close()


async def test_an_id_that_no_header_may_hold_is_escaped(connector, room):
    event = sos("room")
    odd = event.model_copy(update={"header": event.header.model_copy(update={"message_id": "a\r\nX: ü"})})
    await connector.send(odd)

    assert ["a\r\nX: ü"] == await room.ids()


async def test_a_room_that_remembers_what_it_refused_takes_the_lean_form_and_knows_a_repeat_of_it(connector, room):
    sender = CONNECTOR.build(
        CapWebhookConfig.model_validate({"deliver": {"url": room.hub, "secrets": [SECRET]}}), context("elsewhere")
    )
    await sender.connect()
    event = sos("elsewhere")
    event = event.model_copy(update={"alert": event.alert.model_copy(update={"text": "x" * 800_000})})
    sending = asyncio.create_task(sender.send(event))
    refused = await connector.receive()
    await refused.settle(Rejected(refused.event.code))
    with pytest.raises(Rejected, match="http_422"):
        await sending
    receipts = [await sender.send_lean(event) for _ in range(2)]
    await sender.close()

    assert "cap_too_large" == refused.event.code
    assert [Level.DELIVERED] * 2 == [receipt.level for receipt in receipts]


async def test_the_lean_form_is_another_message_about_the_same_alert(connector, room):
    event = sos("room")
    first, again = await connector.send(event), await connector.send_lean(event)
    whole, lean = room.requests

    assert {whole["webhook-id"]} == {whole["Idempotency-Key"]}
    assert {lean["webhook-id"]} == {lean["Idempotency-Key"]} != {whole["webhook-id"]}
    assert first == again
    assert [event.id] == await room.ids()


# From the room


@pytest.mark.parametrize(
    ("kind", "level"),
    [("Ack", Level.ACKNOWLEDGED), ("Error", Level.DECLINED), ("Update", Level.UNKNOWN), ("Cancel", Level.RESOLVED)],
)
async def test_an_answer_becomes_a_receipt_and_is_answered_when_settled(connector, room, kind, level):
    event = sos("room")
    await connector.send(event)
    _, body = room.document(kind, reference(room.records[event.id]), note="on our way")
    async with posting(room, body, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01") as answer:
        incoming = await connector.receive()
        assert not answer.done()
        await incoming.settle(None)
    receipt = incoming.event

    assert 200 == answer.result().status
    assert isinstance(receipt, DeliveryReceipt)
    assert (level, event.header.event_id, event.id) == (receipt.level, receipt.header.event_id, receipt.delivery_id)
    assert ("room", "room", "on our way") == (receipt.destination, receipt.header.source, receipt.note)
    assert incoming.traceparent.startswith("00-")


async def test_replies_mean_what_the_settings_say(settings_for, room):
    config = settings_for().model_copy(
        update={
            "replies": CapWebhookConfig.model_validate(
                {"listen": {"secrets": ["x"]}, "replies": {"cancel": "DECLINED"}}
            ).replies
        }
    )
    connector = CONNECTOR.build(config, context("room"))
    await connector.connect()
    event = sos("room")
    _, body = room.document("Cancel", reference(FORMAT.write(event, datetime.now(UTC)).message))
    async with posting(room, body):
        incoming = await connector.receive()
        await incoming.settle(None)
    await connector.close()

    assert (Level.DECLINED, "declined") == (incoming.event.level, incoming.event.code)


async def test_news_of_the_room_is_an_incident_of_its_own(connector, room):
    identifier, body = room.document("Update", "someone@example.org,x,2026-01-01T00:00:00-00:00")
    async with posting(room, body) as answer:
        incoming = await connector.receive()
        await incoming.settle(None)

    assert isinstance(incoming.event, IncidentEvent)
    assert (identifier, "room") == (incoming.event.header.origin_message_id, incoming.event.header.source)
    assert 200 == answer.result().status


@pytest.mark.parametrize("code", [MODE_DIFFERS, NOT_ITS_OWN])
@pytest.mark.parametrize("kind", ["Alert", "Update", "Cancel"])
async def test_the_room_is_told_what_of_its_own_news_does_not_count(connector, room, kind, code):
    _, body = room.document(kind, "someone@example.org,x,2026-01-01T00:00:00-00:00" if kind != "Alert" else "")
    async with posting(room, body):
        incoming = await connector.receive()
        await incoming.settle(None)
    refusal = refusal_delivery(said_by(incoming.event), code, datetime.now(UTC))
    await connector.send(refusal)
    told = etree.fromstring(room.records[refusal.id])

    assert ["Error", f"DEAD_LETTERED {code}", reference(body)] == [
        told.findtext(f"{CAP}{name}") for name in ("msgType", "note", "references")
    ]


async def test_our_own_message_that_comes_back_is_no_news(connector, room):
    await connector.send(sos("room"))
    response = await room.post(next(iter(room.records.values())))

    assert (200, "ignored") == (response.status, json.loads(await response.text())["status"])


async def test_what_is_refused_is_dead_lettered_and_answered_422_naming_the_place(connector, room):
    _, body = room.document("Alert")
    body = body.replace(b"<scope>Private</scope>", b"")
    async with posting(room, body) as answer:
        incoming = await connector.receive()
        assert isinstance(incoming.event, Unreadable)
        await incoming.settle(Rejected(incoming.event.code))
    problem = json.loads(await answer.result().text())

    assert (422, "application/problem+json") == (answer.result().status, answer.result().content_type)
    assert ("urn:bondmate:problem:cap_missing", 3103) == (problem["type"], problem["number"])
    assert ("cap_missing", body) == (incoming.event.code, incoming.event.raw)
    assert "at alert/scope" == problem["detail"]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Ack", "response", "soon"),
        ("Update", "ownership", "gifted"),
        ("Cancel", "validity", "perhaps"),
        ("Ack", "eta", "in ten minutes"),
    ],
)
async def test_a_word_that_the_hub_does_not_know_is_answered_422_and_the_rest_is_taken(
    connector, room, kind, name, value
):
    event = sos("room")
    await connector.send(event)
    _, body = room.document(kind, reference(room.records[event.id]))
    block = f"""<info><category>Security</category><event>answer</event><urgency>Immediate</urgency><severity>Severe
        </severity><certainty>Observed</certainty><parameter><valueName>bondmate:{name}</valueName><value>{value}</value>
        </parameter></info></alert>"""
    body = body.replace(b"</alert>", block.encode())
    async with posting(room, body) as answer:
        async with asyncio.timeout(10):
            taken, kept = await connector.receive(), await connector.receive()
        await taken.settle(None)
        await kept.settle(Rejected(kept.event.code))
    problem = json.loads(await answer.result().text())

    assert isinstance(taken.event, DeliveryReceipt)
    assert ("cap_word_unknown", body) == (kept.event.code, kept.event.raw)
    assert (422, "urn:bondmate:problem:cap_word_unknown") == (answer.result().status, problem["type"])
    assert f"bondmate:{name}" in problem["detail"]
    assert value not in problem["detail"]


async def test_what_the_hub_cannot_keep_is_answered_503_and_taken_the_next_time(connector, room):
    identifier, body = room.document("Alert")
    async with posting(room, body, message_id="m") as first:
        await (await connector.receive()).settle(Transient("kafka is away"))
    async with posting(room, body, message_id="m") as second:
        incoming = await connector.receive()
        await incoming.settle(None)

    assert (503, 200) == (first.result().status, second.result().status)
    assert "2" == first.result().headers["Retry-After"]
    assert identifier == incoming.event.header.origin_message_id


async def test_nobody_settling_is_answered_503(build, room):
    connector = build(settle_timeout_seconds=0.1)
    await connector.connect()
    response = await room.post(room.document("Alert")[1])
    await connector.close()

    assert 503 == response.status


async def test_who_waits_when_it_closes_gets_503(connector, room):
    async with posting(room, room.document("Alert")[1]) as answer:
        await connector.receive()
        await connector.close()

    assert 503 == answer.result().status
    with pytest.raises(NotConnected):
        await connector.receive()


# Signatures


async def refused(connector, room, body, **how) -> int:
    """Post, and see to it that nothing reaches the hub."""
    receiving = asyncio.create_task(connector.receive())
    response = await room.post(body, **how)
    await asyncio.sleep(0)
    assert not receiving.done()
    receiving.cancel()
    await asyncio.wait({receiving})
    return response.status


@pytest.mark.parametrize(
    "how",
    [{"secret": "wrong"}, {"age_seconds": 400}, {"age_seconds": -400}, {"webhook-signature": ""},
     {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "v2,x é"}, {"webhook-id": ""}, {"webhook-timestamp": ""},
     {"webhook-timestamp": "soon"}, {"webhook-timestamp": "9" * 30}, {"webhook-id": "x" * 600}],
)  # fmt: skip
async def test_an_unsigned_wrongly_signed_or_old_message_is_401(connector, room, how):
    assert 401 == await refused(connector, room, room.document("Alert")[1], **how)


async def test_a_changed_body_is_401(connector, room):
    _, body = room.document("Alert")
    async with posting(room, body, message_id="m") as answer:
        await (await connector.receive()).settle(None)
    signed = {name: answer.result().request_info.headers[name] for name in
              ("webhook-id", "webhook-timestamp", "webhook-signature")}  # fmt: skip

    assert 401 == await refused(connector, room, body.replace(b"Exercise", b"Actual"), **signed)
    assert 401 == await refused(connector, room, body.replace(b'UTF-8"?>', b'UTF-8" ?>'), **signed)


async def test_a_replay_has_no_effect_within_the_window_and_is_401_after_it(connector, room):
    _, body = room.document("Alert")
    async with posting(room, body, message_id="m") as answer:
        await (await connector.receive()).settle(None)

    assert 200 == answer.result().status
    assert 200 == await refused(connector, room, body, message_id="m")
    assert 401 == await refused(connector, room, body, message_id="m", age_seconds=301)


async def test_an_id_used_for_another_body_is_409(connector, room):
    async with posting(room, room.document("Alert")[1], message_id="m"):
        await (await connector.receive()).settle(None)

    assert 409 == await refused(connector, room, room.document("Alert")[1], message_id="m")


async def test_the_same_message_twice_at_once_is_taken_once(connector, room):
    _, body = room.document("Alert")
    async with posting(room, body, message_id="m") as first:
        incoming = await connector.receive()
        second = await room.post(body, message_id="m")
        await incoming.settle(None)

    assert (200, 503) == (first.result().status, second.status)


async def test_both_secrets_are_good_while_they_are_changed(build, room):
    config = CapWebhookConfig.model_validate({"listen": {"port": 0, "secrets": ["the old one", SECRET]}})
    connector = CONNECTOR.build(config, context("room"))
    await connector.connect()
    room.hub = f"http://127.0.0.1:{connector.port}/cap"
    for secret in ("the old one", SECRET):
        async with posting(room, room.document("Alert")[1], secret=secret) as answer:
            await (await connector.receive()).settle(None)
        assert 200 == answer.result().status
    assert 401 == await refused(connector, room, room.document("Alert")[1], secret="a third")
    await connector.close()


# Hostile bodies


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "xml_malformed"), (b"{}", "xml_malformed"), (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a/>', "xml_doctype"),
     (b"\xff\xfe\x00", "xml_encoding"), (b"<a>" * 5000, "xml_too_deep"), (b"<html/>", "not_cap")],
)  # fmt: skip
async def test_hostile_bodies_are_422_and_kept(connector, room, body, code):
    async with posting(room, body) as answer:
        incoming = await connector.receive()
        await incoming.settle(Rejected(incoming.event.code))

    assert (422, code) == (answer.result().status, incoming.event.code)


async def test_a_body_beyond_the_bound_is_413_and_a_compressed_one_415(connector, room):
    assert 413 == await refused(connector, room, b"x" * (2 << 20))
    assert 415 == await refused(connector, room, b"x", **{"Content-Encoding": "gzip"})


# Settings


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "deliver"), ({"deliver": {"url": "http://room.example/cap", "secrets": ["x"]}}, "url"),
     ({"deliver": {"url": "ftp://room.example", "secrets": ["x"]}}, "url"),
     ({"deliver": {"url": "https://u:p@room.example", "secrets": ["x"]}}, "url"),
     ({"deliver": {"url": "https://room.example", "secrets": []}}, "secrets"),
     ({"deliver": {"url": "https://room.example", "secrets": ["whsec_???"]}}, "secrets"),
     ({"listen": {"secrets": ["a", "b", "c"]}}, "secrets"),
     ({"listen": {"secrets": ["x"]}, "replies": {"cancel": "DELIVERED"}}, "cancel")],
)  # fmt: skip
def test_settings_that_cannot_be_right_are_refused_by_name_without_the_value(settings, name):
    with pytest.raises(ValidationError) as told:
        CapWebhookConfig.model_validate(settings)

    assert name in str(told.value)
    assert "???" not in str(told.value)
    assert "u:p" not in str(told.value)


async def test_plain_http_beyond_loopback_is_refused(room):
    config = CapWebhookConfig.model_validate({"listen": {"host": "0.0.0.0", "port": 0, "secrets": ["x"]}})
    connector = CONNECTOR.build(config, context("room"))

    for act in (connector.check, connector.connect):
        with pytest.raises(Misconfigured, match=r"listen\.tls"):
            await act()
    await connector.close()


async def test_one_role_alone_says_what_the_other_lacks(room):
    listening = CONNECTOR.build(
        CapWebhookConfig.model_validate({"listen": {"port": 0, "secrets": ["x"]}}), context("room")
    )
    await listening.connect()
    with pytest.raises(Misconfigured, match="deliver"):
        await listening.send(sos("room"))
    await listening.close()
    delivering = CONNECTOR.build(
        CapWebhookConfig.model_validate({"deliver": {"url": room.url, "secrets": ["x"]}}), context("room")
    )
    with pytest.raises(EndOfStream):
        await delivering.receive()
    await delivering.close()


async def test_a_taken_port_is_told_and_survived(connector, settings_for):
    second = CONNECTOR.build(settings_for(), context("room"))
    with pytest.raises(NotConnected):
        await second.connect()
    await connector.close()
    await second.connect()
    await second.close()


# Messages to officers


async def test_a_private_alert_is_a_message_where_agreed_and_its_receipts_come_back_to_the_room(build, room):
    identifier, body = room.document("Alert")
    connector = build(messages_to_officers=True)
    await connector.connect()
    try:
        async with posting(room, body) as pending:
            incoming = await connector.receive()
            await incoming.settle(None)
            assert 200 == (await pending).status
        said = incoming.event
        header = said.header.model_copy(update={"message_id": "r-1", "event_id": "mail-1"})
        receipt = DeliveryReceipt(header=header, destination="device", level=Level.ACKNOWLEDGED, device_id="p7")
        told = Delivery(header=header, destination="room", kind=DeliveryKind.RECEIPT, receipt=receipt)
        await connector.send(told)
        await connector.send(told)
    finally:
        await connector.close()
    (answer,) = (etree.fromstring(each) for each in room.records.values())

    assert isinstance(said, DeviceMessage)
    assert ("room", "room", ("hub",)) == (said.header.source, said.sender, said.to.names)
    assert ("Ack", "ACKNOWLEDGED device p7: confirmed") == (
        answer.findtext(f"{CAP}msgType"),
        answer.findtext(f"{CAP}note"),
    )
    assert f"room@example.org,{identifier}," in answer.findtext(f"{CAP}references")


async def test_bytes_of_another_encoding_in_a_header_are_no_trouble_of_ours(connector, room, monkeypatch):
    async def latin(request):
        await request.read()
        return web.Response(status=201, headers={"Location": "/r\udce9f/17"})

    monkeypatch.setattr(room, "take", latin)
    await room.shut()
    await room.open()
    receipt = await connector.send(sos("room", 7))

    assert Level.ACCEPTED is receipt.level
    assert receipt.platform_id.encode()


async def test_a_trace_that_is_none_does_not_go_on(connector, room):
    _, body = room.document("Alert")
    for trace in ("00-\u00e9", "x" * 500, ""):
        async with posting(room, body, message_id=f"trace-{len(trace)}", traceparent=trace) as answer:
            incoming = await connector.receive()
            assert not incoming.traceparent
            await incoming.settle(None)
        assert 200 == answer.result().status
