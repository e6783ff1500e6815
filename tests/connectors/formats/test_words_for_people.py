"""What a dispatcher reads in each scenario, in each dialect: made of what the streams really emit (FINDINGS L8, L18).

The golden texts were written before the code, each with its clause. `north` reads CAP in English, `south` CAP in
Spanish, `tak` what stands in the chat and on the map. In the folders `de` and `el` everybody reads, and the officer
speaks, German or Greek.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cot.alert_code import short_code
from bondmate_connectors.formats.cot.alerts_out import alert_text, chat_line, write_alert
from bondmate_connectors.formats.cot.options import LEAN_BYTES, Options
from bondmate_connectors.formats.xml import parse_xml
from bondmate_schemas.enums import (
    AlertAction,
    AlertKind,
    EmergencyWord,
    Level,
    MessageDirection,
    Mode,
    PositionOrigin,
    Response,
    Validity,
)
from bondmate_schemas.labels import LANGUAGES, Labels, Language
from bondmate_schemas.models import (
    Delivery,
    DeliveryReceipt,
    DeviceAlert,
    DeviceMessage,
    EmergencyStart,
    EventHeader,
    Position,
)
from bondmate_streams.logic import heard, others, starting, states, timers
from bondmate_streams.logic.addressing import Officer
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision, Escalation
from bondmate_streams.logic.steps import Step

NOW: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOLDEN: Final = Path(__file__).parent / "golden_words"
ROOMS: Final = Rooms({"north": "pd-north", "south": "pd-south"}, can_assign=frozenset({"north"}))
DECISIONS: Final = [Decision(name, "alerts") for name in ("north", "south", "tak")]
SEES: Final = (
    "{text: plain, callsign: plain, unit: plain, position: plain, position_origin: plain, battery_percent: plain,"
    " position_age_seconds: plain, position.fixed_at: plain, whole.ended_words: plain, whole.linked_by: plain}"
)
AGREEMENTS: Final = Agreements(
    parse_routes(
        "destinations:\n"
        + "".join(f"  {name}: {{fields: {{alert: {SEES}}}}}\n" for name in ("north", "south", "tak"))
        + "routes: [{name: alerts, when: {record: alert}, to: [north, south, tak]}]"
    ),
    b"a secret of these tests",
)
LABELS: Final = {"north": Labels(), "south": Labels("es"), "tak": Labels()}
SAID: Final = {
    "man with a knife": {"de": "Mann mit Messer", "el": "άνδρας με μαχαίρι"},
    "he is back, knife": {"de": "wieder da, Messer", "el": "γύρισε, μαχαίρι"},
    "he dropped it": {"de": "aus Versehen", "el": "του έπεσε"},
    "crashed": {"de": "Unfall", "el": "τράκαρε"},
    "no answer on the radio": {"de": "keine Antwort über Funk", "el": "δεν απαντά στον ασύρματο"},
}
"""What people say where they speak another language."""
spoken: ContextVar[str] = ContextVar("spoken", default="en-GB")
SPACE: Final = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}


def header(second: int, mode: Mode = Mode.ACTUAL, language: str | None = None) -> EventHeader:
    at = NOW + timedelta(seconds=second)
    return EventHeader(
        message_id=f"m-{second}", event_id="event", incident_id="incident", agency_id="pd-north", mode=mode,
        occurred_at=at, received_at=at, source="device_http",
        language=language or spoken.get(),
    )  # fmt: skip


def press(second: int, action: AlertAction = AlertAction.RAISE, text: str | None = None, **given: Any) -> DeviceAlert:
    head = header(second, given.pop("mode", Mode.ACTUAL), given.pop("language", None))
    return DeviceAlert(
        header=head, device_id="device-1", action=action, text=in_their_language(text), callsign="Alpha 7", unit="North 4",
        **{"kind": AlertKind.SOS, **given},
    )  # fmt: skip


def in_their_language(text: str | None) -> str | None:
    return SAID.get(text or "", {}).get(spoken.get(), text)


class Played:
    """An alert, what happens to it, and what is told of it by the streams."""

    def __init__(self, alert: DeviceAlert | None = None) -> None:
        self.step = self._changed(None, alert or press(1, text="man with a knife"))

    def press(self, alert: DeviceAlert) -> Step:
        self.step = self._changed(self.step.state, alert)
        return self.step

    def says(self, second: int, room: str, **given: Any) -> Step:
        given["note"] = in_their_language(given.get("note"))
        receipt = DeliveryReceipt(header=header(second), destination=room, **given)
        self.step = heard.receive(self.step.state, receipt, {"tak"}, DECISIONS, at(second), rooms=ROOMS)
        return self.step

    def waits(self, second: int) -> Step:
        assert self.step.state is not None
        self.step = timers.due(self.step.state, DECISIONS, [Escalation(60, page=True)], NOW, at(second), rooms=ROOMS)
        return self.step

    @staticmethod
    def _changed(state: Any, alert: DeviceAlert) -> Step:
        return states.change(state, alert, DECISIONS, alert.header.received_at)


def at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


Scenario = Iterator[tuple[str, Step]]


def sos_without_gps() -> Scenario:
    played = Played()
    yield "she presses", played.step
    yield "she presses again", played.press(press(20, press_count=2))


def old_position_and_low_battery() -> Scenario:
    fix = Position(latitude=52.5, longitude=13.4, fixed_at=NOW - timedelta(hours=9))
    joined = {"position": fix, "position_origin": PositionOrigin.JOINED, "position_age_seconds": 9 * 3600.0}
    yield "she presses; the last fix is 9 h old", Played(press(1, battery_percent=4, **joined)).step


def asks_to_cancel() -> Scenario:
    played = Played()
    yield "she presses, then cancels", played.press(press(4, AlertAction.CANCEL))
    yield "she presses again", played.press(press(65, AlertAction.UPDATE, press_count=2))


def help_taken_back() -> Scenario:
    played = Played()
    played.says(10, "south", level=Level.ACKNOWLEDGED, response=Response.ASSIGNED, unit="7")
    yield (
        "south assigns a unit, then takes it back",
        played.says(60, "south", level=Level.DECLINED, response=Response.WITHDRAWN, note="crashed"),
    )


def closed_then_goes_on() -> Scenario:
    played = Played()
    yield (
        'north closes it as a false alarm: "he dropped it"',
        played.says(60, "north", level=Level.RESOLVED, validity=Validity.FALSE, note="he dropped it"),
    )
    late = press(2, AlertAction.RAISE)
    received = late.header.model_copy(update={"received_at": at(70)})
    yield "what she pressed before that comes late", played.press(late.model_copy(update={"header": received}))
    again = played.press(press(90, AlertAction.UPDATE, "he is back, knife"))
    assert again.reopened is not None
    yield '"he is back, knife"', Played(again.reopened).step


def exercise() -> Scenario:
    yield "an exercise device presses", Played(press(1, text="man with a knife", mode=Mode.EXERCISE)).step


def duress() -> Scenario:
    yield "she presses the duress key", Played(press(1, kind=AlertKind.DURESS, silent=True)).step


def greek_officer() -> Scenario:
    yield "a Greek officer presses", Played(press(1, text="Άνδρας με μαχαίρι", language="el")).step


def nobody_assigned() -> Scenario:
    played = Played()
    played.says(10, "north", level=Level.ACKNOWLEDGED)
    yield "north has seen it; 500 s later nobody is assigned", played.waits(500)


def one_incident() -> Scenario:
    """Return what is told of an officer's second alert, which the streams link to the first."""
    first = take(press(1, text="man with a knife"), None, None, at(1))
    down = press(20, kind=AlertKind.OFFICER_DOWN)
    down = down.model_copy(update={"header": down.header.model_copy(update={"event_id": "down", "incident_id": None})})
    second = take(down, first.memory, None, at(20)).change
    assert second is not None
    played = Played(second)
    yield "the same officer falls", played.step
    yield (
        "operations take it out: another event",
        played.says(40, "operations", code="unlink", by_ref="kim", note="two events"),
    )


def started_by_a_room() -> Scenario:
    """Return what is told of an emergency that north's room starts, without its place at who does not own it."""
    order = DeviceMessage(
        header=header(1).model_copy(update={"source": "north"}), device_id="", direction=MessageDirection.TO_DEVICE,
        sender="north", sender_ref="jane", text=in_their_language("no answer on the radio") or "",
    )  # fmt: skip
    officer = Officer("device-1", "pd-north", Mode.ACTUAL, "North 4", "Alpha 7", seen_at=NOW)
    fix = Position(latitude=52.5, longitude=13.4, fixed_at=NOW, accuracy_m=8)
    joined = {"position": fix, "position_origin": PositionOrigin.JOINED, "position_age_seconds": 1.0}
    for title, silent in (("north starts it", False), ("north starts one silently", True)):
        start = EmergencyStart(names=("Alpha 7",), kind=AlertKind.SOS, silent=silent)
        raised = starting.alert_of(order, start, officer, NOW, ROOMS).model_copy(update=joined)
        raised = raised.model_copy(update={"header": raised.header.model_copy(update={"event_id": "event"})})
        played = Played(raised)
        yield title, _beyond(played.step)
        if not silent:
            yield "north confirms it", _beyond(played.says(60, "north", emergency=EmergencyWord.CONFIRMED))
    yield "the officer presses aloud", _beyond(played.press(press(90, AlertAction.RAISE, press_count=2, **joined)))


def _beyond(step: Step) -> Step:
    assert step.state is not None
    told = starting.without_places(step.notifications, step.state, ROOMS.agencies)
    return replace(step, notifications=tuple(told))


SCENARIOS: Final[Mapping[str, Callable[[], Scenario]]] = {
    "01_sos_without_gps": sos_without_gps,
    "02_old_position_and_low_battery": old_position_and_low_battery,
    "03_asks_to_cancel": asks_to_cancel,
    "04_help_taken_back": help_taken_back,
    "05_closed_then_goes_on": closed_then_goes_on,
    "06_exercise": exercise,
    "07_duress": duress,
    "08_greek_officer": greek_officer,
    "09_nobody_assigned": nobody_assigned,
    "11_one_incident": one_incident,
    "12_started_by_a_room": started_by_a_room,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_dispatcher_reads_what_was_agreed(name: str) -> None:
    clause, *expected = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    assert clause.startswith("# ")
    told = (line for title, step in SCENARIOS[name]() for line in (f"--- {title}", *read(step, LABELS)))
    assert expected == "\n".join(told).splitlines()


@pytest.fixture(params=["de", "el"])
def foreign(request: pytest.FixtureRequest) -> Iterator[Labels]:
    token = spoken.set(request.param)
    yield Labels(request.param)
    spoken.reset(token)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_dispatcher_reads_it_in_the_language_of_the_room(name: str, foreign: Labels) -> None:
    expected = (GOLDEN / foreign.language / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    rooms = {"north": foreign, "tak": foreign}
    told = (line for title, step in SCENARIOS[name]() for line in (f"--- {title}", *read(step, rooms)))
    assert expected == "\n".join(told).splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_long_words_leave_a_headline_short_and_an_event_whole(name: str, language: Language) -> None:
    """160 characters are what CAP 1.2, 3.2.2, takes for short; some TAK servers take no event of more than 2048 bytes."""
    labels = Labels(language)
    for _, step in SCENARIOS[name]():
        told = {notification.destination: AGREEMENTS.delivery(notification, NOW) for notification in step.notifications}
        for delivery in filter(None, told.values()):
            assert delivery.alert is not None
            document = parse_xml(CapFormat(labels=labels).write(delivery, NOW).message or b"")
            event, is_cut = write_alert(delivery.alert, delivery, NOW, Options(labels=labels))

            assert len(document.findtext(".//c:headline", "", SPACE)) <= 160
            assert len(event) <= LEAN_BYTES
            assert not is_cut


def read(step: Step, rooms: Mapping[str, Labels]) -> Iterator[str]:
    """Return what everybody reads of a step."""
    if step.message:
        yield f"officer: {step.message.text}"
    notifications = others.beside(step.notifications, step.state, ROOMS) if step.state else step.notifications
    now = step.state.changed_at if step.state else NOW
    told = {notification.destination: AGREEMENTS.delivery(notification, now) for notification in notifications}
    for name, labels in rooms.items():
        if name != "tak" and (delivery := told.get(name)):
            yield from in_cap(name, delivery, labels)
    if delivery := told.get("tak"):
        assert delivery.alert is not None
        options = Options(reference=short_code(delivery.alert.header.event_id), labels=rooms["tak"])
        yield f"tak chat: {chat_line(delivery.alert, delivery, options).text}"
        yield f"tak map: {alert_text(delivery.alert, delivery, options)}"


def in_cap(name: str, delivery: Delivery, labels: Labels) -> Iterator[str]:
    document = parse_xml(CapFormat(labels=labels).write(delivery, NOW).message or b"")

    def text(element: str) -> str:
        return document.findtext(f".//c:{element}", "", SPACE)

    yield f"{name}: {text('status')} {text('msgType')}, {text('urgency')}"
    yield f"  {text('headline')}"
    yield from (f"  {line}" for line in text("description").splitlines())
    if asked := text("instruction"):
        yield f"  asked: {asked}"
    yield f"  where: {text('areaDesc')}"


def test_the_language_of_labels_is_stated_and_the_texts_own_goes_along() -> None:
    (_, step) = next(greek_officer())
    told = next(notification for notification in step.notifications if notification.destination == "south")
    delivery = AGREEMENTS.delivery(told, NOW)
    assert delivery is not None
    written = CapFormat(labels=Labels("es")).write(delivery, NOW).message or b""
    (read_back,) = CapFormat().read(written, NOW).events  # type: ignore[union-attr]

    assert "es" == parse_xml(written).findtext(".//c:language", "", SPACE)
    assert "el" == read_back.header.language
