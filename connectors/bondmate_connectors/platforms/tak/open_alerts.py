"""The alerts that a TAK network was told of and that are not over, by the references people quote.

Kept in memory: after a restart it fills from the refreshes, which come before an alert goes stale on any map. Until
that time has passed nobody can say which alerts are open, and `only_open` gives none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bondmate_schemas.duress import is_under_duress
from bondmate_schemas.enums import AlertKind, DeliveryReason
from bondmate_schemas.flags import SILENCE_OVER
from bondmate_schemas.models import Delivery, DeviceAlert

from bondmate_connectors.formats.cot.alert_code import LONGEST, SHORTEST, code_of
from bondmate_connectors.formats.cot.alerts_out import is_cancel
from bondmate_connectors.platforms.tak.contacts import Contacts

_MOST: Final = 10_000
"""Alerts kept; the oldest gives way, and people are then asked which one they mean."""


@dataclass(slots=True, eq=False)
class TakOpenAlert:
    """An alert as its destination knows it. Times are seconds of the caller's clock; None: not yet."""

    event_id: str
    device_id: str
    code: str
    reference: str
    """What people were shown, and quote."""
    is_silent: bool
    name: str = field(repr=False)
    """What to call it when somebody is asked which one they mean."""
    opened_at: float
    is_shown: bool = False
    """Whether its reference was written in a chat line since this process began."""
    delivered_at: float | None = None
    closed_at: float | None = None
    first_id: str = ""
    """The first alert of its event; its own id where it is that, or alone."""
    is_secret: bool = False
    """Whether it is told under duress, to those alone who are named for that."""
    was_open: bool = False
    """Whether everybody was told of it before."""
    is_taken_off: bool = False
    """Whether it was ended for everybody since."""


class TakOpenAlerts:
    """The alerts that are open.

    `clock` gives seconds; after `settled_after` all that are open are surely known.
    """

    def __init__(self, clock: Callable[[], float], settled_after: float) -> None:
        self._clock = clock
        self._settled_after = settled_after
        self.contacts = Contacts(clock)
        self._alerts: dict[str, TakOpenAlert] = {}
        self._by_beginning: defaultdict[str, list[TakOpenAlert]] = defaultdict(list)
        """The same by the first `SHORTEST` characters of their codes, the least that a reference has."""

    def told(self, event: Delivery, alert: DeviceAlert) -> TakOpenAlert:
        """Note that an alert, news of one, or its end, is about to be written; return what is known of it."""
        self.contacts.wrote(event)
        event_id = alert.header.event_id
        known = self._alerts.get(event_id)
        if known is None:
            known = self._keep(self._new(alert))
        if SILENCE_OVER in alert.header.flags:
            known.is_silent = known.is_secret = False
        known.is_silent = known.is_silent or alert.silent or alert.kind is AlertKind.DURESS
        known.is_shown = known.is_shown or (event.reason is not DeliveryReason.REFRESH and not event.position_only)
        known.is_secret = known.is_secret or is_under_duress(alert)
        known.was_open = known.was_open or not known.is_secret
        known.first_id = alert.whole.linked_to if alert.whole and alert.whole.linked_to else event_id
        if not is_cancel(event):
            known.closed_at = None
        elif known.closed_at is None:
            known.closed_at = self._clock()
        return known

    def without_secret(self) -> TakOpenAlerts:
        """Return what those may know who are not to learn of duress."""
        if not any(alert.is_secret for alert in self._alerts.values()):
            return self
        found = TakOpenAlerts(self._clock, self._settled_after)
        for alert in self._alerts.values():
            if not alert.is_secret:
                found._keep(alert)
        return found

    def _keep(self, alert: TakOpenAlert) -> TakOpenAlert:
        self._alerts[alert.event_id] = alert
        self._by_beginning[alert.code[:SHORTEST]].append(alert)
        if len(self._alerts) > _MOST:
            oldest = self._alerts.pop(next(iter(self._alerts)))
            self._by_beginning[oldest.code[:SHORTEST]].remove(oldest)
        return alert

    def _named(self, reference: str) -> list[TakOpenAlert]:
        """Return the alerts whose codes begin so, the oldest first."""
        alike = self._by_beginning.get(reference[:SHORTEST], ())
        return [alert for alert in alike if alert.code.startswith(reference)]

    def _new(self, alert: DeviceAlert) -> TakOpenAlert:
        code = code_of(alert.header.event_id)
        name = " ".join(filter(None, (alert.kind.value.replace("_", " "), (alert.callsign or "").strip())))
        return TakOpenAlert(
            alert.header.event_id, alert.device_id, code, self._shortest(code), alert.silent, name, self._clock()
        )

    def _shortest(self, code: str) -> str:
        """Return the shortest beginning of `code` that names no other alert known here."""
        lengths = range(SHORTEST, LONGEST, 2)
        return next((code[:length] for length in lengths if not self._named(code[:length])), code)

    def delivered(self, event_id: str) -> None:
        """Note that the server has proven that it took the alert."""
        alert = self._alerts.get(event_id)
        if alert is not None and alert.delivered_at is None:
            alert.delivered_at = self._clock()

    def taken_off(self, event_id: str) -> None:
        """Note that an alert was ended for everybody, since its officer is under duress."""
        if alert := self._alerts.get(event_id):
            alert.is_taken_off = alert.is_secret = True

    def open(self) -> tuple[TakOpenAlert, ...]:
        """Return the alerts that are not over, the oldest first."""
        return tuple(alert for alert in self._alerts.values() if alert.closed_at is None)

    def of_event(self, alert: TakOpenAlert) -> tuple[TakOpenAlert, ...]:
        """Return the open alerts of the event that an alert is of, the alert itself too."""
        return tuple(one for one in self.open() if one.first_id == alert.first_id)

    def only_event(self) -> tuple[TakOpenAlert, ...]:
        """Return the open alerts where they are several and of one event; none where that is not so, or not known."""
        found = self.open()
        is_one = len(found) > 1 and len({one.first_id for one in found}) == 1
        return found if is_one and self._clock() >= self._settled_after else ()

    def by_id(self, event_id: str) -> TakOpenAlert | None:
        """Return the alert of this id, None when it was never told here."""
        return self._alerts.get(event_id)

    def by_reference(self, reference: str) -> TakOpenAlert | None:
        """Return the alert that a reference names, open or over; None when it names none, or not surely one."""
        named = self._named(reference)
        if len(named) > 1:
            # Others were shown longer ones. What was shown before a restart is not known: then nobody may guess.
            certain = all(alert.is_shown for alert in named)
            named = [alert for alert in named if alert.reference == reference] if certain else []
        return named[0] if len(named) == 1 else None

    def only_open(self) -> TakOpenAlert | None:
        """Return the one open alert that a line without a reference can mean.

        It was delivered, and since then no other was open; None where that is not so, or not known.
        """
        found = self.open()
        if len(found) != 1 or found[0].delivered_at is None or self._clock() < self._settled_after:
            return None
        return None if self._any_since(found[0]) else found[0]

    def _any_since(self, alert: TakOpenAlert) -> bool:
        assert alert.delivered_at is not None
        others = (other for other in self._alerts.values() if other is not alert)
        return any(other.closed_at is None or other.closed_at > alert.delivered_at for other in others)
