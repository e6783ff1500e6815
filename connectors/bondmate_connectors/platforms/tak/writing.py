"""Deliveries as the events that go out: within a server's limit of size, an alert under its reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bondmate_schemas.duress import OPEN_ROOM, SAID_UNDER_DURESS, SHOWN_SILENTLY, is_under_duress
from bondmate_schemas.models import Delivery

from bondmate_connectors.contract import Refusal
from bondmate_connectors.errors import Rejected
from bondmate_connectors.formats.cot import receipts_out, types
from bondmate_connectors.formats.cot.alerts_out import is_cancel, write_bare_end
from bondmate_connectors.formats.cot.event import MAX_BYTES
from bondmate_connectors.formats.cot.options import Contact, Options
from bondmate_connectors.formats.cot.stream import TOO_LARGE
from bondmate_connectors.formats.cot.write import companions, compose, compose_leanest
from bondmate_connectors.platforms.tak.negotiation import Protocol
from bondmate_connectors.platforms.tak.open_alerts import TakOpenAlerts


class TakWriter:
    """Write deliveries; `max_event_bytes` is for events in XML. Raises Rejected for what CoT cannot say."""

    def __init__(
        self,
        options: Options,
        alerts: TakOpenAlerts,
        max_event_bytes: int,
        clock: Callable[[], datetime],
        duress_contacts: tuple[Contact, ...] = (),
    ) -> None:
        self._options, self._alerts, self._duress_contacts = options, alerts, duress_contacts
        self._max_event_bytes, self._clock = max_event_bytes, clock

    def documents(self, event: Delivery, protocol: Protocol) -> tuple[bytes, ...]:
        """Return the events that say it, in order."""
        event = self._as_read(event)
        now, options = self._clock(), self._options_for(event, protocol)
        composed = compose(event, now, options)
        if isinstance(composed, Refusal):
            raise Rejected(composed.code, composed.path)
        documents = composed.documents + companions(event, composed, now, options)
        if max(map(len, documents)) > MAX_BYTES:
            raise Rejected(TOO_LARGE)
        return documents

    def leanest(self, event: Delivery, protocol: Protocol) -> tuple[bytes, ...]:
        """Return the one event that says the least that will do."""
        found = compose_leanest(event, self._clock(), self._options_for(event, protocol))
        if isinstance(found, Refusal):
            raise Rejected(found.code, found.path)
        return (found,)

    def for_everybody(self, event: Delivery) -> tuple[bytes, ...]:
        """Return what ends an alert, without a word, for those who saw it before its officer came under duress.

        What was shown before a restart is not known: a place that goes stale there is better than word of duress.
        """
        known = self._alerts.by_id(event.header.event_id) if event.alert is not None else None
        if known is None or not known.was_open or event.alert is None or not is_under_duress(event.alert):
            return ()
        if known.is_taken_off and not is_cancel(event):
            return ()
        return (write_bare_end(event.alert, event, self._clock(), self._options),)

    def is_for_nobody(self, event: Delivery) -> bool:
        """Return whether a receipt is for nobody who may read it."""
        receipt = event.receipt
        if receipt is None:
            return False
        is_secret = receipt.code == SHOWN_SILENTLY and not self._may_know(event)
        return is_secret or receipts_out.is_for_nobody(receipt)

    def is_told_by(self, event: Delivery, ended: tuple[bytes, ...]) -> bool:
        """Return whether to end it for everybody is all there is to say: its end, where nobody is named for more."""
        return bool(ended) and is_cancel(event) and not self._duress_contacts

    def _may_know(self, event: Delivery) -> bool:
        assert event.receipt is not None
        return receipts_out.writer_of(event.receipt) in {contact.uid for contact in self._duress_contacts}

    def _as_read(self, event: Delivery) -> Delivery:
        """Return a receipt as its writer may read it."""
        if event.receipt is None or event.receipt.code != SAID_UNDER_DURESS or self._may_know(event):
            return event
        return event.model_copy(update={"receipt": event.receipt.model_copy(update={"code": None})})

    def _options_for(self, event: Delivery, protocol: Protocol) -> Options:
        options = self._options
        if event.receipt is None and is_under_duress(event.event):
            if not self._duress_contacts:
                raise Rejected(OPEN_ROOM)
            options = replace(options, only=self._duress_contacts)
        if protocol is not Protocol.PROTOBUF:
            options = replace(options, max_bytes=self._max_event_bytes)
        if event.alert is not None:
            options = replace(options, reference=self._alerts.told(event, event.alert).reference)
        else:
            self._alerts.contacts.wrote(event)
        return options


def uid_of(event: Delivery) -> str:
    """Return the uid the event has at TAK."""
    if event.location is not None:
        return types.device_uid(event.location.device_id)
    if event.receipt is not None:
        return types.escape_id(event.id)
    header = event.header
    return types.alert_uid(header.event_id) if event.alert is not None else types.incident_uid(header.event_id)
