"""A model and its .avsc say the same: fields, order, what may be missing, defaults, symbols."""

from __future__ import annotations

import builtins
import inspect
import json
import types
import typing
from collections import abc
from typing import Any

import pytest
from bondmate_schemas import enums, models
from bondmate_schemas.codec import AVRO_FOLDER, NAMESPACE
from bondmate_schemas.models import Record
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

SCHEMAS = {path.stem.rpartition(".")[2]: json.loads(path.read_text()) for path in AVRO_FOLDER.glob("*.avsc")}
MODELS = {
    name: value
    for name, value in vars(models).items()
    if inspect.isclass(value) and issubclass(value, Record) and value is not Record
}
ENUMS = {
    name: value for name, value in vars(enums).items() if inspect.isclass(value) and value.__module__ == enums.__name__
}
PLAIN: dict[type, Any] = {
    str: "string",
    bool: "boolean",
    float: "double",
    int: "an integer",
    AwareDatetime: {"type": "long", "logicalType": "timestamp-millis"},
}
RANGES = {"int": 2**31, "long": 2**63}


def shape(annotation: Any) -> Any:
    """Give the Avro type that a model's annotation stands for; `int` is left open, since Avro has two."""
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case None:
            return plain_shape(annotation)
        case typing.Annotated:
            return shape(arguments[0])
        case builtins.tuple:
            return {"type": "array", "items": shape(arguments[0])}
        case abc.Mapping:
            return {"type": "map", "values": shape(arguments[1])}
    return ["null", *(shape(argument) for argument in arguments if argument is not types.NoneType)]


def plain_shape(annotation: type) -> Any:
    return PLAIN.get(annotation, f"{NAMESPACE}.{annotation.__name__}")


def opened(avro_type: Any) -> Any:
    if isinstance(avro_type, list):
        return [opened(branch) for branch in avro_type]
    return "an integer" if avro_type in ("int", "long") else avro_type


def default_of(field: FieldInfo) -> Any:
    """Give a model's default as JSON, or the mark of a field that must be given."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Record):
        return value.model_dump(exclude_defaults=True)
    return json.loads(json.dumps(value))


def test_every_schema_has_a_model_and_every_model_a_schema() -> None:
    assert set(SCHEMAS) == {*MODELS, *ENUMS}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_record_has_the_fields_of_its_schema_in_their_order(name: str) -> None:
    hints = typing.get_type_hints(MODELS[name], include_extras=True)
    fields = SCHEMAS[name]["fields"]

    assert list(MODELS[name].model_fields) == [field["name"] for field in fields]
    assert {field: shape(hints[field]) for field in MODELS[name].model_fields} == {
        field["name"]: opened(field["type"]) for field in fields
    }


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_record_has_the_defaults_of_its_schema(name: str) -> None:
    assert {field: default_of(info) for field, info in MODELS[name].model_fields.items()} == {
        field["name"]: field.get("default", "required") for field in SCHEMAS[name]["fields"]
    }


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_an_enum_has_the_symbols_of_its_schema(name: str) -> None:
    assert [symbol.value for symbol in ENUMS[name]] == SCHEMAS[name]["symbols"]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_whole_number_fits_what_its_schema_can_carry(name: str) -> None:
    """What does not fit would be accepted from a device and then fail at the wire."""
    for field in SCHEMAS[name]["fields"]:
        for avro_type in field["type"] if isinstance(field["type"], list) else [field["type"]]:
            if isinstance(avro_type, str) and avro_type in RANGES:
                least, most = bounds(MODELS[name], field["name"])
                assert -RANGES[avro_type] <= least, field["name"]
                assert most < RANGES[avro_type], field["name"]


def bounds(model: type[Record], field: str) -> tuple[float, float]:
    """Give the least and the greatest whole number that the model takes."""
    property_ = model.model_json_schema()["properties"][field]
    branch = next(part for part in property_.get("anyOf", [property_]) if part.get("type") == "integer")
    least = branch.get("minimum", branch.get("exclusiveMinimum", -float("inf")) + 1)
    most = branch.get("maximum", branch.get("exclusiveMaximum", float("inf")) - 1)
    return least, most
