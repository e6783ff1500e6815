"""Cursor on Target (CoT) event version 2.0 in XML, MITRE base-event schema, as TAK clients and servers speak it."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Ignored, Reading, Refusal, Writing


class CotFormat:
    """The format as the contract wants it; its `read` and `write` say what becomes of what.

    They are loaded with their first use: roles that only ask what a connector takes go without.
    """

    name = "cot"
    media_type = "application/xml"

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a CoT message to canonical events; never raises."""
        from bondmate_connectors.formats.cot.read import read  # noqa: PLC0415

        return read(message, received_at)

    def write(self, event: Delivery, now: datetime) -> Writing | Refusal:
        """Translate an event to one CoT document; never raises."""
        from bondmate_connectors.formats.cot.write import write  # noqa: PLC0415

        return write(event, now)


FORMAT = CotFormat()
