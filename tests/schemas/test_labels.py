"""The hub's words are whole in every language, and what people wrote in any script stands in them unbroken."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any, Final
from unicodedata import bidirectional

import pytest
from babel.messages.catalog import Catalog
from bondmate_schemas.labels import HEARD_AGAIN, LANGUAGES, NOTHING_HEARD, Labels, isolated, labels_for
from hypothesis import given
from hypothesis import strategies as st

ROOT: Final = Path(__file__).resolve().parents[2]
TOOL: Final = runpy.run_path(str(ROOT / ".ci/labels.py"))
OTHERS: Final = [language for language in LANGUAGES if language != "en"]
HEAD: Final = "# A catalogue.\n# X-Native-Reader: no"
ISOLATE: Final = re.compile("\u2068[^\u2068\u2069]*\u2069")


def test_every_language_of_the_settings_has_a_catalogue() -> None:
    assert sorted(OTHERS) == TOOL["languages"]()


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_is_translated_and_what_equals_english_says_why(language: str) -> None:
    catalogue = TOOL["catalogue_of"](language)

    assert [] == [*TOOL["problems"](catalogue)]
    assert set(TOOL["words"]()) == {entry.id for entry in TOOL["entries"](catalogue)}


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_hub_reads_is_what_the_catalogue_says(language: Any) -> None:
    labels = Labels(language)

    for entry in TOOL["entries"](TOOL["catalogue_of"](language)):
        assert labels(entry.id) == entry.string


def catalogue(*entries: tuple[str, str], head: str = HEAD, **given: Any) -> Catalog:
    made = Catalog(locale="de", header_comment=head, fuzzy=False)
    for word, said in entries:
        made.add(word, said, **given)
    return made


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (catalogue(("seen", "")), "no translation"),
        (catalogue(("seen", "gesehen"), flags={"fuzzy"}), "a doubtful one"),
        (catalogue(("unit {unit}", "Einheit")), "other placeholders"),
        (catalogue(("unit", "Einheit {unit}")), "other placeholders"),
        (catalogue(("TEST", "TEST")), "equals the English"),
        (catalogue(head="# A catalogue."), "X-Native-Reader"),
    ],
)
def test_a_catalogue_that_is_not_ready_is_named(wrong: Catalog, told: str) -> None:
    (problem,) = TOOL["problems"](wrong)

    assert told in problem


def test_a_word_that_equals_english_for_a_reason_is_ready() -> None:
    assert [] == [*TOOL["problems"](catalogue(("TEST", "TEST"), user_comments=["the same word"]))]


def test_nothing_said_is_nothing_in_any_language() -> None:
    """Gettext keeps the head of a catalogue under the empty sentence."""
    assert {""} == {Labels(language)("") for language in LANGUAGES}


@pytest.mark.parametrize(
    ("stated", "taken"), [("de-AT", "de"), ("EL", "el"), ("pl_PL", "pl"), ("nl", "en"), ("", "en"), (None, "en")]
)
def test_who_speaks_what_there_are_no_words_in_reads_english(stated: str | None, taken: str) -> None:
    assert taken == labels_for(stated).language


def test_what_the_hub_wrote_as_the_text_of_an_alert_is_known_again_and_nothing_else_is() -> None:
    labels = Labels("de")

    assert "Seit 12:00:01 UTC kam nichts mehr von diesem Gerät." == labels.own(NOTHING_HEARD.format(time="12:00:01"))
    assert "Das Gerät meldet sich wieder." == labels.own(HEARD_AGAIN)
    assert labels.own("Nothing was heard of this device since noon.") is None


@given(st.text())
def test_a_text_of_any_script_stands_unbroken_between_isolates_that_keep_its_order_to_itself(text: str) -> None:
    shown = isolated(text)
    added = beside(text, shown)

    assert {*added} <= {"\u2068", "\u2069"}
    if not {"\u2068", "\u2069"} & {*text}:
        outside = ISOLATE.sub("", shown)
        assert not {"R", "AL"} & {bidirectional(mark) for mark in outside}


def beside(text: str, shown: str) -> list[str]:
    """Return what stands in `shown` beside `text`, in order."""
    rest, added = iter(text), []
    awaited = next(rest, None)
    for mark in shown:
        if mark == awaited:
            awaited = next(rest, None)
        else:
            added.append(mark)
    assert awaited is None
    return added


def test_latin_text_gets_no_isolates() -> None:
    assert "Ängström 7" == isolated("Ängström 7")
    assert '"Μαχαίρι"' == Labels()("In their words: {words}", words='"Μαχαίρι"').removeprefix("In their words: ")
