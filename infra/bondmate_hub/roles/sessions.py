"""How soon the broker lets a dead worker be missed, beside how soon the settings want it."""

from __future__ import annotations

from typing import Final

from bondmate_kafka.admin import LEAST_SESSION, admin_client, least_session_seconds

from bondmate_hub.settings import Settings

_USUAL_SECONDS: Final = 6.0
"""What brokers take unless they are set otherwise."""


def too_short(settings: Settings) -> str:
    """Return what to mend where the broker would refuse the session of the streams' workers, else nothing.

    Raises:
        ProvisioningError: the broker does not answer.
    """
    wanted = settings.streams.session_seconds if settings.streams else _USUAL_SECONDS
    if wanted >= _USUAL_SECONDS:
        return ""
    least = least_session_seconds(admin_client(settings.kafka.config()))
    return (
        f"streams.session_seconds: the broker takes {least:g} at least (its {LEAST_SESSION})" if wanted < least else ""
    )
