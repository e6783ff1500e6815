from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace
from itertools import count

import pytest
from bondmate_hub.broker import Broker, LogLimits
from bondmate_hub.broker.child import free_port
from bondmate_kafka.provisioning import ProvisioningError, apply, diff, topic_config
from bondmate_kafka.registration import register_schemas
from bondmate_kafka.registry import record_subject
from bondmate_schemas.catalogue import Topic, topics
from bondmate_schemas.codec import schema_text
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

HOUR = 3_600_000
DAY = 24 * HOUR
_numbers = count()


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


@pytest.fixture
def wanted() -> list[Topic]:
    prefix = f"provisioned-{next(_numbers)}"
    return [
        Topic(f"{prefix}.alerts", "device_id", "DeviceAlert", "", 30 * DAY, partitions=2),
        Topic(f"{prefix}.state", "event_id", "AlertState", "", -1, "compact", partitions=1),
        Topic(f"{prefix}.last", "device_id", "DeviceLocation", "", DAY, "compact,delete", partitions=1),
        Topic(f"{prefix}.dlq", "original", None, "", DAY, partitions=1),
    ]


def test_apply_makes_what_diff_showed_and_a_second_time_there_is_nothing_to_do(admin, wanted):
    shown = diff(admin, wanted)

    assert [(topic.name, "create") for topic in wanted] == [(change.topic, change.action) for change in shown]
    assert shown == apply(admin, wanted)
    assert [] == diff(admin, wanted)
    assert [] == apply(admin, wanted)


@pytest.mark.parametrize("new_broker", ["embedded", pytest.param("apache", marks=pytest.mark.kafka)], indirect=True)
def test_the_whole_catalogue_can_be_provisioned_within_the_brokers_limits(new_broker):
    """On a broker of its own: within limits the oldest records of others' tests would end while they are read."""
    admin = AdminClient({"bootstrap.servers": new_broker.bootstrap, "log_level": 0})
    catalogue = topics(["tak", "cap"], ["gateway"])

    apply(admin, catalogue, limits=new_broker.limits)

    assert [] == diff(admin, catalogue, limits=new_broker.limits)


def test_changed_retention_policy_and_partitions_are_shown_then_made(admin, wanted):
    apply(admin, wanted)
    changed = [replace(wanted[0], retention_ms=DAY, partitions=3), replace(wanted[1], cleanup="compact,delete")]

    shown = diff(admin, changed)

    name, state = wanted[0].name, wanted[1].name
    assert [
        (name, "add_partitions", "partitions", "2", "3"),
        (name, "set", "retention.ms", str(30 * DAY), str(DAY)),
        (name, "set", "segment.ms", str(30 * DAY // 8), str(3 * HOUR)),
        (state, "set", "cleanup.policy", "compact", "compact,delete"),
    ] == [(c.topic, c.action, c.what, c.now, c.wanted) for c in shown]
    assert "keys move" in shown[0].hint
    apply(admin, changed)
    assert [] == diff(admin, changed)


def test_fewer_partitions_are_a_conflict_with_its_mend_and_the_rest_is_still_done(admin, wanted):
    apply(admin, wanted)
    changed = [replace(wanted[0], partitions=1, retention_ms=DAY)]

    apply(admin, changed)

    (conflict,) = apply(admin, changed)
    assert ("conflict", "partitions", "2", "1") == (conflict.action, conflict.what, conflict.now, conflict.wanted)
    assert "cannot take partitions away" in conflict.hint


class Lagging:
    """A client whose questions about one topic go, a few times, to a node that has not heard of it yet."""

    def __init__(self, admin, topic, times):
        self._admin, self._topic, self.left = admin, topic, times

    def __getattr__(self, name):
        return getattr(self._admin, name)

    def describe_configs(self, resources):
        found = self._admin.describe_configs(resources)
        return {
            resource: self._unknown() if self._lags(resource.name) else answer for resource, answer in found.items()
        }

    def _lags(self, topic):
        if topic != self._topic or not self.left:
            return False
        self.left -= 1
        return True

    def _unknown(self):
        answer = Future()
        answer.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
        return answer


def test_a_topic_that_one_of_several_brokers_does_not_know_yet_is_waited_for(admin, wanted):
    lagging = Lagging(admin, wanted[0].name, 3)
    first = apply(lagging, wanted)

    assert len(wanted) == len(first)
    assert 0 == lagging.left
    assert [] == diff(admin, wanted)


def test_another_replication_is_a_conflict(admin, wanted):
    apply(admin, wanted[:1])

    (conflict,) = diff(admin, wanted[:1], replication=3)

    assert ("conflict", "replication", "1", "3") == (conflict.action, conflict.what, conflict.now, conflict.wanted)


def test_topics_that_the_catalogue_does_not_name_are_left_alone(admin, wanted):
    stranger = f"{wanted[0].name}.stranger"
    for made in admin.create_topics([NewTopic(stranger, 1, 1)]).values():
        made.result(30)

    assert all(change.topic != stranger for change in apply(admin, wanted))
    assert stranger in admin.list_topics(timeout=30).topics


def test_a_broker_that_does_not_answer_is_said(wanted, monkeypatch):
    monkeypatch.setattr("bondmate_kafka.provisioning._SECONDS", 1)
    nobody = AdminClient({"bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": 0})

    with pytest.raises(ProvisioningError, match="does not answer"):
        diff(nobody, wanted)


@pytest.mark.parametrize(
    ("retention_ms", "cleanup", "record", "limits", "kept", "segment"),
    [
        (DAY, "delete", "DeviceAlert", LogLimits(), DAY, 3 * HOUR),
        (365 * DAY, "delete", "DeviceAlert", LogLimits(), 365 * DAY, 7 * DAY),
        (-1, "delete", "AuditRecord", LogLimits(), -1, 7 * DAY),
        (-1, "compact", "AlertState", LogLimits(), -1, DAY),
        (DAY, "compact,delete", "DeviceLocation", LogLimits(), DAY, 3 * HOUR),
        (DAY, "delete", "DeviceAlert", LogLimits(retention_ms=8000, positions_retention_ms=800), 8000, 1000),
        (DAY, "delete", "DeviceLocation", LogLimits(retention_ms=8000, positions_retention_ms=800), 800, 100),
        (-1, "delete", "AuditRecord", LogLimits(retention_ms=8000, segment_ms=50), 8000, 50),
        (-1, "compact", "AlertState", LogLimits(retention_ms=8000, segment_ms=50), -1, 50),
        (-1, "compact", "AlertState", LogLimits(compacted_retention_ms=8000), 8000, 1000),
        (1000, "delete", "DeviceAlert", LogLimits(retention_ms=8000), 1000, 125),
        (2 * DAY, "compact,delete", "CheckIn", LogLimits(retention_ms=8000), 2 * DAY, 6 * HOUR),
    ],
)
def test_nothing_is_kept_longer_than_promised_or_than_the_broker_bears(  # noqa: PLR0917
    retention_ms, cleanup, record, limits, kept, segment
):
    config = topic_config(Topic("t", "k", record, "", retention_ms, cleanup), limits)

    assert (str(kept), str(segment)) == (config["retention.ms"], config["segment.ms"])


def test_a_compacted_topic_forgets_only_where_the_broker_asks_for_it():
    state = Topic("t", "k", "AlertState", "", -1, "compact")

    assert "compact" == topic_config(state, LogLimits(retention_ms=9))["cleanup.policy"]
    assert "compact,delete" == topic_config(state, LogLimits(compacted_retention_ms=9))["cleanup.policy"]


@pytest.mark.parametrize("stage", ["cap-pickup", "tak.locations"])
def test_no_limit_makes_dead_letters_vanish_before_a_person_has_seen_them(stage):
    letters = Topic(f"bondmate.dlq.{stage}", "original", None, "", DAY)

    assert str(DAY) == topic_config(letters, LogLimits(retention_ms=9, positions_retention_ms=7))["retention.ms"]


def test_positions_of_a_destination_count_as_positions():
    topic = Topic("bondmate.to.tak.locations", "device_id", "Delivery", "", DAY)

    assert "7" == topic_config(topic, LogLimits(retention_ms=9, positions_retention_ms=7))["retention.ms"]


# --- schemas ---------------------------------------------------------------------------------------------------------


def test_every_record_is_registered_under_its_name_and_its_topics_once(registry, wanted):
    first = register_schemas(registry, wanted, schema_text)
    again = register_schemas(registry, wanted, schema_text)

    subjects = {record_subject(topic.record) for topic in wanted if topic.record}
    subjects |= {f"{topic.name}-value" for topic in wanted if topic.record}
    assert subjects == {found.subject for found in first}
    ids = {found.subject: found.schema_id for found in first}
    assert ids[record_subject("DeviceAlert")] == ids[f"{wanted[0].name}-value"]
    assert [found.schema_id for found in first] == [found.schema_id for found in again]
    assert [] == [found for found in again if found.new]


def test_a_new_version_is_reported_and_an_incompatible_one_names_subject_and_field(registry, wanted):
    def text(*fields):
        return lambda _: json.dumps({"type": "record", "name": "Changing", "fields": list(fields)})

    a, b = {"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}
    topic = [replace(wanted[0], record="Changing")]
    register_schemas(registry, topic, text(a))

    second = register_schemas(registry, topic, text(a, b))
    with pytest.raises(ProvisioningError, match=r"Changing.*backward: c: is in the reader only"):
        register_schemas(registry, topic, text(a, {"name": "c", "type": "int"}))

    assert [(2, True), (2, True)] == [(found.version, found.new) for found in second]


def test_a_registry_that_does_not_answer_is_said(wanted):
    with pytest.raises(ProvisioningError, match="registry does not answer"):
        register_schemas(f"http://127.0.0.1:{free_port()}", wanted, schema_text)
