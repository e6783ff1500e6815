"""What dispatchers read of the other rooms of an alert, in CAP and on TAK, and what machines read of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot.options import DEFAULT
from bondmate_connectors.formats.cot.write import companions, compose
from bondmate_connectors.formats.xml import parse_xml
from bondmate_connectors.testing import sos, update_of
from bondmate_gateway.mailbox.alert_progress import AlertProgress
from bondmate_gateway.mailbox.room_statements import listed, statements_of
from bondmate_schemas.enums import Level, Response, Validity
from bondmate_schemas.models import AlertState, Delivery, DestinationState, OtherRoom, Others, OthersTold

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SPACE = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}
ROOMS = (
    OtherRoom(
        agency="county", level=Level.ACKNOWLEDGED, response=Response.ASSIGNED, said_at=NOW, unit="7", by_ref="op-3",
        eta_at=NOW.replace(minute=5), words="from the river; 100%\nsure",
    ),
    OtherRoom(agency="pd-south", level=Level.DECLINED, response=Response.WITHDRAWN),
    OtherRoom(agency="pd-east", level=Level.ACKNOWLEDGED),
    OtherRoom(agency="pd-west", level=Level.CANCELLED, validity=Validity.FALSE),
)  # fmt: skip
WORDS = (
    'county: assigned, unit 7, ETA 12:05 UTC, by op-3: "from the river; 100%\nsure"',
    "pd-south: took its help back, NOT coming",
    "pd-east: seen",
    "pd-west: closed its part, called off, false alarm",
)


def news(*, only: bool = True) -> Delivery:
    others = Others(rooms=ROOMS, only_news=only, cause="statement-1" if only else None, hops=1 if only else 0)
    return update_of(sos(), 1).model_copy(update={"others": others})


def cap(delivery: Delivery) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the values of parameters by name, and the texts of the info."""
    document = parse_xml(CAP.write(delivery, NOW).message or b"")
    (info,) = document.iterfind("c:info", SPACE)
    values: dict[str, list[str]] = {}
    for one in info.iterfind("c:parameter", SPACE):
        values.setdefault(one.findtext("c:valueName", "", SPACE), []).append(one.findtext("c:value", "", SPACE))
    return values, {child.tag.rpartition("}")[2]: child.text or "" for child in info}


@pytest.mark.parametrize("only", [True, False])
def test_a_cap_room_reads_in_words_and_in_parameters_what_was_said_elsewhere(only: bool) -> None:
    values, texts = cap(news(only=only))

    for words in WORDS:
        assert f"{words}." in texts["description"]
    assert [
        (
            "agency=county; said=assigned; at=2026-05-01T12:00:00+00:00; unit=7; eta=2026-05-01T12:05:00+00:00; by=op-3;"
            " words=from the river%3B 100%25%0Asure"
        ),
        "agency=pd-south; said=withdrawn",
        "agency=pd-east; said=seen",
        "agency=pd-west; said=cancelled; validity=false",
    ] == values["bondmate:other"]
    assert only is texts["headline"].startswith("NEWS OF OTHER ROOMS. ")
    assert ("Monitor" if only else "Assess") == texts["responseType"]
    told = [values.get(f"bondmate:others_{name}") for name in ("only", "cause", "hops")]
    assert told == ([["true"], ["statement-1"], ["1"]] if only else [None, None, None])


def test_without_others_a_cap_message_says_nothing_of_them() -> None:
    values, texts = cap(sos())

    assert not [name for name in values if "other" in name]
    assert "Assess" == texts["responseType"]


def test_on_tak_news_is_a_line_of_its_own_that_asks_for_nothing_and_moves_nothing() -> None:
    def lines(delivery: Delivery) -> Any:
        written = companions(delivery, compose(delivery, NOW), NOW, DEFAULT)  # type: ignore[arg-type]  # no refusal
        return [b"".join(written).decode(), len(written)]

    only, beside = lines(news()), lines(news(only=False))

    assert ("county: assigned, unit 7" in only[0], "To acknowledge write" in only[0]) == (True, False)
    assert ("county: assigned, unit 7" in beside[0], "To acknowledge write" in beside[0]) == (True, True)
    assert (1, 2) == (only[1], beside[1]), "the position is not told again"


def test_a_device_learns_nothing_of_an_unlisted_room() -> None:
    alert = sos().alert
    assert alert is not None
    at = {name: DestinationState(level=Level.ACKNOWLEDGED, changed_at=NOW) for name in ("north", "hidden")}
    state = AlertState(
        header=alert.header, device_id=alert.device_id, alert=alert, destinations=at, changed_at=NOW,
        others=OthersTold(unlisted=("hidden",)),
    )  # fmt: skip

    assert (["north"], ["north"]) == (
        [said.destination for said in statements_of(state)],
        [name for name, _ in listed(state)],
    )
    assert () == AlertProgress.raised(alert).destinations
