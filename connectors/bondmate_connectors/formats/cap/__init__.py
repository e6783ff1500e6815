"""CAP 1.2 (OASIS Common Alerting Protocol): strict out, lenient in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bondmate_schemas.labels import ENGLISH, Labels
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Ignored, Reading, Refusal, Writing
from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.answers import write_answer
from bondmate_connectors.formats.cap.read import read
from bondmate_connectors.formats.cap.references import Reference
from bondmate_connectors.formats.cap.values import OurIdentifier, our_identifier, parse_our_identifier
from bondmate_connectors.formats.cap.write import msg_type_of, reference_to, write

__all__ = [
    "FORMAT",
    "CapFormat",
    "OurIdentifier",
    "Reference",
    "msg_type_of",
    "our_identifier",
    "parse_our_identifier",
    "reference_to",
    "write_answer",
]


@dataclass(frozen=True, slots=True)
class CapFormat:
    """The translator as formats are asked for it.

    With `addresses`, what it writes is Private to them; `labels` are the hub's own words in it. With `to_officers`, a
    Private Alert is a message to officers.
    """

    addresses: tuple[str, ...] = ()
    labels: Labels = ENGLISH
    to_officers: bool = False
    name: str = "cap"
    media_type: str = codes.MEDIA_TYPE

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate every alert in `message`; see `read.read`."""
        return read(message, received_at, to_officers=self.to_officers)

    def write(self, event: Delivery, now: datetime) -> Writing | Refusal:  # noqa: ARG002  # same event, same message
        """Translate a Delivery; see `write.write`. The clock is not used: a repeat must be the same message."""
        return write(event, self.addresses, labels=self.labels)


FORMAT = CapFormat()
