"""Ids of positions as their destinations know them, many at once; `bondmate_schemas.outside_ids` is the reference."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from bondmate_schemas.outside_ids import Unanswered, block_of
from numpy.typing import NDArray

__all__ = ["outside_of"]

Bytes = NDArray[np.uint8]
_UUID_CHARS: Final = 36
_HEX_CHARS: Final = 32
_DASHES: Final = [8, 13, 18, 23]
_DIGITS: Final = [place for place in range(_UUID_CHARS) if place not in _DASHES]
_NO_DIGIT: Final = 16
_VALUE_OF: Final[Bytes] = np.full(256, _NO_DIGIT, np.uint8)
_VALUE_OF[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(_NO_DIGIT, dtype=np.uint8)


def outside_of(column: Any, ids: Unanswered) -> Any:
    """Return a column of ids in the form of one destination; null where it was null."""
    if column.null_count == len(column):
        return column
    if column.null_count:
        return pa.array([None if text is None else ids.of(text) for text in column.to_pylist()], column.type)
    return _texts(ids.of_blocks(_blocks(column).tobytes()), len(column))


def _texts(blocks: bytes, rows: int) -> Any:
    offsets = np.arange(rows + 1, dtype=np.int32) * _HEX_CHARS
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(blocks.hex().encode()))


def _blocks(column: pa.StringArray) -> Bytes:
    """Return the block of each id: UUIDs all together, what is none one by one."""
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    texts: Bytes = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    long = np.flatnonzero(np.diff(starts) == _UUID_CHARS)
    chars = _chars(texts, starts, long)
    values = _VALUE_OF[chars[:, _DIGITS]]
    sound = (values < _NO_DIGIT).all(axis=1) & (chars[:, _DASHES] == ord("-")).all(axis=1)
    blocks = np.zeros((len(column), 16), np.uint8)
    blocks[long] = values[:, 0::2] << 4 | values[:, 1::2]
    others = np.setdiff1d(np.arange(len(column)), long[sound], assume_unique=True)
    for row, text in zip(others.tolist(), column.take(pa.array(others)).to_pylist(), strict=True):
        blocks[row] = np.frombuffer(block_of(text), np.uint8)
    return blocks


def _chars(texts: Bytes, starts: NDArray[np.int32], rows: NDArray[np.intp]) -> Bytes:
    """Return the characters of the texts of some rows, which are as long as a UUID."""
    if len(rows) == len(starts) - 1:  # all of them, one after another
        return texts[starts[0] : starts[-1]].reshape(-1, _UUID_CHARS)
    chars: Bytes = texts[starts[rows][:, None] + np.arange(_UUID_CHARS)]
    return chars
