"""What one destination would see of an event, as its agreement lets it: for `hub route explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bondmate_schemas.models import DeviceAlert, Payload
from bondmate_streams.logic.fields import paths_of
from bondmate_streams.logic.policy import BY_FLAG, CODE, PLAIN, PSEUDONYM, DisclosurePolicy, shown_at
from bondmate_streams.logic.routing import Destination, Routes, RouteVerdict, kind_of

_ENVELOPE = frozenset({"always", PSEUDONYM, BY_FLAG, CODE})
"""What shows without being listed, so that an agreement cannot withhold it."""


@dataclass(frozen=True, slots=True)
class DestinationView:
    """The view of one destination; paths beyond the envelope, which every destination sees."""

    destination: str
    fields: Mapping[str, str]
    """The paths of this event that it sees, each with its mode (`plain`, `pseudonym`, `coarse:500`, …)."""
    withheld: tuple[str, ...]
    """The paths that hold something in this event and are not listed in the agreement."""
    others: tuple[str, ...] | None
    """What it hears of people at the other rooms of an alert; None: everything if its agency owns it, else nothing."""
    receipts: bool
    """Whether receipts come back to it: of the messages that it may send to officers."""

    def as_json(self) -> dict[str, object]:
        """Return the view as plain values."""
        return {
            "destination": self.destination,
            "fields": dict(self.fields),
            "withheld": list(self.withheld),
            "others": None if self.others is None else list(self.others),
            "receipts": self.receipts,
        }

    def __str__(self) -> str:
        fields = ", ".join(f"{path} ({mode})" for path, mode in self.fields.items())
        others = "all if its agency owns the alert" if self.others is None else ", ".join(self.others) or "nothing"
        return (
            f"  {self.destination} sees beside the envelope: {fields or 'nothing'};"
            f" withheld: {', '.join(self.withheld) or 'nothing'}; of other rooms: {others};"
            f" receipts: {'of messages it sends to officers' if self.receipts else 'none'}"
        )


def views_of(event: Payload, routes: Routes, verdicts: Iterable[RouteVerdict]) -> Iterator[DestinationView]:
    """Yield the view of each destination that the event goes to, each once, in the order of the verdicts."""
    for name in dict.fromkeys(verdict.destination or "" for verdict in verdicts if verdict.why == "taken"):
        if name in routes.destinations:
            yield _view_of(event, name, routes.destinations[name])


def _view_of(event: Payload, name: str, destination: Destination) -> DestinationView:
    record, kind = type(event).__name__, kind_of(event)
    listed = {} if kind == "receipt" else destination.fields.get(kind, {})
    # The secret makes pseudonyms only, and none is shown here.
    view = DisclosurePolicy(name, {record: listed}, b"")
    shown = view.shown(record)
    modes = {path: found.mode for path in view.disclosed(event) if (found := shown_at(shown, path))}
    hidden = [path for path in _held_by(event, record) if not shown_at(shown, path)]
    messages = destination.may_message
    return DestinationView(
        name,
        modes,
        tuple(path for path in hidden if path.rpartition(".")[0] not in hidden),
        destination.others if isinstance(event, DeviceAlert) else (),
        receipts=messages.known or bool(messages.agencies),
    )


def _held_by(event: Payload, record: str) -> tuple[str, ...]:
    """Return the paths that hold something in this event, of those that an agreement can list."""
    everything = {path: PLAIN for path, field in paths_of(record) if field.disclosure not in _ENVELOPE}
    return DisclosurePolicy("", {record: everything}, b"").disclosed(event)
