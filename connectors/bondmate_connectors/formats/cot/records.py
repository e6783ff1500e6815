"""Records built of values that the readers have checked on their way: to validate them again costs what parsing did."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from bondmate_schemas.models import Record
from bondmate_schemas.trusted import trusted

R = TypeVar("R", bound=Record)


def record(model: type[R], /, **values: Any) -> R:
    """Return the record with these values, and the model's defaults for the others.

    The caller gives each value as the model itself would hold it: times in UTC and cut to milliseconds, numbers in
    their bounds. A test builds each of them again with validation and compares.
    """
    return trusted(model, {**_defaults(model), **values})


@cache
def _defaults(kind: type[Record]) -> dict[str, Any]:
    fields = kind.model_fields.items()
    return {
        name: None if field.is_required() else field.get_default(call_default_factory=True) for name, field in fields
    }
