"""What became of messages to officers, told to the destinations that sent them."""

from __future__ import annotations

from collections.abc import Collection

from bondmate_kafka.records import Headers, utc_now
from bondmate_monitoring.metrics import MESSAGE_RECEIPTS
from bondmate_schemas.catalogue import DEVICE
from bondmate_schemas.models import DeliveryReceipt
from bondmate_schemas.refusals import refusal_of

from bondmate_streams.agents.context import AgentContext, Outbound
from bondmate_streams.logic.messages import tell_sender

_NOBODY = ""
"""The label of a sender that is no destination: its name is not ours."""


class MessageReceipts:
    """Keeps no state: a receipt names the sender of its message."""

    def __init__(self, context: AgentContext, takers: Collection[str]) -> None:
        """Send to those of `takers` that the routes know."""
        self._context = context
        self._takers = frozenset(takers) & set(context.routing.routes.destinations)

    def passed_on(self, receipt: DeliveryReceipt, cause: Headers) -> Outbound:  # noqa: ARG002  # others need it
        """Return what tells the sender of its message, and the disclosure; nothing for another receipt."""
        if receipt.destination != DEVICE or receipt.sender is None:
            return [], []
        return self._notification(receipt, receipt.sender)

    def refusal(self, answer: DeliveryReceipt, code: str) -> Outbound:
        """Return what tells who answered that the answer counts for nothing, and the disclosure."""
        return self._notification(refusal_of(answer, code, utc_now()), answer.destination)

    def _notification(self, receipt: DeliveryReceipt, sender: str) -> Outbound:
        if sender not in self._takers:
            known = sender in self._context.routing.routes.destinations
            MESSAGE_RECEIPTS.labels(sender if known else _NOBODY, receipt.level.value, "not_taken").inc()
            return [], []
        MESSAGE_RECEIPTS.labels(sender, receipt.level.value, "told").inc()
        notification = tell_sender(receipt)
        return self._context.deliveries([notification]), self._context.entries([notification])
