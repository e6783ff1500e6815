"""Where the alerts of this device stand, from what it did itself and what it was told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from bondmate_device.model import Cancel, Level, OperatorAnswer, RaisedAlert

CLOSED_KEPT: Final = 20
_DURESS: Final = "DURESS"
_RAISED: Final = "RAISED"
_TOLD: Final = {
    level.name: level
    for level in (
        Level.DELIVERED, Level.ACCEPTED, Level.ACKNOWLEDGED, Level.RESPONDING, Level.RESOLVED, Level.DECLINED,
        Level.CANCELLED, Level.EXPIRED,
    )
}  # fmt: skip
_JUST_RAISED: Final = frozenset({Level.QUEUED, Level.RECEIVED})


class RaisedAlerts:
    """The alerts of one device. Each method gives the status it changed, or None when it changed nothing."""

    __slots__ = ("_all",)

    def __init__(self, kept: Iterable[RaisedAlert] = ()) -> None:
        self._all = {status.alert_id: status for status in kept}

    def __iter__(self) -> Iterator[RaisedAlert]:
        """Iterate over all of them, the oldest first."""
        return iter(self._all.values())

    def get(self, alert_id: str) -> RaisedAlert | None:
        """Return the status of an alert by the device's own id of it."""
        return self._all.get(alert_id)

    def is_silent(self, event_id: str | None) -> bool:
        """Whether the alert with this id of the hub is a silent one."""
        return event_id is not None and any(one.silent and one.event_id == event_id for one in self._all.values())

    def has_duress(self) -> bool:
        """Return whether an alert of duress is open and silent."""
        return any(one.kind == _DURESS and one.silent and not one.closed for one in self._all.values())

    def raised(self, alert_id: str, kind: str, at: str, *, silent: bool | None = None) -> RaisedAlert:
        """Take an alert that was raised here. DURESS is silent until the hub says that its profile is another."""
        return self._keep(RaisedAlert(alert_id, kind, at, silent=kind == _DURESS or silent is True))

    def cancelling(self, alert_id: str) -> RaisedAlert | None:
        """Note that the officer has taken an alert back; its level stays."""
        known = self._all.get(alert_id)
        if known is None or known.cancel is not Cancel.NONE:
            return None
        return self._keep(replace(known, cancel=Cancel.QUEUED))

    def pressed(self, alert_id: str) -> RaisedAlert | None:
        """Take that the officer needs help after all: that takes back what was asked before."""
        known = self._all.get(alert_id)
        if known is None or known.cancel is Cancel.NONE:
            return None
        return self._keep(replace(known, cancel=Cancel.NONE, cancel_told=False))

    def accepted(self, alert_id: str, answer: Mapping[str, Any], *, is_cancel: bool) -> RaisedAlert | None:
        """Take the hub's 202 for an event of an alert: the hub has it, and nothing is said of anybody else."""
        known = self._all.get(alert_id)
        if known is None:
            return None
        return self._changed(
            known,
            replace(
                known,
                level=Level.RECEIVED if known.level is Level.QUEUED else known.level,
                # One that a press has taken back since is none any more.
                cancel=Cancel.REQUESTED if is_cancel and known.cancel is Cancel.QUEUED else known.cancel,
                event_id=_text(answer, "event_id") or known.event_id,
                incident_id=_text(answer, "incident_id") or known.incident_id,
            ),
        )

    def refused(self, alert_id: str) -> RaisedAlert | None:
        """Note that the hub will not have an event of an alert; it counts only where the hub has none of it."""
        known = self._all.get(alert_id)
        if known is None or known.level is not Level.QUEUED:
            return None
        return self._keep(replace(known, level=Level.REFUSED))

    def told(self, news: Mapping[str, Any]) -> RaisedAlert | None:
        """Take what the hub says of an alert; of its states only a later one counts, whatever way it came."""
        alert_id = _text(news, "alert_id") or self._own_id(_text(news, "event_id"))
        if alert_id is None:
            return None
        known = self._all.get(alert_id) or _unknown(alert_id, news)
        if known.level not in _JUST_RAISED and _is_older(news, known):
            return None
        asked = news.get("cancel_requested") is True
        # The hub may not have come to what it has accepted: only what it said before can be over.
        is_over = known.cancel_told and known.cancel is Cancel.REQUESTED and not asked
        silent = news.get("silent")
        destinations = news.get("destinations")
        told = replace(
            known,
            # A status of a later version of the hub raises nothing: that it has the alert is all this device knows.
            level=_TOLD.get(str(news.get("status")), Level.RECEIVED),
            silent=silent if isinstance(silent, bool) else known.silent,
            cancel=Cancel.REQUESTED if asked else Cancel.NONE if is_over else known.cancel,
            cancel_told=asked,
            event_id=_text(news, "event_id") or known.event_id,
            incident_id=_text(news, "incident_id") or known.incident_id,
            destinations=_levels(destinations) if isinstance(destinations, dict) else known.destinations,
            changed_at=_text(news, "changed_at") or known.changed_at,
            answers=_answers(news["answers"]) if isinstance(news.get("answers"), dict) else known.answers,
            ended_by=_text(news, "ended_by") or known.ended_by,
            ended_why=_text(news, "ended_why") or known.ended_why,
            ended_words=_text(news, "ended_words") or known.ended_words,
        )
        return self._changed(self._all.get(alert_id), told)

    def open(self) -> list[RaisedAlert]:
        """Return those the hub has and of which more may come."""
        return [one for one in self._all.values() if not one.closed and one.level is not Level.QUEUED]

    def forget(self, kept: int = CLOSED_KEPT) -> list[str]:
        """Forget the oldest closed ones beyond so many; return their ids."""
        closed = [one.alert_id for one in self._all.values() if one.closed]
        gone = closed[: max(0, len(closed) - kept)]
        for alert_id in gone:
            del self._all[alert_id]
        return gone

    def _own_id(self, event_id: str | None) -> str | None:
        return next((one.alert_id for one in self._all.values() if event_id and one.event_id == event_id), event_id)

    def _changed(self, known: RaisedAlert | None, told: RaisedAlert) -> RaisedAlert | None:
        return None if known == told else self._keep(told)

    def _keep(self, status: RaisedAlert) -> RaisedAlert:
        self._all[status.alert_id] = status
        return status


def _unknown(alert_id: str, news: Mapping[str, Any]) -> RaisedAlert:
    """Create an alert of this device that it does not remember: raised before its memory was lost."""
    kind = _text(news, "kind") or "OTHER"
    return RaisedAlert(alert_id, kind, _text(news, "changed_at") or "", silent=kind == _DURESS)


def _is_older(news: Mapping[str, Any], known: RaisedAlert) -> bool:
    """Return whether news say less than is known: `changed_at` never goes back from one state of an alert to the next.

    RAISED is what a gateway says that has not read of any state yet, by its own clock.
    """
    return news.get("status") == _RAISED or (_text(news, "changed_at") or "") < (known.changed_at or "")


def _text(news: Mapping[str, Any], name: str) -> str | None:
    value = news.get(name)
    return value if isinstance(value, str) and value else None


def _levels(told: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, level.lower()) for name, level in told.items() if isinstance(level, str))


def _answers(told: Mapping[str, Any]) -> tuple[OperatorAnswer, ...]:
    return tuple(
        OperatorAnswer(room, says.lower(), _text(answer, "unit"), _text(answer, "eta_at"))
        for room, answer in told.items()
        if isinstance(answer, dict) and (says := _text(answer, "says"))
    )
