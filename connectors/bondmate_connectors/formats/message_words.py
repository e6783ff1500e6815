"""What people read of what became of a message to an officer; the same in every dialect."""

from __future__ import annotations

from typing import Final

from bondmate_schemas.duress import SHOWN_SILENTLY
from bondmate_schemas.enums import Level
from bondmate_schemas.labels import ENGLISH, Labels, msgid
from bondmate_schemas.models import DeliveryReceipt
from bondmate_schemas.refusals import HUB

UNDELIVERED: Final = "expired_undelivered"
ADDRESS_UNKNOWN: Final = "address_unknown"
_LEVELS: Final = {
    Level.UNKNOWN: (msgid("Not delivered yet: still trying"), msgid("Not delivered yet to {whom}: still trying")),
    Level.ACKNOWLEDGED: (msgid("Confirmed by the officer"), msgid("Confirmed by {whom}")),
    Level.EXPIRED: (msgid("Not confirmed in time"), msgid("Not confirmed in time by {whom}")),
    Level.DEAD_LETTERED: (msgid("Not sent"), msgid("Not sent to {whom}")),
}
"""What became of it, and that with whom it was for."""
_CODES: Final = {
    UNDELIVERED: (
        msgid("NEVER arrived, and is not tried any more"),
        msgid("NEVER reached {whom}, and is not tried any more"),
    ),
    ADDRESS_UNKNOWN: (msgid("Not sent: nobody has this name"), msgid("Not sent: nobody is called {whom}")),
}
"""Instead, where the code says it all."""
_MEANINGS: Final[dict[str, str]] = {
    Level.UNKNOWN: msgid("still trying"),
    Level.DELIVERED: msgid("it is on the device"),
    Level.ACCEPTED: msgid("it was opened, and not confirmed"),
    Level.ACKNOWLEDGED: msgid("confirmed"),
    UNDELIVERED: msgid("it NEVER arrived, and is not tried any more"),
    ADDRESS_UNKNOWN: msgid("not sent, nobody has this name"),
}
"""What a level or code means, beside it."""


def receipt_words(receipt: DeliveryReceipt, labels: Labels = ENGLISH) -> str:
    """Return what became of a message, of whom, and why where that is not said by it."""
    level, code = receipt.level.value.replace("_", " ").capitalize(), receipt.code or ""
    usual = _LEVELS.get(receipt.level, (level, f"{level} {{whom}}"))
    of_nobody, of_whom = _CODES.get(code, usual)
    words = labels(of_whom, whom=receipt.platform_id) if receipt.platform_id else labels(of_nobody)
    is_said = not code or code in _CODES or receipt.level is Level.UNKNOWN
    return words if is_said else f"{words}: {code.replace('_', ' ')}"


def receipt_meaning(receipt: DeliveryReceipt, labels: Labels = ENGLISH) -> str:
    """Return what the level and code of a receipt of a message mean; nothing where they say it themselves."""
    if receipt.destination == HUB:
        return ""
    waits = receipt.level is Level.UNKNOWN and receipt.code != SHOWN_SILENTLY
    words = _MEANINGS.get(receipt.level if waits else receipt.code or receipt.level)
    return labels(words) if words else ""
