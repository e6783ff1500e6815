"""Models to and from Avro in the Confluent wire format: magic byte 0, four bytes of schema id, the Avro body.

The ids come from a schema registry behind the port `SchemaIds`; decoding resolves the writer's schema, whatever version
that was, to today's record, so old and new writers may share a topic.
"""

from __future__ import annotations

import io
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import fastavro
from fastavro.schema import load_schema, parse_schema
from pydantic import ValidationError

from bondmate_schemas import compiled, models
from bondmate_schemas.models import Record
from bondmate_schemas.strict import MOST_ITEMS, MalformedError, Walk, walker

NAMESPACE = "eu.bondmate"
AVRO_FOLDER = Path(__file__).parent / "avro"
RECORDS: dict[str, type[Record]] = {
    model.__name__: model
    for model in (
        models.DeviceAlert,
        models.DeviceLocation,
        models.IncidentEvent,
        models.DeviceMessage,
        models.DeliveryReceipt,
        models.Delivery,
        models.DeviceStatus,
        models.AuditRecord,
        models.AlertState,
        models.IncidentState,
        models.DeviceMemory,
        models.IncidentMemory,
        models.IncidentLink,
        models.OperationsPage,
        models.PageMark,
        models.ConnectorStatus,
        models.DeadLetterDecision,
        models.DeviceMark,
        models.CheckIn,
        models.RoutesVersion,
        models.RoleStatus,
    )
}
"""The records that stand on topics and in the tables of the streams, by name."""

_FRAME = struct.Struct(">bI")
_MAGIC = 0
R = TypeVar("R", bound=Record)


class CodecError(ValueError):
    """Bytes that are not what the topic promises.

    The same bytes will always fail: dead-letter them under `code` and go on.
    """

    def __init__(self, code: str, path: str = "") -> None:
        super().__init__(f"{code} at {path}" if path else code)
        self.code = code
        self.path = path


class SchemaUnavailableError(RuntimeError):
    """The registry does not answer, so a schema id cannot be resolved now.

    The bytes may be sound: park them and try again, never dead-letter.
    """


class SchemaIds(Protocol):
    """What the codec asks of a schema registry."""

    def id_of(self, record: str) -> int:
        """Return the id under which today's schema of `record` is registered.

        Raises:
            SchemaUnavailableError: the registry does not answer; try again later.
        """
        ...

    def schema_of(self, schema_id: int) -> str:
        """Return the schema text registered under `schema_id`.

        Raises:
            CodecError: `unknown_schema`, no such id; the bytes will never decode.
            SchemaUnavailableError: the registry does not answer; try again later.
        """
        ...


@cache
def schema(record: str) -> dict[str, Any]:
    """Return today's schema of `record` with every named type written out inside it, parsed."""
    # fastavro marks a parsed schema and would parse an unmarked one again at every record.
    return load_schema(str(AVRO_FOLDER / f"{NAMESPACE}.{record}.avsc"))  # type: ignore[return-value]


@cache
def schema_text(record: str) -> str:
    """Return today's schema of `record` as the JSON text that is registered."""
    plain = load_schema(str(AVRO_FOLDER / f"{NAMESPACE}.{record}.avsc"), _write_hint=False)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)


class LocalSchemaIds:
    """Fixed ids without a registry: for tests, tools and one process on its own."""

    def __init__(self) -> None:
        self._names = list(RECORDS)

    def id_of(self, record: str) -> int:
        """Return the place of `record` in the list of records, from 1."""
        return self._names.index(record) + 1

    def schema_of(self, schema_id: int) -> str:
        """Return the schema at that place."""
        if not 0 < schema_id <= len(self._names):
            raise CodecError("unknown_schema")
        return schema_text(self._names[schema_id - 1])


class Codec:
    """Encode models to framed Avro and back."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids
        self._writers: dict[int, Any] = {}
        self._walks: dict[int, Walk] = {}
        self._readers: dict[tuple[int, type[Record]], compiled.Reader | None] = {}
        self._prefixes: dict[str, bytes] = {}
        self._todays: dict[int, str] = {}
        """The record of each id that was learnt: its schema is today's, which nobody need be asked for."""

    def encode(self, record: Record) -> bytes:
        """Return the framed Avro bytes of `record`.

        Raises:
            SchemaUnavailableError: the record's id is not known yet and the registry does not answer.
        """
        name = type(record).__name__
        self.learn(name)
        return self._prefixes[name] + _compiled_writer(name)(record)

    def learn(self, record: str) -> None:
        """Ask for the id of `record` unless it is known; `encode` then asks the registry no more, which blocks.

        Raises:
            SchemaUnavailableError: the registry does not answer.
        """
        if record not in self._prefixes:
            schema_id = self._ids.id_of(record)
            self._todays[schema_id] = record
            self._prefixes[record] = _FRAME.pack(_MAGIC, schema_id)

    def knows(self, data: bytes | None) -> bool:
        """Whether `decode` would ask the registry nothing, which blocks."""
        if data is None or len(data) < _FRAME.size:
            return True
        _, schema_id = _FRAME.unpack_from(data)
        return schema_id in self._writers or schema_id in self._todays

    def prefix_of(self, record: str) -> bytes:
        """Return what the values of `record` begin with: magic byte and id; raises as `learn` does."""
        self.learn(record)
        return self._prefixes[record]

    def decode(self, data: bytes | None, kind: type[R]) -> R:
        """Return the record in `data`, resolved to today's schema of `kind`.

        Raises:
            CodecError: `no_value`, `no_frame`, `unknown_schema`, `unusable_schema`, `not_avro` or `invalid_record`;
                dead-letter the bytes.
            SchemaUnavailableError: an id not seen before and the registry does not answer; park and try again.
        """
        if data is None:
            raise CodecError("no_value")
        if len(data) <= _FRAME.size or data[0] != _MAGIC:
            raise CodecError("no_frame")
        _, schema_id = _FRAME.unpack_from(data)
        if (schema_id, kind) not in self._readers:
            self._readers[schema_id, kind] = self._reader(schema_id, kind)
        read = self._readers[schema_id, kind]
        if read is not None:
            try:
                record, end = read(data, _FRAME.size, [MOST_ITEMS])
            except compiled.UNUSUAL:
                end = -1
            if end == len(data):
                return cast("R", record)
        return self._resolved(data, schema_id, kind)

    def _writer(self, schema_id: int) -> Any:
        if schema_id not in self._writers:
            todays = self._todays.get(schema_id)
            parsed = _parsed(self._ids.schema_of(schema_id) if todays is None else schema_text(todays))
            self._walks[schema_id] = _walk(parsed)
            self._writers[schema_id] = parsed
        return self._writers[schema_id]

    def _reader(self, schema_id: int, kind: type[Record]) -> compiled.Reader | None:
        name = kind.__name__
        todays = RECORDS.get(name) is kind and self._writer(schema_id) == schema(name)
        return _compiled_reader(name) if todays else None

    def _resolved(self, data: bytes, schema_id: int, kind: type[R]) -> R:
        """Read by fastavro, whatever the writer's schema: it also decides on what the compiled reader leaves."""
        writer = self._writer(schema_id)
        _measure(data, self._walks[schema_id])
        values = self._read(data, writer, schema(kind.__name__))
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise CodecError("invalid_record", _place(error)) from None

    @staticmethod
    def _read(data: bytes, writer: Any, reader: Any) -> Any:
        body = io.BytesIO(data)
        body.seek(_FRAME.size)
        try:
            values = fastavro.schemaless_reader(body, writer, reader)
        except (ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, RecursionError, MemoryError,
                fastavro.schema.SchemaParseException, fastavro.read.SchemaResolutionError):  # fmt: skip
            # `from None`: fastavro's texts quote the value.
            raise CodecError("not_avro") from None
        return values


@cache
def _compiled_writer(record: str) -> compiled.Writer:
    return compiled.writer(schema(record))


@cache
def _compiled_reader(record: str) -> compiled.Reader:
    return compiled.reader(schema(record))


def _parsed(text: str) -> Any:
    try:
        return parse_schema(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, fastavro.schema.SchemaParseException,
            fastavro.schema.UnknownType):  # fmt: skip
        # A registry holds JSON and Protobuf schemas too, and what others put there.
        raise CodecError("unusable_schema") from None


def _walk(parsed: Any) -> Walk:
    try:
        return walker(parsed)
    except (MalformedError, RecursionError):
        raise CodecError("unusable_schema") from None


def _measure(data: bytes, walk: Walk) -> None:
    """See that `data` is exactly one value of the schema before anything is built of it."""
    try:
        end = walk(data, _FRAME.size, [MOST_ITEMS])
    except (MalformedError, IndexError):
        raise CodecError("not_avro") from None
    if end != len(data):
        raise CodecError("not_avro", "trailing bytes")


def _place(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
