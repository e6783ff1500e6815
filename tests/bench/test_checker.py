"""The checker of the fault laboratory finds what is planted, and nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from bondmate_schemas.flags import (
    CONFIRMED,
    NOT_RENEWED,
    POSITION_UNTIL_CONFIRMED,
    SILENCE_OVER,
    STARTED_BY_ROOM,
    UNDER_DURESS,
)

from bench.chaos.bite import PLANTS, unseen
from bench.chaos.book import About, Arrival, Book, Shown, Started, Update, Written
from bench.chaos.checker import Verdict, check
from bench.chaos.started import LAPSED_PAGE, STARTED_PAGE


def sound() -> Book:
    book = Book(accepted={"a": 3, "b": 1})
    for number in range(3):
        book.arrivals["cap"].append(Arrival("a", number, f"d{number}", 10.0 + number))
    book.arrivals["cap"].append(Arrival("b", 0, "e0", 11.0))
    book.acknowledged["cap"]["a"] = 14.0
    book.shown += [Shown("a", "cap", "UNKNOWN", 9.0), Shown("a", "cap", "ACCEPTED", 10.5)]
    book.shown += [Shown("a", "cap", "ACKNOWLEDGED", 14.5), Shown("b", "cap", "EXPIRED", 1.0)]
    book.fixes["device"] = [1, 2, 3]
    book.mapped["device"] = [1, 2, 3]
    return book


def promise_and_take_back(book: Book, *, still_shown_at: float) -> None:
    book.withdrawn["cap"]["a"] = 15.0
    book.shown.append(Shown("a", "cap", "ACKNOWLEDGED", still_shown_at, "ASSIGNED"))
    book.shown.append(Shown("a", "cap", "DECLINED", still_shown_at + 1, "WITHDRAWN"))


ROOMS = ("cap", "other")


def followed() -> Book:
    """Return a sound book of two alerts that two rooms follow: one that stays open, and one that ends."""
    book = Book(accepted={"open": 2, "over": 2}, follows={"open": "device", "over": "gone"})
    book.fixes.update({"device": [1, 2, 3], "gone": [1, 2]})
    book.mapped.update(book.fixes)
    book.said["cap"]["open"], book.said["other"]["open"] = "seen", "withdrawn"
    for room, word in (("cap", "withdrawn"), ("other", "seen")):
        book.arrivals[room] += [Arrival("open", 0, "o0", 10.0), Arrival("open", 1, "o1", 12.0, fix=1)]
        book.updates[room] += [
            Update("open", About.POSITION, "p1", 11.0, 1),
            Update("open", About.STATE, "s1", 13.0, 2, "assigned"),
            Update("open", About.ROUND, "r1", 14.0, 2, word),
            Update("open", About.POSITION, "p3", 15.0, 3),
            Update("over", About.POSITION, "q1", 11.0, 1),
        ]
        book.arrivals[room] += [Arrival("over", 0, "v0", 10.5), Arrival("over", 1, "v1", 12.5, ends=True)]
        book.written[room] += [
            Written("open", each, each.startswith("p"), 9.0 + number / 10)
            for number, each in enumerate(("o0", "p1", "o1", "s1", "r1", "p2", "p3"))
        ]
    book.withdrawn["other"]["open"] = 13.5
    return book


OWNER = "other"
STARTED, HELD = frozenset({STARTED_BY_ROOM}), frozenset({STARTED_BY_ROOM, POSITION_UNTIL_CONFIRMED})


def started() -> Book:
    """Return the same, with what became of emergencies that the room of the owner started: each of another."""
    book = followed()
    book.started = {
        0: Started("d0", silent=False, event_id="alone", shown=[10.5]),
        1: Started("d1", silent=False, event_id="sure", shown=[10.5], confirmed_at=12.0),
        2: Started("d2", silent=True, event_id="silent", shown=[15.5], pressed_at=14.0),
        3: Started("d3", silent=False, event_id="done", shown=[10.5], closed_at=14.0),
        4: Started("d4", silent=False, event_id="renewed", shown=[10.5], renews=True),
    }
    book.accepted |= dict.fromkeys(("alone", "sure", "done", "renewed"), 1) | {"silent": 2}
    book.follows |= {each.event_id: each.device for each in book.started.values()}
    book.fixes["d3"] = [1, 2]  # its officer goes on when the owner has closed it
    for device in book.follows.values():
        book.fixes.setdefault(device, [1])
    book.mapped.update(book.fixes)
    book.paged = {(STARTED_PAGE, each.event_id) for each in book.started.values()} | {(LAPSED_PAGE, "alone")}
    for room in ROOMS:
        is_owner = room == OWNER
        for event_id in ("alone", "sure", "silent", "done", "renewed"):
            flags = (STARTED if is_owner else HELD) | ({UNDER_DURESS} if event_id == "silent" else set())
            book.arrivals[room].append(Arrival(event_id, 0, f"{event_id}-0", 11.0, fix=int(is_owner), flags=flags))
            if is_owner:
                book.updates[room].append(Update(event_id, About.POSITION, f"{event_id}-p", 12.5, 1, flags=flags))
        told = [
            Update("alone", About.STARTED, "alone-1", 13.0, flags=STARTED | {NOT_RENEWED}),
            Update("sure", About.STARTED, "sure-1", 13.0, 1, flags=STARTED | {CONFIRMED}),
        ]
        book.updates[room] += told if is_owner else [*told, Update("done", About.STARTED, "done-1", 15.0, ends=True)]
        pressed = STARTED | {CONFIRMED, SILENCE_OVER}
        book.arrivals[room].append(Arrival("silent", 1, "silent-1", 15.0, fix=1, flags=pressed))
    return book


def test_what_a_room_starts_is_judged_by_its_rules_and_nothing_is_found_where_nothing_is() -> None:
    assert Verdict() == check(started(), ROOMS, owner=OWNER)


def test_what_was_told_before_a_crash_may_come_again_after_nobody_had_renewed_it() -> None:
    book = started()
    again = next(each for each in book.updates[OWNER] if each.delivery_id == "alone-p")
    book.updates[OWNER] += [
        replace(again, at=14.0),
        Update("alone", About.STARTED, "alone-1", 14.1, flags=STARTED | {NOT_RENEWED}),
    ]

    assert Verdict() == check(book, ROOMS, owner=OWNER)


def test_what_was_renewed_after_all_is_followed_again_and_may_not_stay_lapsed() -> None:
    book = started()
    book.updates[OWNER] += [
        Update("renewed", About.STARTED, "renewed-1", 14.0, flags=STARTED | {NOT_RENEWED}),
        Update("renewed", About.STARTED, "renewed-2", 15.0, flags=STARTED),
        Update("renewed", About.POSITION, "renewed-q", 16.0, 1, flags=STARTED),
    ]
    assert Verdict() == check(book, ROOMS, owner=OWNER)

    book.updates[OWNER] = [each for each in book.updates[OWNER] if each.delivery_id not in {"renewed-2", "renewed-q"}]
    assert 1 == len(check(book, ROOMS, owner=OWNER).lost)


def test_what_lies_between_the_newest_may_be_missing_of_updates() -> None:
    book = followed()
    assert Verdict() == check(book, ROOMS)

    for room in ROOMS:
        book.updates[room] = [each for each in book.updates[room] if each.delivery_id != "s1"]
    assert Verdict() == check(book, ROOMS)


def test_an_update_that_comes_again_is_no_older_fix() -> None:
    book = followed()
    book.updates["cap"].append(Update("open", About.POSITION, "p1", 16.0, 1))

    assert Verdict() == check(book, ROOMS)


def test_an_update_that_comes_again_after_the_ending_is_found() -> None:
    book = followed()
    book.updates["cap"].append(Update("over", About.POSITION, "q1", 16.0, 1))

    assert 1 == len(check(book, ROOMS).out_of_order)


@pytest.mark.parametrize("name", PLANTS)
def test_each_fault_of_an_emergency_that_is_planted_is_found(name: str) -> None:
    kind, plant = PLANTS[name]
    book = started()
    plant(book)

    assert getattr(check(book, ROOMS, owner=OWNER), kind)


def test_a_book_in_which_nothing_can_be_planted_proves_nothing() -> None:
    assert [] == [*unseen(started(), ROOMS, 2, OWNER)]
    assert len(PLANTS) == len([*unseen(Book(), ROOMS, 2, OWNER)])


def test_nothing_is_found_where_nothing_is() -> None:
    assert Verdict() == check(sound(), ["cap"])
    assert 7 == sound().accepted_events


def test_what_a_room_refused_may_lie_in_the_dead_letter_topic_instead() -> None:
    book = sound()
    refuse_and_bury_nothing(book)
    book.dead["cap"] = 1

    assert 0 == check(book, ["cap"]).broken


@pytest.mark.parametrize(("about", "broken"), [(About.ROUND, 0), (About.STATE, 0), (About.POSITION, 1)])
def test_a_room_that_refused_all_presses_may_have_taken_that_it_is_asked_anew(about: About, broken: int) -> None:
    book = Book(accepted={"a": 1}, updates={"cap": [Update("a", about, "r", 12.0)]})
    book.refused["cap"]["a", 0] = "d0"
    book.dead["cap"] = 1
    book.shown.append(Shown("a", "cap", "ACCEPTED", 13.0))

    assert broken == check(book, ["cap"]).broken


def test_what_a_room_refused_and_then_took_is_no_dead_letter() -> None:
    book = sound()
    book.refused["cap"]["a", 1] = "d1"

    assert 0 == check(book, ["cap"]).broken


def test_help_may_be_shown_until_shortly_after_it_was_taken_back() -> None:
    book, stopped = sound(), sound()
    promise_and_take_back(book, still_shown_at=16.9)
    promise_and_take_back(stopped, still_shown_at=30)

    assert 0 == check(book, ["cap"]).broken
    assert 0 == check(stopped, ["cap"], help_seconds=60).broken


def test_a_repeat_is_counted_and_breaks_nothing() -> None:
    book = sound()
    book.arrivals["cap"] += [Arrival("a", 1, "d1", 20.0), Arrival("a", 2, "d2", 20.1)]
    book.mapped["device"] += [2, 3]
    verdict = check(book, ["cap"])

    assert (4, 0) == (verdict.repeats, verdict.broken)


def lose(book: Book) -> None:
    book.arrivals["cap"] = [arrival for arrival in book.arrivals["cap"] if arrival.number != 1]


def lose_all(book: Book) -> None:
    book.arrivals["cap"].clear()
    book.shown.clear()


def lose_a_fix(book: Book) -> None:
    book.mapped["device"].remove(2)


def bring_what_nobody_accepted(book: Book) -> None:
    book.arrivals["cap"].append(Arrival("ghost", 0, "g0", 12.0))


def bring_a_number_that_nobody_accepted(book: Book) -> None:
    book.arrivals["cap"].append(Arrival("b", 1, "e1", 12.0))


def repeat_under_another_id(book: Book) -> None:
    book.arrivals["cap"].append(Arrival("a", 2, "another", 20.0))


def reorder(book: Book) -> None:
    book.arrivals["cap"][0], book.arrivals["cap"][1] = book.arrivals["cap"][1], book.arrivals["cap"][0]


def refuse_and_bury_nothing(book: Book) -> None:
    lose(book)
    book.refused["cap"]["a", 1] = "d1"


def reorder_fixes(book: Book) -> None:
    book.mapped["device"] = [2, 1, 3]


def show_before_it_arrived(book: Book) -> None:
    book.shown.append(Shown("b", "cap", "DELIVERED", 10.9))


def show_an_answer_nobody_gave(book: Book) -> None:
    book.shown.append(Shown("b", "cap", "ACKNOWLEDGED", 99.0))


def show_help_that_was_taken_back(book: Book) -> None:
    promise_and_take_back(book, still_shown_at=17.1)


def show_what_is_no_level(book: Book) -> None:
    book.shown.append(Shown("b", "cap", "SOMETHING", 99.0))


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lose, "lost"),
        (lose_all, "lost"),
        (lose_a_fix, "lost"),
        (refuse_and_bury_nothing, "lost"),
        (repeat_under_another_id, "second_effects"),
        (reorder, "out_of_order"),
        (reorder_fixes, "out_of_order"),
        (show_before_it_arrived, "level_too_high"),
        (show_help_that_was_taken_back, "help_too_long"),
        (show_what_is_no_level, "level_too_high"),
        (show_an_answer_nobody_gave, "level_too_high"),
    ],
)
def test_what_is_planted_is_found_and_named(plant: Callable[[Book], None], found: str) -> None:
    book = sound()
    plant(book)
    verdict = check(book, ["cap"])

    assert getattr(verdict, found)
    assert verdict.broken >= 1
