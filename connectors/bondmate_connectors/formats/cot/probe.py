"""What a client says of itself rather than of an event: who it is, and whether the server still listens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.build import DECLARATION, element
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.options import Contact

ENDPOINT: Final = "*:-1:stcp"
"""How a client says that it is reached by the server's stream alone."""
_PING_STALE_SECONDS: Final = 20
_UNKNOWN: Final = "9999999.0"


def ping(uid: str, now: datetime) -> bytes:
    """Write a ping (`t-x-c-t`): a server answers it with `t-x-c-t-r`, or sends it back as it is.

    `uid` is another for each ping, so that an answer that names it proves which one was answered. It ends in `ping`:
    some servers take whatever else comes first for the name of the connection.
    """
    return _event(uid, types.PING, now, now + timedelta(seconds=_PING_STALE_SECONDS), "")


def identity(
    contact: Contact, *, team: str, role: str, version: str, now: datetime, stale_seconds: float, is_shown: bool = True
) -> bytes:
    """Write a self-position: by it a server knows the connection, and people see the hub as a contact to write to.

    The hub stands nowhere: the position is 0,0 with unknown errors, as a client without a fix sends it. What is not
    `is_shown` is addressed to the contact itself, so that the server passes it on to nobody.
    """
    detail = (
        element("takv", device="BondMate hub", platform="BondMate", os="-", version=version)
        + element("contact", callsign=contact.callsign, endpoint=ENDPOINT)
        + element("__group", name=team, role=role)
        + element("uid", Droid=contact.callsign)
        + element("_flow-tags_", **{types.FLOW_TAG: format_time(now)})
        + ("" if is_shown else element("marti", element("dest", callsign=contact.callsign)))
    )
    return _event(contact.uid, types.PLI, now, now + timedelta(seconds=stale_seconds), detail)


def probe(uid: str, now: datetime) -> bytes:
    """Write what the hub's other connection is to hear, and nobody takes for anything.

    It is a receipt of a chat line that nobody wrote: clients look it up, find nothing, and let it be.
    """
    detail = element("_flow-tags_", **{types.FLOW_TAG: format_time(now)})
    return _event(uid, types.CHAT_DELIVERED, now, now + timedelta(seconds=_PING_STALE_SECONDS), detail)


def protocol_request(uid: str, now: datetime) -> bytes:
    """Ask for TAK protocol version 1, in answer to the offer of this uid."""
    detail = element("TakControl", element("TakRequest", version="1"))
    return _event(uid, types.PROTOCOL_REQUEST, now, now + timedelta(seconds=60), detail)


def _event(uid: str, kind: str, now: datetime, stale: datetime, detail: str) -> bytes:
    point = element("point", lat="0.0", lon="0.0", hae=_UNKNOWN, ce=_UNKNOWN, le=_UNKNOWN)
    return DECLARATION + element(
        "event", point + element("detail", detail), version="2.0", uid=uid, type=kind, access="Undefined",
        time=format_time(now), start=format_time(now), stale=format_time(stale), how="m-g",
    ).encode()  # fmt: skip
