"""Numbers and times as Avro's zigzag varints, and the times that were read, which are read and written most.

An event's times stand in its payload and its header, in its state, and in each of its Deliveries.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Final

_pack_six: Final = struct.Struct("6B").pack
_from_timestamp: Final = datetime.fromtimestamp
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VARINT_BYTES: Final = 10
_TIMES_KEPT: Final = 4096


class UnusualError(ValueError):
    """The bytes are for the general codec, which reads or refuses them."""


times: Final[dict[bytes, datetime]] = {}
"""Times that were read, by their six bytes."""
as_read: Final[dict[int, tuple[datetime, bytes]]] = {}
"""Times that were read, and their bytes, by the time's identity, which is no other's while the time is held here."""


def varint(value: int) -> bytes:
    """Write a number."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def time_bytes(time: datetime) -> bytes:
    """Write a time that is not in `as_read`."""
    passed = time - _EPOCH
    millis = passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000
    low, high = millis & 0xFFFFF, millis >> 20
    last = high >> 14
    if not 0 < last < 128:  # noqa: PLR2004  # not six bytes: before 1970 or after 2039
        return varint(millis)
    return _pack_six(
        low << 1 & 127 | 128, low >> 6 & 127 | 128, low >> 13 | 128, high & 127 | 128, high >> 7 & 127 | 128, last
    )


def number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of any length; gives it and the offset behind it."""
    value, shift = data[at] & 0x7F, 7
    end = at + 1
    while data[end - 1] > 0x7F:  # noqa: PLR2004
        value |= (data[end] & 0x7F) << shift
        shift += 7
        end += 1
        if end - at > _VARINT_BYTES:
            raise UnusualError
    if value >> 64:
        raise UnusualError
    return (value >> 1) ^ -(value & 1), end


def time(data: bytes, at: int) -> tuple[datetime, int]:
    """Read a time that is not in `times`; gives it and the offset behind it."""
    six = data[at : at + 6]
    if len(six) == 6:  # noqa: PLR2004
        a, b, c, d, e, f = six
        if a & b & c & d & e & ~f & 128 and f and not a & 1:
            low, high = a & 127 | (b & 127) << 7 | (c & 127) << 14, d & 127 | (e & 127) << 7 | f << 14
            if len(times) >= _TIMES_KEPT or len(as_read) >= _TIMES_KEPT:
                times.clear()
                as_read.clear()
            # Twice as fast as adding to 1970, and exact up to 2039, where six bytes end.
            times[six] = time = _from_timestamp((low + (high << 21)) / 2000, UTC)
            as_read[id(time)] = time, six
            return time, at + 6
    millis, end = number(data, at)
    return _EPOCH + timedelta(milliseconds=millis), end
