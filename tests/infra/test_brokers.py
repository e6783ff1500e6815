"""One suite for every broker, so that what differs is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any

import pytest
from bondmate_hub.broker import Broker
from bondmate_kafka.config import KafkaConfig
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

SECONDS = 30
BOTH = ["embedded", pytest.param("apache", marks=pytest.mark.kafka)]
_numbers = count()


@pytest.fixture
def topic(broker: Broker) -> str:
    return make_topic(broker)


def make_topic(broker: Broker, partitions: int = 1, **config: str) -> str:
    name = f"checks-{next(_numbers)}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    done(admin(broker).create_topics([NewTopic(name, partitions, 1, config=settings)]))
    return name


@cache
def admin(broker: Broker) -> AdminClient:
    """Give one client a broker: its futures fail once nobody holds the client."""
    return AdminClient(quiet(broker))


def quiet(broker: Broker) -> dict[str, Any]:
    return {"bootstrap.servers": broker.bootstrap, "log_level": 0}


def settings(broker: Broker) -> KafkaConfig:
    return KafkaConfig(broker.bootstrap, "", {"log_level": 0})


def done(futures: dict[Any, Any]) -> list[Any]:
    return [future.result(SECONDS) for future in futures.values()]


def send(broker: Broker, topic: str, values: Sequence[str | None], key: str = "k", **more: Any) -> None:
    producer = Producer(settings(broker).producer("checks"))
    errors: list[KafkaError] = []
    for value in values:
        producer.produce(topic, value, key=key, on_delivery=lambda e, _: errors.append(e) if e else None, **more)
    assert 0 == producer.flush(SECONDS)
    assert [] == errors


def read(consumer: Consumer, number: int) -> list[Message]:
    """Read exactly so many, or fail at the deadline. A Message is false when it is a tombstone: test for None."""
    found: list[Message] = []
    end = time.monotonic() + SECONDS
    while len(found) < number:
        assert time.monotonic() < end, f"only {len(found)} of {number} messages"
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            found.append(message)
    return found


def read_from_start(broker: Broker, topic: str, number: int, **more: Any) -> list[Message]:
    consumer = Consumer({**settings(broker).consumer(f"reads-{next(_numbers)}", "one"), **more})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return read(consumer, number)
    finally:
        consumer.close()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- admin -----------------------------------------------------------------------------------------------------------


def test_a_topic_is_described_as_it_was_made_and_then_altered(broker):
    name = make_topic(broker, partitions=2, retention_ms="60000", cleanup_policy="compact,delete")
    resource = ConfigResource(ResourceType.TOPIC, name)

    (made,) = done(admin(broker).describe_configs([resource]))
    change = ConfigEntry("retention.ms", "120000", incremental_operation=AlterConfigOpType.SET)
    done(
        admin(broker).incremental_alter_configs(
            [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[change])]
        )
    )
    done(admin(broker).create_partitions([NewPartitions(name, 3)]))

    assert ("60000", {"compact", "delete"}) == (
        made["retention.ms"].value,
        set(made["cleanup.policy"].value.split(",")),
    )
    wait_for(lambda: len(admin(broker).list_topics(name, timeout=SECONDS).topics[name].partitions) == 3)
    wait_for(lambda: done(admin(broker).describe_configs([resource]))[0]["retention.ms"].value == "120000")
    (now,) = done(admin(broker).describe_configs([resource]))
    assert made["cleanup.policy"].value == now["cleanup.policy"].value


def test_a_topic_made_twice_is_refused_by_name(broker, topic):
    with pytest.raises(KafkaException) as refused:
        done(admin(broker).create_topics([NewTopic(topic, 1, 1)]))

    assert KafkaError.TOPIC_ALREADY_EXISTS == refused.value.args[0].code()


def test_a_deleted_topic_is_gone(broker, topic):
    done(admin(broker).delete_topics([topic]))

    wait_for(lambda: topic not in admin(broker).list_topics(timeout=SECONDS).topics)


def test_deleted_records_are_not_read_again(broker, topic):
    send(broker, topic, ["a", "b", "c"])

    done(admin(broker).delete_records([TopicPartition(topic, 0, 2)]))

    consumer = Consumer(settings(broker).consumer("deleted", "one"))
    assert (2, 3) == consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS)
    consumer.close()


# --- records ---------------------------------------------------------------------------------------------------------


def test_order_keys_headers_and_time_of_publishing_come_back(broker, topic):
    before = int(time.time() * 1000)

    send(
        broker, topic, ["1", "2"], key="device", headers=[("ce_id", b"\x00\xff"), ("ce_id", b"twice"), ("empty", None)]
    )

    first, second = read_from_start(broker, topic, 2)
    kind, at = first.timestamp()
    assert [(b"device", b"1"), (b"device", b"2")] == [(first.key(), first.value()), (second.key(), second.value())]
    assert [("ce_id", b"\x00\xff"), ("ce_id", b"twice"), ("empty", None)] == first.headers()
    assert TIMESTAMP_CREATE_TIME == kind
    assert before <= at <= int(time.time() * 1000)


def test_a_tombstone_is_a_message_without_a_value_though_it_is_false(broker, topic):
    send(broker, topic, ["there", None])

    there, gone = read_from_start(broker, topic, 2)

    assert (b"there", None, b"k") == (there.value(), gone.value(), gone.key())


@pytest.mark.parametrize("codec", ["none", "lz4", "gzip", "zstd", "snappy"])
def test_every_compression_comes_back(broker, topic, codec):
    producer = Producer({**settings(broker).producer("checks"), "compression.type": codec})
    for _ in range(20):
        producer.produce(topic, b"x" * 500)
    producer.flush(SECONDS)

    assert {b"x" * 500} == {message.value() for message in read_from_start(broker, topic, 20)}


def test_a_record_that_is_too_large_is_refused_and_the_next_goes_on(broker):
    name = make_topic(broker, max_message_bytes="2000")
    producer = Producer({**settings(broker).producer("checks"), "compression.type": "none"})
    errors: list[KafkaError | None] = []

    for value in (b"x" * 5000, b"fits"):
        producer.produce(name, value, on_delivery=lambda error, _: errors.append(error))
        producer.flush(SECONDS)

    assert [KafkaError.MSG_SIZE_TOO_LARGE, None] == [error and error.code() for error in errors]
    assert [b"fits"] == [message.value() for message in read_from_start(broker, name, 1)]


def test_equal_keys_go_to_the_partition_java_and_faust_would_choose(broker):
    name = make_topic(broker, partitions=4)
    consumer = Consumer(settings(broker).consumer("partitions", "one"))
    consumer.assign([TopicPartition(name, partition, 0) for partition in range(4)])

    for key in ("device-1", "device-2", "device-3"):
        send(broker, name, ["v"], key=key)

    found = {message.key(): message.partition() for message in read(consumer, 3)}
    consumer.close()
    assert {key: murmur2(key) % 4 for key in found} == found


def murmur2(data: bytes) -> int:
    """Kafka's partitioner (org.apache.kafka.common.utils.Utils.murmur2), sign taken off."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    value = 0x9747B28C ^ len(data)
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        value = (value * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * m & mask
    value = (value ^ value >> 13) * m & mask
    return (value ^ value >> 15) & 0x7FFFFFFF


# --- groups ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def joined() -> Iterator[Callable[..., Consumer]]:
    """Make consumers that subscribe; all are closed at the end."""
    made: list[Consumer] = []

    def join(broker: Broker, topic: str, group: str, instance: str) -> Consumer:
        consumer = Consumer(settings(broker).consumer(group, instance))
        made.append(consumer)
        consumer.subscribe([topic])
        return consumer

    yield join
    for consumer in made:
        consumer.close()


def test_a_member_that_comes_back_under_its_id_goes_on_behind_its_last_commit(broker, topic, joined):
    send(broker, topic, ["1", "2", "3"])
    first = joined(broker, topic, f"g-{topic}", "one")
    (message, *_) = read(first, 3)
    first.commit(message=message, asynchronous=False)
    first.close()

    again = joined(broker, topic, f"g-{topic}", "one")

    assert [b"2", b"3"] == [message.value() for message in read(again, 2)]


def test_a_member_that_was_killed_is_replaced_by_the_next_of_its_id_at_once(broker, topic, joined):
    send(broker, topic, ["1"])
    abandoned = joined(broker, topic, f"g-{topic}", "one")
    read(abandoned, 1)

    start = time.monotonic()
    again = joined(broker, topic, f"g-{topic}", "one")

    assert [b"1"] == [message.value() for message in read(again, 1)]
    assert time.monotonic() - start < 8, "it waited for the session of the first to end"


def test_two_members_share_the_partitions(broker, joined):
    name = make_topic(broker, partitions=4)
    members = [joined(broker, name, f"g-{name}", instance) for instance in ("one", "two")]

    def shared() -> bool:
        for member in members:
            member.poll(0.1)
        return [2, 2] == [len(member.assignment()) for member in members]

    wait_for(shared)

    everything = sorted(part.partition for member in members for part in member.assignment())
    assert [0, 1, 2, 3] == everything


# --- transactions ----------------------------------------------------------------------------------------------------


def test_an_aborted_transaction_is_never_read_and_a_committed_one_is(broker, topic):
    producer = Producer({**quiet(broker), "transactional.id": f"t-{topic}"})
    producer.init_transactions(SECONDS)
    for value, end in (("lost", producer.abort_transaction), ("kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        assert 0 == producer.flush(SECONDS)
        end(SECONDS)

    assert [b"kept"] == [m.value() for m in read_from_start(broker, topic, 1, **{"isolation.level": "read_committed"})]


def test_an_older_producer_of_a_transactional_id_is_fenced(broker, topic):
    older, newer = (Producer({**quiet(broker), "transactional.id": f"t-{topic}"}) for _ in range(2))
    older.init_transactions(SECONDS)
    newer.init_transactions(SECONDS)
    older.begin_transaction()

    with pytest.raises(KafkaException) as fenced:  # noqa: PT012
        older.produce(topic, "late")
        older.flush(SECONDS)
        older.commit_transaction(SECONDS)

    assert fenced.value.args[0].code() in {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError._STATE}


# --- stops and kills -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_broker", BOTH, indirect=True)
def test_a_clean_stop_and_start_keeps_topics_records_and_commits(new_broker):
    name = make_topic(new_broker, retention_ms="86400000")
    send(new_broker, name, ["1", "2"])
    address = new_broker.bootstrap
    consumer = Consumer(settings(new_broker).consumer("keeps", "one"))
    consumer.subscribe([name])
    consumer.commit(message=read(consumer, 1)[0], asynchronous=False)
    consumer.close()

    new_broker.stop()
    assert 0 == new_broker.pid
    new_broker.start()

    again = Consumer(settings(new_broker).consumer("keeps", "one"))
    again.subscribe([name])
    assert address == new_broker.bootstrap
    assert [b"2"] == [message.value() for message in read(again, 1)]
    again.close()


@pytest.mark.parametrize("new_broker", BOTH, indirect=True)
def test_after_kill_9_a_durable_broker_has_all_it_acknowledged_and_any_takes_more(new_broker):
    name = make_topic(new_broker)
    send(new_broker, name, [str(number) for number in range(100)])

    new_broker.kill()
    new_broker.start()

    if new_broker.durable:
        assert 100 == len(read_from_start(new_broker, name, 100))
    else:
        after = make_topic(new_broker)
        send(new_broker, after, ["goes on"])
        assert 1 == len(read_from_start(new_broker, after, 1))


@pytest.mark.parametrize("new_broker", BOTH, indirect=True)
def test_clients_that_stayed_connected_go_on_after_a_clean_restart(new_broker):
    name = make_topic(new_broker)
    producer = Producer(settings(new_broker).producer("stays"))
    consumer = Consumer(settings(new_broker).consumer("stays", "one"))
    consumer.subscribe([name])
    producer.produce(name, "before")
    producer.flush(SECONDS)
    before = read(consumer, 1)
    consumer.commit(message=before[0], asynchronous=False)  # a member that has to join anew begins behind it

    new_broker.stop()
    producer.produce(name, "while it was away")
    new_broker.start()
    left = producer.flush(SECONDS)

    assert (0, [b"before"]) == (left, [message.value() for message in before])
    assert [b"while it was away"] == [message.value() for message in read(consumer, 1)]
    consumer.close()


@pytest.mark.parametrize("new_broker", BOTH, indirect=True)
def test_old_segments_are_deleted_while_the_topic_is_written(new_broker):
    name = make_topic(new_broker, retention_ms="1000", segment_ms="1000")
    probe = Consumer(settings(new_broker).consumer("oldest", "one"))

    def deleted() -> bool:
        send(new_broker, name, ["x"])
        return probe.get_watermark_offsets(TopicPartition(name, 0), timeout=SECONDS)[0] > 0

    wait_for(deleted)
    probe.close()
