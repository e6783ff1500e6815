"""Incidents, messages, audit trail and tracks of devices, as pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import AuditAction, DeliveryReason, IncidentAction, Level, MessageDirection
from bondmate_schemas.flags import DROP_WHEN_LATE, MARK_WHEN_LATE
from bondmate_schemas.ids import derived_id
from bondmate_schemas.models import AuditRecord, Code, UnitStatus
from bondmate_streams.agents.known_devices import KnownDevices
from bondmate_streams.logic import incidents, messages
from bondmate_streams.logic.audit import AuditEntry, Chain, breaks, hash_of
from bondmate_streams.logic.deliveries import Agreements, Notification
from bondmate_streams.logic.routes_yaml import RoutesError, parse_routes
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECISIONS = [Decision("tak", "incidents"), Decision("cap", "incidents")]


def told(taken: Any) -> list[tuple[str, DeliveryReason]]:
    return [(notification.destination, notification.reason) for notification in taken.notifications]


class TestIncidents:
    def test_it_is_new_then_updated_then_ended(self, make: Any) -> None:
        same = {"event_id": "e", "incident_id": "i"}
        opened = incidents.take(None, make.incident(**same), DECISIONS, NOW)
        update = make.incident(**same, action=IncidentAction.UPDATED)
        updated = incidents.take(opened.memory, update, DECISIONS, NOW)
        closed = incidents.take(updated.memory, make.incident(**same, action=IncidentAction.CLOSED), DECISIONS, NOW)

        assert [("tak", DeliveryReason.NEW), ("cap", DeliveryReason.NEW)] == told(opened)
        assert derived_id("delivery", "e", "tak") == opened.notifications[0].delivery_id
        assert [("tak", DeliveryReason.UPDATE), ("cap", DeliveryReason.UPDATE)] == told(updated)
        assert derived_id("delivery", "e", "tak", update.header.message_id) == updated.notifications[0].delivery_id
        assert [("tak", DeliveryReason.CANCEL), ("cap", DeliveryReason.CANCEL)] == told(closed)
        assert (True, 3) == (closed.memory.state.closed, closed.memory.state.event_count)

    def test_a_repeat_is_told_to_nobody(self, make: Any) -> None:
        event = make.incident()
        memory = incidents.take(None, event, DECISIONS, NOW).memory
        again = incidents.take(memory, event, DECISIONS, NOW)

        assert ("repeat", None, ()) == (again.outcome, again.memory, again.notifications)

    def test_an_end_of_what_nobody_heard_of_is_told_as_an_end(self, make: Any) -> None:
        step = incidents.take(None, make.incident(action=IncidentAction.CANCELLED), DECISIONS, NOW)

        assert [("tak", DeliveryReason.CANCEL), ("cap", DeliveryReason.CANCEL)] == told(step)

    def test_who_was_told_hears_the_end_though_the_routes_changed(self, make: Any) -> None:
        memory = incidents.take(None, make.incident(event_id="e"), DECISIONS, NOW).memory
        end = make.incident(event_id="e", action=IncidentAction.CLOSED, source="cap")
        step = incidents.take(memory, end, [], NOW)

        assert [("tak", DeliveryReason.CANCEL)] == told(step)

    def test_a_second_report_of_the_incident_is_new(self, make: Any) -> None:
        memory = incidents.take(None, make.incident(event_id="e1", incident_id="i"), DECISIONS, NOW).memory
        step = incidents.take(memory, make.incident(event_id="e2", incident_id="i"), DECISIONS, NOW)

        assert [("tak", DeliveryReason.NEW), ("cap", DeliveryReason.NEW)] == told(step)

    def test_the_state_is_what_was_told_last_over_what_was_told_before(self, make: Any) -> None:
        unit = UnitStatus(unit="4", status=Code(system="s", value="assigned"))
        there = UnitStatus(unit="4", status=Code(system="s", value="on scene"))
        old = make.incident(title="fire", description="a house", units=(unit,), alert_id="a", occurred_at=NOW)
        new = make.incident(title="big fire", units=(there,), occurred_at=NOW + timedelta(minutes=1))
        late = make.incident(title="smoke", instruction="stay in", occurred_at=NOW - timedelta(minutes=1))
        memory = None
        for event in (old, new, late):
            memory = incidents.take(memory, event, [], NOW).memory
        state = memory.state

        assert ("big fire", "a house", "stay in") == (
            state.event.title,
            state.event.description,
            state.event.instruction,
        )
        assert ((there,), ("a",)) == (state.event.units, state.alert_ids)

    def test_a_receipt_raises_the_level_of_its_destination(self, make: Any) -> None:
        memory = incidents.take(None, make.incident(event_id="e"), DECISIONS, NOW).memory
        step = incidents.receive(memory, make.receipt("e", "cap", Level.ACCEPTED), NOW)
        lower = incidents.receive(step.memory, make.receipt("e", "cap", Level.DELIVERED), NOW)

        assert Level.ACCEPTED == step.memory.state.destinations["cap"].level
        assert ("no_rise", None) == (lower.outcome, lower.memory)
        assert "unknown_incident" == incidents.receive(None, make.receipt("e", "cap", Level.ACCEPTED), NOW).outcome


class TestMessages:
    def test_two_messages_of_one_conversation_are_two_deliveries(self, make: Any) -> None:
        one, two = (messages.tell(make.message(event_id="talk"), DECISIONS)[0].delivery_id for _ in range(2))

        assert one != two

    def test_the_true_device_is_written_on_it_once(self, make: Any) -> None:
        message = make.message("a pseudonym", direction=MessageDirection.TO_DEVICE, source="tak")
        true = messages.addressed(message, "device-1", NOW)

        assert "device-1" == true.device_id
        assert message.header.message_id != true.header.message_id
        assert true.header == messages.addressed(message, "device-1", NOW).header
        assert (False, True) == (messages.is_addressed(message), messages.is_addressed(true))

    def test_a_destinations_pseudonym_means_its_device_and_another_destinations_does_not(self) -> None:
        agreements = Agreements(parse_routes("destinations: {tak: {}, cap: {}}"), b"a secret of tests")
        known = KnownDevices(agreements, lambda: ["enrolled"])
        known.add("heard")
        name = agreements.name_of("tak", "heard")

        assert "heard" == known.meant("tak", name)
        assert None is known.meant("cap", name)
        assert "enrolled" == known.meant("tak", agreements.name_of("tak", "enrolled"))
        known.add("later")
        assert "later" == known.meant("tak", agreements.name_of("tak", "later"))
        assert "later" == known.meant("cap", "later")
        assert None is known.meant("nobody", name)


class TestAgreements:
    def test_the_earlier_of_the_two_expiries_holds(self, make: Any) -> None:
        agreements = Agreements(parse_routes("destinations: {a: {max_age_seconds: {alert: 60}}, b: {}}"), b"s")
        at = NOW + timedelta(seconds=30)

        def expiry(destination: str, **given: Any) -> Any:
            alert = make.alert(received_at=NOW, **given)
            return agreements.delivery(
                Notification(destination, "r", DeliveryReason.NEW, "id", alert), NOW
            ).header.expires_at

        assert NOW + timedelta(seconds=60) == expiry("a")
        assert at == expiry("a", expires_at=at)
        assert at == expiry("b", expires_at=at)
        assert None is expiry("b")

    def test_what_a_destination_wants_of_late_mail_goes_with_it_and_not_into_the_event(self, make: Any) -> None:
        text = """destinations:
          a: &seen {fields: {alert: {position: plain}}, late: {alert: drop, message: mark}}
          b: {<<: *seen, late: {alert: mark}}
          c: {<<: *seen, late: {}}"""
        agreements = Agreements(parse_routes(text), b"s")

        def flags(destination: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
            notification = Notification(destination, "r", DeliveryReason.NEW, "id", make.alert(flags=("late",)))
            made = agreements.delivery(notification, NOW)
            return made.header.flags, made.event.header.flags

        assert (("late", DROP_WHEN_LATE), ("late",)) == flags("a")
        assert (("late", MARK_WHEN_LATE), ("late",)) == flags("b")
        assert (("late",), ("late",)) == flags("c")

    def test_late_mail_is_marked_or_dropped_and_nothing_else(self) -> None:
        with pytest.raises(RoutesError) as wrong:
            parse_routes("destinations: {a: {late: {alert: forget}}}")

        assert "destinations.a.late.alert" in str(wrong.value)


def chain_of(count: int) -> list[AuditRecord]:
    chain, records = Chain("w"), []
    for number in range(count):
        chain, record = chain.append(AuditEntry(AuditAction.DISCLOSURE, recipient=str(number)), NOW)
        records.append(record)
    return records


class TestAudit:
    def test_a_chain_is_unbroken_also_with_repeats_and_several_writers(self) -> None:
        one = chain_of(5)
        _, other = Chain("x").append(AuditEntry(AuditAction.OTHER), NOW)

        assert [] == breaks([*one[:2], other, one[0], one[1], *one[2:]])

    @pytest.mark.parametrize("fault", ["changed", "removed", "swapped", "added", "rewritten"])
    def test_every_change_of_a_chain_shows(self, fault: str) -> None:
        records = chain_of(5)
        if fault == "changed":
            records[2] = records[2].model_copy(update={"recipient": "other"})
        if fault == "removed":
            del records[2]
        if fault == "swapped":
            records[2], records[3] = records[3], records[2]
        if fault == "added":
            records.insert(2, records[2].model_copy(update={"recipient": "other"}))
        if fault == "rewritten":
            forged = records[2].model_copy(update={"recipient": "other"})
            records[2] = forged.model_copy(update={"hash": hash_of(forged)})

        assert breaks(records)

    def test_a_chain_goes_on_where_it_stood(self) -> None:
        records = chain_of(3)
        chain = Chain("w")
        for record in records:
            chain = chain.after(record)
        _, fourth = chain.append(AuditEntry(AuditAction.OTHER), NOW)

        assert [] == breaks([*records, fourth])
        assert chain == chain.after(records[0])
