"""Ids of positions as their destinations know them, many at once; `bondmate_schemas.outside_ids` is the reference."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from bondmate_schemas.outside_ids import Unanswered, block_of
from numpy.typing import NDArray

__all__ = ["Blocks", "outside_of"]

Bytes = NDArray[np.uint8]
_UUID_CHARS: Final = 36
_HEX_CHARS: Final = 32
_DASHES: Final = [8, 13, 18, 23]
_DIGITS: Final = [place for place in range(_UUID_CHARS) if place not in _DASHES]
_NO_DIGIT: Final = 16
_VALUE_OF: Final[Bytes] = np.full(256, _NO_DIGIT, np.uint8)
_VALUE_OF[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(_NO_DIGIT, dtype=np.uint8)


class Blocks:
    """The ids of some fixes as blocks, made once for all destinations; a fix that stands for itself has one as both."""

    def __init__(self, header: Any) -> None:
        """Take the columns of a header in which no id is missing."""
        message_ids, event_ids = header.field("message_id"), header.field("event_id")
        self._messages = _blocks(message_ids).tobytes()
        self._events = None if event_ids.equals(message_ids) else _blocks(event_ids).tobytes()
        self._rows = len(header)

    def outside(self, ids: Unanswered) -> dict[str, Any]:
        """Return the columns of ids in the form of one destination."""
        messages = _texts(ids.of_blocks(self._messages), self._rows)
        events = messages if self._events is None else _texts(ids.of_blocks(self._events), self._rows)
        return {"message_id": messages, "event_id": events}


def outside_of(column: Any, ids: Unanswered) -> Any:
    """Return a column of ids that few fixes have in the form of one destination; null where it was null."""
    if column.null_count == len(column):
        return column
    return pa.array([None if text is None else ids.of(text) for text in column.to_pylist()], column.type)


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
