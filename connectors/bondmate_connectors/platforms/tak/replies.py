"""What the hub says to one person at a TAK client, and how often at most."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Final

from bondmate_schemas.ids import derived_id
from bondmate_schemas.labels import ENGLISH, Labels
from bondmate_schemas.models import DeviceMessage, EventHeader

from bondmate_connectors.formats.cot import types
from bondmate_connectors.formats.cot.chat_out import ChatLine, write_lines
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.platforms.tak.answers import Reply, Terms

_LEAST_SECONDS: Final = 10.0
"""One person is asked or told something at most so often: the other end may be a machine that answers too."""
_MOST_KNOWN: Final = 1_000


def refused(message: DeviceMessage, code: str, labels: Labels = ENGLISH) -> Reply | None:
    """Return what to say to who wrote a text that is not passed on; None when nobody is known to have."""
    refs = {ref.system: ref.id for ref in message.header.external_refs}
    writer = refs.get(types.WRITER_SYSTEM) or message.sender_ref
    if not writer:
        return None
    text = f"{labels('Not passed on')}: {code.replace('_', ' ')}"
    return Reply(Contact(writer, refs.get(types.CALLSIGN_SYSTEM, "")), text)


class Replies:
    """Write replies, and leave out those that come too soon after another to the same person."""

    def __init__(self, terms: Terms, options: Options) -> None:
        self._terms, self._options = terms, options
        self._told: OrderedDict[str, float] = OrderedDict()

    def written(self, reply: Reply, now: datetime, at: float) -> tuple[bytes, ...]:
        """Return the events that say it, none when it is too soon; `at` is in seconds of a monotonic clock."""
        if at - self._told.get(reply.to.uid, float("-inf")) < _LEAST_SECONDS:
            return ()
        self._told[reply.to.uid] = at
        self._told.move_to_end(reply.to.uid)
        if len(self._told) > _MOST_KNOWN:
            self._told.popitem(last=False)
        return write_lines(self._line(reply, now), now, self._options)

    def _line(self, reply: Reply, now: datetime) -> ChatLine:
        message_id = derived_id("tak reply", self._terms.name, reply.to.uid, now.isoformat())
        header = EventHeader(
            message_id=message_id, event_id=message_id, agency_id=self._terms.agency_id, mode=self._terms.mode,
            occurred_at=now, received_at=now, source=self._terms.name,
        )  # fmt: skip
        return ChatLine(self._terms.contact, reply.text, header, message_id, to=reply.to)
