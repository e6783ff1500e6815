"""Today's schemas compiled to Python source, a function for each record: what costs the hub most, in all its roles.

How it works. `Writers` and `Readers` walk a schema and put down the text of functions. A named type is defined once and
called wherever it stands again; the text is executed once, beside the names it uses. Of

    {"type": "record", "name": "Code", "fields": [{"name": "system", "type": "string"}, ...]}

come

    def write_Code(value):                              def read_Code(data, at, left):
        fields = value.__dict__                             byte = data[at]
        return b"".join((                                   if byte & 129:  # a number longer than a byte, or negative
            NUMBER[len(raw := fields["system"].encode())],      f_system, at = text(data, at)
            raw,                                            else:
            ...,                                                start = at + 1
        ))                                                      at = start + (byte >> 1)
                                                                f_system = data[start:at].decode()
                                                            ...

A writer is one expression a field, the pieces of bytes of all of them joined (`writing.py`). A reader is statements for
each field, which set its variable and move `at` (`reading.py`). What is usual is inlined: short text, null, numbers
of one byte. For the rest the text calls a function that is written there by hand.

A reader builds the models itself: what they ask beyond the Avro types stands in the text (`constraints.py`). It reads
only what the hub writes. At bytes that are malformed, or longer than they need be, and at values that a model refuses,
it raises one of `UNUSUAL`, and the general codec decides: what is refused, and by which code, is settled in one place.
Rules: Avro 1.12 specification, "Binary Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from bondmate_schemas import models
from bondmate_schemas.compiled.reading import Reader, Readers
from bondmate_schemas.compiled.source import short
from bondmate_schemas.compiled.writing import Writers

__all__ = ["UNUSUAL", "Reader", "Writer", "reader", "writer"]

Writer = Callable[[Any], bytes]
"""Returns the Avro bytes of a model."""

UNUSUAL: Final = (ValueError, AssertionError, LookupError, OverflowError, struct.error)
"""What a reader raises at bytes it leaves to the general codec."""


def writer(schema: Mapping[str, Any]) -> Writer:
    """Compile the writer of a record's schema, every named type written out inside it.

    Raises:
        TypeError: the schema has a type that no record of ours has.
    """
    source = Writers()
    made: Writer = source.compiled(source.function(schema))
    return made


def reader(schema: Mapping[str, Any]) -> Reader:
    """Compile the reader of a record's schema, which gives the model of that name.

    Raises:
        TypeError: the schema has a type that no record of ours has, or its model asks what `constraints` does not know.
    """
    source = Readers()
    made: Reader = source.compiled(source.function(schema, getattr(models, short(schema["name"]))))
    return made
