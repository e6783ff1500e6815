"""How a step in the life of an alert is carried out: who is told, what is remembered, and what is watched then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bondmate_kafka.records import Headers, Outgoing
from bondmate_schemas.catalogue import ALERT_CHANGES, ALERT_STANDINGS, MESSAGES
from bondmate_schemas.device_alert_ids import is_hidden
from bondmate_schemas.enums import DeliveryReason
from bondmate_schemas.models import AlertState

from bondmate_streams.agents.context import AgentContext, Outbound
from bondmate_streams.agents.following import Following
from bondmate_streams.agents.open_alerts import OpenAlertIndex
from bondmate_streams.agents.silent_devices import SilentDevices
from bondmate_streams.faust_adapter.record_writer import gather_both
from bondmate_streams.faust_adapter.tables import RecordTable
from bondmate_streams.logic import handoff, others, starting
from bondmate_streams.logic.deliveries import Notification
from bondmate_streams.logic.life_cycle import CLOSED
from bondmate_streams.logic.outside import with_keys
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step, in_order


@dataclass(eq=False, kw_only=True)
class AlertSteps:
    """Writes the table `alerts`; whoever calls has the lock of the alert and its partition at hand."""

    context: AgentContext
    alerts: RecordTable[AlertState]
    open_alerts: OpenAlertIndex
    silent_devices: SilentDevices
    following: Following
    rooms: Rooms

    def keyed(self, step: Step, before: AlertState | None) -> Step:
        """Return `step` as the next after `before`, with the keys of the ids of those that hear of the alert first now.

        Its state says which nobody may know of, by the version of now: a later one may unlist a room that was told.
        """
        if step.state is None:
            return step
        state = others.with_unlisted(step.state, self.rooms)
        if before is None or state.destinations.keys() != before.destinations.keys():
            old = before.destinations if before else ()
            destinations = with_keys(old, state.destinations, self.context.agreements.outside)
            state = state.model_copy(update={"destinations": destinations})
        state = in_order(state, before)
        return step if state is step.state else replace(step, state=state)

    def outbound(self, step: Step, cause: Headers, before: AlertState | None = None) -> Outbound:
        """Return what a step tells: to rooms, to the device, to other agents and to operations."""
        state, notifications = step.state or before, self.following.newest(step)
        if state:
            notifications = others.beside(notifications, state, self.rooms)
            notifications = handoff.with_words(notifications, state, self.rooms.agencies)
            notifications = starting.without_places(notifications, state, self.rooms.agencies)
        if self.rooms.retired:
            notifications = [notification for notification in notifications if self._hears(notification)]
        outgoing = self.context.deliveries(notifications, state.destinations if state else {}, cause)
        outgoing.extend(self._beside_rooms(step, cause))
        return outgoing, self.context.entries(notifications)

    def _hears(self, notification: Notification) -> bool:
        """Whether a destination is still told: a retired one of endings only."""
        return notification.destination not in self.rooms.retired or notification.reason is DeliveryReason.CANCEL

    def _beside_rooms(self, step: Step, cause: Headers) -> Iterator[Outgoing]:
        pack = self.context.envelopes.pack
        if step.state is not None and step.tells_device:
            yield pack(ALERT_STANDINGS, step.state.device_id, step.state, cause)
        if step.reopened is not None:
            yield pack(ALERT_CHANGES, step.reopened.header.event_id, step.reopened, cause)
        if step.message is not None and not (step.state and is_hidden(step.state.alert)):
            yield pack(MESSAGES, step.message.device_id, step.message, cause)
        yield from (self.context.page(page, cause) for page in step.pages)

    async def remember_and_tell(
        self, state: AlertState, decisions: Sequence[Decision], outbound: Outbound, cause: Headers = ()
    ) -> None:
        """Remember an alert before it is told; what led to it comes again after a crash in between.

        Both are sent at once, but for an end, which waits until it is remembered for certain: of an end that is only
        told, the next worker tells on, and a room reads news after the end.
        """
        self.watch(state, decisions)
        remembering = self.alerts.put(state.header.event_id, state, cause)
        if state.status in CLOSED:
            await remembering
            await self.context.tell(*outbound)
        else:
            await gather_both(remembering, self.context.tell(*outbound))

    async def remember(self, state: AlertState, decisions: Sequence[Decision], cause: Headers = ()) -> None:
        """Remember an alert that was told already: after a crash in between it is told again, under the same ids."""
        self.watch(state, decisions)
        await self.alerts.put(state.header.event_id, state, cause)

    def watch(self, state: AlertState, decisions: Sequence[Decision]) -> None:
        """Watch over an alert as it stands now: its device, its position, and when something is due."""
        self.silent_devices.known(state)
        self.following.note(state)
        self.open_alerts.note(state, decisions, self.context.routing.of_known(state)[1])

    def watch_known(self, state: AlertState) -> None:
        """Watch over an alert as it stands now, which something else than an event has written."""
        self.watch(state, self.context.routing.of_known(state)[0])
