"""A spare takes the place of a device: who may be one, which marks say so, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bondmate_gateway.enrolment.commands import DeviceFileError, list_devices
from bondmate_kafka.records import utc_now
from bondmate_schemas.duress import BEGUN, ENDED, ended_by, is_under, mark_id
from bondmate_schemas.models import DeviceMark
from bondmate_schemas.takeover import current, places_of, replaced_by

from bondmate_hub.connectors.instances import enrolled
from bondmate_hub.operations.marks import Marks, MarksError, alone, told
from bondmate_hub.settings import Settings

Devices = Mapping[str, Mapping[str, Any]]


def take_over(
    settings: Settings, device_id: str, spare: str, operator: str, reason: str, *, file: Path | None = None
) -> DeviceMark:
    """Let a spare take the place of a device, with its open alerts and its duress; a second call corrects the first.

    With an empty text as `spare` the device has its own place again.

    Raises:
        MarksError: the spare may not, the device has its place, or broker or registry do not answer.
    """
    if spare and (why_not := _why_no_spare(device_id, spare, _devices(settings, file))):
        raise MarksError(why_not)
    marks = Marks(settings)
    with alone(settings), told():
        known = marks.known()
        if why_not := _why_not_now(device_id, spare, places_of(known.values())):
            raise MarksError(why_not)
        mark = replaced_by(device_id, spare, operator, reason, utc_now())
        for each in marks_of(mark, known):
            marks.set(each)
        return mark


def marks_of(mark: DeviceMark, known: Mapping[str, DeviceMark]) -> Iterator[DeviceMark]:
    """Yield the marks by which a place goes to another device, in the order in which they must be set."""
    holder = current(mark.device_id, places_of(known.values()))
    to = mark.other_device_id or mark.device_id
    begun = _duress(holder, known)
    if begun is not None:
        # First: a device that is told what is open must not sound.
        of = {"mark_id": mark_id(BEGUN, to), "device_id": to, "since": mark.since}
        yield begun.model_copy(update={**of, "operator": mark.operator, "justification": mark.justification})
    elif to == mark.device_id and (before := _duress(to, known)) and before.since <= known[mark.mark_id].since:
        # At the spare a person has ended it; what was pressed here since then is another.
        yield ended_by(before, mark.operator, mark.justification, mark.since)
    yield mark
    if begun is not None and begun.operator and holder != mark.device_id:
        yield ended_by(begun, mark.operator, mark.justification, mark.since)


def _duress(device_id: str, known: Mapping[str, DeviceMark]) -> DeviceMark | None:
    """Return the mark of a duress that has not ended."""
    begun = known.get(mark_id(BEGUN, device_id))
    return begun if is_under(begun, known.get(mark_id(ENDED, device_id))) else None


def _why_no_spare(device_id: str, spare: str, devices: Devices) -> str | None:
    """Word why one device can never take the place of another: what is open would reach nobody, or others."""
    for each in (device_id, spare):
        if each not in devices:
            return f"{each} stands in no device file that can be read here; --file names one"
        if devices[each].get("drill"):
            return f"{each} is a device for drills"
    old, new = devices[device_id], devices[spare]
    if new["revoked"]:
        return f"{spare} is revoked"
    for name in ("agency", "mode"):
        if old[name] != new[name]:
            return f"{spare} is of {name} {new[name]}, {device_id} of {old[name]}"
    return None


def _why_not_now(device_id: str, spare: str, places: Mapping[str, str]) -> str | None:
    """Word why a place does not change by the takeovers that stand."""
    if not spare:
        return None if device_id in places else f"no device has the place of {device_id}"
    if device_id == spare or spare in places:
        return "the spare must be another device, whose place none has taken"
    return f"{spare} has the place of {device_id} already" if places.get(device_id) == spare else None


def _devices(settings: Settings, file: Path | None) -> Devices:
    try:
        found: Iterable[Mapping[str, Any]] = list_devices(file) if file else enrolled(settings)
        return {str(device["device_id"]): device for device in found}
    except DeviceFileError as error:
        raise MarksError(str(error)) from None
