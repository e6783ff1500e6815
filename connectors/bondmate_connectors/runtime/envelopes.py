"""Where the records of connectors go: the topic of each kind, and the key that the catalogue prescribes there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from bondmate_kafka.records import Envelopes, Outgoing
from bondmate_schemas import catalogue, models
from bondmate_schemas.codec import Codec
from bondmate_schemas.outside_ids import ForeignIdError, OutsideIds

TOPIC_OF: dict[type[models.Record], str] = {
    models.DeviceAlert: catalogue.DEVICE_ALERTS,
    models.DeviceLocation: catalogue.DEVICE_LOCATIONS,
    models.DeviceStatus: catalogue.DEVICE_STATUS,
    models.CheckIn: catalogue.CHECK_INS,
    models.DeviceMessage: catalogue.MESSAGES,
    models.DeliveryReceipt: catalogue.RECEIPTS,
    models.IncidentEvent: catalogue.INCIDENTS,
    models.AuditRecord: catalogue.AUDIT,
    models.ConnectorStatus: catalogue.STATE_CONNECTORS,
}
"""Where a record that the connectors' side writes goes."""
R = TypeVar("R", bound=models.Record)


def header_of(record: models.Record) -> models.EventHeader | None:
    """Return the event header of `record`; an audit record has none."""
    header = vars(record).get("header")
    return header if isinstance(header, models.EventHeader) else None


def with_header(record: R, **changes: object) -> R:
    """Return `record` with these fields of its header changed; their values must be such as the model accepts."""
    header = header_of(record)
    if header is None:
        return record
    return record.model_copy(update={"header": header.model_copy(update=changes)})


class AddressedEnvelopes:
    """Turn records into what is written to their topics."""

    def __init__(self, codec: Codec, outside: OutsideIds | None = None) -> None:
        """Write with `codec`; `outside` reads the ids that answers name, None where their keys are not known here."""
        self._codec = codec
        self._envelopes = Envelopes(codec)
        self._outside = outside

    async def learn(self, kinds: Iterable[str]) -> None:
        """Learn the schema ids of these records, off the event loop, since asking the registry blocks.

        Raises:
            SchemaUnavailableError: the registry does not answer; try again later.
        """
        for kind in kinds:
            await asyncio.to_thread(self._codec.learn, kind)

    def pack(self, record: models.Record, traceparent: str | None = None) -> Outgoing:
        """Return the message for the topic of `record`, whose kind was learnt."""
        topic = TOPIC_OF[type(record)]
        key = self._inside(record, catalogue.key_of(topic, record))
        return self._envelopes.pack_traced(topic, key, record, traceparent)

    def event_id_of(self, record: models.Record) -> str:
        """Return the hub's own id of the event that a record is of, also where its sender knows it by another."""
        header = header_of(record)
        return self._inside(record, header.event_id) if header else ""

    def inside(self, destination: str, event_id: str) -> str:
        """Return the hub's own id of what a destination knows by this one; as it is, where nobody here can know."""
        try:
            return self._outside.back(destination, event_id) if self._outside else event_id
        except ForeignIdError:
            return event_id

    def pack_refused(self, record: models.Record, traceparent: str | None = None) -> Outgoing:
        """Return the same of a record that goes to no topic; one of a kind that has a topic has its key."""
        if type(record) in TOPIC_OF:
            return self.pack(record, traceparent)
        header = header_of(record)
        return self._envelopes.pack_traced("", header.event_id if header else "", record, traceparent)

    def _inside(self, record: models.Record, key: str) -> str:
        """Return the key by which the hub keeps what an answer names, so that it is written where that is.

        Whether the answer may name it is not decided here: the record stays as it is.
        """
        if self._outside is None or not isinstance(record, models.DeliveryReceipt | models.IncidentEvent):
            return key
        who = record.destination if isinstance(record, models.DeliveryReceipt) else record.header.source
        try:
            return self._outside.back(who, key)
        except ForeignIdError:
            return key
