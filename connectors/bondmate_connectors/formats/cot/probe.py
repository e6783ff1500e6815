"""Pings: how a client asks a TAK server whether it still listens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bondmate_connectors.formats.cot.build import DECLARATION
from bondmate_connectors.formats.cot.event import format_time
from bondmate_connectors.formats.cot.types import HUB_UID, PING

PING_UID: Final = f"{HUB_UID}-ping"
_STALE_SECONDS: Final = 20
_TEXT: Final = (
    '<event version="2.0" uid="{uid}" type="{type}" access="Undefined" time="{time}" start="{time}" stale="{stale}"'
    ' how="m-g"><point lat="0.0" lon="0.0" hae="9999999.0" ce="9999999.0" le="9999999.0"/><detail/></event>'
)


def ping(now: datetime) -> bytes:
    """Write a ping (`t-x-c-t`); a server answers it with `t-x-c-t-r` on the same connection, and sends it nowhere."""
    times = {"time": format_time(now), "stale": format_time(now + timedelta(seconds=_STALE_SECONDS))}
    return DECLARATION + _TEXT.format(uid=PING_UID, type=PING, **times).encode()
