"""Nobody but its owner ends an incident: not who can name its messages, its id or its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bondmate_schemas.enums import DeliveryReason, IncidentAction, Mode
from bondmate_schemas.error_codes import MODE_DIFFERS, NOT_ITS_OWN
from bondmate_schemas.flags import NAMED_BESIDE, UNPROVEN
from bondmate_schemas.models import IncidentEvent, IncidentMemory
from bondmate_streams.logic import links
from bondmate_streams.logic.incidents import IncidentOutcome, take
from bondmate_streams.logic.routing import Decision

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
A = {"source": "cad-a", "agency_id": "a"}
B = {"source": "cad-b", "agency_id": "b"}
OWN = {"event_id": "e", "incident_id": "i"}
REFERS = {**OWN, "refers_to": ("e",)}
CLOSED, CANCELLED = IncidentAction.CLOSED, IncidentAction.CANCELLED


def taken(memory: IncidentMemory | None, event: IncidentEvent) -> IncidentOutcome:
    return take(memory, event, [Decision("tak", "incidents")], NOW)


def after(*events: IncidentEvent) -> IncidentMemory:
    memory = None
    for event in events:
        memory = taken(memory, event).memory or memory
    assert memory is not None
    return memory


def reasons(step: IncidentOutcome) -> list[DeliveryReason]:
    return [notification.reason for notification in step.notifications]


@pytest.mark.parametrize("named", [OWN, REFERS, {"event_id": "never heard of", "incident_id": "i"}])
@pytest.mark.parametrize("action", [CLOSED, CANCELLED])
def test_who_can_name_it_does_not_end_it_and_its_owner_does(make: Any, named: Any, action: Any) -> None:
    memory = after(make.incident(**OWN, **A), make.incident(**REFERS, **B, action=IncidentAction.UPDATED))
    refused = taken(memory, make.incident(**named, **B, action=action))
    ended = taken(memory, make.incident(**OWN, **A, action=action))

    assert (NOT_ITS_OWN, None, ()) == (refused.outcome, refused.memory, refused.notifications)
    assert ended.memory is not None
    assert ended.memory.state.closed
    assert [DeliveryReason.CANCEL] == reasons(ended)


@pytest.mark.parametrize("mode", [Mode.EXERCISE, Mode.TEST, Mode.SYSTEM])
@pytest.mark.parametrize("action", [CLOSED, CANCELLED, IncidentAction.UPDATED])
def test_an_exercise_neither_ends_nor_changes_what_is_real_and_its_owner_in_earnest_does(
    make: Any, mode: Mode, action: IncidentAction
) -> None:
    memory = after(make.incident(**OWN, **A, mode=Mode.ACTUAL))
    refused = taken(memory, make.incident(**REFERS, **A, action=action, mode=mode))
    real = taken(memory, make.incident(**REFERS, **A, action=action, mode=Mode.ACTUAL))

    assert (MODE_DIFFERS, None, ()) == (refused.outcome, refused.memory, refused.notifications)
    assert 1 == len(real.notifications)


def test_what_is_real_ends_an_exercise_and_makes_it_real(make: Any) -> None:
    memory = after(make.incident(**OWN, **A, mode=Mode.EXERCISE))
    drill = taken(memory, make.incident(**REFERS, **A, action=CLOSED, mode=Mode.EXERCISE))
    real = after(
        make.incident(**OWN, **A, mode=Mode.EXERCISE),
        make.incident(**REFERS, **A, action=IncidentAction.UPDATED, mode=Mode.ACTUAL),
    )

    assert [DeliveryReason.CANCEL] == reasons(drill)
    assert Mode.ACTUAL is real.state.header.mode
    assert MODE_DIFFERS == taken(real, make.incident(**REFERS, **A, action=CLOSED, mode=Mode.EXERCISE)).outcome


def test_a_real_message_that_an_exercise_has_played_before_is_no_repeat(make: Any) -> None:
    """A recorded alert is played as an exercise, under the ids it has, while its authority issues it."""
    played = [make.incident(**OWN, **B, mode=Mode.EXERCISE, message_id="e"),
              make.incident(**REFERS, **B, mode=Mode.EXERCISE, message_id="u", action=IncidentAction.UPDATED)]  # fmt: skip
    real = [event.model_copy(update={"header": event.header.model_copy(update={**A, "mode": Mode.ACTUAL})})
            for event in played]  # fmt: skip
    outcomes, memory = [], after(*played)
    for event in [*real, *real]:
        step = taken(memory, event)
        outcomes.append((step.outcome, len(step.notifications)))
        memory = step.memory or memory

    ended = taken(memory, make.incident(**REFERS, **A, action=CANCELLED, mode=Mode.ACTUAL))

    assert [("opened", 1), ("updated", 1), ("repeat", 0), ("repeat", 0)] == outcomes
    assert Mode.ACTUAL is memory.state.header.mode
    assert [DeliveryReason.CANCEL] == reasons(ended)


def test_what_was_played_to_its_end_still_begins_in_earnest(make: Any) -> None:
    memory = after(
        make.incident(**OWN, **A, mode=Mode.EXERCISE, message_id="e"),
        make.incident(**REFERS, **A, mode=Mode.EXERCISE, action=CANCELLED),
    )
    for action in (IncidentAction.OPENED, IncidentAction.UPDATED):
        real = taken(memory, make.incident(**OWN, **A, mode=Mode.ACTUAL, action=action, message_id="e"))

        assert real.notifications
        assert real.memory is not None
        assert not real.memory.state.closed


def test_news_of_no_known_mode_is_told_and_ends_nothing(make: Any) -> None:
    memory = after(make.incident(**OWN, **A, mode=Mode.ACTUAL))
    news = make.incident(**REFERS, **A, action=IncidentAction.UPDATED, mode=Mode.UNKNOWN)

    assert [DeliveryReason.UPDATE] == reasons(taken(memory, news))
    assert MODE_DIFFERS == taken(memory, make.incident(**REFERS, **A, action=CLOSED, mode=Mode.UNKNOWN)).outcome


def test_an_exercises_end_that_comes_first_holds_back_nothing_real(make: Any) -> None:
    memory = after(make.incident(**REFERS, **A, action=CANCELLED, mode=Mode.EXERCISE))
    alert = make.incident(**OWN, **A, mode=Mode.ACTUAL, message_id="e")
    told = taken(memory, alert)

    assert told.notifications
    assert told.memory is not None
    assert (Mode.ACTUAL, False) == (told.memory.state.header.mode, told.memory.state.closed)


def test_who_took_part_ends_its_part_and_the_whole_stays_open(make: Any) -> None:
    part = {"event_id": "part", "incident_id": "i"}
    memory = after(make.incident(**OWN, **A), make.incident(**part, **B))
    ended = taken(memory, make.incident(**part, **B, action=CLOSED))

    assert ended.memory is not None
    assert [DeliveryReason.CANCEL] == reasons(ended)
    assert not ended.memory.state.closed
    assert NOT_ITS_OWN == taken(memory, make.incident(**part, **A, action=CLOSED)).outcome
    assert after(make.incident(**OWN, **A), make.incident(**OWN, **A, action=CLOSED)).state.closed


@pytest.mark.parametrize("named", [REFERS, {"event_id": "never heard of", "incident_id": "i"}])
def test_who_ends_it_before_it_begins_neither_owns_it_nor_keeps_it_from_its_owner(make: Any, named: Any) -> None:
    early = make.incident(**named, **B, action=CANCELLED, occurred_at=NOW + timedelta(hours=1))
    memory = after(early, make.incident(**OWN, **A))

    assert not memory.state.closed
    assert "cad-a" == memory.state.header.source
    assert NOT_ITS_OWN == taken(memory, make.incident(**OWN, **B, action=CANCELLED)).outcome
    ended = taken(memory, make.incident(**OWN, **A, action=CANCELLED)).memory
    assert ended is not None
    assert ended.state.closed


def test_who_went_on_from_it_before_it_begins_does_not_own_it(make: Any) -> None:
    early = make.incident(**REFERS, **B, action=IncidentAction.UPDATED)
    memory = after(early, make.incident(**OWN, **A))

    assert NOT_ITS_OWN == taken(memory, make.incident(**OWN, **B, action=CLOSED)).outcome
    assert "cancelled" == taken(memory, make.incident(**OWN, **A, action=CANCELLED)).outcome


def test_another_connector_of_the_owners_agency_ends_it_if_it_proves_who_it_is(make: Any) -> None:
    memory = after(make.incident(**OWN, **A))
    other = {**OWN, "source": "feed-a", "agency_id": "a", "action": CLOSED}
    nameless = after(make.incident(**OWN, source="x", agency_id=""))

    assert NOT_ITS_OWN == taken(memory, make.incident(**other, flags=(UNPROVEN,))).outcome
    assert "closed" == taken(memory, make.incident(**other)).outcome
    assert NOT_ITS_OWN == taken(nameless, make.incident(**OWN, source="y", agency_id="", action=CLOSED)).outcome


def test_a_feed_that_proves_nothing_ends_what_it_began_itself(make: Any) -> None:
    feed = {**OWN, "source": "feed", "agency_id": "", "flags": (UNPROVEN,)}

    assert after(make.incident(**feed), make.incident(**feed, action=CANCELLED)).state.closed


def test_of_two_agencies_by_one_gateway_the_other_ends_nothing(make: Any) -> None:
    by_gateway = {**OWN, "source": "gateway"}
    memory = after(make.incident(**by_gateway, agency_id="a", device_id="d1"))

    def end(agency_id: str) -> str:
        event = make.incident(**by_gateway, agency_id=agency_id, device_id="d2", action=CLOSED)
        return taken(memory, event).outcome

    assert [NOT_ITS_OWN, "closed"] == [end("b"), end("a")]


def test_a_connector_whose_agency_was_set_meanwhile_ends_what_it_began(make: Any) -> None:
    memory = after(make.incident(**OWN, source="cad-a", agency_id="what its sender said"))

    assert "closed" == taken(memory, make.incident(**OWN, **A, action=CLOSED)).outcome


def test_what_a_hub_remembered_that_kept_no_owners_is_of_who_began_it(make: Any) -> None:
    memory = after(make.incident(**OWN, **A)).model_copy(update={"owners": ()})

    assert NOT_ITS_OWN == taken(memory, make.incident(**OWN, **B, action=CLOSED)).outcome
    assert "closed" == taken(memory, make.incident(**OWN, **A, action=CLOSED)).outcome


def test_many_events_of_others_do_not_make_the_hub_forget_the_owner(make: Any) -> None:
    others = [make.incident(event_id=f"b-{number}", incident_id="i", **B) for number in range(200)]
    memory = after(make.incident(**OWN, source="gateway", agency_id="a", device_id="d"), *others)
    end = {**OWN, "source": "gateway", "device_id": "d", "action": CLOSED}

    assert len(memory.owners) <= 65
    assert NOT_ITS_OWN == taken(memory, make.incident(**end, agency_id="b")).outcome
    assert "closed" == taken(memory, make.incident(**end, agency_id="a")).outcome


def as_older(memory: IncidentMemory, *, kept: bool = False) -> IncidentMemory:
    """Return what a hub remembered of it that kept no owners; the released one kept nothing beside either."""
    return memory.model_copy(update={"owners": ()} if kept else {"owners": (), "ended": (), "first_sent": ()})


@pytest.mark.parametrize("kept", [False, True])
def test_after_an_upgrade_who_goes_on_from_it_first_does_not_own_it_and_who_began_it_does(make: Any, kept: Any) -> None:
    update = make.incident(**REFERS, **B, action=IncidentAction.UPDATED)
    went_on = taken(as_older(after(make.incident(**OWN, **A)), kept=kept), update).memory

    assert NOT_ITS_OWN == taken(went_on, make.incident(**OWN, **B, action=CLOSED)).outcome
    ended = taken(went_on, make.incident(**OWN, **A, action=CLOSED)).memory
    assert ended is not None
    assert ended.state.closed


def test_after_an_upgrade_a_part_is_ended_by_who_took_part_whoever_goes_on_from_it_first(make: Any) -> None:
    part = {"event_id": "part", "incident_id": "i"}
    old = as_older(after(make.incident(**OWN, **A), make.incident(**part, **B)))
    update = make.incident(**part, **A, action=IncidentAction.UPDATED, refers_to=("part",))
    for memory in (old, taken(old, update).memory):
        ended = taken(memory, make.incident(**part, **B, action=CLOSED))

        assert [DeliveryReason.CANCEL] == reasons(ended)
        assert ended.memory is not None
        assert not ended.memory.state.closed


@pytest.mark.parametrize("updates", [0, 300])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("named", [OWN, REFERS])
def test_after_an_upgrade_no_exercise_opens_what_was_real_and_closed_and_its_owner_does(
    make: Any, named: Any, kept: Any, updates: int
) -> None:
    real = {"mode": Mode.ACTUAL}
    news = (make.incident(**REFERS, **A, **real, action=IncidentAction.UPDATED) for _ in range(updates))
    closed = after(make.incident(**OWN, **A, **real), *news, make.incident(**named, **A, **real, action=CLOSED))
    old = as_older(closed, kept=kept)
    later = NOW + timedelta(days=400)
    again = taken(old, make.incident(**OWN, **A, **real, occurred_at=later)).memory

    assert MODE_DIFFERS == taken(old, make.incident(**OWN, **B, mode=Mode.EXERCISE, occurred_at=later)).outcome
    assert again is not None
    assert not again.state.closed
    assert NOT_ITS_OWN == taken(again, make.incident(**OWN, **B, **real, action=CLOSED)).outcome


@pytest.mark.parametrize("named", [OWN, REFERS])
def test_after_an_upgrade_who_only_ended_it_does_not_own_it(make: Any, named: Any) -> None:
    ends = [make.incident(**named, **B, action=CANCELLED, occurred_at=NOW + timedelta(hours=at)) for at in (2, 1)]
    begun = taken(as_older(after(*ends)), make.incident(**OWN, **A)).memory

    assert begun is not None
    assert "cad-a" == begun.state.header.source
    assert NOT_ITS_OWN == taken(begun, make.incident(**OWN, **B, action=CLOSED)).outcome


def test_who_played_it_and_ended_it_in_earnest_does_not_own_what_is_real(make: Any) -> None:
    played = make.incident(**OWN, **B, mode=Mode.EXERCISE)
    end = make.incident(**REFERS, **B, mode=Mode.ACTUAL, action=CANCELLED)
    memory = after(played, end, make.incident(**OWN, **A, mode=Mode.ACTUAL))

    assert "cad-a" == memory.state.header.source
    assert "closed" == taken(memory, make.incident(**OWN, **A, mode=Mode.ACTUAL, action=CLOSED)).outcome


def test_who_began_a_part_that_is_forgotten_ends_it_and_not_the_whole(make: Any) -> None:
    part = {"event_id": "part", "incident_id": "i"}
    others = [make.incident(event_id=f"a-{number}", incident_id="i", **A) for number in range(64)]
    few, many = (after(make.incident(**OWN, **A), make.incident(**part, **B), *some) for some in (others[:9], others))
    ended = taken(many, make.incident(**part, **B, action=CLOSED))

    assert "part" not in many.told
    assert [DeliveryReason.CANCEL] == reasons(ended)
    assert ended.memory is not None
    assert not ended.memory.state.closed
    assert NOT_ITS_OWN == taken(few, make.incident(**{**part, "event_id": "of nobody"}, **B, action=CLOSED)).outcome


def test_an_owners_end_by_the_id_of_an_unheard_event_closes_the_incident(make: Any) -> None:
    end = make.incident(event_id="never heard of", incident_id="i", **A, action=CLOSED)

    assert after(make.incident(**OWN, **A), end).state.closed


def test_who_goes_on_in_earnest_from_what_was_played_owns_that(make: Any) -> None:
    part = {"event_id": "part", "incident_id": "i"}
    news = {"action": IncidentAction.UPDATED, "mode": Mode.ACTUAL, **A}
    memory = after(
        make.incident(**OWN, **B, mode=Mode.EXERCISE), make.incident(**part, **B, mode=Mode.EXERCISE),
        make.incident(**REFERS, **news), make.incident(**part, refers_to=("part",), **news),
    )  # fmt: skip
    end = {**part, "action": CLOSED, "mode": Mode.ACTUAL}

    assert NOT_ITS_OWN == taken(memory, make.incident(**end, **B)).outcome
    assert "closed" == taken(memory, make.incident(**end, **A)).outcome


def test_who_takes_its_marker_off_the_map_ends_it_and_what_nobody_knows_is_told_to_nobody(make: Any) -> None:
    memory = after(make.incident(event_id="e", **A))
    deleted = {"event_id": "e", "refers_to": ("e",), "flags": (NAMED_BESIDE,), "action": CANCELLED}
    own, foreign = (make.incident(**deleted, **who) for who in (A, B))
    unknown = links.meet(own, None, None, 0, NOW)
    assert unknown.event is None
    for said in (own, foreign):
        assert said == links.meet(said, memory, None, 0, NOW).event

    assert [DeliveryReason.CANCEL] == reasons(taken(memory, own))
    assert (NOT_ITS_OWN, ()) == (taken(memory, foreign).outcome, taken(memory, foreign).notifications)
