"""`hub dlq` on a real broker: ten thousand letters counted and replayed, killed half way; nothing lost, order kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from bondmate_hub.dlq.service import BATCH
from bondmate_schemas.catalogue import AUDIT, DEAD_LETTER_DECISIONS, DEVICE_ALERTS, dead_letter_topic
from bondmate_schemas.codec import Codec
from bondmate_schemas.enums import AlertAction, AlertKind, AuditAction, Mode
from bondmate_schemas.models import AuditRecord, DeadLetterDecision, DeviceAlert, EventHeader
from bondmate_streams.logic.audit import breaks, subjects_of
from confluent_kafka import Consumer, Message, TopicPartition

LETTERS, KEYS, KILLS = 10_000, 200, 3
NOW = datetime(2026, 11, 26, tzinfo=UTC)
SECRET_WORDS = b"Willem de Vries, Kerkstraat 12"
SECONDS = 60
pytestmark = pytest.mark.parametrize(
    "new_broker", ["embedded", pytest.param("apache", marks=pytest.mark.kafka)], indirect=True
)


@pytest.fixture
def hub(dlq_hub):
    return dlq_hub()


def headers(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def killed_when(hub, replayed: int) -> int:
    """Kill a replay when so many records are back, and give how many there are then."""
    watching = Consumer(hub.kafka.consumer("test-watching", "test-watching"))
    spots = [TopicPartition(DEVICE_ALERTS, partition) for partition in range(4)]
    child = subprocess.Popen(hub.command("replay", "--place", "alerts"), cwd=hub.folder, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + SECONDS
    while sum(watching.get_watermark_offsets(spot, timeout=SECONDS)[1] for spot in spots) < replayed:
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
    os.kill(child.pid, signal.SIGKILL)
    assert -signal.SIGKILL == child.wait()
    watching.close()
    return len(hub.read(DEVICE_ALERTS))


@pytest.mark.system
def test_ten_thousand_letters_are_counted_replayed_and_after_three_kills_none_is_lost_and_each_key_keeps_its_order(hub):
    letters = [(b"device-%d" % (n % KEYS), b"%d" % n, {"offset": str(n)}) for n in range(LETTERS)]
    # A stage that writes dead letters beside each other turns some of one key round.
    for n in range(0, LETTERS - KEYS, KEYS * 3):
        letters[n], letters[n + KEYS] = letters[n + KEYS], letters[n]
    buried = set(hub.bury("alerts", *letters))
    hub.bury("incidents", *letters[:5], code="not_avro")
    counted = {(g["place"], g["code"], g["number"], g["day"], g["standing"]): g["count"] for g in hub.told("list")}

    assert {
        ("alerts", "agent_failed", 1101, "2026-11-20", "OPEN"): LETTERS,
        ("incidents", "not_avro", 1005, "2026-11-20", "OPEN"): 5,
    } == counted

    before = 0
    for _ in range(KILLS):
        before = killed_when(hub, before + LETTERS // 5)
        assert before < LETTERS

    resumed = hub.dlq("replay", "--place", "alerts", "--json")

    assert 0 == resumed.returncode, resumed.stderr
    replayed = hub.read(DEVICE_ALERTS)
    repeats = Counter(headers(message)["bondmate.replay.of"] for message in replayed)
    assert buried == set(repeats)
    assert len(replayed) - LETTERS <= KILLS * BATCH
    assert json.loads(resumed.stdout)["replayed"] >= LETTERS - before
    first: dict[str, Message] = {}
    for message in replayed:
        first.setdefault(headers(message)["bondmate.replay.of"], message)
    by_key: dict[bytes, list[int]] = {}
    for message in first.values():
        by_key.setdefault(message.key(), []).append(int(message.value()))
    assert {b"device-%d" % key: list(range(key, LETTERS, KEYS)) for key in range(KEYS)} == by_key
    assert {"ce_type", "traceparent", "bondmate.replay.of", "bondmate.replay.count"} == set(headers(replayed[0]))
    assert ["incidents"] == [group["place"] for group in hub.told("list")]
    assert 0 == json.loads(hub.dlq("replay", "--place", "alerts", "--json").stdout)["to_replay"]


def test_looking_and_dry_runs_change_no_offset_of_any_topic_or_group(hub):
    [first, *_] = hub.bury("alerts", *((b"device-1", SECRET_WORDS, {}) for _ in range(3)))
    consumer = Consumer(hub.kafka.consumer("a-group", "a-member"))
    consumer.commit(offsets=[TopicPartition(dead_letter_topic("alerts"), 0, 1)], asynchronous=False)
    consumer.close()
    groups = ("a-group", "bondmate-dlq", "bondmate-streams")
    before = hub.ends(), hub.committed(*groups)

    looks = [
        hub.dlq("list", "--json"),
        hub.dlq("list", "--letters"),
        hub.dlq("show", first),
        hub.dlq("replay", "--dry-run", "--json"),
        hub.dlq("discard", "--all", "--reason", "none", "--dry-run", "--json"),
    ]

    assert [1, 1, 0, 0, 0] == [look.returncode for look in looks], [look.stderr for look in looks]
    assert {"would_discard": 3} == json.loads(looks[4].stdout)
    assert before == (hub.ends(), hub.committed(*groups))
    assert not any(name in look.stdout for look in looks for name in ("Willem", "device-1"))
    assert 0 == hub.dlq("replay").returncode
    assert before[0] != hub.ends()


@pytest.mark.system
def test_what_came_back_three_times_is_quarantined_until_somebody_insists(hub):
    [looping] = hub.bury("alerts", (b"device-1", b"loop", {"bondmate.replay.count": "3"}))
    [other] = hub.bury("alerts", (b"device-2", b"fine", {"bondmate.replay.count": "2"}))

    stopped = hub.dlq("replay", "--json")

    assert 1 == stopped.returncode
    assert [f"{looping}: quarantined after 3 replays"] == json.loads(stopped.stdout)["named"]
    assert [(b"fine", "3")] == [(m.value(), headers(m)["bondmate.replay.count"]) for m in hub.read(DEVICE_ALERTS)]
    assert [(looping, "QUARANTINED")] == [(line["id"], line["standing"]) for line in hub.told("list", "--letters")]
    decisions = {d.letter_id: d.decision for d in hub.records(DEAD_LETTER_DECISIONS, DeadLetterDecision)}
    assert {looping: "QUARANTINED", other: "REPLAYED"} == decisions

    assert 0 == hub.dlq("replay", "--force", "--json").returncode
    assert b"loop" in [message.value() for message in hub.read(DEVICE_ALERTS)]
    assert [] == hub.told("list")


def test_a_discard_needs_a_reason_is_audited_and_its_letters_are_not_shown_again(hub):
    gone = hub.bury("alerts", *((b"device-1", SECRET_WORDS, {}) for _ in range(3)), code="no_fix")
    [kept] = hub.bury("alerts", (b"device-1", SECRET_WORDS, {}))

    assert 2 == hub.dlq("discard", "--code", "no_fix").returncode
    assert 2 == hub.dlq("discard", "--reason", "tidy").returncode
    assert 0 == hub.dlq("discard", "--code", "1104", "--reason", "test drive", "--operator", "ops-7").returncode
    assert [kept] == [line["id"] for line in hub.told("list", "--letters")]
    audited = hub.records(AUDIT, AuditRecord)
    assert [(one, "ops-7", "test drive") for one in gone] == [(a.event_id, a.recipient, a.purpose) for a in audited]
    assert [] == breaks(audited)
    assert {"DISCARDED"} == {d.decision for d in hub.records(DEAD_LETTER_DECISIONS, DeadLetterDecision)}
    assert 0 == json.loads(hub.dlq("replay", "--code", "no_fix", "--json").stdout)["to_replay"]
    assert 4 == len(hub.told("list", "--letters", "--all"))


def test_content_is_shown_for_a_reason_only_and_that_is_in_the_audit_trail_whose_chain_goes_on(hub):
    [letter] = hub.bury("alerts", (b"device-1", SECRET_WORDS + b"\x1b[2J", {}))

    assert "Willem" not in hub.dlq("show", letter).stdout
    assert 2 == hub.dlq("show", letter, "--content").returncode
    assert [] == hub.read(AUDIT)
    for reason in ("ticket 1", "ticket 2"):
        shown = hub.dlq("show", letter, "--content", "--reason", reason)
        assert "Willem de Vries" in shown.stdout
        assert "\x1b" not in shown.stdout
    audited = hub.records(AUDIT, AuditRecord)
    assert [(1, "ticket 1"), (2, "ticket 2")] == [(a.sequence, a.purpose) for a in audited]
    assert {AuditAction.CONSULTATION} == {a.action for a in audited}
    assert [] == breaks(audited)


def test_the_audit_names_the_event_inside_and_the_people_concerned_as_the_streams_do(dlq_hub):
    hub = dlq_hub("streams: {pseudonym_secret: a-secret-of-tests-only}\n")  # pragma: allowlist secret
    header = EventHeader(message_id="m-1", event_id="event-1", agency_id="agency", mode=Mode.TEST, occurred_at=NOW,
                         received_at=NOW, source="device_http")  # fmt: skip
    alert = DeviceAlert(header=header, device_id="device-1", action=AlertAction.RAISE, kind=AlertKind.SOS)
    [letter] = hub.bury("alerts", (b"device-1", Codec(hub.ids).encode(alert), {}))

    [shown] = hub.told("show", letter, "--content", "--reason", "ticket 3")

    assert "device-1" == json.loads(shown["content"])["device_id"]
    [audited] = hub.records(AUDIT, AuditRecord)
    assert ("event-1", subjects_of(alert, b"a-secret-of-tests-only")) == (audited.event_id, audited.subjects)
    assert "device-1" not in str(audited)


def test_letters_that_cannot_go_are_named_and_a_forged_origin_is_not_written_to(hub):
    [forged] = hub.bury("alerts", (b"k", b"v", {"topic": "bondmate.state.alerts"}))
    [sender] = hub.bury("alerts", (b"k", b"v", {"topic": ""}))

    told = hub.dlq("replay", "--json")

    assert 1 == told.returncode
    assert {f"{forged}: foreign_origin", f"{sender}: no_origin"} == set(json.loads(told.stdout)["named"])
    assert [] == hub.read("bondmate.state.alerts")


def test_letters_without_a_key_go_back_in_order_to_the_partition_they_came_from(hub):
    hub.bury("alerts", *((None, f"v{number:03}".encode(), {"partition": "2"}) for number in range(40)))

    told = hub.dlq("replay", "--place", "alerts", "--json")

    assert 0 == told.returncode, told.stderr
    back = hub.read(DEVICE_ALERTS)
    assert {2} == {message.partition() for message in back}
    assert [f"v{number:03}".encode() for number in range(40)] == [message.value() for message in back]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--place", "nowhere"), "there are alert-changes"),
        (("list", "--since", "yesterday"), "ISO 8601"),
        (("show", "no-such-letter"), "no letter of this id"),
    ],
)
def test_wrong_use_is_told_with_what_is_allowed(hub, arguments, told):
    done = hub.dlq(*arguments)

    assert 2 == done.returncode
    assert told in " ".join(done.stderr.replace("│", " ").split())
