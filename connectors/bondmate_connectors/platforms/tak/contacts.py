"""The callsigns under which people see what the hub writes: some clients name nobody by uid. Kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from bondmate_schemas.enums import MessageDirection
from bondmate_schemas.models import Delivery

from bondmate_connectors.formats.cot.types import CALLSIGN_SUFFIX, Ours, OurUid
from bondmate_connectors.formats.cot.words import callsign_of

_MOST: Final = 10_000
_SHOWN_SECONDS: Final = 600.0
"""How long what was written last goes before what was written earlier: a callsign moves to another device."""


class Contacts:
    """Callsigns and who has them; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._names: OrderedDict[OurUid, str] = OrderedDict()
        self._called: dict[str, dict[OurUid, float]] = {}

    def wrote(self, event: Delivery) -> None:
        """Note the contacts that the writing of an event shows."""
        for ours, name in _shown_by(event):
            if self._names.get(ours) != name:
                self._forget(ours)
            self._names[ours] = name
            self._names.move_to_end(ours)
            self._called.setdefault(name, {})[ours] = self._clock()
        while len(self._names) > _MOST:
            self._forget(next(iter(self._names)))

    def called(self, name: str) -> tuple[OurUid, ...]:
        """Return who is called so, none when nobody is; of several those that are still shown, where any is."""
        found = self._called.get(name, {})
        least = self._clock() - _SHOWN_SECONDS
        return tuple(ours for ours, at in found.items() if at >= least) or tuple(found)

    def _forget(self, ours: OurUid) -> None:
        name = self._names.pop(ours, None)
        if name is None:
            return
        self._called[name].pop(ours)
        if not self._called[name]:
            del self._called[name]


def _shown_by(event: Delivery) -> Iterator[tuple[OurUid, str]]:
    """Yield what stands under a callsign of its own; where that is withheld all have one name, which says nothing."""
    said = event.location or event.alert or event.message
    if said is None or not said.callsign:
        return
    if event.message is not None and event.message.direction is not MessageDirection.FROM_DEVICE:
        return
    name = callsign_of(said.header, said.callsign)
    yield OurUid(Ours.DEVICE, said.device_id), name
    if event.alert is not None:
        yield OurUid(Ours.ALERT, said.header.event_id), name + CALLSIGN_SUFFIX
