"""The rules every installed connector keeps, found by entry point, with no list by hand (CONTRACT, suite, 1)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec
from bondmate_connectors.runtime.authority import REFUSALS
from bondmate_connectors.runtime.registry import Broken, load, names
from bondmate_connectors.testing.rules import Absent, Contract, rules_of
from bondmate_connectors.testing.settings_table import settings_table
from bondmate_connectors.testing.sink import SinkContract
from bondmate_connectors.testing.source import SourceContract

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SECRET = re.compile(r"password|token|secret|(^|_)key($|_)")
_NO_SECRET = re.compile(r"_(file|id|name|seconds|path|bytes)$")
"""A setting that names the place or the size of a secret is none."""
_CLAUSE = re.compile(r"RFC \d+|\d+\.\d+|cl\. ?\d+|§")
"""What names a standard's clause."""
_STABILITIES = {"development", "alpha", "beta", "stable", "deprecated"}


class ConformanceContract(Contract):
    """Subclass once as `class TestConformance(ConformanceContract)`; give `golden_folder` and `example`.

    To check connectors that are not installed, override `name` and `spec`.
    """

    @pytest.fixture(params=names())
    def name(self, request: pytest.FixtureRequest) -> str:
        """Give the name of each installed connector in turn."""
        return str(request.param)

    @pytest.fixture
    def spec(self, name: str) -> ConnectorSpec:
        """Give the specification found under `name`."""
        found = load(name)
        assert not isinstance(found, Broken), f"{found.code}: {found.reason}"
        return found

    @pytest.fixture
    def example(self, name: str) -> dict[str, Any]:
        """Give settings that are right, with all that is required and with the secrets, as plain text."""
        Absent("example")()

    @pytest.fixture
    def golden_folder(self, name: str) -> Path:
        """Give the folder of the connector's golden files."""
        Absent("golden_folder")()

    @pytest.fixture
    def readme(self, spec: ConnectorSpec) -> Path:
        """Give the README beside the connector's module."""
        return Path(inspect.getfile(spec.config)).parent / "README.md"

    def test_names_agree(self, name: str, spec: ConnectorSpec) -> None:
        """Entry point and specification have one name, in snake_case."""
        assert name == spec.name
        assert _SNAKE.fullmatch(name)

    def test_describes_itself(self, spec: ConnectorSpec) -> None:
        """Summary, owner and stability are there, and it does something."""
        assert spec.summary
        assert spec.owner
        assert spec.stability in _STABILITIES
        assert spec.is_sink or spec.is_source or spec.replays

    def test_every_setting_is_described(self, spec: ConnectorSpec) -> None:
        """Every setting says what it is."""
        assert [] == [path for path, field in _fields(spec.config) if not field.description]

    def test_secrets_are_secret(self, spec: ConnectorSpec) -> None:
        """A setting whose name says password, token, secret or key is a `SecretStr`."""
        suspects = [(path, field) for path, field in _fields(spec.config) if _names_secret(path)]

        assert [] == [path for path, field in suspects if not _is_secret(field)]

    def test_secrets_do_not_show(self, spec: ConnectorSpec, example: dict[str, Any]) -> None:
        """No secret stands in `repr`, `str` or an error of the settings."""
        config = spec.config.model_validate(example)
        secrets = list(_secrets(config))
        with pytest.raises(ValidationError) as told:
            spec.config.model_validate({**example, "no_such_setting": secrets})

        assert bool(secrets) == any(_is_secret(field) for _, field in _fields(spec.config)), (
            "the example has all secrets"
        )
        for shown in (repr(config), str(config), config.model_dump_json(), str(told.value)):
            assert [] == [place for place, secret in enumerate(secrets) if secret in shown]

    def test_unknown_setting_is_refused(self, spec: ConnectorSpec, example: dict[str, Any]) -> None:
        """A setting nobody knows is an error that names it."""
        spec.config.model_validate(example)
        with pytest.raises(ValidationError, match="no_such_setting"):
            spec.config.model_validate({**example, "no_such_setting": 1})

    def test_missing_setting_is_named(self, spec: ConnectorSpec, example: dict[str, Any]) -> None:
        """Each required setting, left out, fails by its name."""
        for name, field in spec.config.model_fields.items():
            if field.is_required():
                with pytest.raises(ValidationError, match=name):
                    spec.config.model_validate({key: value for key, value in example.items() if key != name})

    def test_settings_are_frozen(self, spec: ConnectorSpec, example: dict[str, Any]) -> None:
        """Settings cannot be changed once read."""
        config = spec.config.model_validate(example)
        for name in spec.config.model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(config, name, getattr(config, name))

    def test_readme_table_is_fresh(self, spec: ConnectorSpec, readme: Path) -> None:
        """The README's table of settings is what the settings are."""
        assert settings_table(spec) in readme.read_text()

    def test_golden_folder_is_not_empty(self, golden_folder: Path) -> None:
        """There are golden files."""
        assert any(golden_folder.glob("*.platform.*"))

    def test_refusals_are_told(self, spec: ConnectorSpec) -> None:
        """A source says for each code how a refused answer is told; "cannot" cites the clause that leaves no way."""
        expected = set(REFUSALS) if spec.is_source else set()

        assert expected == set(spec.refusals)
        assert [] == [code for code, how in spec.refusals.items() if not _says_how(how)]

    def test_waivers_name_rules_and_reasons(self, spec: ConnectorSpec) -> None:
        """Each waiver names a rule that exists and says why; one that is stale fails where the rule is tested."""
        rules = rules_of(SinkContract, SourceContract, ConformanceContract)

        assert set() == set(spec.waivers) - rules
        assert [] == [rule for rule, reason in spec.waivers.items() if len(reason.split()) < 3]  # noqa: PLR2004


def _says_how(how: str) -> bool:
    return len(how.split()) > 2 and (not how.startswith("cannot") or bool(_CLAUSE.search(how)))  # noqa: PLR2004


def _fields(config: type[ConnectorConfig], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    """Give every setting with its dotted name, those of nested blocks included."""
    found = []
    for name, field in config.model_fields.items():
        found.append((prefix + name, field))
        for choice in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(choice, type) and issubclass(choice, ConnectorConfig):
                found += _fields(choice, f"{prefix}{name}.")
    return found


def _names_secret(path: str) -> bool:
    last = path.rpartition(".")[2]
    return bool(_SECRET.search(last)) and not _NO_SECRET.search(last)


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _secrets(value: object) -> Iterator[str]:
    """Give every secret in settings, as plain text."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, ConnectorConfig):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _secrets(each)
