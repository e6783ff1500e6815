"""What a chat line says about an alert: an acknowledgement, a refusal, or something to pass on. Pure.

What else the settings have words for (assigned, on scene, …) is said in the same way.

An acknowledgement begins with one of the words for it, and is nothing else, or goes on after a reference or a mark
such as a comma that ends the word: "ack K7Q2", "roger, unit 12 goes" are; "copy machine is broken", "copy-paste it",
"received.txt" and whatever asks, in any script, are not. A refusal begins with a whole word that declines: where "no"
is such a word, "no unit free" is one, "noted", "no-show" and "now on scene" are not. What holds such a word behind one
that acknowledges is neither: it is passed on, and its writer is told so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bondmate_connectors.formats.cot.alert_code import with_codes_as
from bondmate_connectors.formats.spoken import DASHES, REFERENCE, STOPS, begun, meant_by, plain

ACKNOWLEDGE_WORDS: Final = (
    "ack", "acknowledge", "acknowledged", "affirm", "affirmative", "copied", "copy", "copy that", "received", "roger",
    "roger that", "wilco", "10-4",
)  # fmt: skip
TOGETHER_WORDS: Final = ("both",)
_ALONE: Final = (r"(?<![\w'’/-])", rf"(?!\w|[.'’{DASHES}]\w)")  # noqa: RUF001
"""Before and behind a word of its own, which a hyphen makes part of another."""


class LineMeaning(StrEnum):
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
    responses: Mapping[LineMeaning, tuple[str, ...]] = field(default_factory=dict)
    """Words for what else a line may say; they stand as those that acknowledge do."""
    together: tuple[str, ...] = TOGETHER_WORDS
    """Words by which an answer to one alert is meant of all that are open of its event."""
    link: tuple[str, ...] = ()
    """Words by which the first of two alerts is said to be of one event with the second."""
    unlink: tuple[str, ...] = ()
    """Words by which an alert is said to be of no other's event."""
    aloud: tuple[str, ...] = ()
    """Words before a line to an officer under duress that is to sound all the same."""

    def links(self, text: str) -> bool | None:
        """Return whether a line links an alert to another, False: takes one out of its event, None: says neither."""
        said = _said(text)
        found = meant_by(said, {"link": self.link, "unlink": self.unlink})
        return None if found is None else found == "link"

    def without_aloud(self, text: str) -> str | None:
        """Return a line without the word by which it is to sound; None where it does not begin with one."""
        for word in filter(None, map(str.strip, self.aloud)):
            if word_said := re.match(rf"\s*{re.escape(word)}\s*[{STOPS}]\s*(?=\S)", text, re.IGNORECASE):
                return text[word_said.end() :]
        return None

    def without_together(self, text: str) -> str | None:
        """Return a line without the words by which it is meant of all of an event; None where it has none of them."""
        bare = text
        for word in filter(None, map(str.strip, self.together)):
            bare = re.sub(re.escape(word).join(_ALONE), " ", bare, flags=re.IGNORECASE)
        return None if bare == text else bare

    def meaning_of(self, text: str) -> LineMeaning:
        """Return what `text` means for the alert that it is about."""
        said = _said(text)
        declines = [plain(word) for word in self.decline if word.strip()]
        if any(_begins(said, word) for word in declines):
            return LineMeaning.DECLINED
        if any(_holds(said, word) for word in declines):
            return LineMeaning.NOTE
        return meant_by(said, {**self.responses, LineMeaning.ACKNOWLEDGED: self.acknowledge}) or LineMeaning.NOTE


def _said(text: str) -> str:
    return begun(with_codes_as(REFERENCE, text))


def _begins(text: str, word: str) -> bool:
    return re.match(re.escape(word) + _ALONE[1], text) is not None


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
