"""Records built of values that the readers have checked on their way: to validate them again costs what parsing did.

Each value is given as the model itself would hold it: times in UTC and cut to milliseconds, numbers in their bounds. A
test builds each of the records again with validation and compares.
"""

from __future__ import annotations

from typing import Final

from bondmate_schemas import models
from bondmate_schemas.unvalidated import maker

new_area: Final = maker(models.Area)
new_code: Final = maker(models.Code)
new_receipt: Final = maker(models.DeliveryReceipt)
new_alert: Final = maker(models.DeviceAlert)
new_location: Final = maker(models.DeviceLocation)
new_message: Final = maker(models.DeviceMessage)
new_header: Final = maker(models.EventHeader)
new_ref: Final = maker(models.ExternalRef)
new_incident: Final = maker(models.IncidentEvent)
new_position: Final = maker(models.Position)
