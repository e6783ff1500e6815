"""GeoChat lines as real clients send them, by their public sources and recordings: where each puts whom it means.

| form | conversation | told to a server by | what is odd |
|---|---|---|---|
| ATAK | `id` is the uid, `chatroom` the name | `marti/dest/@callsign` | `__serverdestination` |
| ATAK before 3 | `chatroom` alone, the callsign | `marti/dest/@callsign` | no `chatgrp` |
| WinTAK | as ATAK, no `parent` | `marti/dest/@callsign` | `sourceID`, and its own prefix in `source` |
| iTAK | `id` is the callsign too | `marti/dest/@callsign` | |
| TAKPacket-SDK | `chatRoom` for `chatroom` | nothing | no `messageId` |
| node-cot | `id` is the uid | `marti/dest/@uid` | `messageId` is not in the uid; `source` without a prefix |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

ALL = "All Chat Rooms"


@dataclass(frozen=True)
class Said:
    """One line: by whom, to which contact or room, and under which ids. `to_uid` is a room's name in a room."""

    text: str
    message: str
    by_uid: str = "ANDROID-op1"
    by_callsign: str = "OPS"
    to_uid: str = ALL
    to_callsign: str = ALL
    time: str | None = None

    def line(self, chat: str, more: str, *, remarks: str, uid: str | None = None, link: str = "a-f-G-U-C") -> str:
        time = self.time if self.time is not None else _time()
        uid = uid or f"GeoChat.{self.by_uid}.{self.to_uid}.{self.message}"
        return (
            f'<event version="2.0" uid="{uid}" type="b-t-f" how="h-g-i-g-o" time="{time}" start="{time}" stale="{_time(3600)}">'
            '<point lat="0.0" lon="0.0" hae="9999999.0" ce="9999999.0" le="9999999.0"/>'
            f'<detail>{chat}<link uid="{self.by_uid}" type="{link}" relation="p-p"/>'
            f'<remarks {remarks} time="{_time()}">{self.text}</remarks>{more}</detail></event>'
        )

    @property
    def group(self) -> str:
        return f'<chatgrp uid0="{self.by_uid}" uid1="{self.to_uid}" id="{self.to_uid}"/>'

    @property
    def marti(self) -> str:
        return "" if self.to_uid == ALL else f'<marti><dest callsign="{self.to_callsign}"/></marti>'


def atak(said: Said) -> str:
    chat = (
        f'<__chat parent="RootContactGroup" groupOwner="false" messageId="{said.message}" chatroom="{said.to_callsign}"'
        f' id="{said.to_uid}" senderCallsign="{said.by_callsign}">{said.group}</__chat>'
    )
    destination = f'<__serverdestination destinations="10.0.0.1:4242:tcp:{said.by_uid}"/>'
    return said.line(chat, destination + said.marti, remarks=f'source="BAO.F.ATAK.{said.by_uid}" to="{said.to_uid}"')


def atak_before_3(said: Said) -> str:
    chat = f'<__chat chatroom="{said.to_callsign}" senderCallsign="{said.by_callsign}"/>'
    uid = f"GeoChat.{said.by_uid}.{said.to_callsign}.{said.message}"
    return said.line(chat, said.marti, remarks=f'source="BAO.F.ATAK.{said.by_uid}"', uid=uid)


def wintak(said: Said) -> str:
    chat = (
        f'<__chat id="{said.to_uid}" chatroom="{said.to_callsign}" senderCallsign="{said.by_callsign}"'
        f' groupOwner="false" messageId="{said.message}">{said.group}</__chat>'
    )
    remarks = f'source="BAO.F.WinTAK.{said.by_uid}" sourceID="{said.by_uid}" to="{said.to_uid}"'
    # WinTAK has its callsign where others have the uid.
    uid = f"GeoChat.{said.by_callsign}.{said.to_uid}.{said.message}"
    return said.line(chat, said.marti, remarks=remarks, uid=uid, link="a-f-G-U-C-I")


def itak(said: Said) -> str:
    return atak(replace(said, to_uid=said.to_callsign))


def takpacket(said: Said) -> str:
    chat = (
        f'<__chat senderCallsign="{said.by_callsign}" chatRoom="{said.to_callsign}" id="{said.to_uid}"'
        f' parent="RootContactGroup">{said.group}</__chat>'
    )
    return said.line(chat, "", remarks=f'source="BAO.F.ATAK.{said.by_uid}"')


def node_cot(said: Said) -> str:
    chat = (
        f'<__chat parent="RootContactGroup" groupOwner="false" messageId="{said.message}" chatroom="{said.to_callsign}"'
        f' id="{said.to_uid}" senderCallsign="{said.by_callsign}">{said.group}</__chat>'
    )
    marti = "" if said.to_uid == ALL else f'<marti><dest uid="{said.to_uid}"/></marti>'
    uid = f"GeoChat.{said.by_uid}.{said.to_uid}.another-{said.message}"
    return said.line(chat, marti, remarks=f'source="{said.by_uid}" to="{said.to_uid}"', uid=uid, link="a-f-G")


def atak_role(said: Said) -> str:
    """The room of a role, with one other member: it has neither a parent nor a `to`, and lists who is in it."""
    return _room_of_one(said, "HQ", "HQ")


def atak_teams(said: Said) -> str:
    """The room of all teams."""
    return _room_of_one(said, "TeamGroups", "Teams")


def _room_of_one(said: Said, room: str, name: str) -> str:
    chat = (
        f'<__chat parent="RootContactGroup" groupOwner="false" messageId="{said.message}" chatroom="{name}" id="{room}"'
        f' senderCallsign="{said.by_callsign}"><chatgrp uid0="{said.by_uid}" uid1="bondmate-hub-tak" id="{room}"/></__chat>'
    )
    uid = f"GeoChat.{said.by_uid}.{room}.{said.message}"
    marti = '<marti><dest callsign="BondMate-tak"/></marti>'
    return said.line(chat, marti, remarks=f'source="BAO.F.ATAK.{said.by_uid}"', uid=uid)


ROOM_FORMS: tuple[Callable[[Said], str], ...] = (atak, wintak, takpacket, node_cot, atak_role, atak_teams)
DIRECT_FORMS: tuple[Callable[[Said], str], ...] = (atak, atak_before_3, wintak, itak, takpacket, node_cot)


def _time(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
