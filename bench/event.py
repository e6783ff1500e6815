"""`python -m bench.event`: what it costs that a thousand alerts are of one event, each told to twenty rooms.

Through the hub's logic, agreements and codec, without a broker: every alert raised, linked and told; then one receipt
and one press of one member at a time. Exit 1 when a promise is missed.

Usage: python -m bench.event [--alerts 1000] [--rooms 20]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from bondmate_connectors.contract import Writing
from bondmate_connectors.formats.cap import CapFormat
from bondmate_connectors.formats.cot import FORMAT as COT
from bondmate_schemas.codec import Codec, LocalSchemaIds
from bondmate_schemas.enums import AlertAction, AlertKind, DeliveryReason, Level, Mode, Response
from bondmate_schemas.models import AlertState, Delivery, DeliveryReceipt, DeviceAlert, EventHeader, Position
from bondmate_streams.logic import heard, states
from bondmate_streams.logic.alerts import take
from bondmate_streams.logic.deliveries import Agreements
from bondmate_streams.logic.grouping import Neighbours
from bondmate_streams.logic.outside import with_keys
from bondmate_streams.logic.rooms import Rooms
from bondmate_streams.logic.routes_yaml import parse_routes
from bondmate_streams.logic.routing import Decision
from bondmate_streams.logic.steps import Step

MOST_MS = 3.0
"""For one receipt or press of one member, in the middle: the 99th percentile tells of the machine too."""
MOST_BYTES = 4_096
"""Of one Delivery, whatever the event has grown to."""
_NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_SEES = "{text: plain, callsign: plain, unit: plain, position: plain, position_origin: plain}"


class Hub:
    """The parts of a worker that an alert goes through."""

    def __init__(self, rooms: int) -> None:
        names = [f"room-{number}" for number in range(rooms)]
        fields = "".join(f"  {name}: {{fields: {{alert: {_SEES}}}}}\n" for name in names)
        routes = f"destinations:\n{fields}routes: [{{name: alerts, when: {{record: alert}}, to: {names}}}]"
        self.agreements = Agreements(parse_routes(routes), b"a secret of the bench")
        self.decisions = [Decision(name, "alerts") for name in names]
        self.rooms = Rooms({name: f"agency-{name}" for name in names})
        self.codec = Codec(LocalSchemaIds())
        self.neighbours = Neighbours(600, 1_000)
        self.states: dict[str, AlertState] = {}

    def raised(self, number: int) -> list[bytes]:
        """Take the first press of a device; return what is written of it."""
        alert = _press(number, 1)
        self.neighbours.note(alert)
        change = take(alert, None, None, _NOW, self.neighbours.of).change
        assert change is not None
        return self.told(states.change(None, change, self.decisions, _NOW))

    def pressed(self, number: int, count: int) -> list[bytes]:
        """Take a further press."""
        state = self.states[f"event-{number:06}"]
        later = _NOW + timedelta(seconds=count)
        return self.told(states.change(state, _press(number, count), self.decisions, later))

    def received(self, number: int, room: str) -> list[bytes]:
        """Take that a room assigns a unit."""
        state = self.states[f"event-{number:06}"]
        header = state.header.model_copy(update={"message_id": f"said-{number}-{room}", "source": room})
        receipt = DeliveryReceipt(
            header=header, destination=room, level=Level.ACKNOWLEDGED, response=Response.ASSIGNED, unit="7"
        )
        return self.told(heard.receive(state, receipt, (), self.decisions, _NOW, rooms=self.rooms))

    def told(self, step: Step) -> list[bytes]:
        """Return what is written of a step: its deliveries, and its state last."""
        assert step.state is not None
        before = self.states.get(step.state.header.event_id)
        keyed = with_keys(before.destinations if before else (), step.state.destinations, self.agreements.outside)
        self.states[step.state.header.event_id] = state = step.state.model_copy(update={"destinations": keyed})
        made = (self.agreements.delivery(each, _NOW, keyed[each.destination].id_key) for each in step.notifications)
        return [*(self.codec.encode(each) for each in made if each), self.codec.encode(state)]


def _press(number: int, count: int) -> DeviceAlert:
    at = _NOW + timedelta(milliseconds=number, seconds=count - 1)
    header = EventHeader(
        message_id=f"press-{number:06}-{count}", event_id=f"event-{number:06}", incident_id=f"incident-{number:06}",
        agency_id="pd-north", mode=Mode.EXERCISE, occurred_at=at, received_at=at, source="device_http",
    )  # fmt: skip
    return DeviceAlert(
        header=header, device_id=f"device-{number:06}", callsign=f"Alpha {number:06}", unit="unit-1", press_count=count,
        action=AlertAction.RAISE if count == 1 else AlertAction.UPDATE, kind=AlertKind.SOS, text="man with a knife",
        position=Position(latitude=52.5, longitude=13.4, accuracy_m=8, fixed_at=at),
    )  # fmt: skip


def milliseconds(do: Callable[[int], object], numbers: Iterator[int]) -> list[float]:
    """Return how long each took."""
    found = []
    for number in numbers:
        # Of a processor, since others may share the machine.
        begun = time.thread_time()
        do(number)
        found.append((time.thread_time() - begun) * 1e3)
    return found


def p99(values: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def line(what: str, values: list[float], unit: str) -> str:
    """Return a line of the table."""
    return f"{what:46} p50 {statistics.median(values):8.2f}   p99 {p99(values):8.2f}   most {max(values):8.2f} {unit}"


def measure(alerts: int, rooms: int) -> list[str]:
    """Print what was measured; return what was promised and not kept."""
    hub = Hub(rooms)
    written: list[bytes] = []
    sizes: list[float] = []

    def begin(number: int) -> None:
        *deliveries, state = hub.raised(number)
        written.extend(deliveries)
        sizes.append(len(state))

    raised = milliseconds(begin, iter(range(alerts)))
    told = [hub.codec.decode(each, Delivery) for each in written]
    wrong = _unread(told, alerts, rooms)
    received = milliseconds(lambda number: hub.received(number, "room-1"), iter(range(alerts)))
    pressed = milliseconds(lambda number: hub.pressed(number, 2), iter(range(alerts)))
    print(line(f"an alert raised and told to {rooms} rooms", raised, "ms"))
    print(line("a receipt of one member", received, "ms"))
    print(line("a press of one member", pressed, "ms"))
    print(line("a Delivery", [float(len(each)) for each in written], "bytes"))
    print(line("the state of an alert, from the first to the last", sizes, "bytes"))
    for what, taken in (("receipt", received), ("press", pressed)):
        middle = statistics.median(taken)
        wrong += [f"a {what} takes {middle:.1f} ms"] * (middle > MOST_MS)
    wrong += ["a Delivery is too large"] * (max(map(len, written)) > MOST_BYTES)
    return wrong + ["the state grows with the event"] * (max(sizes[1:]) > sizes[1] + 16)


def _unread(told: list[Delivery], alerts: int, rooms: int) -> list[str]:
    wrong = []
    if len({each.id for each in told}) != alerts * rooms or any(one.reason is not DeliveryReason.NEW for one in told):
        wrong.append("not every alert is new at every room, once")
    linked = {one.alert.whole.group_id for one in told if one.alert and one.alert.whole and one.destination == "room-0"}
    if len(linked) != 1:
        wrong.append(f"a room reads {len(linked)} numbers of one event")
    some = told[:: max(1, len(told) // 500)]
    read = all(isinstance(by.write(each, _NOW), Writing) for each in some for by in (CapFormat(), COT))
    return wrong if read else [*wrong, "one cannot be read"]


def main() -> int:
    """Measure, print, say whether every figure holds."""
    parser = argparse.ArgumentParser(prog="bench.event", description=__doc__)
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--rooms", type=int, default=20)
    asked = parser.parse_args()
    wrong = measure(asked.alerts, asked.rooms)
    for each in wrong:
        print(f"MISSED {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
