"""Records built of values that the readers have checked on their way: to validate them again costs what parsing did.

Each value is given as the model itself would hold it: times in UTC and cut to milliseconds, numbers in their bounds. A
test builds each of the records again with validation and compares.
"""

from __future__ import annotations

from typing import Final

from bondmate_schemas.models import (
    Area,
    Code,
    DeliveryReceipt,
    DeviceAlert,
    DeviceLocation,
    DeviceMessage,
    EventHeader,
    ExternalRef,
    IncidentEvent,
    Position,
)
from bondmate_schemas.unvalidated import maker

new_area: Final = maker(Area)
new_code: Final = maker(Code)
new_receipt: Final = maker(DeliveryReceipt)
new_alert: Final = maker(DeviceAlert)
new_location: Final = maker(DeviceLocation)
new_message: Final = maker(DeviceMessage)
new_header: Final = maker(EventHeader)
new_ref: Final = maker(ExternalRef)
new_incident: Final = maker(IncidentEvent)
new_position: Final = maker(Position)
