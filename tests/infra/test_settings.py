"""Settings: all errors at once, with place and setting, never with the value."""

from __future__ import annotations

from pathlib import Path

import pytest
from bondmate_hub.settings import SettingsError, StreamsSection, load
from bondmate_kafka.config import KafkaConfig


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "hub.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_error_is_told_at_once_with_its_place_and_never_the_value(write):
    path = write("""\
instance: hub-1
kafka:
  bootstrap: 127.0.0.1:9092
  replication_factor: 77
streams:
  pseudonym_secret: tooshort
colour: s3cret-value
""")

    with pytest.raises(SettingsError) as caught:
        load(path)

    lines = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert f"{path}:4:3: kafka.replication_factor" in lines
    assert f"{path}:6:3: streams.pseudonym_secret" in lines
    assert f"{path}:7:1: colour" in lines
    assert "77" not in lines
    assert "tooshort" not in lines
    assert "s3cret-value" not in lines


def test_the_partitioner_is_not_for_settings_to_choose(write):
    with pytest.raises(SettingsError) as refused:
        load(write("kafka: {client: {partitioner: consistent_random}}"))

    assert any("kafka.client" in line and "remove it" in line for line in refused.value.problems)
    extra = {"partitioner": "consistent_random"}
    assert "murmur2_random" == KafkaConfig("b:1", "http://r", extra).producer("c")["partitioner"]


def test_the_environment_stands_above_the_file(write, monkeypatch):
    monkeypatch.setenv("BONDMATE__KAFKA__BOOTSTRAP", "broker:1")

    settings = load(write("kafka: {bootstrap: 'file:1', registry_url: 'http://r'}"))

    assert settings.kafka.bootstrap == "broker:1"
    assert settings.kafka.registry_url == "http://r"


def test_a_misspelt_variable_is_named(write, monkeypatch):
    monkeypatch.setenv("BONDMATE__KAFKAA__BOOTSTRAP", "broker:1")

    with pytest.raises(SettingsError, match="BONDMATE__KAFKAA__BOOTSTRAP"):
        load(write("{}"))


def test_a_secret_comes_from_a_file_and_a_missing_one_is_told_with_its_place(write, tmp_path):
    secret = tmp_path / "secret"
    path = write("streams:\n  pseudonym_secret: !file secret\n")  # meant from the settings' folder

    with pytest.raises(SettingsError) as missing:
        load(path)

    (problem,) = missing.value.problems
    assert problem.startswith(f"{path}:2:21: streams.pseudonym_secret: the file named behind `!file` cannot be read")
    assert "FileNotFoundError; create it, or correct its path" in problem

    secret.write_text("0123456789abcdef\n", encoding="utf-8")
    settings = load(path)
    assert settings.streams is not None
    assert settings.streams.pseudonym_secret.get_secret_value() == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)


def test_broken_yaml_is_told_with_line_and_column(write):
    with pytest.raises(SettingsError, match=r"hub.yaml:3:1: not YAML"):
        load(write("kafka:\n  bootstrap: [\n"))


def test_relative_paths_are_meant_from_the_file(write):
    path = write("streams: {pseudonym_secret: 0123456789abcdef}\ndata_dir: d\n")

    settings = load(path)

    assert settings.streams is not None
    assert settings.streams.routes == path.parent / "routes.yaml"
    assert settings.data_dir == path.parent / "d"


def test_keys_of_the_ids_that_leave_have_one_name_each_and_the_first_is_for_new_ones(tmp_path: Path) -> None:
    def streams(keys: str) -> StreamsSection:
        path = tmp_path / "hub.yaml"
        path.write_text(f"streams: {{pseudonym_secret: sixteen-letters-1{keys}}}\n", encoding="utf-8")
        found = load(path).streams
        assert found is not None
        return found

    rotated = streams(', outside_id_keys: [{name: b, secret: another-secret-of-16}, {name: "0"}]').outside_ids()
    assert ("0", "b") == (streams("").outside_ids().newest, rotated.newest)
    assert "event" == rotated.back("tak", streams("").outside_ids().of_destination("tak")("event"))
    for wrong in ("[{name: b}, {name: b}]", "[]", "[{name: B}]", "[{name: b, secret: short}]"):
        with pytest.raises(SettingsError, match="outside_id_keys"):
            streams(f", outside_id_keys: {wrong}")
