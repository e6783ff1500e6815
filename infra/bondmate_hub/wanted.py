"""What this hub's settings ask of broker and registry, and making it so."""

from __future__ import annotations

from collections.abc import Iterable

from bondmate_kafka.admin import admin_client
from bondmate_kafka.provisioning import Change, LogLimits, apply, diff
from bondmate_kafka.registration import Registration, register_schemas
from bondmate_schemas.catalogue import Topic, topics
from bondmate_schemas.codec import schema_text
from bondmate_streams.routes_file import load_routes

from bondmate_hub.connectors.instances import instances
from bondmate_hub.settings import Settings


def wanted(settings: Settings) -> tuple[Topic, ...]:
    """Return every topic of a hub with these settings.

    Raises:
        RoutesError: the file of routes cannot be read; its lines say where and why.
    """
    configured = instances(settings)
    return topics(
        destinations={*(instance.name for instance in configured if instance.spec.is_sink), *_described(settings)},
        sources=[instance.name for instance in configured if instance.spec.is_source],
        partitions=settings.kafka.partitions,
    )


def _described(settings: Settings) -> Iterable[str]:
    """Name the destinations of the routes: one without a connector reads its topic itself."""
    if settings.streams is None or not settings.streams.routes.is_file():
        return ()
    return load_routes(settings.streams.routes, strict=False).destinations


def plan(settings: Settings, limits: LogLimits | None = None) -> list[Change]:
    """Return what `carry_out` would change on the broker.

    Raises:
        ProvisioningError: the broker does not answer.
    """
    admin = admin_client(settings.kafka.config())
    return diff(admin, wanted(settings), limits=limits, replication=settings.kafka.replication_factor)


def carry_out(settings: Settings, limits: LogLimits | None = None) -> tuple[list[Change], list[Registration]]:
    """Make topics and schemas what the catalogue says; a second call changes nothing.

    Raises:
        ProvisioningError: broker or registry does not answer or refuses; what was done stays, call again.
    """
    topics_wanted, kafka = wanted(settings), settings.kafka.config()
    replication = settings.kafka.replication_factor
    changes = apply(admin_client(kafka), topics_wanted, limits=limits, replication=replication)
    return changes, register_schemas(kafka.registry_url, topics_wanted, schema_text, kafka.registry_access)
