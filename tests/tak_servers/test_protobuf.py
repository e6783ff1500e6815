"""TAK protocol 1 as node-cot reads and writes it: another's codec at the other end of the connection."""

from __future__ import annotations

import pytest
from bondmate_schemas.enums import Level
from tak_servers import events
from tak_servers.node_operator import Person, ProtobufServer
from tak_servers.site import connected, until

pytestmark = [pytest.mark.tak, pytest.mark.timeout(60)]


async def test_what_we_write_in_protobuf_node_cot_reads_and_what_it_writes_we_hear(
    protobuf_server: ProtobufServer,
) -> None:
    server, raised = protobuf_server, events.alert("x" * 3000)
    async with connected("127.0.0.1", server.port) as hub:
        await until(lambda: server.protocols == ["protobuf"], "the protocol is taken up")
        receipt = await hub.send(raised)
        await hub.send(events.fix())
        line = next(event for event in server.of("b-t-f") if "xxx" in event.text)
        words = line.text.partition("write: ")[2].split(".")[0]
        server.says_in_room(Person("ops-1", "DISPATCH"), words)
        await until(lambda: hub.receipts(raised.header.event_id), "the answer")

    (emergency,) = server.of("b-a-o-tbl")
    position = server.of("a-f-G-U-C")[-1]
    assert Level.DELIVERED is receipt.level
    assert receipt.platform_id == emergency.uid
    assert (emergency.place or {})["coordinates"][:2] == [events.LONGITUDE, events.LATITUDE]
    assert "911 Alert" == emergency.attribute("emergency", "type")
    assert "Sierra 7" == position.callsign
    assert Level.ACKNOWLEDGED is hub.receipts(raised.header.event_id)[0].level
    assert "ops-1" == hub.receipts(raised.header.event_id)[0].by_ref
    assert not server.unreadable
