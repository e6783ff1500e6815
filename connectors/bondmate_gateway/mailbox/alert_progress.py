"""Where an alert of a device stands, cut to what the device is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bondmate_monitoring.step_log import Headers
from bondmate_monitoring.tracing import carried
from bondmate_schemas.device_alert_ids import own_ids
from bondmate_schemas.enums import AlertKind, AlertStatus, Level
from bondmate_schemas.flags import DEVICE_REVOKED, FROM_REPLACED
from bondmate_schemas.models import AlertState, AlertWhole, DeviceAlert

from bondmate_gateway.mailbox.mail import shared
from bondmate_gateway.mailbox.room_statements import RoomStatement, listed, statements_of

_CLOSED: Final = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED, AlertStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class AlertProgress:
    """Where an alert stands."""

    version: int
    device_id: str | None
    """The device that raised it; another may have its place. None: pressed at a replaced device, it stays there."""
    event_id: str
    alert_ids: tuple[str, ...]
    """The device's own ids: of the alert, and of presses that became part of it, the newest last."""
    incident_id: str | None
    kind: AlertKind
    silent: bool
    status: AlertStatus
    cancel_requested: bool
    destinations: tuple[tuple[str, Level], ...]
    changed_at: datetime
    said: tuple[RoomStatement, ...] = ()
    whole: AlertWhole | None = None
    """Who ended it and why, and what it goes on from."""
    is_revoked: bool = False
    """Whether its rooms were told that the device was revoked."""
    trace: Headers = ()
    """The trace of what brought it here, as headers."""

    @classmethod
    def raised(cls, alert: DeviceAlert) -> AlertProgress:
        """Return where an alert stands of which nobody was told yet."""
        return cls(
            version=0,
            device_id=None if FROM_REPLACED in alert.header.flags else alert.device_id,
            event_id=shared(alert.header.event_id),
            alert_ids=own_ids(alert),
            incident_id=shared(alert.header.incident_id),
            kind=alert.kind,
            silent=alert.silent,
            status=AlertStatus.RAISED,
            cancel_requested=False,
            destinations=(),
            changed_at=alert.header.received_at,
            whole=alert.whole,
            is_revoked=DEVICE_REVOKED in alert.header.flags,
        )

    @classmethod
    def of(cls, state: AlertState) -> AlertProgress:
        """Return where an alert stands by the state that the streams keep of it."""
        return replace(
            cls.raised(state.alert),
            device_id=None if FROM_REPLACED in state.alert.header.flags else state.device_id,
            status=state.status,
            cancel_requested=state.cancel_requested,
            destinations=tuple((name, at.level_said) for name, at in listed(state)),
            changed_at=state.changed_at,
            said=statements_of(state),
            trace=carried(),
        )

    @property
    def closed(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _CLOSED
