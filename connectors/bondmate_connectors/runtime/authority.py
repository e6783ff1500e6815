"""Who may speak for whom: the one place where what a platform says becomes what the hub believes of it.

Every record of every source passes here before it is published, whatever connector it came by. Pure.

| a record's | is |
|---|---|
| destination of a receipt | the connector's own name, never what the message says |
| agency | the one that the settings name for this connector; none where they name none |
| source | the connector's own name |
| who acted | what the platform says of it, kept as its claim (`by_ref`, external references) |

A record of a kind that the connector's specification does not name is refused, whatever it proves: alerts, positions
and heartbeats are believed as they are, so that they come from who says that it gives them, and from nobody else.
A receipt, and a message to officers, of somebody who has not proved to be that destination is refused. A platform that
is known by nothing but being on this machine is believed in all modes but ACTUAL.

Whether an answer belongs to the alert that it names, and to its mode, is decided where the alert is known: by the
streams, under the codes `mode_differs`, `not_its_own` and `no_offer`. So is whether who ends an incident may: for that,
what proves nothing of its sender is flagged `unproven` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bondmate_schemas.enums import Level, MessageDirection, Mode
from bondmate_schemas.error_codes import MODE_DIFFERS, NO_OFFER, NOT_AUTHENTICATED, NOT_ITS_OWN
from bondmate_schemas.flags import UNPROVEN
from bondmate_schemas.models import DeliveryReceipt, DeviceMessage, EventHeader, IncidentEvent, Record

from bondmate_connectors.contract import Proof, Refusal

NOT_EMITTED: Final = "kind_not_emitted"
REFUSALS: Final = (NOT_AUTHENTICATED, MODE_DIFFERS, NOT_ITS_OWN, NO_OFFER)
"""Codes under which an answer is refused, here or by the streams; a connector says of each how its sender is told."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What one connector may say: under which name, and of which agency."""

    name: str
    """The connector's name in the settings, which is that of its destination."""
    agency_id: str = ""
    """The agency of the control room; empty where the settings name none."""
    speaks_for: str = ""
    """Whom the receipts are of where not of `name`: then agency and source were proved by an enrolment."""

    emits: frozenset[str] | None = None
    """Kinds of records that its specification names; None: any, where somebody asks without a specification."""

    def admit(self, record: Record, proof: Proof) -> Record | Refusal:
        """Return `record` as far as its sender may say it, or the code under which it is refused.

        Args:
            record: what the connector made of the platform's message.
            proof: how the platform proved who it is.
        """
        if self.emits is not None and type(record).__name__ not in self.emits:
            return Refusal(NOT_EMITTED)
        if isinstance(record, DeliveryReceipt):
            return self._receipt(record) if _counts(record.header.mode, proof) else Refusal(NOT_AUTHENTICATED)
        if isinstance(record, DeviceMessage):
            return self._message(record, proof)
        return self._from_here(record, proof) if isinstance(record, IncidentEvent) else record

    def _receipt(self, receipt: DeliveryReceipt) -> DeliveryReceipt:
        if self.speaks_for:
            return receipt.model_copy(update={"destination": self.speaks_for})
        claim = receipt.by_ref or receipt.header.agency_id or None
        update: dict[str, Any] = {"header": self._header(receipt.header), "destination": self.name, "by_ref": claim}
        return receipt.model_copy(update=update)

    def _message(self, message: DeviceMessage, proof: Proof) -> DeviceMessage | Refusal:
        if self.speaks_for:
            return message
        if message.direction is MessageDirection.TO_DEVICE and not _counts(message.header.mode, proof):
            return Refusal(NOT_AUTHENTICATED)
        return message.model_copy(update={"header": self._header(message.header), "sender": self.name})

    def _from_here(self, incident: IncidentEvent, proof: Proof) -> IncidentEvent:
        if self.speaks_for:
            return incident
        header = self._header(incident.header)
        if _counts(incident.header.mode, proof):
            return incident.model_copy(update={"header": header})
        # News may come from anybody; that it goes on from an answer, or ends what others began, may not.
        header = header.model_copy(update={"flags": (*header.flags, UNPROVEN)})
        return incident.model_copy(update={"header": header, "reply_level": Level.UNKNOWN, "is_reply": False})

    def _header(self, header: EventHeader) -> EventHeader:
        return header.model_copy(update={"source": self.name, "agency_id": self.agency_id})


def _counts(mode: Mode, proof: Proof) -> bool:
    """Whether what is said in `mode` counts with this proof; an unknown mode counts as ACTUAL here: it may be."""
    if proof is Proof.LOOPBACK:
        return mode not in {Mode.ACTUAL, Mode.UNKNOWN}
    return proof is not Proof.NONE
