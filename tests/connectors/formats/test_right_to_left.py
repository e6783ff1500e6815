"""Arabic and Hebrew in each dialect: what an officer wrote stands unbroken, and changes no order of what stands beside it.

Unicode, UAX #9: text whose direction is not known stands between FSI (U+2068) and PDI (U+2069) where a program composes a
sentence around it; else a number or a name behind it is shown in front.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from unicodedata import bidirectional

import orjson
import pytest
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cot.options import LEAN_BYTES, Options
from bondmate_connectors.formats.cot.write import companions, compose
from bondmate_connectors.formats.geojson import FORMAT as GEOJSON
from bondmate_connectors.formats.xml import parse_xml
from bondmate_connectors.testing import sos
from bondmate_schemas.enums import DeliveryKind, Level, MessageDirection, Response
from bondmate_schemas.labels import LANGUAGES, Labels, Language
from bondmate_schemas.models import Delivery, DeviceMessage, OtherRoom, Others

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS: Final = {"ar": "رجل معه سكين، المدخل 7", "he": "אדם עם סכין, כניסה 7"}
CALLSIGN: Final = "נשר 12"
ISOLATE: Final = re.compile("\u2068[^\u2068\u2069]*\u2069")


def alert(language: str) -> Delivery:
    """Return an alert of which everything that people wrote is from right to left."""
    event = sos()
    assert event.alert is not None
    header = event.alert.header.model_copy(update={"language": language})
    said = event.alert.model_copy(
        update={"header": header, "text": WORDS[language], "callsign": CALLSIGN, "unit": "יחידה 3"}
    )
    room = OtherRoom(
        agency="county", level=Level.ACKNOWLEDGED, response=Response.ASSIGNED, unit="12", words=WORDS[language]
    )
    return event.model_copy(update={"alert": said, "others": Others(rooms=(room,))})


def message(language: str) -> Delivery:
    event = sos()
    header = event.header.model_copy(update={"language": language})
    said = DeviceMessage(
        header=header, device_id="d", direction=MessageDirection.FROM_DEVICE, sender="d", text=WORDS[language],
        callsign=CALLSIGN,
    )  # fmt: skip
    return event.model_copy(update={"kind": DeliveryKind.MESSAGE, "alert": None, "message": said, "header": header})


def in_order(text: str) -> bool:
    """Whether nothing outside of isolates goes from right to left."""
    return not {"R", "AL"} & {bidirectional(mark) for mark in ISOLATE.sub("", text)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("spoken", WORDS)
def test_in_cap(spoken: str, language: Language) -> None:
    written = CapFormat(labels=Labels(language)).write(alert(spoken), NOW).message or b""
    info = parse_xml(written).find("{*}info")
    headline, description = info.findtext("{*}headline"), info.findtext("{*}description")

    assert CALLSIGN in headline
    assert 2 == description.count(WORDS[spoken])
    assert all(map(in_order, [headline, *description.splitlines()]))
    assert CALLSIGN in {pair.findtext("{*}value") for pair in info.findall("{*}parameter")}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("spoken", WORDS)
def test_in_chat_and_on_the_map(spoken: str, language: Language) -> None:
    options, delivery = Options(labels=Labels(language)), alert(spoken)
    composed = compose(delivery, NOW, options)
    documents = [*composed.documents, *companions(delivery, composed, NOW, options)]  # type: ignore[union-attr]
    remarks = [parse_xml(document).findtext("detail/remarks") for document in documents]

    assert 2 == len(remarks)
    assert len(documents[0]) <= LEAN_BYTES
    for text in remarks:
        assert WORDS[spoken] in text
        assert in_order(text)


@pytest.mark.parametrize("spoken", WORDS)
def test_a_message_alone_has_nothing_added(spoken: str) -> None:
    """It stands by itself, so that its own first letter decides, for who reads that language too."""
    line = compose(message(spoken), NOW, Options()).documents[0]  # type: ignore[union-attr]
    said = message(spoken)
    assert said.message is not None
    unstated = said.message.model_copy(update={"header": said.message.header.model_copy(update={"language": None})})
    alone = CapFormat().write(said.model_copy(update={"message": unstated}), NOW).message or b""

    assert WORDS[spoken] in parse_xml(line).findtext("detail/remarks")
    assert WORDS[spoken] == parse_xml(alone).findtext("{*}info/{*}description")


@pytest.mark.parametrize("spoken", WORDS)
def test_in_geojson_it_is_a_value_as_it_was_written(spoken: str) -> None:
    written = GEOJSON.write(alert(spoken), NOW).message or b""  # type: ignore[union-attr]

    assert f'"{WORDS[spoken]}"'.encode() in orjson.dumps(orjson.loads(written))
