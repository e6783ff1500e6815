"""What must never stand in a log does not, whoever logs it; what a person needs is there."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from bondmate_monitoring import logs
from bondmate_schemas.catalogue import personal_fields
from bondmate_schemas.codec import RECORDS, CodecError

CANARY = "Müller"


@dataclass
class Log:
    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    logs.configure("info", renderer="json", stream=stream)
    yield Log(stream)
    root.handlers[:], level, logging.raiseExceptions = before
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = False
    structlog.reset_defaults()


def test_a_line_is_a_constant_event_with_values_as_keys(log: Log) -> None:
    structlog.get_logger("bondmate_demo").bind(connector="tak").warning("connector down", status="RECOVERABLE_ERROR")

    (line,) = log.lines
    assert line.pop("timestamp").endswith("Z")
    assert {
        "event": "connector down",
        "logger": "bondmate_demo",
        "level": "warning",
        "connector": "tak",
        "status": "RECOVERABLE_ERROR",
    } == line


def test_personal_and_secret_values_are_blanked_at_any_depth(log: Log) -> None:
    deep = {"alert": [{"callsign": CANARY, "position": {"latitude": CANARY}}]}
    structlog.get_logger("bondmate_hub").info(
        "seen", device_id=CANARY, hmac_secret=CANARY, Authorization=CANARY, body=deep
    )

    assert CANARY not in log.text
    assert logs.REDACTED == log.lines[0]["body"]["alert"][0]["callsign"]


def test_every_field_with_a_personal_tag_is_blanked() -> None:
    tagged = {path.rpartition(".")[2] for record in RECORDS for path, _ in personal_fields(record)}

    assert set() == tagged - logs.PERSONAL_KEYS
    assert "callsign" in tagged


def test_a_record_or_another_object_is_named_and_not_printed(log: Log) -> None:
    class Officer:
        def __repr__(self) -> str:
            return CANARY

    structlog.get_logger("bondmate_hub").info("seen", thing=Officer(), error=ValueError(CANARY), things=[Officer()])

    assert CANARY not in log.text
    assert ("Officer", "ValueError", ["Officer"]) == tuple(log.lines[0][key] for key in ("thing", "error", "things"))


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\x9b", "\u2028", "\u202e", "\u200b"])
def test_no_control_character_reaches_a_log_or_a_terminal(character: str) -> None:
    for renderer in ("json", "console"):
        stream = io.StringIO()
        logs.configure("info", renderer=renderer, stream=stream)
        structlog.get_logger("bondmate_hub").info(f"a{character}b", **{f"k{character}": f"v{character}{{w}}"})
        logging.getLogger("a_library").warning("x%sy", character)

        assert 2 == stream.getvalue().count("\n")
        assert character not in stream.getvalue().replace("\n", "")
        assert f"\\u{ord(character):04x}" in stream.getvalue()


def test_an_exception_is_told_by_kind_and_place_without_the_values_in_its_text(log: Log) -> None:
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise CodecError("not_avro", "header") from error
    except CodecError:
        structlog.get_logger("bondmate_hub").exception("a record does not decode")
        logging.getLogger("a_library").exception("crashed")

    assert CANARY not in log.text
    for line in log.lines:
        assert "bondmate_schemas.codec.CodecError: not_avro at header" == line["exception"][0]
        assert "ValueError" in line["exception"]
        assert any("test_logs.py" in frame for frame in line["exception"])


def test_an_exception_as_an_argument_of_a_library_s_message_loses_its_text(log: Log) -> None:
    logging.getLogger("a_library").warning("failed in %s: %r", "fetcher", KeyError(CANARY))
    logging.getLogger("a_library").error("failed: %s", ConnectionRefusedError(111, "Connection refused"))

    assert ["failed in fetcher: 'KeyError'", "failed: ConnectionRefusedError: Connection refused"] == [
        line["event"] for line in log.lines
    ]


def test_libraries_are_heard_from_warning_on_and_access_logs_never(log: Log) -> None:
    logging.getLogger("a_library").info("chatter")
    logging.getLogger("aiohttp.access").error("GET /devices/%s", CANARY)
    logging.getLogger("a_library").error("broken")

    assert ["broken"] == [line["event"] for line in log.lines]


def test_a_line_that_cannot_be_formatted_is_not_printed_raw(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("a_library").warning("two %s %s", CANARY)  # noqa: PLE1206 - what is tried

    assert CANARY not in capsys.readouterr().err + log.text


def test_the_level_is_the_hub_s_own(log: Log) -> None:
    logs.configure("debug", renderer="json", stream=log.stream)
    structlog.get_logger("bondmate_streams.x").debug("fine")
    logs.configure("error", renderer="json", stream=log.stream)
    structlog.get_logger("bondmate_streams.x").warning("not heard")

    assert ["fine"] == [line["event"] for line in log.lines]
    with pytest.raises(ValueError, match="LOUD"):
        logs.configure("loud")
