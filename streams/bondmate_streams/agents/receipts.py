"""What rooms and devices answer: each receipt goes to the handler of what it is about.

An alert is looked for first. What is about none of ours is about an incident or about a message to an officer, or
carries a person's words to the officer; of these it may be several.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bondmate_kafka.partitions import partition_of
from bondmate_kafka.records import Arrived, Headers, utc_now
from bondmate_monitoring.metrics import ALERT_LEVEL_SECONDS, ALERT_LEVELS
from bondmate_monitoring.step_log import LoggedStep
from bondmate_schemas.catalogue import INCIDENT_RECEIPTS, MESSAGES, key_of
from bondmate_schemas.models import AlertState, DeliveryReceipt, IncidentLink

from bondmate_streams.agents.alert_steps import AlertSteps
from bondmate_streams.agents.context import AgentContext, Outbound
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.agents.message_receipts import MessageReceipts
from bondmate_streams.errors import BadEventError
from bondmate_streams.faust_adapter.guard import InTurn
from bondmate_streams.logic import heard
from bondmate_streams.logic.answers import is_of_incident
from bondmate_streams.logic.life_cycle import ENDS, REFUSED
from bondmate_streams.logic.links import announced_answer
from bondmate_streams.logic.officer import answer
from bondmate_streams.logic.real import taken_as_real
from bondmate_streams.logic.steps import Step

PassesOn = Callable[[DeliveryReceipt, Headers], Outbound]
"""Returns what a receipt leads to that is about no alert; nothing where it is not about the one thing it knows."""


@dataclass(eq=False)
class Receipts:
    """The router; it keeps nothing itself."""

    context: AgentContext
    of_alerts: AlertReceipts
    of_messages: MessageReceipts
    others: Sequence[PassesOn]
    """They are asked after those of alerts and messages."""

    async def receipt(self, arrived: Arrived) -> InTurn:
        """Take one receipt."""
        said = await self.context.read(arrived, DeliveryReceipt)
        try:
            receipt = self.context.returned(said)
        except BadEventError as error:
            await self.context.tell(*self.of_messages.refusal(said, str(error)))
            raise
        return self.context.in_turn(arrived, receipt, partial(self._route, receipt, arrived.headers), said=said)

    async def _route(self, receipt: DeliveryReceipt, cause: Headers) -> str:
        if (outcome := await self.of_alerts.take(receipt, cause)) is not None:
            return outcome
        found = [passed_on(receipt, cause) for passed_on in (self.of_messages.passed_on, *self.others)]
        outgoing = [record for records, _ in found for record in records]
        await self.context.tell(outgoing, [entry for _, entries in found for entry in entries])
        return "passed_on" if outgoing else "not_an_alert"


@dataclass(eq=False)
class AlertReceipts:
    """Takes the receipts of alerts: they raise levels, assign, decline and close."""

    context: AgentContext
    steps: AlertSteps
    message_receipts: MessageReceipts
    learn: Callable[[IncidentLink, Headers], Awaitable[None]]
    """Hears of the incident that an answer names."""

    def __post_init__(self) -> None:
        destinations = self.context.routing.routes.destinations
        self._confirm_to = frozenset(name for name, each in destinations.items() if each.tell_own_closing)

    async def take(self, receipt: DeliveryReceipt, cause: Headers) -> str | None:
        """Take one receipt; None, and nothing done, where it is of no alert of ours.

        Raises:
            BadEventError: it counts for nothing, which its sender was told.
        """
        event_id = receipt.header.event_id
        with LoggedStep("receipt taken", event_id, cause, destination=receipt.destination) as logged:
            async with self.context.locks.holding("alerts", event_id):
                state = self.steps.alerts.get(event_id)
                step = None if state is None else await self._step(state, receipt, logged.cause)
            logged.level = receipt.level.value
            logged.outcome = step.refused or step.outcome if step else "of_no_alert"
        if step is None:
            return None
        if link := announced_answer(receipt):
            await self.learn(link, cause)
        _count(step, receipt)
        if step.refused:
            raise BadEventError(step.refused)
        return step.outcome

    async def _step(self, state: AlertState, receipt: DeliveryReceipt, cause: Headers) -> Step:
        rooms = self.steps.rooms
        decisions, escalation = self.context.routing.of_known(state)
        step = heard.receive(
            state, receipt, self._confirm_to, decisions, utc_now(), rooms=rooms, escalation=escalation,
            other=self._other_alert(receipt),
        )  # fmt: skip
        step = self.steps.keyed(replace(step, state=taken_as_real(step.state, rooms)), state)
        if step.outcome in REFUSED:
            await self.context.tell(*self.message_receipts.refusal(receipt, step.outcome))
            raise BadEventError(step.outcome)
        outbound = self.steps.outbound(step, cause)
        if step.refused:
            refusal, entries = self.message_receipts.refusal(receipt, step.refused)
            outbound = [*outbound[0], *refusal], [*outbound[1], *entries]
        if step.state is not None and step.outcome in ENDS:
            await self.steps.remember_and_tell(step.state, decisions, outbound, cause)
        else:
            # Told before it is remembered: what a level leads to is told only when it rises.
            await self.context.tell(*outbound)
            if step.state is not None and step.state != state:
                await self.steps.remember(step.state, self.context.routing.of_known(step.state)[0], cause)
        return step

    def _other_alert(self, receipt: DeliveryReceipt) -> AlertState | None:
        """Return the alert that a room links one to, by our copy where it is another worker's."""
        if not receipt.link_to:
            return None
        alerts = self.steps.alerts
        return alerts.at(partition_of(receipt.link_to.encode(), alerts.partitions), receipt.link_to)


def to_incident(context: AgentContext, receipt: DeliveryReceipt, cause: Headers) -> Outbound:
    """Return the receipt as the agent of incidents takes it; nothing where it is of no incident."""
    if not is_of_incident(receipt):
        return [], []
    return [context.envelopes.pack(INCIDENT_RECEIPTS, key_of(INCIDENT_RECEIPTS, receipt), receipt, cause)], []


def words_to_officer(
    context: AgentContext, known: KnownDevices, unlisted: frozenset[str], receipt: DeliveryReceipt, cause: Headers
) -> Outbound:
    """Return a person's words as a message to the officer whose device a receipt names; `unlisted` rooms have none."""
    if not receipt.device_id or receipt.destination in unlisted:
        return [], []
    device = known.meant(receipt.destination, receipt.device_id)
    if not device or not (message := answer(receipt, device, utc_now())):
        return [], []
    return [context.envelopes.pack(MESSAGES, device, message, cause)], []


def _count(step: Step, receipt: DeliveryReceipt) -> None:
    """Count how far alerts have come, and how fast: a drill is no alert of an officer."""
    if step.state is not None and step.state.alert.drill:
        return
    for destination, level in step.risen:
        ALERT_LEVELS.labels(destination, level.value).inc()
        if step.state is not None:
            seconds = (receipt.header.occurred_at - step.state.header.received_at).total_seconds()
            ALERT_LEVEL_SECONDS.labels(destination, level.value).observe(max(0.0, seconds))
