"""Whom a message to officers reaches: names, agencies and areas of its sender, within what the sender may do.

| code | meaning |
|---|---|
| `address_unknown` | nobody of this name, or nobody the sender may know of |
| `address_nobody` | the agency or area has nobody on shift now |
| `address_not_allowed` | agencies or areas that the sender may not write to |
| `address_mode` | an exercise or test for a device in real use |
| `address_mode_unknown` | to several without saying what it is for |
| `address_area_unreadable` | a polygon or circle that is none |
| `address_too_many` | more devices than `most_devices` |
| `address_empty` | it is for nobody |

A name that exists and is not the sender's to use is unknown, so that nobody learns by trying who there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bondmate_schemas.enums import Mode
from bondmate_schemas.models import Address, Position

from bondmate_streams.logic.areas import shapes_of
from bondmate_streams.logic.routing import MayMessage

_DRILLS = frozenset({Mode.EXERCISE, Mode.TEST})


@dataclass(frozen=True, slots=True)
class Officer:
    """A device and what is known of who carries it; `seen_at` is when its last position came, if it is on shift."""

    device_id: str
    agency_id: str | None = None
    mode: Mode = Mode.UNKNOWN
    unit: str | None = field(default=None, repr=False)
    callsign: str | None = field(default=None, repr=False)
    seen_at: datetime | None = None
    position: Position | None = field(default=None, repr=False)
    officer_ref: str | None = field(default=None, repr=False)


class Officers(Protocol):
    """Who is there."""

    def of(self, device_id: str) -> Officer:
        """Return what is known of a device."""
        ...

    def all(self) -> Iterable[Officer]:
        """Iterate over everybody. That costs time: only for a message to several."""
        ...


@dataclass(frozen=True, slots=True)
class MessageSender:
    """Who sends, and what it may: `meant` gives the device behind a pseudonym, or of that very id."""

    may: MayMessage
    sees_ids: bool
    """Whether its agreement shows it true device ids."""
    meant: Callable[[str], str | None]
    sees_callsigns: bool = False
    """Whether its agreement shows it callsigns."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of the address that reaches nobody, as the sender named it, and why."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Reached:
    """The devices a message is for, each once, and what of its address reaches nobody."""

    devices: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """How the sender is told of a device: as it named it, by callsign where it sees those."""


def resolve(to: Address, mode: Mode, sender: MessageSender, officers: Officers, now: datetime) -> Reached:
    """Find the devices that `to` names, as far as `sender` may write to them and their mode allows it."""
    several = len(to.names) > 1 or bool(to.agencies or to.areas)
    if several and mode is Mode.UNKNOWN:
        return Reached(missing=(Missing("", "address_mode_unknown"),))
    found: dict[str, None] = {}
    missing: list[Missing] = []
    names: dict[str, str] = {}
    for name, devices, code in _parts(to, sender, officers, now):
        # No exercise reaches a real patrol; the gateway asks again.
        right = [device for device in devices if mode not in _DRILLS or officers.of(device).mode is not Mode.ACTUAL]
        found.update(dict.fromkeys(right))
        if name in to.names:
            names = dict.fromkeys(right, name) | names
        if not right:
            missing.append(Missing(name, "address_mode" if devices else code))
    if len(found) > sender.may.most_devices:
        return Reached(missing=(Missing("", "address_too_many"),))
    if not found and not missing:
        missing.append(Missing("", "address_empty"))
    named = {device: _shown(officers.of(device), names.get(device), sender) for device in found}
    return Reached(tuple(found), tuple(missing), {device: name for device, name in named.items() if name})


def _shown(officer: Officer, name: str | None, sender: MessageSender) -> str | None:
    """Return how a sender is told of a device that it called by `name`, or by none."""
    callsign = officer.callsign if sender.sees_callsigns else None
    if not (callsign and name) or name.casefold() == callsign.casefold():
        return name or callsign
    return callsign if sender.meant(name) else f"{callsign} ({name})"


_Part = tuple[str, list[str], str]
"""A name, the devices behind it, and the code for when there are none."""


def _parts(to: Address, sender: MessageSender, officers: Officers, now: datetime) -> Iterator[_Part]:
    for name in to.names:
        yield name, list(_named(name, sender, officers)), "address_unknown"
    if to.areas:
        yield _in_areas(to, sender, officers, now)
        return
    for agency in to.agencies:
        allowed = agency in sender.may.agencies
        devices = [one.device_id for one in _on_shift(officers, {agency})] if allowed else []
        yield agency, devices, "address_nobody" if allowed else "address_not_allowed"


def _named(name: str, sender: MessageSender, officers: Officers) -> Iterator[str]:
    device = sender.meant(name)
    if device is None:
        yield from _called(name, sender, officers)
        return
    given = sender.may.known and (device != name or sender.sees_ids)
    if given or officers.of(device).agency_id in sender.may.agencies:
        yield device


def _called(name: str, sender: MessageSender, officers: Officers) -> Iterator[str]:
    """Return the devices of a unit or callsign; who may not write to whole agencies has to name a device."""
    agencies = set(sender.may.agencies)
    wanted = name.casefold()
    for one in officers.all() if agencies else ():
        if one.agency_id in agencies and wanted in {(one.unit or "").casefold(), (one.callsign or "").casefold()}:
            yield one.device_id


def _in_areas(to: Address, sender: MessageSender, officers: Officers, now: datetime) -> _Part:
    agencies = set(to.agencies or sender.may.agencies)
    if not (sender.may.areas and agencies and agencies <= set(sender.may.agencies)):
        return "", [], "address_not_allowed"
    try:
        shapes = shapes_of(to.areas)
    except ValueError:
        return "", [], "address_area_unreadable"
    since = now - timedelta(seconds=sender.may.position_max_age_seconds)
    inside = [
        one.device_id
        for one in _on_shift(officers, agencies)
        if one.position is not None
        and one.seen_at is not None
        and one.seen_at >= since
        and any(contains(one.position.latitude, one.position.longitude) for contains in shapes)
    ]
    return "", inside, "address_nobody"


def _on_shift(officers: Officers, agencies: set[str]) -> list[Officer]:
    return [one for one in officers.all() if one.seen_at is not None and one.agency_id in agencies]
