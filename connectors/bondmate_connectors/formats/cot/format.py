"""The CoT translator as formats are asked for it."""

from __future__ import annotations

from datetime import datetime

from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Ignored, Reading, Refusal, Writing
from bondmate_connectors.formats.cot.read import read
from bondmate_connectors.formats.cot.write import write


class CotFormat:
    """The format as the contract wants it; `read` and `write` say what becomes of what."""

    name = "cot"
    media_type = "application/xml"

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a CoT message to canonical events; never raises."""
        return read(message, received_at)

    def write(self, event: Delivery, now: datetime) -> Writing | Refusal:
        """Translate an event to one CoT document; never raises."""
        return write(event, now)


FORMAT = CotFormat()
