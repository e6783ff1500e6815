"""What a text of a person says by words that the settings name, the same in every dialect. Pure.

It begins with one of them, and is nothing else, or goes on after a mark such as a comma that ends the word: "assigned,
unit 7" says it, "assigned seats are free", "on-scene video" and whatever asks, in any script, do not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

REFERENCE: Final = "\0"
"""Stands in a text for what it quotes an alert by, which ends a word as a mark does."""
STOPS: Final = ",.;:!"
DASHES: Final = "/–—-"  # noqa: RUF001  # dashes that phones put in
_BEFORE: Final = STOPS + DASHES + REFERENCE + " "
_ENDED: Final = re.compile(rf"$|[ {STOPS}{DASHES}]*{REFERENCE}| ?[{STOPS}]+(?= |$)| [{DASHES}]+(?= |$)")
"""What ends a word: nothing more, a reference, or a mark that joins it to no other."""
_ASKING: Final = ("QUESTION", "INTERROBANG")
"""What the names of the marks by which any script asks hold."""
N = TypeVar("N", bound=str)


def plain(text: str) -> str:
    """Return a text without what capitals and spaces make of it."""
    return " ".join(text.casefold().split())


def begun(text: str) -> str:
    """Return a text, plain, from its first word on."""
    return plain(text).lstrip(_BEFORE)


def is_said_by(said: str, words: Iterable[str]) -> bool:
    """Return whether what `begun` returned says one of these words."""
    known = (plain(word) for word in words if word.strip())
    return any(_ENDED.match(said, len(word)) for word in known if said.startswith(word))


def asks(said: str) -> bool:
    """Return whether a text asks; a semicolon that ends it does in Greek."""
    asking = any(sign in unicodedata.name(mark, "") for mark in said if not mark.isalnum() for sign in _ASKING)
    return asking or said.rstrip(REFERENCE + " ").endswith(";")


def meant_by(said: str, words: Mapping[N, Iterable[str]]) -> N | None:
    """Return the first name whose words what `begun` returned says; None where it says none, or asks."""
    return None if asks(said) else next((name for name, each in words.items() if is_said_by(said, each)), None)
