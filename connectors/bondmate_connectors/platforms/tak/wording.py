"""What a chat line says about an alert: an acknowledgement, a refusal, or something to pass on. Pure.

What else the settings have words for (assigned, on scene, …) is said in the same way.

An acknowledgement begins with one of the words for it, and is nothing else, or goes on after a reference or a mark
such as a comma: "ack K7Q2", "roger, unit 12 goes" are; "copy machine is broken" and "copy?" are not. A refusal begins
with a whole word that declines: where "no" is such a word, "no unit free" is one, "noted" and "now on scene" are not.
What holds such a word behind one that acknowledges is neither: it is passed on, and its writer is told so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bondmate_connectors.formats.cot.alert_code import with_codes_as

ACKNOWLEDGE_WORDS: Final = (
    "ack", "acknowledge", "acknowledged", "affirm", "affirmative", "copied", "copy", "copy that", "received", "roger",
    "roger that", "wilco", "10-4",
)  # fmt: skip
TOGETHER_WORDS: Final = ("both",)
_REFERENCE: Final = "\0"
_MARKS: Final = ",.;:!/-–—" + _REFERENCE  # noqa: RUF001  # dashes that phones put in
_BEFORE: Final = _MARKS + " "


class Meaning(StrEnum):
    """What a line means for the alert it is about."""

    ACKNOWLEDGED = "acknowledged"
    DECLINED = "declined"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    WITHDRAWN = "withdrawn"
    RESOLVED = "resolved"
    CALLED_OFF = "called_off"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Words:
    """The words that decide, from the settings."""

    acknowledge: tuple[str, ...] = ACKNOWLEDGE_WORDS
    decline: tuple[str, ...] = ()
    responses: Mapping[Meaning, tuple[str, ...]] = field(default_factory=dict)
    """Words for what else a line may say; they stand as those that acknowledge do."""
    together: tuple[str, ...] = TOGETHER_WORDS
    """Words by which an answer to one alert is meant of all that are open of its event."""

    def without_together(self, text: str) -> str | None:
        """Return a line without the words by which it is meant of all of an event; None where it has none of them."""
        bare = text
        for word in filter(None, map(str.strip, self.together)):
            bare = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", bare, flags=re.IGNORECASE)
        return None if bare == text else bare

    def meaning_of(self, text: str) -> Meaning:
        """Return what `text` means for the alert that it is about."""
        said = _plain(with_codes_as(_REFERENCE, text)).lstrip(_BEFORE)
        declines = [_plain(word) for word in self.decline if word.strip()]
        if any(_begins(said, word) for word in declines):
            return Meaning.DECLINED
        doubtful = "?" in said or any(_holds(said, word) for word in declines)
        meant = {**self.responses, Meaning.ACKNOWLEDGED: self.acknowledge}
        found = (meaning for meaning, words in meant.items() if _is_said_by(said, words))
        return Meaning.NOTE if doubtful else next(found, Meaning.NOTE)


def _is_said_by(said: str, words: Iterable[str]) -> bool:
    plain = (_plain(word) for word in words if word.strip())
    rests = (said[len(word) :].lstrip() for word in plain if said.startswith(word))
    return any(not rest or rest[0] in _MARKS for rest in rests)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _begins(text: str, word: str) -> bool:
    return re.match(rf"{re.escape(word)}(?!\w)", text) is not None


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
