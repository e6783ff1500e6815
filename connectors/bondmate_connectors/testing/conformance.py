"""The rules every installed connector keeps, found by entry point, with no list by hand (CONTRACT, suite, 1)."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from bondmate_schemas.error_codes import OUTSIDE_NUMBERS, ErrorTable
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec
from bondmate_connectors.error_table import is_ours, own_codes
from bondmate_connectors.replay import replays_of
from bondmate_connectors.runtime.authority import REFUSALS
from bondmate_connectors.runtime.registry import GROUP, Broken, load
from bondmate_connectors.settings_table import settings_table
from bondmate_connectors.testing.rules import Contract, rules_of
from bondmate_connectors.testing.sink import SinkContract
from bondmate_connectors.testing.source import SourceContract

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SECRET = re.compile(r"password|token|secret|(^|_)key($|_)")
_BESIDE = "file path url uri endpoint host port id name user header type algorithm issuer audience seconds bytes count"
_NO_SECRET = re.compile(rf"_({_BESIDE.replace(' ', '|')})$")
"""A setting that names the place, the kind or the size of a secret is none, as `token_url` and `key_file`."""
_PLAIN = (bool, int, float)
_CLAUSE = re.compile(r"RFC \d+|\d+\.\d+|cl\. ?\d+|§")
"""What names a standard's clause."""
_STABILITIES = {"development", "alpha", "beta", "stable", "deprecated"}


class ConformanceContract(Contract):
    """Subclass once as `class TestConformance(ConformanceContract)`, and give the `name` of your connector.

    Beside the test's file lie `example.json`, settings that are right, and the folder `golden`; the README is that of
    the project, in the folder of its `pyproject.toml`, or stands beside the connector's module. Without `name` all
    installed connectors are checked, in turn. To check one that is not installed, override `spec` as well.
    """

    @pytest.fixture(params=sorted({point.name for point in entry_points(group=GROUP)}))
    def name(self, request: pytest.FixtureRequest) -> str:
        """The name of the connector: by default that of each installed one in turn."""
        return str(request.param)

    @pytest.fixture
    def spec(self, name: str) -> ConnectorSpec:
        """The specification found under `name`, by the entry point of an installed package."""
        found = load(name)
        assert not isinstance(found, Broken), f"{name}: {found.code}: {found.reason}"
        return found

    @pytest.fixture
    def example(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Settings that are right, with all that is required and with every secret, as plain text."""
        file = request.path.with_name("example.json")
        assert file.is_file(), f"write {file}: settings that are right, as JSON, with every secret (a made-up one)"
        return dict(json.loads(file.read_text(encoding="utf-8")))

    @pytest.fixture
    def golden_folder(self, request: pytest.FixtureRequest) -> Path:
        """The folder of the connector's golden files."""
        return request.path.with_name("golden")

    @pytest.fixture
    def readme(self, request: pytest.FixtureRequest, spec: ConnectorSpec) -> Path:
        """The README beside the connector's module, else that of the project the test is in."""
        places = [Path(inspect.getfile(spec.config)).parent]
        places += [folder for folder in request.path.parents if (folder / "pyproject.toml").is_file()][:1]
        found = next((place / "README.md" for place in places if (place / "README.md").is_file()), None)
        assert found, f"write {places[-1] / 'README.md'}: `hub docs --package {places[-1]}` begins one"
        return found

    def test_names_agree(self, name: str, spec: ConnectorSpec) -> None:
        """Entry point and specification have one name, in snake_case, that no other package gives."""
        given = [point.value for point in entry_points(group=GROUP, name=name)]
        assert len(given) <= 1, f"two packages give a connector of this name: {', '.join(given)}; remove one"
        assert name == spec.name, "the entry point in pyproject.toml and ConnectorSpec(name=…) must agree"
        assert _SNAKE.fullmatch(name), "a name is small letters, digits and single underscores: `acme_cad`"

    def test_describes_itself(self, spec: ConnectorSpec) -> None:
        """Summary, owner and stability are there, and it does something."""
        assert spec.summary
        assert spec.owner
        assert spec.stability in _STABILITIES, f"stability is one of {', '.join(sorted(_STABILITIES))}"
        assert spec.is_sink or spec.is_source or replays_of(spec)

    def test_every_setting_is_described(self, spec: ConnectorSpec) -> None:
        """Every setting says what it is."""
        bare = [path for path, field in _fields(spec.config) if not field.description]

        assert [] == bare, 'say what each is for: Field(description="…")'

    def test_secrets_are_secret(self, spec: ConnectorSpec) -> None:
        """A setting whose name says password, token, secret or key is a `SecretStr`.

        Not one that ends as what is beside a secret does (`token_url`, `key_file`), nor a number, nor one that says of
        itself that it is none: `Field(json_schema_extra={"secret": False})`.
        """
        suspects = [(path, field) for path, field in _fields(spec.config) if _names_secret(path, field)]

        assert [] == [path for path, field in suspects if not _is_secret(field)], (
            "make each of them a pydantic SecretStr. Where one is no secret, let its name end in one of "
            f'{_BESIDE.replace(" ", ", ")}, or write Field(json_schema_extra={{"secret": False}})'
        )

    def test_secrets_do_not_show(self, spec: ConnectorSpec, example: dict[str, Any]) -> None:
        """No secret stands in `repr`, `str` or an error of the settings."""
        config = spec.config.model_validate(example)
        secrets = list(_secrets(config))
        with pytest.raises(ValidationError) as told:
            spec.config.model_validate({**example, "no_such_setting": secrets})

        assert bool(secrets) == any(_is_secret(field) for _, field in _fields(spec.config)), (
            "the example must have every secret of the settings"
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
        is_fresh = settings_table(spec) in readme.read_text(encoding="utf-8")

        assert is_fresh, f"{readme} is not what the settings are: run `hub docs --package {readme.parent}`"

    def test_golden_folder_is_not_empty(self, golden_folder: Path) -> None:
        """There are golden files."""
        assert any(golden_folder.glob("*.platform.*")), (
            f"put a message of the platform into {golden_folder} as <case>.platform.<json, xml, …>; "
            "what belongs beside it says FormatContract, and `pytest --refresh-golden` writes it"
        )

    def test_refusals_are_told(self, spec: ConnectorSpec) -> None:
        """A source says for each code how a refused answer is told; "cannot" cites the clause that leaves no way."""
        expected = set(REFUSALS) if spec.is_source else set()

        assert expected == set(spec.refusals), "ConnectorSpec(refusals={code: how}) of a source has these codes"
        assert [] == [code for code, how in spec.refusals.items() if not _says_how(how)], (
            'say in words how the sender is told; or "cannot: …" with the clause that leaves no way, as RFC 4287, 1.1'
        )

    def test_error_codes_are_its_own(self, spec: ConnectorSpec) -> None:
        """Each code of its own says what to do, and neither it nor its number is the hub's or given twice."""
        ours, codes = own_codes(), spec.error_codes
        is_from_here = is_ours(spec.config.__module__)
        left_out = (ErrorTable((*ours, *codes)) if is_from_here else ErrorTable(ours, codes)).left_out
        bare = [row.code for row in spec.error_codes if not (_SNAKE.fullmatch(row.code) and row.meaning and row.hint)]

        assert [] == left_out, (
            "ConnectorSpec(error_codes=…): a code or a number is the hub's own, as all numbers below "
            f"{OUTSIDE_NUMBERS} are, or stands twice"
        )
        assert [] == bare, "a code is a name like `acme_busy`, and says in words what it means and what to do"

    def test_waivers_name_rules_and_reasons(self, spec: ConnectorSpec) -> None:
        """Each waiver names a rule that exists and says why; one that is stale fails where the rule is tested."""
        rules = rules_of(SinkContract, SourceContract, ConformanceContract)

        assert set() == set(spec.waivers) - rules, "a rule is the name of a test of the suite without `test_`"
        short = [rule for rule, reason in spec.waivers.items() if len(reason.split()) < 3]  # noqa: PLR2004

        assert [] == short, "give the reason in some words"


def _says_how(how: str) -> bool:
    return len(how.split()) > 2 and (not how.startswith("cannot") or bool(_CLAUSE.search(how)))  # noqa: PLR2004


def _fields(config: type[ConnectorConfig], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    """Return every setting with its dotted name, those of nested blocks included."""
    found = []
    for name, field in config.model_fields.items():
        found.append((prefix + name, field))
        for choice in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(choice, type) and issubclass(choice, ConnectorConfig):
                found += _fields(choice, f"{prefix}{name}.")
    return found


def _names_secret(path: str, field: FieldInfo) -> bool:
    last = path.rpartition(".")[2]
    extra = field.json_schema_extra
    if field.annotation in _PLAIN or (isinstance(extra, dict) and extra.get("secret") is False):
        return False
    return bool(_SECRET.search(last)) and not _NO_SECRET.search(last)


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _secrets(value: object) -> Iterator[str]:
    """Yield every secret in settings, as plain text."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, ConnectorConfig):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _secrets(each)
