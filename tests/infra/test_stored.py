"""What stands on a topic is read whole, whatever ends meanwhile."""

from __future__ import annotations

import uuid

from bondmate_kafka.topic_reader import stored
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def test_records_that_ended_before_they_were_read_do_not_hide_those_that_are_left(broker):
    """As when the broker's retention takes the oldest between the question where they begin and the reading."""
    config = {"bootstrap.servers": broker.bootstrap, "log_level": 0}
    admin, producer, topic = AdminClient(config), Producer(config), f"stored-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    for number in range(10):
        producer.produce(topic, value=str(number))
    assert 0 == producer.flush(20)
    for ended in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
        ended.result(20)

    found = [message.value() for message in stored(config, [topic], {(topic, 0): 0})]

    assert [b"6", b"7", b"8", b"9"] == found
