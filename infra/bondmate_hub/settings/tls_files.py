"""The certificates and keys that connectors' settings name, and whether they can be used."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bondmate_connectors.contract import ConnectorConfig
from bondmate_connectors.errors import Misconfigured
from bondmate_connectors.transports.tls import TlsFiles
from pydantic import BaseModel

Place = tuple[str, ...]
"""The names that lead to a setting."""


def unusable(config: ConnectorConfig, where: Place) -> Iterator[str]:
    """Yield each block of TLS in a connector's settings whose files cannot be used, and why; `where` they stand."""
    for path, block in tls_blocks(config, where):
        try:
            block.context()
        except (OSError, ssl.SSLError, Misconfigured) as error:
            files = ", ".join(str(value) for key, value in block if key.endswith("_file") and value)
            yield f"{'.'.join(path)}: {files}: {_why(error)}"


def _why(error: Exception) -> str:
    """Word what is wrong with certificates; what a TLS library says of them holds no secret."""
    cause = error.__cause__ if isinstance(error, Misconfigured) and error.__cause__ else error
    if isinstance(cause, ssl.SSLError):
        return "certificate and key are not a pair" if cause.reason == "KEY_VALUES_MISMATCH" else "not whole, or no PEM"
    return f"cannot be read ({type(cause).__name__})"


def tls_blocks(value: Any, path: Place) -> Iterator[tuple[Place, TlsFiles]]:
    """Yield each block of TLS in a value, with its place."""
    for place, each in ((path, value), *values_in(value, path)):
        if isinstance(each, TlsFiles):
            yield place, each


def values_in(value: Any, path: Place) -> Iterator[tuple[Place, Any]]:
    """Yield every value below one, with its place."""
    inner: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, BaseModel):
        inner = iter(value)
    elif isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        inner = iter(enumerate(value))
    for key, part in inner:
        yield (*path, str(key)), part
        yield from values_in(part, (*path, str(key)))
