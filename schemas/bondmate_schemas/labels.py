"""The hub's own words in the language of who reads them; what people wrote stays as it is, after its language.

A label is looked up by its English sentence, so that the code reads as what it says. The others stand in `locale/`, a
gettext catalogue a language, which is read once. `docs/reference/languages.md` says what they cover.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, Literal, get_args
from unicodedata import bidirectional

Language = Literal["en", "de", "el", "es", "fr", "it", "pl", "ro"]
"""Languages that there are labels in (BCP 47)."""
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
FOLDER: Final = Path(__file__).parent / "locale"
_LINES: Final = re.compile(r"[^\n\r\u2029]+")
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_OTHER_WAY: Final = frozenset({"R", "AL", "LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "FSI"})
"""Classes of characters (UAX #9) that change the order of what stands beside them."""


def msgid(sentence: str) -> str:
    """Return an English sentence as it is; it marks for the catalogues what is put into words elsewhere."""
    return sentence


NOTHING_HEARD: Final = msgid("Nothing was heard of this device since {time} UTC.")
HEARD_AGAIN: Final = msgid("The device was heard again.")
_OWN_TEXTS: Final = {
    sentence: re.compile(re.escape(sentence).replace(r"\{time\}", "(?P<time>[0-9:]+)"))
    for sentence in (NOTHING_HEARD, HEARD_AGAIN)
}
"""What the hub itself writes as the text of an alert: in English on the topics, in the reader's language where read."""
_NAMES: Final[dict[str, str]] = {
    "en": msgid("in English"),
    "de": msgid("in German"),
    "el": msgid("in Greek"),
    "es": msgid("in Spanish"),
    "fr": msgid("in French"),
    "it": msgid("in Italian"),
    "pl": msgid("in Polish"),
    "ro": msgid("in Romanian"),
}
_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_TAGS: Final = {name.removeprefix("in ").casefold(): tag for tag, name in _NAMES.items()}
"""Tags by the English names of languages, for who writes those."""
_OTHER_LANGUAGE: Final = msgid("in the language {code}")
_NOT_TRANSLATED: Final = msgid("not translated")


@cache
def _catalogue(language: Language) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    with (FOLDER / language / "bondmate.mo").open("rb") as file:
        return GNUTranslations(file)


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in one language; make them once and keep them."""

    language: Language = "en"
    _catalogue: NullTranslations = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_catalogue", _catalogue(self.language))

    def __call__(self, sentence: str, **values: object) -> str:
        """Return a sentence in the language, with `values` in their places."""
        # Under the empty sentence a catalogue keeps its head.
        said = self._catalogue.gettext(sentence) if sentence else ""
        return said.format_map({name: isolated(str(value)) for name, value in values.items()}) if values else said

    def reads(self, language: str | None) -> bool:
        """Return whether who reads the labels reads `language` too; one that nobody has stated is taken to be so."""
        return language is None or _main(language) == self.language

    def own(self, text: str) -> str | None:
        """Return a text that the hub itself wrote, in the language; None where it is none of those."""
        found = ((sentence, pattern.fullmatch(text)) for sentence, pattern in _OWN_TEXTS.items())
        return next((self(sentence, **match.groupdict()) for sentence, match in found if match), None)

    def text(self, text: str, language: str | None) -> str:
        """Return what somebody wrote, as it is, after its language if that is another: `[el] (in Greek, …) …`."""
        if not text or language is None or self.reads(language):
            return text
        code = _main(language)
        named = self(_NAMES[code]) if code in _NAMES else self(_OTHER_LANGUAGE, code=code)
        return f"[{code}] ({named}, {self(_NOT_TRANSLATED)}) {isolated(text)}"


def language_tag(tag: str) -> str:
    """Return a language as settings state it; raises ValueError where it is no tag of one (BCP 47)."""
    if _TAG.fullmatch(tag):
        return tag
    nearest = get_close_matches(tag.casefold(), _TAGS, n=1)
    hint = f"; did you mean `{_TAGS[nearest[0]]}`?" if nearest else ""
    raise ValueError(f"must be a language as BCP 47 writes it, as `de` or `el-GR`{hint}")


def labels_for(language: str | None) -> Labels:
    """Return the labels in a language that somebody has stated, in English where there are none in it."""
    code = _main(language or "")
    return Labels(next((known for known in LANGUAGES if known == code), "en"))


def isolated(text: str) -> str:
    """Return a text so that it changes no order of what stands beside it: within isolates where it might (UAX #9).

    Each line by itself, since an isolate ends where a paragraph does.
    """
    if text.isascii() or _OTHER_WAY.isdisjoint(map(bidirectional, text)):
        return text
    return _LINES.sub(lambda line: f"{_FIRST_STRONG_ISOLATE}{line[0]}{_POP_ISOLATE}", text)


def _main(language: str) -> str:
    return language.replace("_", "-").split("-")[0].casefold()


ENGLISH: Final = Labels()
