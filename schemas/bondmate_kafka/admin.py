"""Admin clients: the one place that builds them, and what they are asked beside provisioning."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from confluent_kafka import KafkaException

# The package re-exports these without saying so to type checkers.
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from bondmate_kafka.client import Refusals
from bondmate_kafka.config import QUIET, KafkaConfig
from bondmate_kafka.errors import NO_ANSWER, ProvisioningError

__all__ = ["AdminClient"]

LEAST_SESSION: Final = "group.min.session.timeout.ms"
_ANSWER_SECONDS: Final = 10.0


class HubAdmin(AdminClient):
    """An admin client that writes nothing to stderr, and knows why it is not let in."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._refusals = Refusals()
        settings: dict[str, Any] = {**kafka.client(), **QUIET, "error_cb": self._refusals.note}
        super().__init__(settings)

    def why_refused(self) -> str:
        """Return what the broker refuses it for; empty where it refuses nothing, or does not answer at all."""
        self.poll(0)
        return self._refusals.why


def admin_client(kafka: KafkaConfig) -> HubAdmin:
    """Create an admin client."""
    return HubAdmin(kafka)


def unanswered(admin: AdminClient, otherwise: str) -> ProvisioningError:
    """Return the error of a client that got no answer: why it was refused, as far as that is known."""
    return ProvisioningError(admin.why_refused() or otherwise if isinstance(admin, HubAdmin) else otherwise)


def answers(kafka: KafkaConfig, seconds: float) -> bool:
    """Whether a broker answers and names itself in the metadata of its cluster."""
    try:
        return bool(admin_client(kafka).list_topics(timeout=seconds).brokers)
    except KafkaException:
        return False


def partition_counts(admin: AdminClient, seconds: float) -> dict[str, int]:
    """Return the number of partitions of each topic.

    Raises:
        ProvisioningError: the broker does not answer within `seconds`, or refuses us.
    """
    try:
        found = admin.list_topics(timeout=seconds).topics
    except KafkaException as error:
        raise unanswered(admin, NO_ANSWER) from error
    return {name: len(topic.partitions) for name, topic in found.items()}


def missing(admin: HubAdmin, wanted: Collection[str], seconds: float) -> str:
    """Name what is not there: the broker, or topics; empty when all is. Where the broker refuses us it says why."""
    try:
        found = admin.list_topics(timeout=seconds).topics
    except KafkaException:
        return admin.why_refused() or "broker"
    return " ".join(sorted(set(wanted) - {name for name, topic in found.items() if topic.error is None}))


def least_session_seconds(admin: AdminClient) -> float:
    """Return the shortest session that all brokers take from a consumer; 0 where none states it.

    Raises:
        ProvisioningError: the broker does not answer.
    """
    try:
        brokers = admin.list_topics(timeout=_ANSWER_SECONDS).brokers
        asked = admin.describe_configs([ConfigResource(ResourceType.BROKER, str(number)) for number in brokers])
        found = [answer.result(_ANSWER_SECONDS).get(LEAST_SESSION) for answer in asked.values()]
    except (KafkaException, TimeoutError) as error:
        raise unanswered(admin, f"the broker does not say its {LEAST_SESSION}; ask who runs it") from error
    return max((int(entry.value) / 1_000 for entry in found if entry and entry.value), default=0.0)
