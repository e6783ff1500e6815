"""Hypothesis strategies for every canonical record: anything the schemas allow, also what no sane device would send.

They are made from the models: each field as its type and its bounds say. `_BY_NAME` has those of which a type says too
little. Needs `hypothesis`, which only development installs; nothing outside tests may import this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from bondmate_schemas import enums, models
from bondmate_schemas.codec import RECORDS
from hypothesis import strategies as st
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

T = TypeVar("T")
R = TypeVar("R", bound=models.Record)

_MOST: Final = 1_000_000
"""The largest number of a field that has no bounds."""

times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # `timezones` adds it
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
texts = st.text(max_size=40)
words = st.text(min_size=1, max_size=12)
ids = st.one_of(st.uuids().map(str), words)
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """Return what `strategy` gives, or None."""
    return st.none() | strategy


@st.composite
def _rings(draw: st.DrawFn) -> str:
    """Return a closed ring of `latitude,longitude` pairs."""
    points = draw(st.lists(st.tuples(st.floats(-80, 80), st.floats(-170, 170)), min_size=3, max_size=6))
    return " ".join(f"{latitude:.6f},{longitude:.6f}" for latitude, longitude in [*points, points[0]])


_circles = st.builds("{:.6f},{:.6f} {:.3f}".format, latitudes, longitudes, st.floats(0, 500))
_FREE: Final = frozenset({"callsign", "description", "instruction", "note", "text", "title", "unit", "url", "value"})
"""Texts that may be empty although they have no default."""
_BY_NAME: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "altitude_hae_m": maybe(st.floats(-500, 20_000)),
    "vertical_accuracy_m": maybe(st.floats(0, 1e6)),
    "speed_mps": maybe(st.floats(0, 300)),
    "position_age_seconds": maybe(st.floats(0, 1e7)),
    "method": maybe(st.sampled_from(["gps", "network", "manual"])),
    "language": maybe(st.sampled_from(["en-GB", "de", "fr-FR", "sv-SE", "el"])),
    "sha256": st.binary(min_size=32, max_size=32).map(bytes.hex),
    "media_type": st.sampled_from(["image/jpeg", "application/pdf", ""]),
    "polygons": st.lists(_rings(), max_size=2).map(tuple),
    "circles": st.lists(_circles, max_size=2).map(tuple),
    "urgency": maybe(st.sampled_from(["Immediate", "Expected", "Future", "Past", "Unknown", "soon"])),
    "severity": maybe(st.sampled_from(["Extreme", "Severe", "Moderate", "Minor", "Unknown", ""])),
    "certainty": maybe(st.sampled_from(["Observed", "Likely", "Possible", "Unlikely", "Unknown", "?"])),
    "agency_id": words,
    "origin_message_id": maybe(words),
}


def of(model: type[R]) -> st.SearchStrategy[R]:
    """Return records of `model`, each field as its type says."""
    return st.builds(model, **fields_of(model))


@cache
def fields_of(model: type[models.Record]) -> Mapping[str, st.SearchStrategy[Any]]:
    """Return a strategy for each field of a record, by its name."""
    hints = get_type_hints(model, include_extras=True)
    return {name: _field(name, hints[name], field.default) for name, field in model.model_fields.items()}


def _field(name: str, hint: Any, default: object) -> st.SearchStrategy[Any]:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.endswith(("_id", "_ids")):
        return _typed(hint, ids)
    return _typed(hint, texts if name in _FREE or default == "" else words)


def _typed(hint: Any, text: st.SearchStrategy[str], bounds: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    """Return what a type allows, with `text` for each str in it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _typed(inner[0], text, inner[1].metadata if isinstance(inner[1], FieldInfo) else ())
    if origin in {Union, UnionType}:
        return maybe(_typed(inner[0], text))
    if origin is tuple:
        return st.lists(_typed(inner[0], text), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(words, _typed(inner[1], text), max_size=2)
    return _plain(hint, text, bounds)


def _plain(kind: type, text: st.SearchStrategy[str], bounds: Sequence[Any]) -> st.SearchStrategy[Any]:
    if issubclass(kind, models.Record):
        return of(kind)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    limits = {name: getattr(bound, name) for bound in bounds for name in ("ge", "le", "lt") if hasattr(bound, name)}
    least, most = limits.get("ge", -_MOST), limits.get("le", limits.get("lt", _MOST + 1) - 1)
    numbers = {int: st.integers(least, most), float: st.floats(least, most)}
    return {str: text, bool: st.booleans(), AwareDatetime: times, **numbers}[kind]


_PAYLOADS: Final[Mapping[enums.DeliveryKind, tuple[str, type[models.Payload]]]] = {
    enums.DeliveryKind.ALERT: ("alert", models.DeviceAlert),
    enums.DeliveryKind.INCIDENT: ("incident", models.IncidentEvent),
    enums.DeliveryKind.MESSAGE: ("message", models.DeviceMessage),
    enums.DeliveryKind.LOCATION: ("location", models.DeviceLocation),
    enums.DeliveryKind.RECEIPT: ("receipt", models.DeliveryReceipt),
}
_BUT_RECEIPTS: Final = tuple(kind for kind in _PAYLOADS if kind is not enums.DeliveryKind.RECEIPT)


def deliveries(kinds: Sequence[enums.DeliveryKind] = _BUT_RECEIPTS) -> st.SearchStrategy[models.Delivery]:
    """Return Deliveries of `kinds`; the header of each is that of its event, but for the message id."""
    return st.sampled_from(kinds).flatmap(_delivery_of)


@st.composite
def _delivery_of(draw: st.DrawFn, kind: enums.DeliveryKind) -> models.Delivery:
    field, model = _PAYLOADS[kind]
    event = draw(of(model))
    given = {"header", "kind", "position_only", *(name for name, _ in _PAYLOADS.values())}
    left = fields_of(models.Delivery).keys() - given
    values = draw(st.fixed_dictionaries({name: fields_of(models.Delivery)[name] for name in sorted(left)}))
    values |= {"header": event.header.model_copy(update={"message_id": draw(ids)}), "kind": kind, field: event}
    if kind is not enums.DeliveryKind.ALERT:
        values["others"] = None
    return models.Delivery(**values)


records: dict[str, st.SearchStrategy[Any]] = {
    name: deliveries(tuple(_PAYLOADS)) if model is models.Delivery else of(model) for name, model in RECORDS.items()
}
"""A strategy for each record that stands on a topic, by its name."""
device_alerts, device_locations = records["DeviceAlert"], records["DeviceLocation"]
device_messages, delivery_receipts = records["DeviceMessage"], records["DeliveryReceipt"]
incident_events = records["IncidentEvent"]
codes = of(models.Code)
