"""Which protocol a connection speaks: XML, until the server has offered TAK protocol 1, was asked, and agreed. Pure.

Between our request and the answer nothing may be written (`protocol.txt` of ATAK-CIV, step 6). No answer leaves the
connection in a state that nobody knows: it is given up, and the next one stays in XML.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.event import CotEvent
from bondmate_connectors.formats.cot.probe import protocol_request

_VERSION = "1"


class Protocol(StrEnum):
    """What a connection speaks, and what it waits for."""

    XML = "xml"
    ASKED = "asked"
    PROTOBUF = "protobuf"


class Upgrade:
    """How far one connection has come on the way from XML to TAK protocol 1, if it is wanted at all."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._offer: str | None = None
        self.protocol = Protocol.XML
        self.asked_at = float("-inf")

    def heard(self, event: CotEvent) -> bool:
        """Take what a server says about the protocol; False when `event` is about something else."""
        if event.type == types.PROTOCOL_OFFER:
            supported = event.detail.iterfind("TakControl/TakProtocolSupport")
            if any(each.get("version") == _VERSION for each in supported):
                self._offer = event.uid
        elif event.type != types.PROTOCOL_RESPONSE:
            return False
        elif self.protocol is Protocol.ASKED:
            self.protocol = Protocol.PROTOBUF if _agrees(event) else Protocol.XML
        return True

    def request(self, now: datetime, at: float) -> bytes | None:
        """Return the request to write, now that nothing else waits to be written; None when there is none to make."""
        if self._offer is None or not self._is_wanted or self.protocol is not Protocol.XML:
            return None
        uid, self._offer = self._offer, None
        self.protocol, self.asked_at = Protocol.ASKED, at
        return protocol_request(uid, now)


def _agrees(event: CotEvent) -> bool:
    response = event.detail.find("TakControl/TakResponse")
    return response is not None and (response.get("status") or "").strip().lower() in {"true", "1"}
