"""What a model asks of a field beyond the field's Avro type, for a reader that builds the model itself.

Whatever a model may come to ask that is not known here is refused, so that no check is lost by being overlooked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from annotated_types import Ge, Le, Lt
from pydantic.fields import FieldInfo

from bondmate_schemas.models import Record, UtcTime

PLAIN: Final[dict[str, Any]] = {
    "string": str,
    "boolean": bool,
    "int": int,
    "long": int,
    "double": float,
    "time": UtcTime,
}
"""What a model declares for the Avro types that have no name."""
_LIMITS: Final[dict[str, tuple[float, float]]] = {
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    # Between these a number is finite, which the models ask everywhere.
    "double": (-sys.float_info.max, sys.float_info.max),
}


def fields_of(model: type[Record]) -> dict[str, Any]:
    """Return what each field of `model` asks, by name.

    Raises:
        TypeError: the model is not made of fields alone, or is configured otherwise than the other records.
    """
    decorators = model.__pydantic_decorators__
    special = (
        decorators.validators, decorators.field_validators, decorators.root_validators, model.__private_attributes__,
        model.__pydantic_post_init__, model.__pydantic_custom_init__, model.model_config != Record.model_config,
    )  # fmt: skip
    if any(special):
        raise _unknown(model)
    return {name: field.rebuild_annotation() for name, field in model.model_fields.items()}


def checks(model: type[Record]) -> list[Callable[[Any], object]]:
    """Return the checks of a whole record, each of which raises a `ValueError`."""
    found = model.__pydantic_decorators__.model_validators.values()
    if any(check.info.mode != "after" for check in found):
        raise _unknown(model)
    return [check.func for check in found]


def condition(kind: str, hint: Any, value: str) -> str:
    """Return an expression: whether `value`, of the Avro type `kind`, is what the model asks; none if it always is.

    Raises:
        TypeError: the model asks what is not known here.
    """
    found = limits(kind, hint)
    return f"{found[0]!r} <= {value} <= {found[1]!r}" if found else ""


def limits(kind: str, hint: Any) -> tuple[float, float] | None:
    """Return the least and the greatest that a model takes for a value of the Avro type `kind`; None: it takes any.

    Raises:
        TypeError: the model asks what is not known here.
    """
    base, wishes = _peeled(hint)
    same(base, _peeled(PLAIN[kind])[0])
    if kind not in _LIMITS:
        same(hint, PLAIN[kind])
        return None
    low, high = _LIMITS[kind]
    for wish in wishes:
        low, high = _narrowed(low, high, wish)
    return low, high


def _narrowed(low: float, high: float, wish: object) -> tuple[float, float]:
    match wish:
        case Ge(ge=int() | float() as least):
            return max(low, least), high
        case Le(le=int() | float() as most):
            return low, min(high, most)
        case Lt(lt=int() as limit) if isinstance(high, int):
            return low, min(high, limit - 1)
    if getattr(wish, "allow_inf_nan", None) is False:
        return low, high
    raise _unknown(wish)


def _peeled(hint: Any) -> tuple[Any, list[Any]]:
    if get_origin(hint) is not Annotated:
        return hint, []
    base, *asked = get_args(hint)
    return base, [wish for found in asked for wish in (found.metadata if isinstance(found, FieldInfo) else [found])]


def same(hint: Any, expected: Any) -> None:
    """See that a field is of a type whose every value its Avro type ensures.

    Raises:
        TypeError: it is not.
    """
    if hint != expected:
        raise _unknown(hint)


def other(hint: Any) -> Any:
    """Return `X` of `X | None`."""
    found, *rest = get_args(hint) or (hint,)
    same(rest, [type(None)])
    return found


def item(hint: Any, container: type) -> Any:
    """Return the type of the items of a tuple of any length, or of the values of a mapping by text."""
    same(get_origin(hint), container)
    first, second = get_args(hint)
    same(first if container is Mapping else second, str if container is Mapping else ...)
    return second if container is Mapping else first


def _unknown(what: object) -> TypeError:
    return TypeError(f"the compiled reader does not know how to check {what!r}")
