"""The count of words behind `make lint` sees each kind of finding, and no more."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / ".ci" / "words.py"))


def counts(folder: Path) -> list[int]:
    return [found.count for found in WORDS["findings"]([folder]).values()]


def test_each_figure_counts_what_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "dead_letters.py").write_text('"""Return."""\nclass Topic: ...\n')
    assert [0, 0, 0, 0, 0] == counts(tmp_path)

    (tmp_path / "desk.py").write_text('class FrontDoor:\n    """Gives way."""\n\n\nclass Topic: ...\n')
    (tmp_path / "reader.py").write_text(
        "import confluent_kafka\nfrom aiokafka import AIOKafkaProducer\n"
        "confluent_kafka.Consumer({})\nAIOKafkaProducer()\nconfluent_kafka.TopicPartition('t')\n"
    )
    assert [2, 1, 1, 1, 1] == counts(tmp_path)


def test_a_client_may_be_built_in_its_room_and_a_class_of_ours_is_none(tmp_path: Path) -> None:
    room = tmp_path / "bondmate_kafka"
    room.mkdir()
    (room / "consumer.py").write_text("from confluent_kafka import Consumer\nConsumer({})\n")
    (tmp_path / "other.py").write_text("from bondmate_kafka.consumer import TopicConsumer\nTopicConsumer({})\n")

    assert 0 == counts(tmp_path)[-1]


def test_the_packages_of_the_wheel_are_counted() -> None:
    assert {"bondmate_schemas", "bondmate_hub"} < {folder.name for folder in WORDS["packages"]()}
