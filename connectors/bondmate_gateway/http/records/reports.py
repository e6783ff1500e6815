"""An officer's report, as an event of its incident, and what a device says of itself."""

from __future__ import annotations

from bondmate_schemas.enums import IncidentAction, IncidentCategory
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import Code, DeviceStatus, IncidentEvent, Statement

from bondmate_gateway.http.records.alerts import incident_of_alert
from bondmate_gateway.http.records.arrival import (
    Arrival,
    attachments_of,
    clock_flags,
    event_header,
    own_reference,
    position_of,
)
from bondmate_gateway.http.requests import ReportRequest, ReportVerb, StatusRequest

_REPORT_ACTIONS = {
    ReportVerb.OPEN: IncidentAction.OPENED,
    ReportVerb.UPDATE: IncidentAction.UPDATED,
    ReportVerb.NOTE: IncidentAction.NOTE,
    ReportVerb.CANCEL: IncidentAction.CANCELLED,
}


def report(request: ReportRequest, arrival: Arrival, alert_event: str | None) -> IncidentEvent:
    """Return the report as an event of its incident: the one it names, its alert's, or its own."""
    device = arrival.device
    event_id = derived_id("report", device.device_id, request.report_id or request.message_id)
    incident_id = request.incident_id or incident_of_alert(alert_event or event_id)
    return IncidentEvent(
        header=event_header(
            arrival,
            message_id=request.message_id,
            event_id=event_id,
            incident_id=incident_id,
            language=request.language,
            occurred_at=request.occurred_at,
            flags=(*arrival.remarks, *clock_flags(request.occurred_at, request.sent_at, arrival)),
            external_refs=own_reference(request.report_id),
        ),
        action=_REPORT_ACTIONS[request.action],
        category=IncidentCategory[request.category.name],
        incident_type=request.incident_type and Code(**dict(request.incident_type)),
        priority=request.priority,
        title=request.title,
        description=request.description,
        note=request.note,
        statements=tuple(Statement(**dict(given), author_ref=device.officer_ref) for given in request.statements),
        position=request.position and position_of(request.position, request.occurred_at),
        **device.carrier,
        alert_id=alert_event,
        attachments=attachments_of(request.attachments),
    )


def status(request: StatusRequest, arrival: Arrival) -> DeviceStatus:
    """Return what the device says of itself."""
    device = arrival.device
    return DeviceStatus(
        header=event_header(
            arrival,
            message_id=request.message_id,
            event_id=derived_id("status", device.device_id),
            occurred_at=request.occurred_at,
            flags=clock_flags(request.occurred_at, request.sent_at, arrival),
        ),
        device_id=device.device_id,
        battery_percent=request.battery_percent,
        on_shift=request.on_shift,
        app_version=request.app_version,
        firmware_version=request.firmware_version,
        connectivity=request.connectivity,
    )
