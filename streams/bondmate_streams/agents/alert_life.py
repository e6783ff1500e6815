"""The life of alerts: changes told to destinations, receipts taken, closings passed on, open ones told again."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from bondmate_monitoring.metrics import ALERT_LEVEL_SECONDS, ALERT_LEVELS
from bondmate_schemas.catalogue import (
    ALERT_CHANGES,
    ALERT_STANDINGS,
    INCIDENT_RECEIPTS,
    MESSAGES,
)
from bondmate_schemas.models import AlertState, DeliveryReceipt, DeviceAlert
from bondmate_schemas.outbox import Outgoing

from bondmate_streams.agents.audit_writer import AuditWriter
from bondmate_streams.agents.desk import Desk
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.lanes import KeyLocks
from bondmate_streams.agents.open_alerts import OpenAlerts
from bondmate_streams.agents.tables import Ledger
from bondmate_streams.envelopes import Arrived, Headers, utc_now
from bondmate_streams.guard import both
from bondmate_streams.logic import states
from bondmate_streams.logic.audit import Entry
from bondmate_streams.logic.states import Step


class AlertLife:
    """Owns the table `alerts`."""

    def __init__(
        self,
        *,
        desk: Desk,
        alerts: Ledger[AlertState],
        locks: KeyLocks,
        audit: AuditWriter,
        open_alerts: OpenAlerts,
        known: KnownDevices,
    ) -> None:
        self._desk = desk
        self._alerts = alerts
        self._locks = locks
        self._audit = audit
        self._open = open_alerts
        self._known = known
        self._confirm_to = frozenset(
            name for name, destination in desk.routes.destinations.items() if destination.tell_own_closing
        )

    async def change(self, arrived: Arrived) -> str:
        """Take one change of an alert."""
        alert = await self._desk.read(arrived, DeviceAlert)
        if await self._desk.is_misplaced(arrived, alert):
            return "misplaced"
        async with self._locks.holding("alerts", alert.header.event_id):
            state = self._alerts.get(alert.header.event_id)
            decisions = self._desk.route(alert) if state is None else self._desk.quietly(state.alert)
            step = states.change(state, alert, decisions, utc_now())
            telling = self._telling(step, arrived.headers)
            if step.state is not None and (step.state != state or step.outcome == "repeat"):
                # Remembered before it is told: a receipt must find its alert. Told again after a crash in between.
                self._open.note(step.state, decisions)
                await both(self._alerts.put(alert.header.event_id, step.state), self._tell(telling))
            else:
                await self._tell(telling)
        return step.outcome

    async def receipt(self, arrived: Arrived) -> str:
        """Take one receipt."""
        receipt = await self._desk.read(arrived, DeliveryReceipt)
        if await self._desk.is_misplaced(arrived, receipt):
            return "misplaced"
        event_id = receipt.header.event_id
        async with self._locks.holding("alerts", event_id):
            state = self._alerts.get(event_id)
            if state is None:
                return await self._other(receipt, arrived)
            decisions = self._desk.quietly(state.alert)
            step = states.receive(state, receipt, self._confirm_to, decisions, utc_now())
            # Told before it is remembered: what a level leads to is told only when it rises.
            await self._tell(self._telling(step, arrived.headers))
            if step.state is not None and (step.state != state or step.outcome == "repeat"):
                self._open.note(step.state, decisions)
                await self._alerts.put(event_id, step.state)
        _count(step, receipt)
        return step.outcome

    async def _other(self, receipt: DeliveryReceipt, arrived: Arrived) -> str:
        """Pass on a receipt that is not of an alert: to its incident, and a person's words to the officer."""
        outgoing: list[Outgoing] = []
        if incident_id := receipt.header.incident_id:
            outgoing.append(self._desk.envelopes.pack(INCIDENT_RECEIPTS, incident_id, receipt, arrived.headers))
        device = self._known.meant(receipt.destination, receipt.device_id) if receipt.device_id else None
        if device and (message := states.answer(receipt, device, utc_now())):
            outgoing.append(self._desk.envelopes.pack(MESSAGES, device, message, arrived.headers))
        await self._desk.outbox.send(*outgoing)
        return "passed_on" if outgoing else "not_an_alert"

    def _telling(self, step: Step, cause: Headers) -> tuple[list[Outgoing], list[Entry]]:
        outgoing = self._desk.deliveries(step.tellings, cause)
        outgoing.extend(self._others(step, cause))
        return outgoing, self._desk.entries(step.tellings)

    def _tell(self, telling: tuple[list[Outgoing], list[Entry]]) -> Awaitable[None]:
        outgoing, entries = telling
        return both(self._desk.outbox.send(*outgoing), self._audit.write(*entries))

    def _others(self, step: Step, cause: Headers) -> Iterator[Outgoing]:
        pack = self._desk.envelopes.pack
        if step.state is not None and step.standing:
            yield pack(ALERT_STANDINGS, step.state.device_id, step.state, cause)
        if step.reopened is not None:
            yield pack(ALERT_CHANGES, step.reopened.header.event_id, step.reopened, cause)
        if step.message is not None:
            yield pack(MESSAGES, step.message.device_id, step.message, cause)

    async def refresh(self) -> int:
        """Tell open alerts again where it is time to; gives how many Deliveries that were."""
        count = 0
        for state, tellings in self._open.due(utc_now()):
            event_id = state.header.event_id
            async with self._locks.holding("alerts", event_id):
                if self._open.state(event_id) is not state:
                    continue  # it changed while this waited, and was told of that
                step = Step("refreshed", None, tellings)
                await self._tell(self._telling(step, ()))
                count += len(tellings)
        return count

    async def rebuild(self) -> None:
        """Build the open alerts anew from the table."""
        self._open.clear()
        for state in self._alerts.records():
            self._open.note(state, self._desk.quietly(state.alert))


def _count(step: Step, receipt: DeliveryReceipt) -> None:
    for destination, level in step.risen:
        ALERT_LEVELS.labels(destination, level.value).inc()
        if step.state is not None:
            seconds = (receipt.header.occurred_at - step.state.header.received_at).total_seconds()
            ALERT_LEVEL_SECONDS.labels(destination, level.value).observe(max(0.0, seconds))
