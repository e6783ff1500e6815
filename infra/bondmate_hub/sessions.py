"""How soon the broker lets a dead worker be missed, beside how soon the settings want it."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from bondmate_hub.provisioning import ProvisioningError
from bondmate_hub.settings import Settings

_USUAL_SECONDS: Final = 6.0
"""What brokers take unless they are set otherwise."""
_LEAST: Final = "group.min.session.timeout.ms"
_ANSWER_SECONDS: Final = 10.0


def too_short(settings: Settings) -> str:
    """Return what to mend where the broker would refuse the session of the streams' workers, else nothing.

    Raises:
        ProvisioningError: the broker does not answer.
    """
    wanted = settings.streams.session_seconds if settings.streams else _USUAL_SECONDS
    if wanted >= _USUAL_SECONDS:
        return ""
    least = _least_seconds(AdminClient({"bootstrap.servers": settings.kafka.bootstrap, **settings.kafka.client}))
    return f"streams.session_seconds: the broker takes {least:g} at least (its {_LEAST})" if wanted < least else ""


def _least_seconds(admin: AdminClient) -> float:
    try:
        brokers = admin.list_topics(timeout=_ANSWER_SECONDS).brokers
        asked = admin.describe_configs([ConfigResource(ResourceType.BROKER, str(number)) for number in brokers])
        found = [answer.result(_ANSWER_SECONDS).get(_LEAST) for answer in asked.values()]
    except (KafkaException, TimeoutError) as error:
        raise ProvisioningError(f"the broker does not say its {_LEAST}; ask who runs it") from error
    return max((int(entry.value) / 1_000 for entry in found if entry and entry.value), default=0.0)
