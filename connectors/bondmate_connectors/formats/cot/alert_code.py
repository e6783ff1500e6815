"""Short references of alerts: what people type to say which alert they answer.

Derived from the alert's id, so that every process gives an alert the same one. Letters and digits in turn, none that is
taken for another: no word of any language looks like it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

SHORTEST: Final = 4
LONGEST: Final = 12
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ"
_DIGITS: Final = "23456789"
_TOKEN: Final = re.compile(r"(?<![0-9A-Za-z])#?((?:[A-Za-z][2-9]){2,6})(?![0-9A-Za-z])")


def code_of(event_id: str) -> str:
    """Return the whole code of an alert, `LONGEST` characters; any beginning of at least `SHORTEST` names it."""
    number = int.from_bytes(hashlib.sha256(event_id.encode()).digest())
    found = []
    for _ in range(LONGEST // 2):
        number, letter = divmod(number, len(_LETTERS))
        number, digit = divmod(number, len(_DIGITS))
        found.append(_LETTERS[letter] + _DIGITS[digit])
    return "".join(found)


def short_code(event_id: str) -> str:
    """Return the shortest reference of an alert, for who does not know which others are open."""
    return code_of(event_id)[:SHORTEST]


def codes_in(text: str) -> tuple[str, ...]:
    """Return whatever in `text` looks like a reference, in capitals, in order, each once."""
    return tuple(dict.fromkeys(found.upper() for found in _TOKEN.findall(text)))


def with_codes_as(sign: str, text: str) -> str:
    """Return `text` with `sign` in the place of all that looks like a reference."""
    return _TOKEN.sub(lambda _: sign, text)
