"""Whether the client library takes settings, asked of itself: it knows every name and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def refusal(settings: Mapping[str, Any]) -> str:
    """Return what is wrong with librdkafka `settings`; empty when nothing is. Nobody is connected to."""
    for name, value in settings.items():
        try:
            AdminClient({"log_level": 0, name: value})
        except (KafkaException, TypeError, ValueError):
            return f"{name}: the client library knows no such setting, or not with this value"
    return ""
